"""Grants are given once, end by hand and on time, and leave a record."""

import json
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select

from cami.access import Cause, GrantBook, NewGrant
from cami.access.granted import Received
from cami.access.grants import Actor
from cami.audit import AuditTrail
from cami.db.tables import audit_record, study_grant
from cami.errors import Invalid


@pytest.fixture
def book(clock):
    return GrantBook(clock)


def consultation(number="7", **values):
    return NewGrant(
        **{
            "study_uid": "1.2.1",
            "owner": "42001",
            "mo": "42002",
            "cause": Cause.CONSULTATION,
            "reference": number,
            "by": "rad1",
            **values,
        }
    )


@pytest.fixture
def give(engine, book):
    def give(grant):
        with engine.begin() as connection:
            return book.give(connection, grant)

    return give


@pytest.fixture
def seen(engine, clock):
    def seen(mo, login=""):
        received = Received(mo, login, clock.now())
        if not (mo or login):
            return set()
        with engine.connect() as connection:
            givers = received.givers(connection, 10)
            return {uid for _, uid in connection.execute(received.studies(givers))}

    return seen


def test_a_grant_is_seen_by_whom_it_was_given_to(give, seen):
    give(consultation())
    assert seen("42002", "rad2") == {"1.2.1"}
    assert seen("42003", "rad3") == set()
    assert seen("", "rad2") == set()


def test_a_grant_to_a_person_is_not_for_the_persons_colleagues(give, seen):
    give(consultation(mo="", login="cons"))
    give(consultation(study_uid="1.2.2", mo="42900", login="cons"))
    assert seen("42900", "cons") == {"1.2.1", "1.2.2"}
    assert seen("42002", "cons") == {"1.2.1"}, "a grant to a person of an МО holds while she acts for that МО"
    assert seen("", "cons") == {"1.2.1"}
    assert seen("42900", "other") == set()


def test_a_grant_ends_when_its_time_is_over(give, seen, clock, engine, book):
    give(consultation(until=clock.now() + timedelta(hours=24)))
    clock.pass_(hours=23, minutes=59)
    assert seen("42002") == {"1.2.1"}
    clock.pass_(minutes=1)
    assert seen("42002") == set()
    with engine.begin() as connection:
        assert book.expire(connection) == 1
        assert book.expire(connection) == 0


def test_a_closed_consultation_ends_its_grants_alone(give, seen, engine, book):
    give(consultation("7"))
    give(consultation("7", study_uid="1.2.2"))
    give(consultation("8", study_uid="1.2.3"))
    with engine.begin() as connection:
        assert book.end(connection, cause=Cause.CONSULTATION, reference="7", by="rad1", why="closed") == 2
        assert book.end(connection, cause=Cause.ORDER, reference="8", by="rad1", why="closed") == 0
        with pytest.raises(Invalid):
            book.end(connection, cause=Cause.SHARE, reference="", by="rad1", why="all of them")
    assert seen("42002") == {"1.2.3"}


def test_the_same_grant_is_given_once(give, engine):
    first = give(consultation())
    assert give(consultation()) == first
    assert give(consultation("8")) != first


def test_a_longer_grant_takes_the_place_of_the_old_one(give, engine, clock):
    old = give(consultation(until=clock.now() + timedelta(days=1)))
    new = give(consultation(until=clock.now() + timedelta(days=2)))
    with engine.connect() as connection:
        rows = {row.number: row for row in connection.execute(select(study_grant))}
    assert rows[old].ended_why == "replaced"
    assert rows[new].ended_at is None


def test_each_giving_and_ending_is_in_the_journal(engine, clock):
    book = GrantBook(clock, AuditTrail(engine, clock, "central"))
    with engine.begin() as connection:
        number = book.give(connection, consultation(reason="вопрос"), Actor("radiologist", "42001", "10.0.0.1"))
        book.give(connection, consultation(cause=Cause.BREAK_GLASS, reference="", reason="кома", by="rad2"))
        book.revoke(connection, [number], by="adm1", why="ошибка")
    with engine.connect() as connection:
        contents = [
            json.loads(row.content) for row in connection.execute(select(audit_record).order_by(audit_record.c.seq))
        ]
    assert [content["kind"] for content in contents] == ["grant", "break-glass", "revoke"]
    assert contents[0]["actor"] == "rad1"
    assert contents[0]["source"] == "10.0.0.1"
    assert contents[2]["subject"] == f"grant-{number}"


def test_nothing_is_given_if_the_transaction_fails(engine, book, seen):
    with engine.connect() as connection:
        book.give(connection, consultation())
        connection.rollback()
    assert seen("42002") == set()


@pytest.mark.parametrize(
    "wrong",
    [{"mo": ""}, {"study_uid": ""}, {"owner": ""}, {"by": ""}],
    ids=["to nobody", "of no study", "of no owner", "by nobody"],
)
def test_a_grant_that_says_too_little_is_refused(give, wrong):
    with pytest.raises(Invalid):
        give(consultation(**wrong))


def test_a_grant_that_is_over_is_refused(give, clock):
    with pytest.raises(Invalid):
        give(consultation(until=clock.now()))


def test_a_number_is_never_given_twice(give, engine, book):
    first = give(consultation())
    with engine.begin() as connection:
        connection.execute(study_grant.delete())
    assert give(consultation()) > first


@dataclass
class Patients:
    studies: list

    def studies_of(self, _connection, patient):
        return self.studies if patient == "P1" else []


def test_an_order_gives_what_others_have_of_the_patient_for_a_set_time(engine, book, seen, clock):
    patients = Patients([("1.2.1", "42001"), ("1.2.9", "42002"), ("1.2.3", "42003")])
    relation = NewGrant("", "", mo="42002", cause=Cause.ORDER, reference="A1", by="mis:1")
    with engine.begin() as connection:
        with pytest.raises(Invalid, match="end"):
            book.give_patient(connection, patients, "P1", relation)
        until = clock.now() + timedelta(days=30)
        timed = NewGrant("", "", mo="42002", cause=Cause.ORDER, reference="A1", by="mis:1", until=until)
        assert len(book.give_patient(connection, patients, "P1", timed)) == 2
        assert book.give_patient(connection, patients, "P2", timed) == []
    assert seen("42002") == {"1.2.1", "1.2.3"}
    with engine.begin() as connection:
        book.end(connection, cause=Cause.ORDER, reference="A1", by="mis:1", why="cancelled")
    assert seen("42002") == set()
