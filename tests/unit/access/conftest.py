# ruff: noqa: F811 - fixtures of the people are taken over by name
"""Two МО whose patients share a card number, and the services over them. The people are those of `people`."""

from dataclasses import dataclass
from functools import partial
from itertools import product

import pytest
from sqlalchemy import insert

from cami.access import Gate, Visibility, overrides, owner_label
from cami.archive import orthanc_id
from cami.db.tables import received_instance, stored_content, study, study_claim
from tests.unit.fakes import MemoryArchive
from tests.unit.people.conftest import (  # noqa: F401 - fixtures, and what tests here and elsewhere take from here
    CHEAP,
    PASSWORD,
    PEOPLE,
    accounts,
    authenticator,
    basic,
    clock,
    empty_database,
    engine,
    password_hash,
    people,
    sessions,
)


@dataclass(frozen=True)
class Study:
    """An own study of two series, and the ids of one branch of it."""

    patient: str
    uid: str
    id: str
    series: str
    instance: str


@pytest.fixture
def archive():
    return MemoryArchive()


def add_study(archive, engine, clock, /, mo, uid, *, patient="SHARED", name="NAME^A"):
    """Deliver a study of two series (CT, MR) of `mo`, with its row of ownership unless `mo` is None."""
    labels = [owner_label(mo)] if mo else []
    for number, modality in ((1, "CT"), (2, "MR")):
        for image in (1, 2):
            archive.add(
                patient, uid, f"{uid}.{number}", f"{uid}.{number}.{image}", name=name, modality=modality, labels=labels
            )
    if mo:
        now = clock.now()
        with engine.begin() as connection:
            connection.execute(insert(study_claim).values(study_uid=uid, owner=mo, claimed_at=now))
            connection.execute(
                insert(study).values(
                    study_id=orthanc_id(patient, uid), study_uid=uid, owner=mo, claimed_at=now, labelled=True
                )
            )
            for series, image in product((1, 2), (1, 2)):
                sop = f"{uid}.{series}.{image}"
                key = orthanc_id(patient, uid, f"{uid}.{series}", sop)
                row = {"instance_id": key, "sop_uid": sop, "study_id": orthanc_id(patient, uid), "sha256": sop}
                connection.execute(insert(received_instance).values(**row, size=1, stored_at=now))
                series_id = orthanc_id(patient, uid, f"{uid}.{series}")
                connection.execute(insert(stored_content).values(instance_id=key, series_id=series_id))
        clock.pass_(seconds=1)
    return Study(
        orthanc_id(patient),
        uid,
        orthanc_id(patient, uid),
        orthanc_id(patient, uid, f"{uid}.1"),
        orthanc_id(patient, uid, f"{uid}.1", f"{uid}.1.1"),
    )


@pytest.fixture
def deliver(archive, engine, clock):
    return partial(add_study, archive, engine, clock)


@pytest.fixture
def first(deliver):
    """A study of 42001."""
    return deliver("42001", "1.2.1", name="ALPHA^A")


@pytest.fixture
def second(deliver, first):
    """A study of 42002, of a patient with the same number."""
    return deliver("42002", "1.2.2", name="BETA^B")


@pytest.fixture
def orphan(deliver):
    """A study that nobody owns: stored by a way that there should not be."""
    return deliver(None, "1.2.3")


@pytest.fixture
def visibility(archive, engine, clock):
    return Visibility("central", "", archive, engine, clock=clock)


@pytest.fixture
def gate(authenticator, archive, engine, clock):
    return Gate("central", "", authenticator, archive, engine, clock=clock)


@pytest.fixture
def proxy_gate(authenticator, archive, engine):
    return Gate("proxy", "42001", authenticator, archive, engine)


@pytest.fixture
def endpoints(authenticator, visibility, archive):
    return overrides(authenticator, visibility, archive)
