"""The centre's patients and orders over a database in a file."""

from types import SimpleNamespace

import pytest

from cami.events import EventLog
from cami.orders import Orders, Patients
from tests.unit.empty_database import empty_database
from tests.unit.fakes import Hands


def make(path):
    engine = empty_database(path)
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
