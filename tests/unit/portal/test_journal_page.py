"""«Журнал» and «Кто смотрел»: who sees what of it, what stays out of addresses, and that reading is on record."""

import re
import shutil
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select

from cami.access import Identity, Role
from cami.archive import orthanc_id
from cami.audit import AuditEvent, AuditTrail, Kind, Outcome, Record
from cami.audit.chain import append
from cami.audit.search import JournalReader
from cami.db import open_engine
from cami.db.tables import account, audit_record, metadata
from cami.people.names import AccountNames
from cami.portal.entry import Entry
from cami.portal.journal_page import JournalPage
from cami.portal.journal_wording import KINDS, OUTCOME_STATES, OUTCOMES
from cami.portal.pages import Pages
from tests.unit.fakes import Hands
from tests.unit.portal.conftest import DOCTOR, REGION, get, post, settings
from tests.unit.portal.test_texts import CYRILLIC, words

AUDITOR = Identity("auditor", "Проверяева Нина", Role.AUDITOR, "")
ADMIN = Identity("adm.42001", "Управлялов Олег", Role.MO_ADMIN, "42001")
ROOT = Identity("root", "Главный Админ", Role.REGION_ADMIN, "")
PATIENT = orthanc_id("К-17")


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    path = tmp_path_factory.mktemp("database") / "empty.sqlite"
    engine = open_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    engine.dispose()
    return path


@pytest.fixture
def page(tmp_path, empty):
    shutil.copy(empty, tmp_path / "cami.sqlite")
    engine, clock = open_engine(f"sqlite:///{tmp_path}/cami.sqlite"), Hands()
    trail = AuditTrail(engine, clock, "central")
    with engine.begin() as connection:
        connection.execute(
            insert(account).values(
                login="rad1", name="Смирнова Анна", role="radiologist", mo="42001", password_hash="",
                disabled=False, changed_at=clock.now(),
            )
        )  # fmt: skip
        doctor = {"actor": "rad1", "role": "radiologist", "mo": "42001", "source": "10.0.0.7"}
        own = {"studies": ("1.2.1",), "patient": PATIENT, "owner": "42001", **doctor}
        happened = [
            AuditEvent(Kind.SIGN_IN, "rad1", outcome=Outcome.FAILURE, reason="wrong", source="10.0.0.7"),
            AuditEvent(Kind.VIEW, **own, details={"route": "/studies/{id}"}),
            AuditEvent(Kind.REFUSAL, **{**own, "studies": ("1.2.2",), "owner": "42002", "outcome": Outcome.FAILURE}),
            AuditEvent(Kind.IMPORT, "proxy-42001", studies=("1.2.1",), owner="42001", details={"instances": "5"}),
        ]
        for event in happened:
            clock.pass_(minutes=1)
            append(connection, "central", [event], clock.now())
    here = SimpleNamespace(person=AUDITOR, engine=engine, clock=clock)
    who = SimpleNamespace(identify=lambda headers: here.person)
    made = JournalPage(
        Pages(settings(), REGION),
        reader=JournalReader(engine),
        trail=trail,
        names=AccountNames(engine),
        zone=ZoneInfo("Asia/Novokuznetsk"),
        codes=["42001", "42002"],
    ).endpoints(Entry(Pages(settings(), REGION), who, "central"))

    def handler(path):
        return next(each.handler for each in made if re.fullmatch(each.pattern, path))

    def show(path="/cami/journal", language="ru", **query):
        return handler(path)(get(path, {"cookie": f"i18next={language}"}, **query))

    here.show = show
    here.send = lambda path, **form: handler(path)(post(path, None, urlencode(form)))
    here.shown = lambda *given, **query: words(show(*given, **query))
    here.events = lambda: _events(engine)
    yield here
    trail.close()
    engine.dispose()


def _events(engine):
    with engine.connect() as connection:
        query = select(audit_record.c.content).order_by(audit_record.c.seq)
        return [Record.parse(content).event for content in connection.scalars(query)]


def test_every_kind_and_outcome_has_words():
    assert set(KINDS) == set(Kind)
    assert set(OUTCOMES) == set(OUTCOME_STATES) == set(Outcome)


def test_the_auditor_sees_everything_newest_first_and_that_is_on_record(page):
    text = page.shown().partition("Откуда")[2]
    assert text.index("Поступление снимков") < text.index("Просмотр") < text.index("неверный логин или пароль")
    assert "Смирнова Анна" in text
    last = page.events()[-1]
    assert (last.kind, last.actor, last.role) == (Kind.JOURNAL, "auditor", "auditor")


@pytest.mark.parametrize(
    ("asked", "there", "away"),
    [
        ({"actor": "proxy-42001"}, "снимков: 5", "Отказ в доступе 1"),
        ({"kind": "view"}, "1.2.1", "1.2.2"),
        ({"outcome": "failure"}, "1.2.2", "снимков: 5"),
        ({"study": "1.2.2"}, "1.2.2", "1.2.1"),
        ({"patient": PATIENT}, "1.2.2", "снимков: 5"),
        ({"mo": "42002"}, "1.2.2", "1.2.1"),
        ({"since": "2027-01-01"}, "Таких записей нет", "1.2.1"),
        ({"until": "2025-12-31"}, "Таких записей нет", "1.2.1"),
        ({"kind": "nonsense", "since": "nonsense", "before": "nonsense", "study": "' OR 1"}, "1.2.1", "Таких"),
    ],
)
def test_it_is_searched(page, asked, there, away):
    text = page.shown(**asked)
    assert there in text
    assert away not in text


def test_pages_go_on_by_key(page):
    with page.engine.begin() as connection:
        for number in range(250):
            page.clock.pass_(seconds=number % 2)  # some of the same moment
            append(connection, "central", [AuditEvent(Kind.SEARCH, "rad1", subject=f"n{number}.")], page.clock.now())
    seen, address = [], ""
    for _ in range(3):
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()} or {"kind": "search"}
        body = page.show(**query).body.decode()
        seen += re.findall(r"n\d+\.", body)
        address = (re.findall(r'href="(/cami/journal\?[^"]*before[^"]*)"', body) or [""])[-1].replace("&amp;", "&")
    assert seen == [f"n{number}." for number in reversed(range(250))]


def test_the_number_of_a_card_stays_out_of_addresses_and_records(page):
    answer = page.send("/cami/journal", card="К-17", kind="view", since="2026-01-01")
    location = dict(answer.headers)["Location"]
    assert location == f"/cami/journal?kind=view&since=2026-01-01&patient={PATIENT}"
    page.show(patient=PATIENT)
    last = page.events()[-1]
    assert last.patient == PATIENT
    assert "К-17" not in str(page.events())
    assert dict(page.send("/cami/journal", reset="1", kind="view").headers)["Location"] == "/cami/journal"


def test_the_table_is_on_record_and_opens_no_formula(page):
    with page.engine.begin() as connection:
        append(connection, "central", [AuditEvent(Kind.SIGN_IN, "=cmd|x")], page.clock.now())
    answer = page.show("/cami/journal.csv", kind="sign-in")
    assert answer.content_type.startswith("text/csv")
    text = answer.body.decode("utf-8-sig")
    assert "01.01.2026 07:01:00" in text
    assert "'=cmd|x" in text
    assert page.events()[-1].details == {"kind": "sign-in", "format": "csv"}


def test_an_administrator_of_a_mo_sees_accesses_to_its_own_data_only(page):
    page.person = ADMIN
    assert "Таких разделов" not in page.shown("/cami/who")
    text = page.shown("/cami/who", patient=PATIENT)
    assert "1.2.1" in text
    assert "1.2.2" not in text
    assert "Записей о доступе нет" in page.shown("/cami/who", study="1.2.2")
    assert page.events()[-1].studies == ("1.2.2",)


@pytest.mark.parametrize("person", [ADMIN, ROOT, DOCTOR])
def test_the_journal_is_the_auditors(page, person):
    page.person = person
    for path in ("/cami/journal", "/cami/journal.csv"):
        answer = page.show(path)
        assert answer.refused
        assert b"1.2.1" not in answer.body
    if person is not ADMIN:
        assert page.show("/cami/who", study="1.2.1").refused


def test_both_languages(page):
    known = [re.escape(organization.short_name) for organization in REGION.organizations]
    names = "|".join(["Смирнова Анна", "Проверяева Нина", "Русский", "№", *known])
    for path, query in (("/cami/journal", {}), ("/cami/who", {}), ("/cami/who", {"patient": PATIENT})):
        english = page.show(path, "en-US", **query)
        assert english.status == 200
        assert CYRILLIC.findall(re.sub(names, "", words(english))) == []
