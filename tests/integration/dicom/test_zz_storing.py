"""C-STORE to the centre where it is open, and whose images storage commitment tells of. Comes last: it adds images."""

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from tests.integration.dicom.stations import Refused
from tests.live import wait_until


def own(side, study):
    return side.dataset(StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", SOPInstanceUID=f"{study}.1.1")


def test_what_a_node_stores_at_the_centre_is_its_mos(region, ours, theirs):
    study = generate_uid()[:50]
    assert ours.far("GATE").store(own(ours, study)) == 0x0000
    wait_until(
        "the owner", lambda: {each["study_uid"]: each["owner"] for each in region.studies()}.get(study) == "42001"
    )

    def found(side):
        return len(side.far().find("STUDY", StudyInstanceUID=study)[1])

    wait_until("its own station finds it", lambda: found(ours) == 1, 30)
    assert found(theirs) == 0


@pytest.mark.parametrize("collision", ["study", "image"])
def test_nothing_is_joined_to_another_mos_study(region, ours, theirs, collision):
    fresh = generate_uid()[:50]
    changes = {"SOPInstanceUID": f"{theirs.uid}.9.9"} if collision == "study" else {"StudyInstanceUID": fresh}
    image = theirs.dataset(**changes)
    assert ours.far("GATE").store(image) == 0x0124
    counted = theirs.far().find("STUDY", StudyInstanceUID=theirs.uid, NumberOfStudyRelatedInstances="")[1]
    assert [int(each.NumberOfStudyRelatedInstances) for each in counted] == [6]
    operator = region.session("operator")
    groups = operator.get(region.central + "/cami/api/quarantine", timeout=30).json()["groups"]
    assert any(group["source"] == "42001" for group in groups)


def test_the_same_image_with_other_content_stays_with_the_node(ours):
    study = generate_uid()[:50]
    image = own(ours, study)
    assert ours.far("GATE").store(image) == 0x0000
    image.PixelData = bytes(len(image.PixelData))
    with suppress(AttributeError):  # the archive may end the association
        assert ours.far("GATE").store(image) != 0x0000


def test_a_station_that_may_only_look_stores_nothing(ours):
    with pytest.raises((Refused, AttributeError, ValueError, RuntimeError)):
        assert ours.far().store(own(ours, generate_uid()[:50])) == 0x0000


class Listener:
    """Where a device hears of storage commitment."""

    def __init__(self, port, aet):
        self.heard = threading.Event()
        self.report = None
        entity = AE(aet)
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        self._server = entity.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._hear)]
        )

    def _hear(self, event):
        self.report = event.event_information
        self.heard.set()
        return 0x0000, None

    def stop(self):
        self._server.shutdown()


def test_a_device_is_told_of_its_mos_images_only(ours, theirs, ports):
    listener = Listener(ports["CT42001"], "CT42001")
    try:
        question = Dataset()
        question.TransactionUID = generate_uid()
        question.ReferencedSOPSequence = []
        for uid in (f"{ours.uid}.1.1", f"{theirs.uid}.1.1"):
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid
            question.ReferencedSOPSequence.append(item)
        association = ours.station("CT").associate(StorageCommitmentPushModel)
        status, _ = association.send_n_action(
            question, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        association.release()
        assert status.Status == 0x0000
        assert listener.heard.wait(30)
        committed = [item.ReferencedSOPInstanceUID for item in listener.report.ReferencedSOPSequence]
        failed = [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in listener.report.FailedSOPSequence]
        assert committed == [f"{ours.uid}.1.1"]
        assert failed == [(f"{theirs.uid}.1.1", 0x0112)]  # as for what does not exist
    finally:
        listener.stop()


@pytest.mark.parametrize("aet", ["WS", "MR", "LIST"])
def test_who_may_not_ask_for_commitment_is_not_answered(ours, aet):
    station = ours.station(aet, address="127.0.1.5" if aet == "MR" else None)
    try:
        association = station.associate(StorageCommitmentPushModel)
    except Refused:
        return
    try:
        status, _ = association.send_n_action(
            Dataset(), 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        assert status.get("Status") != 0x0000
    except (ValueError, RuntimeError):
        pass
    finally:
        association.abort()


def test_a_study_that_is_granted_is_found_and_sent_until_the_grant_ends(region, ours, theirs, screen):
    """At the centre, to the МО that it is shared with; the other МО's other studies stay hidden."""
    assert ours.far().find("STUDY", StudyInstanceUID=theirs.uid) == (0x0000, [])
    doctor = region.session("radiologist", theirs.mo)
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    wish = {"study_uid": theirs.uid, "mo": ours.mo, "reason": "консультация", "until": until}
    headers = {"X-Cami-Csrf": "1"}
    answer = doctor.post(region.central + "/cami/api/grants", json=wish, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    status, studies = ours.far().find("STUDY", StudyInstanceUID=theirs.uid, PatientName="")
    assert (status, [str(study.PatientName) for study in studies]) == (0x0000, [theirs.name])
    last, _ = ours.far().move("FAR42001", "STUDY", StudyInstanceUID=theirs.uid)
    assert (last.Status, screen.taken()) == (0x0000, theirs.images)
    number = answer.json()["number"]
    ended = doctor.post(
        f"{region.central}/cami/api/grants/{number}/end", json={"reason": "закончена"}, headers=headers, timeout=30
    )
    assert ended.status_code == 200, ended.text
    assert ours.far().find("STUDY", StudyInstanceUID=theirs.uid) == (0x0000, [])
    assert ours.far().move("FAR42001", "STUDY", StudyInstanceUID=theirs.uid)[0].Status == 0xC000
    assert screen.taken() == []
