"""F-56: marked by the owner, confirmed by two different people, deleted to the last image, and never back by itself."""

from pathlib import Path

import pytest

from cami.access import Identity, Role
from cami.audit import AuditTrail
from cami.db.tables import audit_record
from cami.delivery import Receiver
from cami.errors import Conflict, Denied, Invalid, NotFound
from cami.removal import Removals, State, removal_endpoints
from cami.removal.states import markdown
from cami.web import Request
from tests.unit.delivery.conftest import dicom, region  # noqa: F401 - a fixture

TECH1 = Identity("tech1", "", Role.TECHNOLOGIST, "42001")
ADM1 = Identity("adm1", "", Role.MO_ADMIN, "42001")
ADM2 = Identity("adm2", "", Role.MO_ADMIN, "42002")
ROOT = Identity("root", "", Role.REGION_ADMIN, "")
CLIN1 = Identity("clin1", "", Role.CLINICIAN, "42001")
WHY = "снимок другого пациента"


@pytest.fixture
def removals(region, tmp_path):  # noqa: F811
    trail = AuditTrail(region.central_db, region.clock, "central")
    yield Removals(region.central_db, region.central, trail, region.clock)
    trail.close()


@pytest.fixture
def study(region):  # noqa: F811
    for sop in ("1", "2", "3"):
        region.receiver.receive("42001", dicom(sop=sop))
    return region.central.parse(dicom()).study_id


def events(region):  # noqa: F811
    from sqlalchemy import select

    with region.central_db.connect() as connection:
        return list(connection.execute(select(audit_record.c.actor).order_by(audit_record.c.seq)).scalars())


def test_it_takes_a_mark_and_two_people(region, removals, study):  # noqa: F811
    number = removals.mark(TECH1, study, WHY)
    assert removals.confirm(ADM1, number) is State.AGREED_BY_MO
    assert removals.carry_out() == 0
    assert len(region.central.files) == 3
    assert removals.confirm(ROOT, number) is State.DELETING
    assert removals.carry_out() == 1
    assert region.central.files == {}
    (done,) = removals.listing(ADM1)
    assert (done.state, done.deleted, done.instances) == (State.DELETED, 3, 3)
    assert events(region)[-4:] == ["tech1", "adm1", "root", "system"]


def test_either_side_may_be_first(removals, study):
    number = removals.mark(ADM1, study, WHY)
    assert removals.confirm(ROOT, number) is State.AGREED_BY_REGION
    assert removals.confirm(ADM1, number) is State.DELETING


def test_one_person_is_not_two(removals, study):
    number = removals.mark(ADM1, study, WHY)
    removals.confirm(ADM1, number)
    with pytest.raises(Denied):
        removals.confirm(Identity("adm1", "", Role.REGION_ADMIN, ""), number)
    with pytest.raises((Denied, Conflict)):
        removals.confirm(ADM1, number)
    with pytest.raises(Conflict):
        removals.confirm(Identity("adm1b", "", Role.MO_ADMIN, "42001"), number)


@pytest.mark.parametrize("who", [ADM2, ROOT])
def test_a_foreign_study_is_as_one_that_does_not_exist(removals, study, who):
    for wanted in (study, "none"):
        with pytest.raises((NotFound, Denied)):
            removals.mark(who, wanted, WHY)
    number = removals.mark(TECH1, study, WHY)
    if who is ADM2:
        for act in (removals.confirm, removals.withdraw):
            with pytest.raises(NotFound, match="no such removal"):
                act(ADM2, number)
            with pytest.raises(NotFound, match="no such removal"):
                act(ADM2, 999)
        assert removals.listing(ADM2) == []


@pytest.mark.parametrize("who", [CLIN1, Identity("oper", "", Role.OPERATOR, "")])
def test_others_do_nothing(removals, study, who):
    with pytest.raises(Denied):
        removals.mark(who, study, WHY)
    number = removals.mark(TECH1, study, WHY)
    for act, arguments in ((removals.confirm, [number]), (removals.withdraw, [number]), (removals.listing, [])):
        with pytest.raises(Denied):
            act(who, *arguments)
    with pytest.raises(Denied):
        removals.confirm(TECH1, number)


def test_it_can_be_taken_back_until_both_have_confirmed(region, removals, study):  # noqa: F811
    number = removals.mark(TECH1, study, WHY)
    with pytest.raises(Conflict):
        removals.mark(ADM1, study, WHY)
    removals.confirm(ROOT, number)
    removals.withdraw(TECH1, number)
    with pytest.raises(Conflict):
        removals.confirm(ADM1, number)
    assert removals.carry_out() == 0
    again = removals.mark(TECH1, study, WHY)
    removals.confirm(ADM1, again)
    removals.confirm(ROOT, again)
    with pytest.raises(Conflict):
        removals.withdraw(TECH1, again)


@pytest.mark.parametrize("reason", ["", "нет", " " * 50, "x" * 501])
def test_a_reason_is_a_reason(removals, study, reason):
    with pytest.raises(Invalid):
        removals.mark(TECH1, study, reason)


def test_a_crash_in_the_middle_goes_on(region, removals, study, monkeypatch):  # noqa: F811
    number = removals.mark(TECH1, study, WHY)
    removals.confirm(ADM1, number)
    removals.confirm(ROOT, number)
    left = iter([None])

    def crash(_instance):
        if next(left, "over") == "over":
            raise RuntimeError("power cut")

    region.central.on_delete = crash
    with pytest.raises(RuntimeError):
        removals.carry_out()
    region.central.on_delete = lambda _instance: None
    assert removals.listing(ROOT)[0].state is State.DELETING
    assert removals.carry_out() == 1
    assert region.central.files == {}
    assert removals.listing(ROOT)[0].deleted == 3


def test_what_is_deleted_does_not_come_back_by_itself(region, removals, study):  # noqa: F811
    number = removals.mark(TECH1, study, WHY)
    removals.confirm(ADM1, number)
    removals.confirm(ROOT, number)
    for sop in ("1", "9"):
        reception = region.receiver.receive("42001", dicom(sop=sop))
        assert (reception.outcome, reception.reason) == ("rejected", "study-removed")
    removals.carry_out()
    reception = region.receiver.receive("42001", dicom(sop="1"))
    assert (reception.outcome, reception.reason) == ("rejected", "study-removed")
    assert region.central.files == {}
    assert region.quarantine.count() == 0
    # Its UID stays its owner's.
    assert region.receiver.receive("42002", dicom(sop="1")).reason == "other-mo-study"
    assert isinstance(region.receiver, Receiver)


def test_the_interface(removals, study):
    people = {"tech": TECH1, "adm": ADM1, "root": ROOT}

    class Doorman:
        def identify(self, headers):
            return people.get(headers.get("who"))

    listing, confirm, withdraw = (endpoint.handler for endpoint in removal_endpoints(Doorman(), removals))

    def ask(handler, method, who, body=b"", groups=()):
        return handler(Request(method, "/x", {"who": who}, body=body, groups=groups)).status

    wish = f'{{"study_id": "{study}", "reason": "{WHY}"}}'.encode()
    assert [ask(listing, "POST", who, wish) for who in ("", "root", "tech", "tech")] == [401, 403, 200, 400]
    assert [ask(listing, "POST", "tech", body) for body in (b"", b"[]", b'{"study_id": 1}', b"\xff")] == [400] * 4
    assert [ask(listing, method, "tech") for method in ("GET", "DELETE")] == [200, 405]
    assert [ask(confirm, "POST", who, groups=("1",)) for who in ("tech", "adm", "root")] == [403, 200, 200]
    assert ask(withdraw, "POST", "adm", groups=("1",)) == 400
    assert ask(withdraw, "POST", "adm", groups=("99",)) == 404


def test_the_table_in_the_documents_is_made_from_the_code():
    text = Path("docs/architecture.md").read_text("utf-8")
    shown = text.partition("<!-- removal -->\n")[2].partition("\n<!-- /removal -->")[0]
    assert shown == markdown(), f"put this into docs/architecture.md:\n{markdown()}"
