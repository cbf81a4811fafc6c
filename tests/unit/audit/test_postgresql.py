"""The journal on PostgreSQL: writers of several servers make one chain, records stay what they are."""

import os
import threading
from itertools import pairwise

import pytest
from sqlalchemy import create_engine, delete, select, text, update
from sqlalchemy.exc import DBAPIError

from cami.audit import AuditEvent, AuditTrail, Kind, Record
from cami.audit.search import JournalReader, Question
from cami.audit.verify import Fault, Finding, verify
from cami.clock import SystemClock
from cami.db import open_engine
from cami.db.migrate import migrate
from cami.db.tables import audit_record

#: An empty database that may be filled, as postgresql+psycopg://…; the schema is dropped afterwards.
URL = os.environ.get("CAMI_TEST_POSTGRESQL", "")

pytestmark = pytest.mark.skipif(not URL, reason="CAMI_TEST_POSTGRESQL names no database")


@pytest.fixture(scope="module")
def database():
    admin = create_engine(URL, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    migrate(URL)
    yield URL
    with admin.connect() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    admin.dispose()


def test_a_journal_of_three_replicas(database):
    engines = [open_engine(database) for _ in range(3)]
    trails = [AuditTrail(engine, SystemClock(), "central") for engine in engines]

    def work(trail, engine):
        for number in range(20):
            event = AuditEvent(Kind.VIEW, "rad1", studies=(f"1.2.{number}",), reason="Ёлка\x00")
            if number % 2:
                trail.record(event)
            else:
                with engine.begin() as connection:
                    trail.record_in(connection, event)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(trails, engines, strict=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engines[0].connect() as connection:
        query = select(audit_record.c.content).order_by(audit_record.c.seq)
        records = [Record.parse(content) for content in connection.scalars(query)]
    assert [record.seq for record in records] == list(range(1, 181))
    assert all(after.previous == before.hash for before, after in pairwise(records))
    assert verify(engines[0]).whole
    found = JournalReader(engines[0]).page(Question(study_uid="1.2.7"), limit=5)
    assert len(found.records) == 5
    assert found.next is not None
    for statement in (update(audit_record).values(actor="x"), delete(audit_record), text("TRUNCATE audit_record")):
        with pytest.raises(DBAPIError, match="never changed or removed"), engines[0].begin() as connection:
            connection.execute(statement)
    with engines[0].begin() as connection:
        connection.execute(text("ALTER TABLE audit_record DISABLE TRIGGER USER"))
        connection.execute(delete(audit_record).where(audit_record.c.seq == 9))
    assert verify(engines[0]).findings == [Finding("central", 9, Fault.REMOVED, 9)]
    for trail, engine in zip(trails, engines, strict=True):
        trail.close()
        engine.dispose()
