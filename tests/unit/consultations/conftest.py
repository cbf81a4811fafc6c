"""A centre's consultations over a real database: people, routes, studies of two МО, and a clock that tests move."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import insert, select

from cami.access import Cause, GrantBook, Identity, Role
from cami.audit import AuditTrail
from cami.consultations.answers import Answers
from cami.consultations.bindings import AuditJournal, GrantRights
from cami.consultations.catalogue import Found
from cami.consultations.council import Council
from cami.consultations.deadlines import Deadlines
from cami.consultations.drafts import Drafts
from cami.consultations.notices import Notices
from cami.consultations.people import Consultants
from cami.consultations.request import ChosenStudy
from cami.consultations.routes import RouteTable
from cami.consultations.service import Consultations
from cami.consultations.signatures import Verifiers
from cami.consultations.talk import Talk
from cami.consultations.workflow import Workflow
from cami.db import open_engine
from cami.db.migrate import migrate
from cami.db.tables import account, study_grant
from cami.region import load_region
from cami.region.consultations import ConsultationRoute
from cami.region.consultations import Consultations as Rules
from cami.retrieval.columns import Columns
from tests.unit.fakes import Hands

DOCTOR = Identity("doc.42001", "Терапевтов И. П.", Role.CLINICIAN, "42001")
COLLEAGUE = Identity("rad.42001", "Рентгенова А. С.", Role.RADIOLOGIST, "42001")
NEIGHBOUR = Identity("rad.42002", "Снимкова В. Н.", Role.RADIOLOGIST, "42002")
CONSULTANT = Identity("con.42900", "Мнениев Б. Я.", Role.CONSULTANT, "42900")
SECOND = Identity("con2.42900", "Советова Г. П.", Role.CONSULTANT, "42900")
DISPATCHER = Identity("dispatcher", "Диспетчер", Role.DISPATCHER, "")
OPERATOR = Identity("operator", "Оператор", Role.OPERATOR, "")
PEOPLE = [DOCTOR, COLLEAGUE, NEIGHBOUR, CONSULTANT, SECOND, DISPATCHER, OPERATOR]
STUDY, EARLIER, THEIRS = "1.2.3", "1.2.4", "1.9.9"
PATIENT = Columns("Иванов^Пётр", "К-17", "19570308", "M", "20261122", "0305", "A1", "CT", "КТ головы")


@dataclass
class Shelf:
    """Studies of МО 42001; `THEIRS` is another's."""

    patients: dict = field(default_factory=lambda: {STUDY: PATIENT, EARLIER: PATIENT})

    def find(self, mo, study_uid):
        columns = self.patients.get(study_uid)
        if mo != "42001" or columns is None:
            return None
        return Found(ChosenStudy(study_uid, f"id-{study_uid}", mo, modalities=columns.modalities), columns)


@dataclass
class Outbox:
    told: list = field(default_factory=list)

    def append(self, connection, kind, key, payload):
        self.told.append((kind, key, payload))


class Secret:
    def confirmed(self, login, password):
        return password == "ключ"


class PlainPaper:
    def render(self, sheet):
        return f"%PDF-{sheet.version}:{sheet.text.conclusion}".encode()


def rules(**more):
    """The registry of the tests: three routes; МО 42002 reads too when the dispatcher says so."""
    region = load_region(Path("orthanc-config/region.yaml"))
    routes = (
        *region.consultations.routes,
        ConsultationRoute.model_validate(
            {"name": "neighbour", "title": "Соседи", "to": ["42002"], "profiles": ["radiology"], "daily_limit": 2}
        ),
    )
    changed = region.consultations.model_copy(update={"routes": routes, **more})
    assert isinstance(changed, Rules)
    return region.model_copy(update={"consultations": changed})


def build(engine, region=None):
    """All services over one database."""
    clock = Hands()
    region = region or rules()
    routes = RouteTable(region)
    trail = AuditTrail(engine, clock, "central")
    journal, outbox, shelf = AuditJournal(trail), Outbox(), Shelf()
    workflow = Workflow(clock, routes, rights=GrantRights(GrantBook(clock)), journal=journal, outlet=outbox)
    talk = Talk(engine, clock)
    drafts = Drafts(engine, clock, routes, shelf, journal)
    consultations = Consultations(
        engine, clock, routes=routes, drafts=drafts, workflow=workflow, consultants=Consultants(engine), talk=talk,
        journal=journal,
    )  # fmt: skip
    answers = Answers(
        engine, clock, consultations=consultations, workflow=workflow, paper=PlainPaper(), passwords=Secret(),
        verifiers=Verifiers(),
    )  # fmt: skip
    return SimpleNamespace(
        engine=engine, clock=clock, region=region, routes=routes, consultations=consultations, answers=answers,
        deadlines=Deadlines(engine, clock, workflow, routes), notices=Notices(engine), talk=talk,
        outbox=outbox, shelf=shelf,
        workflow=workflow, trail=trail, journal=journal,
        council=Council(engine, clock, consultations=consultations, workflow=workflow, journal=journal),
    )  # fmt: skip


def people(engine):
    """Put the accounts into a database."""
    with engine.begin() as connection:
        for person in PEOPLE:
            connection.execute(
                insert(account).values(
                    login=person.login, name=person.name, role=person.role.value, mo=person.mo, password_hash="x",
                    disabled=False, changed_at=Hands().now(),
                )
            )  # fmt: skip


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """An empty database, migrated once."""
    path = tmp_path_factory.mktemp("template") / "cami.sqlite"
    migrate(f"sqlite:///{path}")
    engine = open_engine(f"sqlite:///{path}")
    people(engine)
    engine.dispose()  # the last connection that closes writes the log into the file
    return path


@pytest.fixture
def engine(template, tmp_path):
    path = tmp_path / "cami.sqlite"
    path.write_bytes(template.read_bytes())
    engine = open_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def centre(engine):
    made = build(engine)
    yield made
    made.trail.close()


GIVEN = {
    "urgency": "urgent", "profile": "radiology", "route": "radiology-centre", "question": "Есть ли кровоизлияние?",
    "consent": True, "phone": "8-3842-00-00-00",
}  # fmt: skip


def sent(centre, **more):
    """A request that was sent; return its number."""
    case = centre.consultations.create(DOCTOR, [STUDY, EARLIER], GIVEN | more)
    return centre.consultations.submit(DOCTOR, case.request.number, case.request.version).request.number


def open_grants(centre, number=None):
    """Whom grants of consultations are open to: (МО, login, study)."""
    query = select(study_grant.c.mo, study_grant.c.login, study_grant.c.study_uid, study_grant.c.reference)
    with centre.engine.connect() as connection:
        rows = connection.execute(
            query.where(study_grant.c.ended_at.is_(None), study_grant.c.cause == Cause.CONSULTATION)
        ).all()
    return {(row.mo, row.login, row.study_uid) for row in rows if number is None or row.reference == str(number)}
