"""«PACS МО»: the worst first, what is wrong in words, codes for those who may, an МО's administrator the own row."""

import re
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from cami.access import Identity, Role
from cami.db import open_engine
from cami.db.tables import metadata
from cami.fleet import Fleet
from cami.portal.entry import Entry
from cami.portal.fleet_page import FleetPage
from cami.portal.pages import Pages
from cami.region import load_region
from cami.web import Request
from tests.live import ROOT
from tests.unit.fakes import Hands
from tests.unit.fleet.test_fleet import well
from tests.unit.portal.conftest import settings

OPERATOR = Identity("operator", "Дежурный", Role.OPERATOR, "")


class Desk:
    """Lets proxies join."""

    def __init__(self):
        self.done = []

    def invite(self, mo, by):
        self.done.append(("code", mo, by))
        return {"mo": mo, "code": "kxmp-7rwd", "expires_at": "2026-01-08T00:00:00.000Z"}

    def revoke(self, mo, by, why):
        self.done.append(("revoke", mo, by, why))
        return 1

    def rows(self):
        return [{"mo": "42001", "state": "joined", "code_until": None}, {"mo": "42002", "state": "folder"}]


@pytest.fixture
def made(tmp_path):
    engine, clock = open_engine(f"sqlite:///{tmp_path / 'c.sqlite'}"), Hands()
    metadata.create_all(engine)
    region = load_region(ROOT / "orthanc-config" / "region.yaml")
    fleet = Fleet(engine, clock, [each.code for each in region.with_proxy], "0.3.1")
    fleet.hear("42001", well(clock))
    fleet.hear("42002", well(clock, disk_state="full", waiting=1200, oldest_urgent=clock.now() - timedelta(hours=2)))
    fleet.judge()
    who, desk, pages = SimpleNamespace(person=OPERATOR), Desk(), Pages(settings(), region)
    who.identify = lambda _headers: who.person
    (endpoint,) = FleetPage(pages, region, fleet, desk, clock).endpoints(Entry(pages, who, "central"))
    yield SimpleNamespace(answer=endpoint.handler, who=who, desk=desk, clock=clock)
    engine.dispose()


def ask(made, method="GET", headers=None, **form):
    headers = {"sec-fetch-site": "same-origin"} if headers is None else headers
    return made.answer(Request(method, "/cami/fleet", headers, body=urlencode(form).encode()))


def text_of(response):
    return re.sub(r"\s+", " ", response.body.decode())


def test_the_worst_first_in_words_and_since_when(made):
    text = text_of(ask(made))
    assert text.index("Районная больница") < text.index("ГБ № 1")
    assert "на диске кончается место" in text
    assert "снимки ждут передачи слишком долго: 1200" in text
    assert "с 01.01.2026 07:00" in text, "the region's time"
    assert "старейший 2 ч" in text
    assert "не назначены" in text
    assert "не работает: 1" in text


def test_in_english(made):
    text = text_of(ask(made, headers={"cookie": "i18next=en"}))
    assert "the disk is getting full" in text
    assert not re.search(r">[^<]*[а-яё]{4,}[^<]*<", re.sub(r"ГБ № 1|Районная больница|Дежурный|Русский", "", text))


def test_who_may_lets_a_proxy_join(made):
    text = text_of(ask(made, "POST", mo="42002", action="code"))
    assert "kxmp-7rwd" in text
    assert made.desk.done == [("code", "42002", "operator")]
    assert ask(made, "POST", mo="42001", action="revoke", reason="утрачен").headers[0] == ("Location", "/cami/fleet")
    assert ask(made, "POST", mo="42001", action="revoke", reason="утрачен", sure="yes").status == 303
    assert made.desk.done[1:] == [("revoke", "42001", "operator", "утрачен")]


def test_another_site_and_who_may_not_do_nothing(made):
    ask(made, "POST", {"sec-fetch-site": "cross-site", "cookie": "cami_session=x"}, mo="42002", action="code")
    made.who.person = Identity("adm1", "Администратор", Role.MO_ADMIN, "42001")
    ask(made, "POST", mo="42001", action="code")
    assert made.desk.done == []


def test_an_administrator_of_an_mo_sees_the_own_row(made):
    made.who.person = Identity("adm1", "Администратор", Role.MO_ADMIN, "42001")
    text = text_of(ask(made))
    assert "ГБ № 1" in text
    assert "Районная больница" not in text
    assert "Выдать код" not in text
    made.who.person = Identity("doc", "Врач", Role.RADIOLOGIST, "42001")
    assert "PACS МО" not in text_of(ask(made))
