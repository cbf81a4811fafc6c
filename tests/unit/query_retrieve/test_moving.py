"""C-MOVE without Orthanc: what may be sent where, and that what is told of it is so."""

import pytest

from cami.errors import Denied, Invalid
from cami.query_retrieve import AwayInstance, Moves, RetrieveRequest, Unreachable
from cami.query_retrieve.keys import Level
from tests.unit.query_retrieve.test_finding import CALLER


class Finder:
    """Two studies: 1.1 with three images of patient 7, 1.2 with one image of patient 77."""

    images = (("a", "1.1", "1.1.5", "7", "2"), ("b", "1.1", "1.1.5", "7", "1"), ("c", "1.1", "1.1.6", "7", "1"),
              ("d", "1.2", "1.2.5", "77", "1"))  # fmt: skip

    def __init__(self):
        self.asked = []

    def find(self, identity, query):
        assert identity.mo == "42001"
        self.asked.append(query)
        wanted = query["Query"]
        return [
            {
                "ID": key,
                "RequestedTags": {"0020,000d": study, "0020,000e": series, "0010,0020": patient, "0020,0013": number},
            }
            for key, study, series, patient, number in self.images
            if study in wanted.get("StudyInstanceUID", study).split("\\")
            and series in wanted.get("SeriesInstanceUID", series).split("\\")
            and patient.startswith(wanted.get("PatientID", patient))
        ]  # generous with patients, as Orthanc is with case


class Sender:
    def __init__(self, refuses=(), dead=False):
        self.refuses, self.dead = refuses, dead
        self.sent, self.tried, self.closed = [], 0, False

    def send(self, instance_id):
        self.tried += 1
        if self.dead:
            raise Unreachable
        if instance_id in self.refuses:
            return False
        self.sent.append(instance_id)
        return True

    def close(self):
        self.closed = True


def moves(sender=None, **more):
    return Moves(Finder(), lambda *_: sender or Sender(), **more)


def request(level="STUDY", target="WS42001", **keys):
    return RetrieveRequest.read(level=level, target=target, **(keys or {"study_uids": "1.1"}))


def told(move):
    """Run a retrieve as stock Orthanc does: the counts and the status that go out at last."""
    for count in range(1, move.size + 1):
        if not move.step():
            return count, 1, move.size - count, 0xB000
    return move.size, 0, 0, 0x0000


def test_all_is_sent_series_by_series_in_order():
    sender = Sender()
    move = moves(sender).plan(CALLER, request())
    move.begin()
    assert told(move) == (3, 0, 0, 0x0000)
    assert sender.sent == ["b", "a", "c"]
    assert move.studies == ("1.1",)


@pytest.mark.parametrize("refused", ["a", "b", "c", "ab", "bc", "ac"])
def test_failures_hold_up_nothing_and_are_told(refused):
    sender = Sender(refuses=refused)
    move = moves(sender).plan(CALLER, request())
    move.begin()
    completed, failed, remaining, status = told(move)
    assert completed == len(sender.sent) == move.completed == 3 - len(refused)
    assert (failed, remaining, status) == (1, len(refused), 0xB000)


def test_when_nothing_can_be_sent_the_request_fails():
    sender = Sender(refuses="abc")
    with pytest.raises(Unreachable):
        moves(sender).plan(CALLER, request()).begin()
    assert sender.closed


def test_a_dead_target_is_not_tried_for_each_image():
    sender = Sender(dead=True)
    many = Moves(Finder(), lambda *_: sender)
    Finder.images, before = tuple((str(n), "1.1", "1.1.5", "7", str(n)) for n in range(500)), Finder.images
    try:
        with pytest.raises(Unreachable):
            many.plan(CALLER, request()).begin()
    finally:
        Finder.images = before
    assert sender.tried == 3


@pytest.mark.parametrize("target", ["", "WS42002", "ws42001", "CT42001", "PROXY42001"])
def test_only_to_targets_of_the_caller(target):
    with pytest.raises(Denied, match="other-target"):
        moves().plan(CALLER, request(target=target))


def test_a_patient_is_exactly_the_one_who_was_named():
    move = moves().plan(CALLER, request("PATIENT", patient_id="7"))
    assert move.studies == ("1.1",)
    with pytest.raises(Invalid, match="nothing-there"):
        moves().plan(CALLER, request("PATIENT", patient_id="8"))


def test_series_and_studies_by_lists_of_uids():
    assert moves().plan(CALLER, request("SERIES", study_uids="1.1", series_uids="1.1.6")).size == 1
    assert moves().plan(CALLER, request("STUDY", study_uids="1.1\\1.2")).size == 4
    with pytest.raises(Invalid, match="nothing-there"):
        moves().plan(CALLER, request("STUDY", study_uids="9.9"))


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        ("STUDY", {"study_uids": ""}),
        ("STUDY", {"study_uids": "*"}),
        ("STUDY", {"study_uids": "1.1*"}),
        ("STUDY", {"study_uids": "1.1\\*"}),
        ("STUDY", {"patient_id": "7"}),
        ("SERIES", {"study_uids": "1.1"}),
        ("SERIES", {"series_uids": "1.1.5"}),
        ("IMAGE", {"sop_uids": "1.1.5.1"}),
        ("IMAGE", {"study_uids": "1.1", "sop_uids": "?"}),
        ("PATIENT", {"patient_id": ""}),
        ("PATIENT", {"patient_id": "*"}),
        ("PATIENT", {"patient_id": "7\\77"}),
        ("PATIENT", {"patient_id": "7?"}),
        ("PATIENT", {"study_uids": "1.1"}),
        ("", {"study_uids": "1.1"}),
        ("WORKLIST", {"study_uids": "1.1"}),
    ],
)
def test_what_names_no_single_object_is_refused(level, keys):
    with pytest.raises(Invalid):
        request(level, **keys)


def test_orthanc_calls_an_image_instance():
    assert request("INSTANCE", study_uids="1", sop_uids="1").level is Level.IMAGE


class Away:
    def __init__(self, *images):
        self.images = images
        self.brought = []

    def instances(self, study_uid, *, series_uids=(), sop_uids=()):
        return [AwayInstance(image, "study") for image in self.images]

    def studies_of(self, patient_id):
        return ["1.1"]

    def bring(self, study_id, caller):
        self.brought.append((study_id, caller.aet))


@pytest.mark.parametrize("level", ["STUDY", "PATIENT"])
def test_what_is_away_is_brought_and_sent_when_it_comes(level):
    away, sender, waits = Away("a", "x", "y"), Sender(), []

    def wait(instance_id, seconds):
        waits.append((instance_id, seconds))
        return True

    asked = request(level, patient_id="7") if level == "PATIENT" else request()
    move = Moves(Finder(), lambda *_: sender, away, wait).plan(CALLER, asked)
    assert away.brought == [("study", "WS42001")]
    move.begin()
    assert told(move) == (5, 0, 0, 0x0000)
    assert sender.sent == ["b", "a", "c", "x", "y"]
    assert [image for image, _ in waits] == ["x", "y"]


def test_what_does_not_come_is_waited_for_once():
    waits = []

    def wait(instance_id, seconds):
        waits.append(seconds)
        return False

    move = Moves(Finder(), lambda *_: Sender(), Away("x", "y", "z"), wait).plan(CALLER, request())
    move.begin()
    assert told(move) == (3, 1, 3, 0xB000)
    assert [seconds > 0 for seconds in waits] == [True, False, False]
