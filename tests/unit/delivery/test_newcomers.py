"""What a proxy remembers of what has come in: never that something is new which the archive may have."""

import random
from functools import cache

import pytest

from cami.archive import orthanc_id
from cami.delivery.newcomers import SETTLED, Newcomer, Newcomers
from cami.errors import Permanent

from .images import DicomShelf, slice_of, with_study_named

SERIES = "1.2.3.1"


class Gate:
    """A proxy's hook, before an archive that drops what it has."""

    def __init__(self, **limits):
        self.archive = DicomShelf()
        self.archive.parse = cache(self.archive.parse)
        self.asked = []
        self.time = 0.0
        self.newcomers = Newcomers(self.archive.parse, self.has_series, now=lambda: self.time, **limits)

    def has_series(self, series_id):
        self.asked.append(series_id)
        return any(self.archive.parse(file).series_id == series_id for file in self.archive.files.values())

    def store(self, dicom):
        """Pass an object through; return whether Orthanc was not asked for it."""
        arrival = self.newcomers.hear(dicom)
        assert arrival.instance_id == self.archive.parse(dicom).instance_id
        there = arrival.instance_id in self.archive.files
        assert not (arrival.new and there), "the archive drops it, and nobody has compared"
        if not there:
            self.newcomers.tell(arrival)
        self.archive.store(dicom)
        return arrival.new


def test_images_of_a_series_that_begins_are_new():
    gate = Gate()
    assert [gate.store(slice_of(f"1.2.3.4.{n}")) for n in range(1, 5)] == [True] * 4
    assert gate.asked == [orthanc_id("P1", "1.2.3", SERIES)]


def test_what_comes_again_is_not_new():
    gate = Gate()
    gate.store(slice_of())
    assert not gate.store(slice_of())
    assert not gate.store(slice_of(seed=2))


def test_of_a_series_that_was_there_before_nothing_is_new():
    gate = Gate()
    gate.archive.store(slice_of())
    assert not gate.store(slice_of(seed=2))
    assert not gate.store(slice_of("1.2.3.4.2"))
    assert len(gate.asked) == 1


def test_the_same_uids_of_another_patient_are_another_image():
    gate = Gate()
    assert gate.store(slice_of())
    assert gate.store(slice_of(PatientID="P2"))


def test_an_object_that_only_orthanc_can_read_is_remembered():
    gate = Gate()
    assert gate.store(slice_of("1.2.3.4.2"))
    otherwise = with_study_named(slice_of(), undefined=True)
    assert gate.newcomers.hear(otherwise).head is None
    assert not gate.store(otherwise)
    assert not gate.newcomers.hear(with_study_named(slice_of(), undefined=False)).new


def test_what_nobody_can_read_is_an_error():
    gate = Gate()
    with pytest.raises(Permanent):
        gate.newcomers.hear(b"no dicom")


def test_who_has_come_is_told():
    gate = Gate()
    dicom = slice_of(ImageType=["ORIGINAL", "LOCALIZER"], SliceThickness="5")
    gate.store(dicom)
    gate.store(slice_of("1.2.3.4.2"))
    first, second, other = orthanc_id("P1", "1.2.3", SERIES, "1.2.3.4.1"), gate.archive.log[1].resource, "other"
    told = gate.newcomers.told([first, second, other])
    assert told.keys() == {first, second}
    series_id = orthanc_id("P1", "1.2.3", SERIES)
    assert told[first] == Newcomer(series_id, "1.2.3.4.1", len(dicom), "ORIGINAL\\LOCALIZER", "5")
    assert gate.newcomers.told([first])  # also a second time


def test_what_comes_with_other_content_changes_nothing_that_is_told():
    gate = Gate()
    gate.store(slice_of())
    gate.store(slice_of(side=32))
    (key,) = gate.archive.files
    assert gate.newcomers.told([key])[key].size == len(slice_of())


def test_after_a_series_was_forgotten_early_none_is_new():
    gate = Gate(most_series=2)
    for series in ("1", "2", "3"):
        assert gate.store(slice_of(SeriesInstanceUID=f"1.2.3.{series}", sop=f"1.2.3.4.{series}"))
    # Images of the forgotten series might still be on their way into the archive.
    assert not gate.store(slice_of(SeriesInstanceUID="1.2.3.4", sop="1.2.3.4.4"))
    gate.time = SETTLED + 1
    assert gate.store(slice_of(SeriesInstanceUID="1.2.3.5", sop="1.2.3.4.5"))


def test_a_series_that_is_too_large_is_asked_of():
    gate = Gate(most_images=3)
    found = [gate.store(slice_of(f"1.2.3.4.{n}")) for n in range(1, 7)]
    assert found == [True] * 4 + [False] * 2
    assert not gate.store(slice_of("1.2.3.4.1", seed=2))


def test_whatever_comes_nothing_is_taken_for_new_that_is_there():
    dice = random.Random(20261128)
    images = [
        slice_of(f"1.2.3.{series}.{number}", side=2, seed=seed, SeriesInstanceUID=f"1.2.3.{series}")
        for series in range(4)
        for number in range(4)
        for seed in (1, 2)
    ]
    images += [with_study_named(dicom, undefined=True) for dicom in images[::3]]
    for _ in range(10):
        gate = Gate(most_images=dice.randint(1, 12), most_series=dice.randint(1, 4))
        for _ in range(40):
            gate.time += dice.choice([0.1, 1, SETTLED])
            if dice.random() < 0.2 and gate.archive.files:
                gate.archive.delete_instance(dice.choice(list(gate.archive.files)))
            gate.store(dice.choice(images))
