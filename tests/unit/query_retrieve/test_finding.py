"""C-FIND without Orthanc: what is asked, of whom, and what the answer holds."""

from io import BytesIO

import pytest
from pydicom import dcmread

from cami.access import Role
from cami.errors import Denied, Invalid
from cami.query_retrieve import AwayStudy, Caller, Findings, Nodes
from cami.query_retrieve.answer import encode
from cami.query_retrieve.finding import MOST_ANSWERS
from cami.query_retrieve.identifier import Query
from cami.query_retrieve.keys import Level
from cami.query_retrieve.matching import matches
from cami.region import CentreAccess, Workstation, load_region
from tests.live import ROOT

REGION = load_region(ROOT / "orthanc-config" / "region.yaml")
STATION = Workstation(aet="WS42001", name="АРМ", address="10.1.1.7", port=11112)
FAR = Workstation(aet="FAR42001", name="АРМ", address="10.1.1.8", port=11112, archive="central")


def region(**changes):
    changed = REGION.organization("42001").model_copy(update={"workstations": (STATION, FAR)} | changes)
    return REGION.model_copy(update={"organizations": (changed, *REGION.organizations[1:])})


LEVEL, NAME, PATIENT, STUDY, SERIES = (0x8, 0x52), (0x10, 0x10), (0x10, 0x20), (0x20, 0xD), (0x20, 0xE)
CALLER = Nodes(region(), "proxy", "42001").caller("WS42001", "10.1.1.7", "find")


def elements(level, **keys):
    known = {"name": NAME, "patient": PATIENT, "study": STUDY, "series": SERIES, "date": (0x8, 0x20)}
    known |= {
        "modalities": (0x8, 0x61),
        "availability": (0x8, 0x56),
        "images": (0x20, 0x1208),
        "manufacturer": (0x8, 0x70),
        "modality": (0x8, 0x60),
    }
    return [(*LEVEL, level), *((*known[name], value) for name, value in keys.items())]


class Archive:
    def get(self, uri):
        assert uri == "/system"
        return {
            "MainDicomTags": {
                "Patient": "0010,0010;0010,0020;0010,0030;0010,0040",
                "Study": "0020,000d;0008,0020;0008,0030;0008,0050;0008,1030",
                "Series": "0020,000e;0008,0060;0020,0011",
                "Instance": "0008,0018;0020,0013",
            }
        }


class Finder:
    def __init__(self, *rows):
        self.rows = rows
        self.asked = []

    def find(self, identity, query):
        self.asked.append((identity, query))
        return [{"ID": str(number), "RequestedTags": row} for number, row in enumerate(self.rows)]


def findings(*rows, elsewhere=None):
    finder = Finder(*rows)
    return finder, Findings("PROXY42001", Archive(), finder, elsewhere)


def datasets(answers):
    return [dcmread(BytesIO(file)) for file in answers.files]


def test_an_answer_holds_what_was_asked_for_and_nothing_else():
    finder, asks = findings({"0010,0010": "Иванов^Пётр", "0020,000d": "1.2.3", "0008,1030": "не спрошено"})
    answers = asks.answer(CALLER, elements("STUDY", name="Иванов*", study="", images="", availability=""))
    (found,) = datasets(answers)
    assert {element.keyword for element in found} == {
        "SpecificCharacterSet", "InstanceAvailability", "QueryRetrieveLevel", "RetrieveAETitle", "PatientName",
        "StudyInstanceUID",
    }  # fmt: skip
    assert (found.PatientName, found.SpecificCharacterSet) == ("Иванов^Пётр", "ISO_IR 192")
    assert (found.RetrieveAETitle, found.InstanceAvailability) == ("PROXY42001", "ONLINE")
    ((identity, query),) = finder.asked
    assert (identity.mo, identity.role, identity.login) == ("42001", Role.RADIOLOGIST, "device:WS42001")
    assert query["Query"] == {"PatientName": "Иванов*"}
    assert set(query["RequestedTags"]) == {"PatientName", "StudyInstanceUID", "NumberOfStudyRelatedInstances"}
    assert query["Limit"] == MOST_ANSWERS[Level.STUDY] + 1


def test_what_the_archive_has_no_column_for_is_neither_matched_nor_returned():
    finder, asks = findings({"0020,000d": "1.2"})
    (found,) = datasets(asks.answer(CALLER, elements("SERIES", study="1.2", manufacturer="ACME")))
    assert "Manufacturer" not in found
    assert finder.asked[0][1]["Query"] == {"StudyInstanceUID": "1.2"}


def test_more_than_the_limit_is_cut_and_said():
    rows = [{"0020,000d": f"1.{number}"} for number in range(MOST_ANSWERS[Level.STUDY] + 1)]
    answers = findings(*rows)[1].answer(CALLER, elements("STUDY", study=""))
    assert (len(answers.files), answers.complete) == (MOST_ANSWERS[Level.STUDY], False)


def test_people_with_the_same_number_are_not_one_patient():
    rows = [
        {"0010,0020": "7", "0010,0010": "ИВАНОВ^ПЁТР", "0020,000d": "1.1"},
        {"0010,0020": "7", "0010,0010": "ИВАНОВ^ПЁТР^", "0020,000d": "1.2"},
        {"0010,0020": "7", "0010,0010": "СИДОРОВА^АННА", "0020,000d": "1.3"},
    ]
    finder, asks = findings(*rows)
    answers = asks.answer(CALLER, elements("PATIENT", name="", patient="7"))
    assert [(found.PatientID, str(found.PatientName)) for found in datasets(answers)] == [
        ("7", "ИВАНОВ^ПЁТР"),
        ("7", "СИДОРОВА^АННА"),
    ]
    assert finder.asked[0][1]["Level"] == "Study"


@pytest.mark.parametrize(
    "asked",
    [
        elements("SERIES"),
        elements("SERIES", patient="7"),
        elements("SERIES", study="*"),
        elements("IMAGE", name="И*"),
        elements("IMAGE"),
        elements(""),
        elements("INSTANCE", study="1.2"),
        elements("STUDY\\SERIES"),
        [],
        elements("STUDY", study="\\".join(["1.2"] * 501)),
        elements("STUDY", name="A" * 40_000),
        [(*LEVEL, "STUDY"), *((0x8, number, "") for number in range(600))],
    ],
)
def test_refused(asked):
    finder, asks = findings()
    with pytest.raises(Invalid):
        asks.answer(CALLER, asked)
    assert finder.asked == []


@pytest.mark.parametrize("uid", ["1.2.*", "1.2?", "abc", "1.2\\*", "%", "' OR 1=1", "1.2\\"])
def test_what_is_no_uid_finds_nothing(uid):
    finder, asks = findings({"0020,000d": "1.2"})
    for level in ("STUDY", "SERIES"):
        assert asks.answer(CALLER, elements(level, study=uid)).files == []
    assert finder.asked == []


class Away:
    def __init__(self, *studies):
        self.listed = studies

    def studies(self, dates):
        return [AwayStudy(study) for study in self.listed]

    def series(self, study_uids):
        return [AwayStudy(each) for each in self.listed if each["StudyInstanceUID"] in study_uids]


def test_what_is_at_the_centre_only_is_found_as_nearline():
    away = Away(
        {
            "PatientName": "ПЕТРОВА^ЁЛКА",
            "StudyInstanceUID": "1.9",
            "StudyDate": "20240103",
            "ModalitiesInStudy": "CT\\SR",
        },
        {"PatientName": "ИВАНОВ", "StudyInstanceUID": "1.8", "StudyDate": "20240103"},
    )
    asks = findings({"0020,000d": "1.1"}, elsewhere=away)[1]
    asked = elements("STUDY", study="", name="петрова^е*", date="20240101-20240105", modalities="SR", availability="")
    assert [(found.StudyInstanceUID, found.InstanceAvailability) for found in datasets(asks.answer(CALLER, asked))] == [
        ("1.1", "ONLINE"),
        ("1.9", "NEARLINE"),
    ]


def test_series_of_what_is_at_the_centre_only_are_found_as_nearline():
    of_nine = {"StudyInstanceUID": "1.9", "PatientID": "7"}
    away = Away(
        {**of_nine, "SeriesInstanceUID": "1.9.1", "Modality": "CT", "NumberOfSeriesRelatedInstances": "40"},
        {**of_nine, "SeriesInstanceUID": "1.9.2", "Modality": "SR", "NumberOfSeriesRelatedInstances": "1"},
        {"StudyInstanceUID": "1.8", "SeriesInstanceUID": "1.8.1", "Modality": "CT"},
    )
    asks = findings(elsewhere=away)[1]

    def found(**more):
        asked = elements("SERIES", study="1.9", availability="", **more)
        return {(each.SeriesInstanceUID, each.InstanceAvailability) for each in datasets(asks.answer(CALLER, asked))}

    both = {("1.9.1", "NEARLINE"), ("1.9.2", "NEARLINE")}
    assert found(series="") == both
    assert found(series="", modality="SR") == {("1.9.2", "NEARLINE")}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"StudyDate": "20240103"}, True),
        ({"StudyDate": "20240104-"}, False),
        ({"StudyDate": "-20240103"}, True),
        ({"StudyTime": "10-1130"}, True),
        ({"StudyTime": "12-"}, False),
        ({"PatientName": "*лк?"}, True),
        ({"PatientName": "петров"}, False),
        ({"PatientID": "a\\b"}, False),
        ({"AccessionNumber": "?"}, False),
    ],
)
def test_matching(asked, found):
    have = {"StudyDate": "20240103", "StudyTime": "113059", "PatientName": "Петрова^Ёлка", "PatientID": "7"}
    assert matches(have, asked) is found


@pytest.mark.parametrize(
    ("text", "codec"),
    [("windows-1251", "cp1251"), ("ibm866", "cp866"), ("koi8-r", "koi8_r"), ("ISO_IR 144", "iso8859_5")],
)
def test_a_caller_without_utf8_gets_its_own_text_undeclared(text, codec):
    file = encode({"PatientName": "ИВАНОВ^ПЁТР", "StudyInstanceUID": "1.2.3", "PatientID": "7"}, text)
    found = dcmread(BytesIO(file))
    assert "SpecificCharacterSet" not in found
    assert "ИВАНОВ^ПЁТР".encode(codec) in file
    assert (found.StudyInstanceUID, found.PatientID) == ("1.2.3", "7")


def test_text_that_a_character_set_lacks_does_not_end_the_answer():
    assert b"?" in encode({"PatientName": "漢字"}, "windows-1251")


def test_a_query_is_read_with_its_level_in_any_case():
    assert Query.read(elements("study ", study="")).level is Level.STUDY


@pytest.mark.parametrize(
    ("aet", "address", "service", "reason"),
    [
        ("NOBODY", "10.1.1.7", "find", "unknown-caller"),
        ("ws42001", "10.1.1.7", "find", "unknown-caller"),
        ("WS42001", "10.1.1.9", "find", "other-address"),
        ("CT42001", "127.0.0.1", "find", "not-allowed"),
        ("WS42001", "10.1.1.7", "store", "not-allowed"),
        ("CT42002", "127.0.0.1", "store", "unknown-caller"),
        ("FAR42001", "10.1.1.8", "find", "unknown-caller"),
    ],
)
def test_who_may_not(aet, address, service, reason):
    with pytest.raises(Denied, match=reason):
        Nodes(region(), "proxy", "42001").caller(aet, address, service)


def test_the_centre_knows_who_comes_through_a_terminator_only():
    assert_unknown = pytest.raises(Denied, match="unknown-caller")
    with assert_unknown:
        Nodes(region(), "central").caller("FAR42001", "127.0.42.1", "find")
    opened = Nodes(region(centre_dicom=CentreAccess(source="127.0.42.1", port=2762)), "central")
    caller = opened.caller("FAR42001", "127.0.42.1", "find")
    assert isinstance(caller, Caller)
    assert caller.targets["FAR42001"].host == "10.1.1.8"
    with pytest.raises(Denied, match="other-address"):
        opened.caller("FAR42001", "10.1.1.8", "find")
