"""«Доступы» and «Экстренный доступ» as people see them: over real desks, in both languages."""

import re
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from cami.portal.archive_page import ArchivePage
from cami.portal.attention import attention_to
from cami.portal.emergency_page import EmergencyPage
from cami.portal.entry import Entry
from cami.portal.grants_page import GrantsPage
from cami.portal.pages import Pages, Reader
from cami.sharing import Wish
from cami.sharing.emergency import MOST_MISSES
from tests.unit.portal.conftest import REGION, Services, get, header, post, settings
from tests.unit.portal.conftest import study as described
from tests.unit.portal.test_texts import CYRILLIC, words
from tests.unit.sharing.conftest import *  # noqa: F403 - the desks and people of sharing
from tests.unit.sharing.conftest import ADM1, ADM2, CONS, RAD1, RAD2, ROOM, TECH1
from tests.unit.sharing.test_emergency import born, call  # noqa: F401

RUSSIAN = {"cookie": "cami_session=right; i18next=ru"}
ENGLISH = {"cookie": "cami_session=right; i18next=en-US"}
NAMES = (
    r"ЁЛКИН Пётр Ильич|К-17|ОГК|ГБ № \d|КОКБ|Русский|на консультацию|без сознания, ДТП|не нужно"
    r"|Смирнова Анна|Волков Пётр|Белова Анна|Районн[^<]*"
)


class Finder:
    """Finds what the owners of the tables say is visible, and describes it."""

    def __init__(self, owners, archive):
        self._owners = owners
        self._archive = archive

    def find(self, identity, query):
        found = [each["ID"] for each in self._archive.find(query | {"Expand": True})]
        seen = self._owners.visible(identity, found)
        tags = {key: self._archive.resources[key]["MainDicomTags"]["StudyInstanceUID"] for key in seen}
        return [described(uid=uid) | {"ID": key} for key, uid in tags.items()]

    def newest(self, identity, *_):
        return self.find(identity, {"Level": "Study", "Query": {}})


class Browser:
    """Somebody at the pages of the centre."""

    def __init__(self, desk, emergency, finder, clock):
        self.services = Services(person=RAD1)
        pages = Pages(settings(), REGION)
        entry = Entry(pages, self.services, "central")
        self.endpoints = GrantsPage(pages, desk, finder, REGION, clock).endpoints(entry)
        self.endpoints += EmergencyPage(pages, emergency, finder).endpoints(entry)
        self.archive = ArchivePage(pages, finder, self.services, self.services, "central", sharing=desk)
        self.pages = pages
        self.language = RUSSIAN

    def ask(self, request):
        for endpoint in self.endpoints:
            if re.fullmatch(endpoint.pattern, request.path):
                return endpoint.handler(request)
        raise AssertionError(request.path)

    def open(self, path, **query):
        return self.ask(get(path, self.language, **query))

    def fill(self, path, **form):
        return self.ask(post(path, self.language, urlencode(form)))


@pytest.fixture
def browser(desk, emergency, owners, archive, clock):
    return Browser(desk, emergency, Finder(owners, archive), clock)


@pytest.fixture
def shared(desk, first, clock):
    wish = Wish(first.uid, "42002", "", "на консультацию", clock.now() + timedelta(days=3))
    return desk.share(RAD1, ROOM, wish)


FORM = {"mo": "42002", "login": "", "until": "2026-02-01", "reason": "на консультацию"}
DANGER = {"number": "SHARED", "birth_date": "1957-03-08", "reason": "без сознания, ДТП", "confirmed": "1"}


def every_page(browser, emergency, desk, first, clock):
    """Yield each page with something on it and without."""
    browser.services.person = RAD2
    yield browser.open("/cami/grants")
    browser.services.person = RAD1
    yield browser.open("/cami/grants")
    yield browser.open("/cami/grants/study", uid=first.uid)
    yield browser.fill("/cami/grants/study", uid=first.uid, **{**FORM, "reason": ""})
    browser.fill("/cami/grants/study", uid=first.uid, **FORM)
    yield browser.open("/cami/grants/study", uid=first.uid)
    yield browser.open("/cami/grants", all="1")
    yield browser.open("/cami/emergency")
    yield browser.fill("/cami/emergency", **{**DANGER, "confirmed": ""})
    yield browser.fill("/cami/emergency", **DANGER)
    yield browser.fill("/cami/emergency", **DANGER)
    for _ in range(MOST_MISSES + 1):
        yield browser.fill("/cami/emergency", **{**DANGER, "number": "NOBODY"})
    browser.services.person = ADM2
    yield browser.open("/cami/grants")
    for name in ("ended", "why"):
        yield browser.open("/cami/grants", done=name, view="received")
    clock.pass_(days=40)
    yield browser.open("/cami/grants", all="1")


@pytest.mark.parametrize("language", [RUSSIAN, ENGLISH], ids=["ru", "en"])
def test_pages_speak_one_language(browser, emergency, desk, first, second, clock, language):  # noqa: PLR0917
    browser.language = language
    for page in every_page(browser, emergency, desk, first, clock):
        assert page.status == 200
        text = words(page)
        if language is ENGLISH:
            assert CYRILLIC.findall(re.sub(NAMES, "", text)) == []
        else:
            known = {"English", "Study", "Instance", "UID", "rad1", "rad2", "adm2", "PACS"}
            assert set(re.findall(r"[A-Za-z]{2,}\d?", text)) - known == set()


def test_a_study_is_opened_and_closed(browser, owners, first):
    assert "Кому открыто" in browser.open("/cami/grants/study", study=first.id).body.decode()
    answer = browser.fill("/cami/grants/study", uid=first.uid, **FORM)
    assert answer.status == 303
    assert owners.visible(RAD2, [first.id]) == {first.id}
    page = browser.open("/cami/grants").body.decode()
    number = re.search(r'name="grant" value="(\d+)"', page)[1]
    assert "до 01.02.2026 23:59" in page
    assert header(browser.fill("/cami/grants/end", grant=number, reason=""), "Location") == ["/cami/grants?done=why"]
    assert owners.visible(RAD2, [first.id]) == {first.id}
    assert header(browser.fill("/cami/grants/end", grant=number, reason="не нужно"), "Location") == [
        "/cami/grants?done=ended"
    ]
    assert owners.visible(RAD2, [first.id]) == frozenset()


def test_foreign_and_absent_studies_look_alike(browser, second):
    pages = {browser.open("/cami/grants/study", uid=uid).body for uid in (second.uid, "9.9.9")}
    pages |= {browser.open("/cami/grants/study", study=name).body for name in (second.id, "x")}
    same = {re.sub(rb"/cami/grants/study[^\"]*", b"", page) for page in pages}
    assert len(same) == 1
    assert browser.fill("/cami/grants/study", uid=second.uid, **FORM).status == 200


def test_another_sites_form_gives_nothing(browser, owners, first):
    request = post(
        "/cami/grants/study", RUSSIAN | {"sec-fetch-site": "cross-site"}, urlencode({"uid": first.uid, **FORM})
    )
    assert browser.ask(request).status == 303
    assert owners.visible(RAD2, [first.id]) == frozenset()


@pytest.mark.parametrize(
    ("person", "path"), [(TECH1, "/cami/grants"), (CONS, "/cami/emergency"), (ADM1, "/cami/emergency")]
)
def test_pages_are_for_those_who_may(browser, person, path):
    browser.services.person = person
    assert "Доступы</h1>" not in browser.open(path).body.decode()
    assert "Экстренный доступ</h1>" not in browser.open(path).body.decode()


def test_an_administrator_sees_no_patient(browser, shared):
    browser.services.person = ADM1
    page = browser.open("/cami/grants").body.decode()
    assert "на консультацию" in page
    assert "ЁЛКИН" not in page


def test_the_archive_says_by_which_grant_a_foreign_study_is_seen(browser, shared, first, clock):
    for person, own in ((RAD1, True), (RAD2, False)):
        browser.services.person = person
        browser.services.known = {first.id: SimpleNamespace(owner="42001", received=4, expected=4, state="complete")}
        page = browser.archive.answer(get("/cami", RUSSIAN), reader(browser), person).body.decode()
        assert ("/cami/grants/study?study=" in page) is own
        assert ("на консультацию" in page) is not own


def reader(browser):
    return Reader("ru", browser.services.person)


def test_the_owner_sees_an_emergency_access_on_every_page(browser, emergency, desk, second):
    browser.pages.attention = attention_to(desk, None)
    browser.services.person = ADM2
    home = browser.pages.page("no_images.html", Reader("ru", ADM2)).body.decode("utf-8")
    assert "tabs__count" not in home
    emergency.take(RAD1, ROOM, call())
    home = browser.pages.page("no_images.html", Reader("ru", ADM2)).body.decode("utf-8")
    assert "с которым никто не ознакомился: 1" in home
    assert 'title="ждёт вас">1</span>' in home
    assert "tabs__count" not in browser.pages.page("no_images.html", Reader("ru", ADM1)).body.decode("utf-8")
    (grant,) = desk.register.unreviewed("42002")
    desk.reviewed(ADM2, grant.number)
    assert "tabs__count" not in browser.pages.page("no_images.html", Reader("ru", ADM2)).body.decode("utf-8")
