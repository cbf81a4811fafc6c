"""Objects that people send by HTTP: whose they are is decided before anything is stored; all refusals look alike."""

import gzip
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cami.access import Identity, Role
from cami.delivery import CentralKeeper, ProxyKeeper, intake
from cami.delivery.disk import NoRoom
from cami.delivery.uploaded import UploadCoercing, UploadedHere
from cami.errors import Permanent
from cami.region import load_region
from cami.web import Request

from .conftest import dicom

REGION = load_region(Path("orthanc-config/region.yaml"))
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
PEOPLE = {
    "rad1": Identity("rad1", "", Role.RADIOLOGIST, "42001"),
    "tech1": Identity("tech1", "", Role.TECHNOLOGIST, "42001"),
    "clin1": Identity("clin1", "", Role.CLINICIAN, "42001"),
    "adm1": Identity("adm1", "", Role.MO_ADMIN, "42001"),
    "rad2": Identity("rad2", "", Role.RADIOLOGIST, "42002"),
    "cons": Identity("cons", "", Role.CONSULTANT, "42900"),
    "root": Identity("root", "", Role.REGION_ADMIN, ""),
}


class Doorman:
    def identify(self, headers):
        return PEOPLE.get(headers.get("who", ""))


@dataclass
class Eyes:
    """Who sees which study, beside the own МО's."""

    granted: frozenset = frozenset()

    def sees(self, identity, level, resource):
        assert level == "studies"
        return (identity.login, resource) in self.granted


def coercing(region):
    return UploadCoercing(REGION, region.central, region.central_db, region.clock)


@pytest.fixture
def eyes():
    return Eyes()


@pytest.fixture
def send(region, eyes):
    handler = intake(Doorman(), region.central, CentralKeeper(region.receiver, eyes, coercing(region)), "central")

    def post(who, body, **headers):
        return handler(Request("POST", "/instances", {"who": who, **headers}, body=body))

    return post


def classified(region, monkeypatch, sop_class):
    parse = region.central.parse
    monkeypatch.setattr(region.central, "parse", lambda body: replace(parse(body), sop_class=sop_class))


def study_of(region, body):
    return region.central.parse(body).study_id


@pytest.mark.parametrize("who", ["rad1", "tech1"])
def test_the_own_mo_stores_under_its_own_name(region, send, who):
    answer = send(who, dicom())
    assert answer.status == 200
    assert b'"Status":"Success"' in answer.body
    assert list(region.central.labels.values()) == [{"mo-42001"}]
    assert b'"Status":"AlreadyStored"' in send(who, dicom()).body
    assert len(region.central.files) == 1


@pytest.mark.parametrize("who", ["", "nobody", "clin1", "adm1", "cons", "root"])
def test_others_store_nothing(region, send, who):
    assert send(who, dicom()).status == 403
    assert send(who, b"junk").status == (400 if who == "cons" else 403)
    assert region.central.files == {}


@pytest.mark.parametrize(
    "attack",
    [
        dicom(sop="9"),
        dicom(patient="OTHER", sop="9"),
        dicom(study="2.2", sop="1.1.1.1"),
        dicom(content="other pixels"),
    ],
    ids=["new image", "study UID under another patient", "SOP UID in an own study", "other pixels"],
)
def test_nothing_enters_another_mos_study(region, send, attack):
    assert send("rad1", dicom()).status == 200
    before = dict(region.central.files)
    answer = send("rad2", attack)
    assert (answer.status, answer.body) == (403, b"")
    assert region.central.files == before
    assert list(region.central.labels.values()) == [{"mo-42001"}]
    assert region.quarantine.count() == 0  # the sender is told and has it still


def test_other_content_is_refused_to_the_owner_too(region, send):
    send("rad1", dicom())
    assert send("rad1", dicom(content="other")).status == 403
    assert list(region.central.files.values()) == [dicom()]


def test_a_document_goes_into_a_study_that_is_seen_and_stays_its_owners(region, send, eyes, monkeypatch):
    send("rad1", dicom())
    report = dicom(series="9", sop="9")
    study = study_of(region, report)
    classified(region, monkeypatch, REPORT)
    assert send("cons", report).status == 403
    eyes.granted = frozenset({("cons", study)})
    assert send("cons", report).status == 200
    assert region.central.labels == {study: {"mo-42001"}}
    assert send("cons", dicom(patient="OTHER", series="9", sop="10")).status == 403
    assert send("cons", dicom(study="7.7", sop="11")).status == 403


def test_a_grant_lets_no_image_in(region, send, eyes, monkeypatch):
    send("rad1", dicom())
    eyes.granted = frozenset({("rad2", study_of(region, dicom()))})
    classified(region, monkeypatch, "1.2.840.10008.5.1.4.1.1.2")
    assert send("rad2", dicom(sop="9")).status == 403


def test_what_people_add_does_not_make_the_nights_comparison_differ(region, send):
    region.receiver.receive("42001", dicom())
    study = study_of(region, dicom())
    before = region.manifests._stored("42001", study, delivered_only=True)
    send("rad1", dicom(sop="9"))
    assert region.manifests._stored("42001", study, delivered_only=True) == before
    assert len(region.manifests._stored("42001", study)) == 2


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"junk", {}, 400),
        (b"PK\x03\x04zip", {}, 400),
        (gzip.compress(dicom(), mtime=0), {"content-encoding": "gzip"}, 200),
        (gzip.compress(dicom(), mtime=0)[:-4], {"content-encoding": "gzip"}, 400),
        (dicom(), {"content-encoding": "br"}, 400),
        (dicom(study=""), {}, 400),
    ],
    ids=["empty", "junk", "zip", "gzip", "half a gzip", "brotli", "no study"],
)
def test_bodies(send, body, headers, status):
    assert send("rad1", body, **headers).status == status


def test_a_full_disk_is_told(region, send):
    region.central.full = True
    assert send("rad1", dicom()).status == 503


def test_a_proxy_takes_what_is_its_mos(region):
    room = {"full": False}

    def require_room():
        if room["full"]:
            raise NoRoom("full")

    uploads = UploadedHere(region.central_db, region.clock)
    handler = intake(Doorman(), region.central, ProxyKeeper("42001", region.central, uploads, require_room), "proxy")

    def send(who, body):
        return handler(Request("POST", "/instances", {"who": who}, body=body)).status

    assert send("tech1", dicom()) == 200
    assert send("tech1", dicom()) == 200
    assert send("tech1", dicom(content="other")) == 403
    assert [send(who, dicom(sop="2")) for who in ("rad2", "clin1", "cons", "root", "")] == [403] * 5
    room["full"] = True
    assert send("tech1", dicom(sop="3")) == 507
    assert list(region.central.files.values()) == [dicom()]
    assert uploads.has(region.central.parse(dicom()).instance_id), "or routing would take it for one that came back"


def test_what_the_server_writes_itself_is_filed_under_the_owner_of_the_study(region, eyes):
    region.receiver.receive("42001", dicom())
    keeper = CentralKeeper(region.receiver, eyes, coercing(region))
    report = dicom(series="9", sop="9")
    for again in (report, dicom(series="9", sop="9", content="made once more")):
        keeper.attach(again, region.central.parse(again), "consultation")
    assert list(region.central.files.values()) == [dicom(), report]
    assert len(region.manifests._stored("42001", study_of(region, report))) == 2
    foreign = dicom(study="7.7", sop="10")
    with pytest.raises(Permanent):
        keeper.attach(foreign, region.central.parse(foreign), "consultation")
