"""Recording: durable, in order, in a chain, also when many record at once."""

import threading
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError

from cami.audit import AuditEvent, AuditTrail, Kind, Outcome, Record
from cami.audit.record import GENESIS
from cami.db.tables import audit_head, audit_record, audit_study
from cami.errors import Invalid, Transient

NOW = datetime(2026, 11, 28, 7, 30, 0, 123456, UTC)
VIEW = AuditEvent(Kind.VIEW, "rad1", "radiologist", "42001", "10.0.0.7", studies=("1.2.3",), owner="42001")


def records(engine):
    with engine.connect() as connection:
        return [Record.parse(content) for content in connection.scalars(select(audit_record.c.content))]


def test_what_is_recorded_stands_in_the_chain(engine, trail, clock):
    trail.record(VIEW)
    trail.record(AuditEvent(Kind.SIGN_IN, "ghost", outcome=Outcome.FAILURE, reason="wrong"))
    first, second = records(engine)
    assert (first.server, first.seq, first.previous, first.at) == ("central", 1, GENESIS, clock.now())
    assert (second.seq, second.previous) == (2, first.hash)
    assert first.event == VIEW
    with engine.connect() as connection:
        assert connection.execute(select(audit_head.c.seq, audit_head.c.hash)).all() == [(2, second.hash)]
        assert connection.execute(select(audit_study)).all() == [("1.2.3", "central", 1)]


def test_an_event_within_a_change_goes_with_it(engine, trail):
    with engine.begin() as connection:
        trail.record_in(connection, VIEW)
        connection.rollback()
    trail.record(VIEW)
    with engine.begin() as connection:
        trail.record_in(connection, VIEW)
    assert [record.seq for record in records(engine)] == [1, 2]


def test_many_at_once_make_one_chain(engine, trail):
    def work(number):
        for turn in range(10):
            trail.record(AuditEvent(Kind.VIEW, f"rad{number}", subject=str(turn)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = records(engine)
    assert [record.seq for record in found] == list(range(1, 81))
    assert all(after.previous == before.hash for before, after in pairwise(found))


def test_several_servers_at_one_database_make_one_chain(engine, clock):
    trails = [AuditTrail(engine, clock, "central") for _ in range(3)]
    threads = [threading.Thread(target=lambda each=each: [each.record(VIEW) for _ in range(10)]) for each in trails]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = records(engine)
    assert all(after.previous == before.hash for before, after in pairwise(found))
    assert len(found) == 30
    for each in trails:
        each.close()


def test_a_journal_that_cannot_be_written_says_so(engine, trail):
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE audit_head"))
    with pytest.raises(Transient, match="journal"):
        trail.record(VIEW)


def test_the_database_refuses_to_change_or_remove_a_record(engine, trail):
    trail.record(VIEW)
    with pytest.raises(IntegrityError, match="never changed"), engine.begin() as connection:
        connection.execute(update(audit_record).values(actor="other"))
    with pytest.raises(IntegrityError, match="never removed"), engine.begin() as connection:
        connection.execute(delete(audit_record))


def test_texts_are_cleaned_and_cut(engine, trail):
    trail.record(AuditEvent(Kind.SIGN_IN, "a\x00b\n" + "я" * 200, reason="\ud800", details={"n": 5}))  # type: ignore[dict-item]
    (record,) = records(engine)
    assert record.event.actor.startswith("a b ")
    assert len(record.event.actor) == 100
    assert record.event.reason == "?"
    assert record.event.details == {"n": "5"}


def test_only_the_canonical_form_is_a_record():
    record = Record.make("central", 1, NOW, VIEW, GENESIS)
    assert Record.parse(record.content) == record
    for other in (record.content.replace(",", ", ", 1), record.content + " ", "[]", "{}", "", '{"v":2}'):
        with pytest.raises(Invalid):
            Record.parse(other)
