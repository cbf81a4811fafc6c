"""Two МО whose patients share a card number, people of both, and the services over them."""

import base64
import shutil
from dataclasses import dataclass
from functools import partial

import pytest
from argon2 import PasswordHasher
from sqlalchemy import event, insert

from cami.access import Accounts, Authenticator, Gate, Passwords, Sessions, Visibility, overrides, owner_label
from cami.archive import orthanc_id
from cami.db import open_engine
from cami.db.tables import metadata, study, study_claim
from tests.unit.fakes import Hands, MemoryArchive

CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
PASSWORD = "пароль-Ёж"

PEOPLE = [
    ("rad1", "radiologist", "42001"),
    ("clin1", "clinician", "42001"),
    ("tech1", "technologist", "42001"),
    ("adm1", "mo_admin", "42001"),
    ("rad2", "radiologist", "42002"),
    ("cons", "consultant", "42900"),
    ("oper", "operator", ""),
    ("disp", "dispatcher", ""),
    ("aud", "auditor", ""),
    ("mis", "mis", ""),
    ("watch", "monitor", ""),
    ("root", "region_admin", ""),
]


@dataclass(frozen=True)
class Study:
    """An own study of two series, and the ids of one branch of it."""

    patient: str
    uid: str
    id: str
    series: str
    instance: str


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    path = tmp_path_factory.mktemp("database") / "empty.sqlite"
    engine = open_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    engine.dispose()
    return path


@pytest.fixture
def engine(tmp_path, empty_database):
    shutil.copy(empty_database, tmp_path / "cami.sqlite")
    engine = open_engine(f"sqlite:///{tmp_path}/cami.sqlite")
    # No power cut is tested here, and waiting for the disk is most of the time of these tests.
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def password_hash():
    return CHEAP.hash(PASSWORD)


@pytest.fixture
def people(password_hash):
    return [
        {"login": login, "name": login, "role": role, "mo": mo, "password_hash": password_hash}
        for login, role, mo in PEOPLE
    ]


@pytest.fixture
def accounts(engine, clock, people):
    accounts = Accounts(engine, clock, passwords=CHEAP)
    accounts.import_initial(people)
    return accounts


@pytest.fixture
def sessions(engine, clock, accounts):
    return Sessions(engine, clock)


@pytest.fixture
def authenticator(accounts, sessions, clock):
    return Authenticator(accounts, sessions, clock)


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


def basic(login, password=PASSWORD):
    """Headers of a program that signs in with HTTP Basic."""
    token = base64.b64encode(f"{login}:{password}".encode()).decode()
    return {"host": "cami", "authorization": f"Basic {token}"}
