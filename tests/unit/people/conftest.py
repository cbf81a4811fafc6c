"""People of two МО and of the region, and the services over them."""

import base64
import shutil

import pytest
from argon2 import PasswordHasher
from sqlalchemy import event

from cami.db import open_engine
from cami.db.tables import metadata
from cami.people import Accounts, Authenticator, Passwords, Sessions
from tests.unit.fakes import Hands

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


def basic(login, password=PASSWORD):
    """Headers of a program that signs in with HTTP Basic."""
    token = base64.b64encode(f"{login}:{password}".encode()).decode()
    return {"host": "cami", "authorization": f"Basic {token}"}
