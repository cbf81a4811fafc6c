"""The centre's patients and orders over a database in a file."""

from types import SimpleNamespace

import pytest
from sqlalchemy import event as sqlalchemy_event

from cami.db import open_engine
from cami.db.tables import metadata
from cami.events import EventLog
from cami.orders import Orders, Patients
from tests.unit.fakes import Hands


def make(path):
    engine = open_engine(f"sqlite:///{path}")
    sqlalchemy_event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    metadata.create_all(engine)
    clock = Hands()
    events = EventLog(engine, clock)
    patients = Patients(engine, clock, events)
    return SimpleNamespace(
        engine=engine, clock=clock, events=events, patients=patients, orders=Orders(engine, clock, events, patients)
    )


@pytest.fixture
def centre(tmp_path):
    made = make(tmp_path / "centre.sqlite")
    yield made
    made.engine.dispose()
