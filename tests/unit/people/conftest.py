"""People of two МО and of the region, and the services over them."""

import base64
import json
import shutil

import pytest
from argon2 import PasswordHasher
from sqlalchemy import event

from cami.audit import AuditTrail
from cami.db import open_engine
from cami.db.tables import metadata
from cami.db.tables.audit import audit_record
from cami.people import Accounts, Administration, Authenticator, Passwords, Sessions, SignIn, SignInRecord
from cami.people.second_factor import SecondFactor
from cami.people.vault import Vault
from cami.region import PasswordRules, People
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
    return Sessions(engine, clock, accounts)


@pytest.fixture
def authenticator(accounts, sessions, clock):
    return Authenticator(accounts, sessions, clock)


@pytest.fixture
def strict(engine, clock, people):
    """Everything as a region demands it that says nothing else."""
    return House(engine, clock, people)


class House:
    """The services over one database, by the default rules unless `rules` says otherwise."""

    def __init__(self, engine, clock, people, rules=None, key=None):
        self.engine, self.clock = engine, clock
        self.rules = rules or People()
        self.accounts = Accounts(engine, clock, passwords=CHEAP, rules=self.rules)
        self.accounts.import_initial(people)
        self.sessions = Sessions(engine, clock, self.accounts)
        self.trail = AuditTrail(engine, clock, "central")
        self.factor = SecondFactor(engine, clock, Vault(key or b"k" * 32))
        self.sign_in = SignIn(
            engine,
            clock,
            self.accounts,
            self.sessions,
            factor=self.factor,
            trail=self.trail,
            record=SignInRecord(self.trail, clock),
        )
        self.administration = Administration(
            engine, clock, self.accounts, self.sessions, self.trail, organizations=["42001", "42002", "42900"]
        )
        self.authenticator = Authenticator(self.accounts, self.sessions, clock)

    def who(self, login):
        return self.accounts.state(login).identity

    def step(self, token):
        return self.sessions.standing(token).step

    def recorded(self):
        """Return (actor, subject, reason, outcome) of what the journal holds."""
        self.trail.close()
        with self.engine.connect() as connection:
            rows = connection.execute(audit_record.select().order_by(audit_record.c.seq)).all()
        return [(row.actor, row.subject, json.loads(row.content).get("reason", ""), row.outcome) for row in rows]


#: First passwords may stay, nobody needs a second factor: as in the development region.
EASY = People(passwords=PasswordRules(change_first=False), second_factor={"required": ()})


@pytest.fixture
def easy(engine, clock, people):
    """As in the development region."""
    return House(engine, clock, people, EASY)


def basic(login, password=PASSWORD):
    """Headers of a program that signs in with HTTP Basic."""
    token = base64.b64encode(f"{login}:{password}".encode()).decode()
    return {"host": "cami", "authorization": f"Basic {token}"}
