"""«Удаление» as people see it: over real removals, in both languages, without a script."""

import re
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from cami.access import Identity, Role
from cami.audit import AuditTrail
from cami.portal.entry import Entry
from cami.portal.pages import Pages
from cami.portal.removals_page import RemovalsPage
from cami.removal import Removals
from tests.unit.delivery.conftest import dicom, region  # noqa: F401 - a fixture
from tests.unit.portal.conftest import REGION, Services, get, post, settings
from tests.unit.portal.conftest import study as described
from tests.unit.portal.test_texts import CYRILLIC, words

RUSSIAN = {"cookie": "cami_session=right; i18next=ru"}
ENGLISH = {"cookie": "cami_session=right; i18next=en-US"}
TECH1 = Identity("tech1", "Ильин Иван", Role.TECHNOLOGIST, "42001")
ADM1 = Identity("adm1", "Белова Анна", Role.MO_ADMIN, "42001")
ADM2 = Identity("adm2", "Волков Пётр", Role.MO_ADMIN, "42002")
ROOT = Identity("root", "Кузьмин Пётр", Role.REGION_ADMIN, "")
CLIN1 = Identity("clin1", "Серов Олег", Role.CLINICIAN, "42001")
WHY = "снимок другого пациента"
NAMES = r"ЁЛКИН Пётр Ильич|К-17|ОГК|Русский|[А-ЯЁ][а-яё]+ [А-ЯЁ][а-яё]+( [А-ЯЁ][а-яё]+)?|[А-ЯЁ][^<·]*№ \d|КОКБ"


class Browser:
    """Somebody at the page."""

    def __init__(self, removals):
        self.services = Services(person=TECH1)
        self.removals = removals
        entry = Entry(Pages(settings(), REGION), self.services, "central")
        self.endpoints = RemovalsPage(Pages(settings(), REGION), removals, self).endpoints(entry)
        self.language = RUSSIAN

    def find(self, identity, query):
        return [described(uid=uid) for uid in query["Query"]["StudyInstanceUID"].split("\\") if identity.mo != "42002"]

    def as_(self, person):
        self.services.person = person
        return self

    def open(self, path="/cami/removals", **query):
        return self._ask(get(path, self.language, **query))

    def fill(self, path, **form):
        return self._ask(post(path, self.language, urlencode(form)))

    def _ask(self, request):
        for endpoint in self.endpoints:
            if found := re.fullmatch(endpoint.pattern, request.path):
                return endpoint.handler(replace(request, groups=found.groups()))
        raise AssertionError(request.path)


@pytest.fixture
def browser(region, tmp_path):  # noqa: F811
    region.receiver.receive("42001", dicom())
    trail = AuditTrail(region.central_db, region.clock, "central")
    yield Browser(Removals(region.central_db, region.central, trail, region.clock))
    trail.close()


def text(answer):
    assert answer.status == 200
    return re.sub(r"<[^>]+>", " ", answer.body.decode("utf-8"))


def marked(browser):
    answer = browser.as_(TECH1).fill("/cami/removals/new", uid="1.1", reason=WHY)
    assert dict(answer.headers)["Location"] == "/cami/removals?done=marked"


def test_the_whole_way(browser):
    assert "На удаление ничего не отмечено" in text(browser.open())
    form = browser.open("/cami/removals/new", uid="1.1")
    assert "ЁЛКИН" in text(form)
    marked(browser)
    assert "Подтвердить удаление" not in text(browser.open()), "who marks does not confirm unless he may"
    page = text(browser.as_(ADM1).open())
    assert WHY in page
    assert "Ждёт подтверждений" in page
    assert "ЁЛКИН" not in page, "an МО administrator sees no patients"
    browser.fill("/cami/removals/confirm", removal="1")
    page = text(browser.open())
    assert "вы подтвердили; нужен ещё один человек" in page
    assert "Ждёт администратора ЦАМИ" in page
    answer = browser.as_(ROOT).fill("/cami/removals/confirm", removal="1")
    assert dict(answer.headers)["Location"] == "/cami/removals?done=deleting"
    assert browser.removals.carry_out() == 1
    page = text(browser.as_(ADM1).open())
    assert "История" in page
    assert "Удалено" in page


def test_it_is_taken_back(browser):
    marked(browser)
    browser.fill("/cami/removals/withdraw", removal="1")
    page = text(browser.open(done="withdrawn"))
    assert "исследование остаётся" in page
    assert "Отменено" in page


@pytest.mark.parametrize("study", [{"uid": "9.9"}, {"study": "0" * 8 + "-00000000" * 4}, {"uid": "x"}, {}])
def test_what_is_not_the_own_mo_s_is_not_there(browser, study):
    assert "нет исследования с таким номером" in text(browser.open("/cami/removals/new", **study))
    assert "нет исследования с таким номером" in text(browser.fill("/cami/removals/new", reason=WHY, **study))
    assert "нет исследования с таким номером" in text(browser.as_(ADM2).open("/cami/removals/new", uid="1.1"))


def test_a_reason_is_asked_for_and_kept(browser):
    page = browser.fill("/cami/removals/new", uid="1.1", reason="нет")
    assert "от 10 до 500 знаков" in text(page)
    assert 'value="нет"' in page.body.decode("utf-8")
    marked(browser)
    assert "уже отмечено" in text(browser.fill("/cami/removals/new", uid="1.1", reason=WHY))


def test_others_do_not_find_the_page(browser):
    marked(browser)
    for path in ("/cami/removals", "/cami/removals/new"):
        answer = browser.as_(CLIN1).open(path)
        assert answer.refused
        assert WHY not in text(answer)
    assert browser.fill("/cami/removals/confirm", removal="1").refused
    assert WHY not in text(browser.as_(ADM2).open())
    assert "Такой страницы нет" in text(browser.fill("/cami/removals/confirm", removal="1"))


def test_a_forged_form_does_nothing(browser):
    marked(browser)
    for path in ("/cami/removals/confirm", "/cami/removals/withdraw", "/cami/removals/new"):
        request = post(path, {**RUSSIAN, "sec-fetch-site": "cross-site"}, urlencode({"removal": "1", "uid": "1.1"}))
        assert browser.as_(ADM1)._ask(request).status == 303
    assert browser.removals.listing(ADM1)[0].state == "marked"


def test_the_page_is_whole_in_english(browser):
    marked(browser)
    browser.language = ENGLISH
    for person in (TECH1, ADM1, ROOT):
        for done in ("marked", "confirmed", "deleting", "withdrawn"):
            shown = words(browser.as_(person).open(done=done))
            shown = re.sub(rf"{WHY}|{NAMES}", "", shown)
            assert not CYRILLIC.search(shown), CYRILLIC.search(shown)
