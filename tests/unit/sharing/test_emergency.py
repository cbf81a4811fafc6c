"""Emergency access: the reason first, exact numbers, for one person and a day, and nothing is told in vain."""

from datetime import date

import pytest
from sqlalchemy import select

from cami.db.tables import audit_record
from cami.errors import Denied, Invalid, NotFound
from cami.sharing import Call, TooOften
from cami.sharing.emergency import MOST_MISSES
from tests.unit.sharing.conftest import ADM1, ADM2, CLIN1, CONS, RAD1, RAD2, ROOM, TECH1

BORN = date(1957, 3, 8)


@pytest.fixture(autouse=True)
def born(archive, first, second):
    for study in (first, second):
        archive.resources[study.id]["PatientMainDicomTags"]["PatientBirthDate"] = "19570308"


def call(number="SHARED", reason="без сознания, ДТП", born=BORN):
    return Call(number, born, reason)


def kinds(engine):
    with engine.connect() as connection:
        query = select(audit_record.c.kind, audit_record.c.outcome).order_by(audit_record.c.seq)
        return [tuple(row) for row in connection.execute(query)]


def test_it_opens_what_others_have_to_this_person_for_a_day(emergency, owners, clock, first, second):
    opened = emergency.take(RAD1, ROOM, call())
    assert opened.studies == [(second.uid, "42002")]
    assert opened.already == 1
    assert owners.visible(RAD1, [first.id, second.id]) == {first.id, second.id}
    assert owners.visible(CLIN1, [second.id]) == frozenset(), "for one person, not for the МО"
    clock.pass_(hours=23, minutes=59)
    assert owners.visible(RAD1, [second.id]) == {second.id}
    clock.pass_(minutes=1)
    assert owners.visible(RAD1, [second.id]) == frozenset()


def test_a_number_of_the_patient_index_opens_what_it_knows(emergency, second, monkeypatch):
    """СНИЛС stands in the patient index, and in no image."""

    class Index:
        def known_by(self, number, birth_date):
            return [(second.uid, "42002"), (second.uid, "42900"), ("9.9", "42002")] if birth_date == BORN else []

    assert emergency.take(RAD1, ROOM, call("700-123-456 18")).studies == []
    monkeypatch.setattr(emergency, "_known", Index())
    assert emergency.take(RAD1, ROOM, call("700-123-456 18")).studies == [(second.uid, "42002")]
    assert emergency.take(RAD1, ROOM, call("700-123-456 18", born=date(1957, 3, 9))).studies == []


@pytest.mark.parametrize("reason", ["", "   ", "ой"])
def test_without_a_reason_nothing_is_looked_for(emergency, archive, reason):
    with pytest.raises(Invalid):
        emergency.take(RAD1, ROOM, call(reason=reason))
    assert archive.questions == []


@pytest.mark.parametrize("number", ["", "12", "*", "SHA*", "SHARE?", "A\\SHARED"])
def test_nobody_browses(emergency, archive, number):
    with pytest.raises(Invalid):
        emergency.take(RAD1, ROOM, call(number))
    assert archive.questions == []


@pytest.mark.parametrize("person", [TECH1, ADM1, CONS], ids=lambda person: person.login)
def test_it_is_for_doctors_of_an_organization(emergency, archive, person):
    with pytest.raises(Denied):
        emergency.take(person, ROOM, call())
    assert archive.questions == []


def test_the_date_of_birth_must_be_right(emergency):
    assert emergency.take(RAD1, ROOM, call(born=date(1957, 3, 9))).studies == []


def test_askings_in_vain_are_counted_across_restarts(emergency, clock, engine):
    for _ in range(MOST_MISSES):
        assert emergency.take(RAD2, ROOM, call("NOBODY")).studies == []
    with pytest.raises(TooOften):
        emergency.take(RAD2, ROOM, call())
    assert emergency.take(RAD1, ROOM, call()).studies, "each person has her own"
    assert kinds(engine) == [("break-glass", "failure")] * MOST_MISSES + [("break-glass", "success")]
    clock.pass_(hours=1, seconds=1)
    assert emergency.take(RAD2, ROOM, call()).studies


def test_snils_is_found_however_it_was_written(emergency, deliver, archive):
    written = deliver("42002", "1.2.7", patient="112-233-445 95")
    archive.resources[written.id]["PatientMainDicomTags"]["PatientBirthDate"] = "19570308"
    for typed in ("11223344595", "112 233 445 95", "112-233-445-95"):
        emergency.take(RAD1, ROOM, call(typed))
    assert emergency.take(RAD1, ROOM, call("11223344595")).already == 1


def test_the_owners_administrator_is_told_until_it_was_noted(emergency, desk):
    emergency.take(RAD1, ROOM, call())
    (told,) = desk.register.unreviewed("42002")
    assert (told.given_by, told.reason) == ("rad1", "без сознания, ДТП")
    assert desk.register.unreviewed("42001") == []
    for person in (ADM1, RAD2):
        with pytest.raises((NotFound, Denied)):
            desk.reviewed(person, told.number)
    desk.reviewed(ADM2, told.number)
    assert desk.register.unreviewed("42002") == []
    assert desk.register.one(told.number).reviewed_by == "adm2"


def test_who_took_it_or_the_owners_administrator_ends_it(emergency, desk, owners, second):
    for person in (RAD1, ADM2):
        emergency.take(RAD1, ROOM, call())
        (grant,) = desk.register.given("42002", holding=True).grants
        with pytest.raises((Denied, NotFound)):
            desk.end(RAD2, ROOM, grant.number, "не оправдано")
        desk.end(person, ROOM, grant.number, "больше не нужно")
        assert owners.visible(RAD1, [second.id]) == frozenset()
