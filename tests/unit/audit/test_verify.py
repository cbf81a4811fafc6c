"""Whatever is done to a journal is found, and said where."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, text, update

from cami.audit import AuditEvent, Kind, Outcome, Record
from cami.audit.chain import Head, append, columns
from cami.audit.verify import Fault, Finding, Row, faults_of, verify
from cami.db.tables import audit_anchor, audit_head, audit_record, audit_study

BEGIN = datetime(2026, 11, 28, 7, 0, tzinfo=UTC)
words = st.text(max_size=12)
uids = st.lists(st.from_regex(r"1\.2\.[0-9]{1,4}", fullmatch=True), max_size=3, unique=True)
events = st.builds(
    AuditEvent,
    kind=st.sampled_from(Kind),
    actor=words,
    role=words,
    mo=st.sampled_from(["", "42001", "42002"]),
    source=words,
    outcome=st.sampled_from(Outcome),
    studies=uids.map(tuple),
    reason=words,
    details=st.dictionaries(words, words, max_size=2),
).map(AuditEvent.cleaned)
journals = st.lists(events, min_size=2, max_size=8)


def chain(happened, start=0):
    """Make the records of a journal; `start` moves all times, so that two journals of the same events differ."""
    head, records = Head("central"), []
    for number, event in enumerate(happened, 1):
        at = BEGIN + timedelta(seconds=start + number, microseconds=number)
        records.append(Record.make("central", number, at, event, head.hash))
        head = Head("central", number, records[-1].hash)
    return records, head


def row(record, **changes):
    values = {
        "server": record.server,
        "seq": record.seq,
        "content": record.content,
        "hash": record.hash,
        "columns": dict(columns(record)),
        "studies": frozenset(record.event.studies),
    }
    return Row(**(values | changes))


def found(rows, head, anchors=None):
    return list(faults_of(rows, Head("central"), head, anchors or {}))


@given(journals)
def test_an_honest_journal_has_no_fault(happened):
    records, head = chain(happened)
    assert found(map(row, records), head, {record.seq: record.hash for record in records}) == []
    assert [Record.parse(record.content) for record in records] == records


@given(journals, st.data())
def test_a_changed_record_is_found_and_named(happened, data):
    records, head = chain(happened)
    place = data.draw(st.integers(0, len(records) - 1))
    other = data.draw(events)
    assume(other != records[place].event)
    old = records[place]
    forged = Record.make(old.server, old.seq, old.at, other, old.previous)
    rows = [row(record) for record in records]
    # The content alone, as if the chain's maths were not known.
    rows[place] = row(forged, hash=old.hash)
    assert found(rows, head) == [Finding("central", old.seq, Fault.CHANGED)]
    # Content and hash: what follows does not fit any more.
    rows[place] = row(forged)
    assert found(rows, head)[0] in (
        Finding("central", old.seq + 1, Fault.UNLINKED),
        Finding("central", old.seq, Fault.UNLINKED),
    )


@given(journals, st.data())
def test_columns_that_say_something_else_are_found(happened, data):
    records, head = chain(happened)
    place = data.draw(st.integers(0, len(records) - 1))
    rows = [row(record) for record in records]
    if data.draw(st.booleans()):
        rows[place] = row(records[place], studies=frozenset({"9.9"}))
    else:
        rows[place] = row(records[place], columns=dict(columns(records[place])) | {"actor": "somebody else"})
    assert found(rows, head) == [Finding("central", place + 1, Fault.CHANGED)]


@given(journals, st.data())
def test_removed_records_are_found_and_named(happened, data):
    records, head = chain(happened)
    first = data.draw(st.integers(0, len(records) - 1))
    last = data.draw(st.integers(first, len(records) - 1))
    rows = [row(record) for record in records]
    assert found(rows[:first] + rows[last + 1 :], head) == [Finding("central", first + 1, Fault.REMOVED, last + 1)]


@given(journals, st.data())
def test_two_records_that_changed_places_are_found(happened, data):
    records, head = chain(happened)
    one = data.draw(st.integers(0, len(records) - 2))
    other = data.draw(st.integers(one + 1, len(records) - 1))
    rows = [row(record) for record in records]
    rows[one] = row(records[other], seq=one + 1)
    rows[other] = row(records[one], seq=other + 1)
    assert {Finding("central", one + 1, Fault.MOVED), Finding("central", other + 1, Fault.MOVED)} <= set(
        found(rows, head)
    )


@given(journals, events, st.data())
def test_a_record_that_was_put_in_is_found(happened, event, data):
    records, head = chain(happened)
    place = data.draw(st.integers(1, len(records)))
    forged = Record.make("central", place + 1, BEGIN, event, records[place - 1].hash)
    # What stood there and after it is moved on by one number, as the table cannot hold two of the same.
    rows = [row(record) for record in records[:place]]
    rows += [row(forged)] + [row(record, seq=record.seq + 1) for record in records[place:]]
    faults = found(rows, head)
    assert faults
    assert faults[0].seq in (place + 1, place + 2)


@given(journals, st.data())
def test_a_chain_made_anew_is_found_by_what_others_have_noted(happened, data):
    records, _ = chain(happened)
    place = data.draw(st.integers(0, len(records) - 1))
    forged = records[:place]
    head = Head("central", place, records[place - 1].hash if place else Head("central").hash)
    for record in records[place:]:
        new = Record.make("central", record.seq, record.at + timedelta(hours=1), record.event, head.hash)
        forged.append(new)
        head = Head("central", new.seq, new.hash)
    noted = data.draw(st.integers(place, len(records) - 1))
    rows = [row(record) for record in forged]
    assert found(rows, head) == []
    assert found(rows, head, {noted + 1: records[noted].hash}) == [Finding("central", noted + 1, Fault.REWRITTEN)]


@given(journals, st.data())
def test_an_end_that_was_cut_off_is_found(happened, data):
    records, head = chain(happened)
    left = data.draw(st.integers(0, len(records) - 1))
    rows = [row(record) for record in records[:left]]
    cut = [Finding("central", left + 1, Fault.REMOVED, len(records))]
    assert found(rows, head) == cut
    # The noted end was set back too: what somebody else has noted shows it.
    back = Head("central", left, records[left - 1].hash if left else Head("central").hash)
    assert found(rows, back) == []
    assert found(rows, back, {head.seq: head.hash}) == cut


def fill(trail, number=5):
    for turn in range(number):
        trail.record(AuditEvent(Kind.VIEW, "rad1", studies=(f"1.2.{turn}", "1.2.9"), subject=str(turn)))


@pytest.fixture
def unguarded(engine):
    """A database of somebody who has taken the triggers away."""
    with engine.begin() as connection:
        for name in ("audit_record_never_changed", "audit_record_never_removed"):
            connection.execute(text(f"DROP TRIGGER {name}"))
    return engine


def test_a_journal_in_a_database(engine, clock):
    with engine.begin() as connection:
        append(connection, "central", [AuditEvent(Kind.VIEW, "rad1", studies=("1.2",))] * 2500, clock.now())
    report = verify(engine)
    assert report.whole
    (central,) = report.chains
    assert (central.server, central.first, central.end.seq, central.records) == ("central", 1, 2500, 2500)


def test_what_is_done_to_the_tables_is_found(trail, unguarded):
    fill(trail)
    with unguarded.begin() as connection:
        connection.execute(update(audit_record).where(audit_record.c.seq == 2).values(actor="rad2"))
        connection.execute(delete(audit_record).where(audit_record.c.seq == 4))
        connection.execute(delete(audit_study).where(audit_study.c.seq == 5, audit_study.c.study_uid == "1.2.9"))
    assert verify(unguarded).findings == [
        Finding("central", 2, Fault.CHANGED),
        Finding("central", 4, Fault.REMOVED, 4),
        Finding("central", 5, Fault.CHANGED),
    ]


def test_heads_that_others_keep_show_what_was_cut_off(trail, unguarded, clock):
    fill(trail)
    with unguarded.connect() as connection:
        end = connection.execute(audit_head.select()).one()
    with unguarded.begin() as connection:
        connection.execute(delete(audit_record).where(audit_record.c.seq > 3))
        left = connection.execute(audit_record.select().where(audit_record.c.seq == 3)).one()
        connection.execute(update(audit_head).values(seq=3, hash=left.hash))
    assert verify(unguarded).whole
    gone = [Finding("central", 4, Fault.REMOVED, 5)]
    assert verify(unguarded, [Head("central", 5, end.hash)]).findings == gone
    with unguarded.begin() as connection:
        connection.execute(insert(audit_anchor).values(server="central", seq=5, hash=end.hash, noted_at=clock.now()))
    assert verify(unguarded).findings == gone


def test_an_emptied_journal_is_found(trail, unguarded):
    fill(trail)
    with unguarded.begin() as connection:
        connection.execute(delete(audit_record))
    assert verify(unguarded).findings == [Finding("central", 1, Fault.REMOVED, 5)]
