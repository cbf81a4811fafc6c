"""What machines deliver is in the journals of both sides: an event a study, not one an image."""

from contextlib import suppress

from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from cami.audit import Kind, Outcome, Record
from cami.audit.verify import verify
from cami.db.tables import audit_record
from cami.watch.progress import queue_totals

from .conftest import dicom


def journal(engine):
    with engine.connect() as connection:
        query = select(audit_record.c.content).order_by(audit_record.c.seq)
        return [Record.parse(content).event for content in connection.scalars(query)]


def test_a_study_is_an_event_at_the_proxy_and_two_at_the_centre(region):
    proxy = region.proxy("42001")
    for number in range(5):
        proxy.archive.store(dicom(sop=f"1.1.1.{number}"))
    proxy.work(3)
    (came,) = journal(proxy.engine)
    assert (came.kind, came.actor, came.source) == (Kind.IMPORT, "device:CT1", "10.0.0.9")
    assert (came.studies, came.owner) == (("1.1",), "42001")
    began, whole = journal(region.central_db)
    assert (began.actor, began.studies, began.details["stage"]) == ("proxy-42001", ("1.1",), "began")
    assert (whole.details["stage"], whole.details["instances"]) == ("whole", "5")
    assert verify(region.central_db).whole


def test_what_comes_later_is_recorded_again(region):
    proxy = region.proxy("42001")
    proxy.archive.store(dicom(sop="1.1.1.1"))
    proxy.work(2)
    region.clock.pass_(minutes=6)
    proxy.archive.store(dicom(sop="1.1.1.2"))
    proxy.work(2)
    assert len(journal(proxy.engine)) == 2
    assert [event.details["stage"] for event in journal(region.central_db)] == ["began", "whole", "whole"]


def test_a_foreign_study_is_a_failure_on_record(region):
    first, second = region.proxy("42001"), region.proxy("42002")
    first.archive.store(dicom(sop="1.1.1.1"))
    first.work(2)
    for number in range(2, 5):
        second.archive.store(dicom(sop=f"1.1.1.{number}"))
    second.work(2)
    (event,) = [event for event in journal(region.central_db) if event.outcome is Outcome.FAILURE]
    assert (event.actor, event.studies, event.reason) == ("proxy-42002", ("1.1",), "other-mo-study")


def test_a_broken_journal_puts_off_and_loses_nothing(region):
    proxy = region.proxy("42001")
    with proxy.engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit_head RENAME TO elsewhere"))
    proxy.archive.store(dicom())
    with suppress(SQLAlchemyError):
        proxy.feed.advance()
    assert proxy.archive.files
    assert queue_totals(proxy.engine).queued == 0
    with proxy.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO audit_head"))
    proxy.work(2)
    assert queue_totals(proxy.engine).confirmed == 1
    assert [event.kind for event in journal(proxy.engine)] == [Kind.IMPORT]
