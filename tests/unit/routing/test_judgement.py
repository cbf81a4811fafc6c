"""Conditions, held against images."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from cami.delivery.order import Priority
from cami.routing.judgement import Facts, judge
from cami.routing.reading import read_rules
from tests.unit.routing.conftest import KNOWN, rule

ZONE = ZoneInfo("Asia/Novokuznetsk")
#: A Monday.
NOON = datetime(2026, 1, 5, 12, 0, tzinfo=ZONE)
TAGS = {
    "Modality": "CT",
    "BodyPartExamined": "HEAD",
    "StudyDescription": "КТ Головного мозга",
    "ImageType": "ORIGINAL\\PRIMARY\\AXIAL",
    "SliceThickness": "0.625",
    "StationName": " ",
    "PatientSex": "F",
    "StudyDate": "20260105",
    "PatientBirthDate": "20100106",
}


def facts(moment=NOON, priority=Priority.PLANNED, **tags):
    return Facts({**TAGS, **tags}, "CT42001", "42001", moment, priority)


def holds(when, image=None):
    condition = read_rules(rule(when, "{priority: P0}"), KNOWN).rules[0].when
    return judge(condition, image or facts())


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{tag: Modality, equals: ct}", True),
        ("{tag: Modality, equals: MR}", False),
        ("{tag: BodyPartExamined, in: [BRAIN, head]}", True),
        ("{tag: StudyDescription, matches: 'ГОЛОВ|череп'}", True),
        ("{tag: StudyDescription, matches: '^голов'}", False),
        ("{tag: ImageType, equals: AXIAL}", True),
        ("{tag: ImageType, equals: LOCALIZER}", False),
        ("{tag: SliceThickness, at_most: 1}", True),
        ("{tag: SliceThickness, at_least: 0.7}", False),
        ("{tag: SliceThickness, at_least: 0.5, at_most: 0.7}", True),
        ("{tag: StudyDescription, at_least: 1}", False),
        ("{tag: StationName, exists: true}", False),
        ("{tag: StationName, exists: false}", True),
        ("{tag: PatientSex, exists: true}", True),
        ("{tag: ProtocolName, equals: ''}", False),
        ("{device: [MR42001, CT42001]}", True),
        ("{device: ct42001}", False),
        ("{mo: '42001'}", True),
        ("{mo: '42002'}", False),
        ("{priority: P2}", True),
        ("{priority: [P0, P1]}", False),
        ("{always: true}", True),
        ("{age: {to: 17}}", True),
        ("{age: {from: 16}}", False),
        ("{not: {tag: Modality, equals: MR}}", True),
        ("{all: [{tag: Modality, equals: CT}, {device: MR42001}]}", False),
        ("{any: [{tag: Modality, equals: MR}, {device: CT42001}]}", True),
    ],
)
def test_a_condition(when, expected):
    assert holds(when).holds is expected


@pytest.mark.parametrize(
    ("tags", "age"),
    [
        ({}, 15),  # tomorrow sixteen
        ({"StudyDate": "20260106"}, 16),
        ({"StudyDate": ""}, 15),  # when it came in
        ({"PatientBirthDate": "", "PatientAge": "045Y"}, 45),
        ({"PatientBirthDate": "", "PatientAge": "018M"}, 1),
        ({"PatientBirthDate": "", "PatientAge": "003W"}, 0),
        ({"PatientBirthDate": "", "PatientAge": "45"}, None),
        ({"PatientBirthDate": "00000000"}, None),
        ({"PatientBirthDate": "20990101"}, None),
    ],
)
def test_age(tags, age):
    assert facts(**tags).age == age


@pytest.mark.parametrize(
    ("hours", "moment", "expected"),
    [
        ("{from: '08:00', to: '16:00'}", "2026-01-05T08:00", True),
        ("{from: '08:00', to: '16:00'}", "2026-01-05T16:00", False),
        ("{from: '20:00', to: '08:00'}", "2026-01-05T23:59", True),
        ("{from: '20:00', to: '08:00'}", "2026-01-06T07:59", True),
        ("{from: '20:00', to: '08:00'}", "2026-01-06T08:00", False),
        ("{days: mon, from: '20:00', to: '08:00'}", "2026-01-06T07:59", True),  # Monday's night
        ("{days: mon, from: '20:00', to: '08:00'}", "2026-01-05T07:59", False),  # Sunday's
        ("{days: [sat, sun]}", "2026-01-04T12:00", True),
        ("{days: [mon, tue, wed, thu, fri]}", "2026-01-04T12:00", False),
        ("{days: [mon, tue, wed, thu, fri]}", "2026-01-09T23:59", True),  # Friday belongs to it
        ("{from: '09:00', to: '09:00'}", "2026-01-05T08:00", True),
    ],
)
def test_hours(hours, moment, expected):
    image = facts(datetime.fromisoformat(moment).replace(tzinfo=ZONE))
    assert holds(f"{{time: {hours}}}", image).holds is expected


def told(judgement):
    return [(finding.condition.kind, finding.holds, finding.found) for finding in judgement.because]


def test_what_decided_is_told():
    both = "{all: [{tag: Modality, equals: CT}, {device: MR42001}, {priority: P0}]}"
    assert told(holds(both)) == [("device", False, "CT42001")]
    either = "{any: [{tag: Modality, equals: MR}, {device: MR42001}]}"
    assert told(holds(either)) == [("tag", False, "CT"), ("device", False, "CT42001")]
    assert told(holds("{not: {tag: Modality, equals: CT}}")) == [("tag", True, "CT")]
    assert told(holds("{age: {to: 17}}")) == [("age", True, "15")]
