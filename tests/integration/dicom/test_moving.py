"""What a workstation has sent to itself and to others of its МО, and what it is told of it."""

import time

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage
from pynetdicom import build_context

from tests.integration.dicom.stations import Screen


def counts(response):
    """Completed, failed, remaining; the last is left out when it is none."""
    return (
        response.get("NumberOfCompletedSuboperations"),
        response.get("NumberOfFailedSuboperations"),
        response.get("NumberOfRemainingSuboperations", 0),
    )


@pytest.mark.parametrize(
    ("asked", "images"),
    [
        (("study", "STUDY", {}), slice(6)),
        (("patient", "STUDY", {"PatientID": "SHARED-1"}), slice(6)),
        (("patient", "PATIENT", {"PatientID": "SHARED-1"}), slice(6)),
        (("study", "SERIES", {"SeriesInstanceUID": "{uid}.2"}), slice(3, 6)),
        (("study", "IMAGE", {"SeriesInstanceUID": "{uid}.1", "SOPInstanceUID": "{uid}.1.2"}), slice(1, 2)),
        (("study", "IMAGE", {"SOPInstanceUID": ["{uid}.1.1", "{uid}.2.3"]}), slice(0, 6, 5)),
    ],
)
def test_a_station_gets_what_it_asks_for(ours, screen, asked, images):
    model, level, keys = asked

    def filled(value):
        return [each.format(uid=ours.uid) for each in value] if isinstance(value, list) else value.format(uid=ours.uid)

    named = {keyword: filled(value) for keyword, value in keys.items()}
    if level != "PATIENT":
        named["StudyInstanceUID"] = ours.uid
    last, responses = ours.station().move("WS42001", level, model, **named)
    wanted = ours.images[images]
    assert screen.taken() == wanted
    assert last.Status == 0x0000
    assert counts(last) == (len(wanted), 0, 0)
    assert responses == len(wanted)
    assert screen.originators[-1] == ("WS42001", 1)


def test_a_station_without_a_screen_sends_to_the_one_beside_it(ours, screen):
    last, _ = ours.station("VIEW").move("WS42001", "STUDY", StudyInstanceUID=ours.uid)
    assert (last.Status, screen.taken()) == (0x0000, ours.images)


def test_images_that_are_refused_are_told_and_hold_up_nothing(ours, screen):
    screen.refuses |= {ours.images[0], ours.images[3]}
    last, _ = ours.station().move("WS42001", "STUDY", StudyInstanceUID=ours.uid)
    assert screen.taken() == [uid for uid in ours.images if uid not in screen.refuses]
    assert last.Status == 0xB000
    # Orthanc ends at the first failure that it is told of: the completed ones are exact, more failures are not told.
    assert counts(last) == (4, 1, 0)


def test_when_nothing_can_be_sent_the_request_fails(ours, screen):
    screen.refuses |= set(ours.images)
    last, _ = ours.station().move("WS42001", "STUDY", StudyInstanceUID=ours.uid)
    assert (last.Status, screen.taken()) == (0xC000, [])


def test_a_target_that_is_switched_off(ours):
    started = time.monotonic()
    last, _ = ours.station("VIEW").move("WS42001", "STUDY", StudyInstanceUID=ours.uid)
    assert last.Status in (0x0000, 0xC000)
    assert time.monotonic() - started < 30


def test_what_is_not_there_cannot_be_sent(ours, screen):
    last, responses = ours.station().move("WS42001", "STUDY", StudyInstanceUID="1.2.3.4.5.6")
    assert (last.Status, responses, screen.taken()) == (0xC000, 1, [])


def test_a_retrieve_is_called_off(ours, screen):
    last, responses = ours.station().move("WS42001", "STUDY", StudyInstanceUID=ours.uid, cancel_after=1)
    assert last.Status in (0xFE00, 0x0000)
    assert responses <= len(ours.images)
    assert len(screen.taken()) <= len(ours.images)


def test_afterwards_all_works_as_before(ours, screen):
    last, _ = ours.station().move("WS42001", "STUDY", StudyInstanceUID=ours.uid)
    assert (last.Status, screen.taken()) == (0x0000, ours.images)


def test_an_object_of_a_class_that_the_target_does_not_take(ours, ports, screens):
    screens["42001"].stop()
    contexts = [build_context(MRImageStorage, [ExplicitVRLittleEndian])]
    other = Screen(ports["WS42001"], "WS42001", contexts)
    try:
        last, _ = ours.station().move("WS42001", "STUDY", StudyInstanceUID=ours.uid)
        assert (last.Status, other.taken()) == (0xC000, [])
    finally:
        other.stop()
        screens["42001"] = Screen(ports["WS42001"], "WS42001")


def test_a_target_that_takes_little_endian_only_gets_that_from_the_centre(ours, ports, screens):
    """The centre keeps JPEG-LS; a workstation that does not know it gets the same pixels uncompressed."""
    screens["42001"].stop()
    contexts = [build_context(CTImageStorage, [ImplicitVRLittleEndian])]
    other = Screen(ports["WS42001"], "FAR42001", contexts)
    try:
        last, _ = ours.far().move("FAR42001", "STUDY", StudyInstanceUID=ours.uid)
        assert (last.Status, other.taken()) == (0x0000, ours.images)
        assert set(other.syntaxes) == {ImplicitVRLittleEndian}
    finally:
        other.stop()
        screens["42001"] = Screen(ports["WS42001"], "WS42001")
