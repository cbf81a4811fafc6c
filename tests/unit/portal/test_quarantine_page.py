"""«Карантин» as people see it: over real desks, in both languages."""

import re
from urllib.parse import urlencode

import pytest

from cami.delivery.quarantine import REASONS
from cami.portal import quarantine_wording, wording
from cami.portal.entry import Entry
from cami.portal.pages import Pages
from cami.portal.quarantine_page import QuarantinePage
from cami.quarantine.decisions import ACTIONS
from tests.unit.delivery.images import slice_of
from tests.unit.portal.conftest import REGION, Services, get, header, post, settings
from tests.unit.portal.test_texts import CYRILLIC, words
from tests.unit.quarantine.conftest import DOCTOR, MO, MO_ADMIN, OPERATOR, STRANGER, TECHNOLOGIST, World
from tests.unit.quarantine.test_desk import claim_by_another, keep_other_content

RUSSIAN = {"cookie": "cami_session=right; i18next=ru"}
ENGLISH = {"cookie": "cami_session=right; i18next=en-US"}


class Browser:
    """Somebody at the pages of one server."""

    def __init__(self, office, role):
        self.services = Services(person=TECHNOLOGIST)
        pages = Pages(settings(role), REGION)
        page = QuarantinePage(pages, office.desk, devices={"CT42001": "Томограф"})
        self.endpoints = page.endpoints(Entry(pages, self.services, role))
        self.language = RUSSIAN

    def ask(self, request):
        for endpoint in self.endpoints:
            match = re.fullmatch(endpoint.pattern, request.path)
            if match:
                return endpoint.handler(type(request)(**{**fields_of(request), "groups": match.groups()}))
        raise AssertionError(request.path)

    def open(self, path, **query):
        return self.ask(get(path, self.language, **query))

    def fill(self, path, headers=None, **form):
        return self.ask(post(path, headers or self.language, urlencode(form)))


def fields_of(request):
    return {name: getattr(request, name) for name in ("method", "path", "headers", "query", "body")}


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    for engine in made.region.engines:
        engine.dispose()


@pytest.fixture
def proxy(world):
    return Browser(world.at_proxy, "proxy")


@pytest.fixture
def centre(world):
    return Browser(world.at_centre, "central")


def group_path(browser):
    (name,) = set(re.findall(r"/cami/quarantine/([0-9a-f]{32})", browser.open("/cami/quarantine").body.decode()))
    return f"/cami/quarantine/{name}"


def test_a_technologist_finds_compares_and_decides(world, proxy):
    keep_other_content(world)
    listed = words(proxy.open("/cami/quarantine"))
    assert "Petrov Ivan" in listed
    assert "Снимок с таким UID уже принят, но содержимое другое" in listed
    assert "Томограф" in listed
    path = group_path(proxy)
    shown = words(proxy.open(path))
    assert "Изображения разные" in shown
    assert "ФИО пациента" in shown
    answer = proxy.fill(path, action="link", target="same", reason="другой снимок", n="1", step="decide")
    assert (answer.status, header(answer, "Location")) == (303, ["/cami/quarantine?recorded=1"])
    assert "Решение записано. Снимков: 1." in words(proxy.open("/cami/quarantine", recorded="1"))
    assert "Решение выполняется: 1 из 1" in words(proxy.open(path))
    world.at_proxy.carry()
    decided = words(proxy.open("/cami/quarantine/decided"))
    assert "Лаборантов Пётр" in decided
    assert "другой снимок" in decided
    assert "Принят как новый снимок" in decided
    assert "Карантин пуст" in words(proxy.open("/cami/quarantine"))


def test_no_name_is_in_any_address(world, proxy):
    keep_other_content(world)
    page = proxy.open("/cami/quarantine").body.decode() + proxy.open(group_path(proxy)).body.decode()
    for address in re.findall(r'(?:href|src|action)="([^"]*)"', page):
        assert "etrov" not in address
        assert "P1" not in address


def test_a_form_without_a_reason_comes_back_as_it_was_filled_in(world, proxy):
    keep_other_content(world)
    path = group_path(proxy)
    page = proxy.fill(path, action="link", target="new", reason=" ", n="1", step="decide")
    assert page.status == 200
    assert "Напишите причину решения." in words(page)
    assert re.search(r'value="link"\s+required\s+checked', page.body.decode())
    assert re.search(r'value="new"\s+checked', page.body.decode())
    assert "Выберите, что сделать" in words(proxy.fill(path, reason="why", n="1"))
    assert "Выберите исследование" in words(proxy.fill(path, action="link", target="x", reason="why", n="1"))
    assert world.at_proxy.desk.decided(TECHNOLOGIST) == []


def test_a_study_is_found_by_its_number_and_offered(world, proxy):
    claim_by_another(world, sop="1.2.3.9.9")
    world.send(slice_of("1.7.1", study="1.7", AccessionNumber="K1"), slice_of(seed=3))
    path = group_path(proxy)
    page = proxy.fill(path, words="K1", reason="не то исследование", step="find", n="1")
    body = page.body.decode()
    assert "в исследование:" in words(page)
    assert "не то исследование" in body
    (target,) = re.findall(r'name="target" value="([0-9a-f-]{44})"\s*checked', body)
    assert "Такого исследования в архиве вашей МО нет" in words(proxy.fill(path, words="K2", step="find", n="1"))
    answer = proxy.fill(path, action="link", target=target, reason="туда", n="1", scope="all", step="decide")
    assert answer.status == 303


def test_another_site_decides_nothing(world, proxy):
    keep_other_content(world)
    foreign = {**RUSSIAN, "sec-fetch-site": "cross-site"}
    answer = proxy.fill(group_path(proxy), foreign, action="reject", reason="why", n="1")
    assert answer.status == 303
    assert world.at_proxy.desk.decided(TECHNOLOGIST) == []


def test_who_may_not_see_it_is_told_that_there_is_nothing(world, proxy, centre):
    keep_other_content(world)
    path = group_path(proxy)
    unknown = words(proxy.open("/cami/quarantine/" + "0" * 32))
    for person in (DOCTOR, STRANGER, OPERATOR):
        proxy.services.person = person
        for wanted in ("/cami/quarantine", path, f"{path}/1/held", "/cami/quarantine/decided"):
            page = words(proxy.open(wanted))
            assert "Такой страницы нет" in page
            assert "etrov" not in page
        assert "Такой страницы нет" in words(proxy.fill(path, action="reject", reason="why"))
    assert "Такой страницы нет" in unknown
    proxy.services.person = TECHNOLOGIST
    stranger = proxy.ask(get(path, {"cookie": ""}))
    assert (stranger.status, header(stranger, "Location")) == (303, [f"/cami/login?next={path.replace('/', '%2F')}"])


def test_who_treats_nobody_sees_no_patient_and_may_decide(world, proxy):
    keep_other_content(world)
    proxy.services.person = MO_ADMIN
    path = group_path(proxy)
    pages = proxy.open("/cami/quarantine").body.decode() + proxy.open(path).body.decode()
    assert "etrov" not in pages
    assert "vanov" not in pages
    assert '<img src="/cami/quarantine' not in pages
    assert "ФИО пациента" in pages, "that it differs is told, not how"
    assert "Такой страницы нет" in words(proxy.open(f"{path}/1/held"))
    assert proxy.fill(path, action="reject", reason="повтор", n="1").status == 303


def test_pictures(world, proxy):
    keep_other_content(world)
    path = group_path(proxy)
    held = proxy.open(f"{path}/1/held")
    assert (held.content_type, held.body[:4]) == ("image/png", b"\x89PNG")
    assert ("Cache-Control", "no-store") in held.headers
    assert proxy.open(f"{path}/1/stored").body != held.body
    world.proxy.archive.in_plain = lambda dicom: b"not decoded"
    none = proxy.open(f"{path}/1/held")
    assert (none.status, header(none, "Location")[0].startswith("/cami/static/nopicture-")) == (303, True)


def test_many_images_are_walked_through(world, proxy):
    claim_by_another(world, sop="1.2.3.9.9")
    world.send(*[slice_of(f"1.2.3.4.{number}", seed=number) for number in range(3)])
    path = group_path(proxy)
    assert "Снимок 1 из 3" in words(proxy.open(path))
    assert "Снимок 3 из 3" in words(proxy.open(path, n="3"))
    assert "Снимок 3 из 3" in words(proxy.open(path, n="99"))
    assert "Снимок 1 из 3" in words(proxy.open(path, n="x"))
    assert "для всех снимков группы: 3" in words(proxy.open(path))
    proxy.fill(path, action="reject", reason="повтор", n="2", scope="one")
    world.at_proxy.carry()
    assert "Снимок 1 из 2" in words(proxy.open(path))


def test_what_could_not_be_done_is_told(world, proxy):
    keep_other_content(world)
    path = group_path(proxy)
    proxy.fill(path, action="resend", reason="ещё раз", n="1")
    world.at_proxy.carry()
    assert "Не выполнено: номер (UID) занят снимком с другим содержимым" in words(proxy.open(path))


def test_the_centre_names_the_mo(world, centre):
    claim_by_another(world, sop="1.2.3.9.9")
    world.deliver(MO, slice_of())
    assert "ГБ № 1" in words(centre.open("/cami/quarantine"))
    centre.services.person = OPERATOR
    assert "ГБ № 1" in words(centre.open("/cami/quarantine"))
    assert "vanov" not in centre.open(group_path(centre)).body.decode()


def every_page(world, proxy, centre):
    yield proxy.open("/cami/quarantine")
    yield proxy.open("/cami/quarantine/decided")
    keep_other_content(world)
    claim_by_another(world, sop="1.9.9", study="1.9")
    world.send(*[slice_of(f"1.9.{number}", study="1.9", seed=number) for number in range(2)])
    pages = proxy.open("/cami/quarantine", recorded="2")
    yield pages
    for name in set(re.findall(r"/cami/quarantine/[0-9a-f]{32}", pages.body.decode())):
        yield proxy.open(name)
        yield proxy.fill(name, action="resend", reason="", n="1")
        yield proxy.fill(name, words="1.2.3", step="find", n="1")
        proxy.fill(name, action="resend", reason="1", n="1")
        yield proxy.open(name)
    world.at_proxy.carry()
    yield proxy.open("/cami/quarantine/decided")
    for name in set(re.findall(r"/cami/quarantine/[0-9a-f]{32}", proxy.open("/cami/quarantine").body.decode())):
        yield proxy.open(name)
    yield centre.open("/cami/quarantine")
    centre.services.person = OPERATOR
    yield centre.open(group_path(centre))


NAMES = {
    "DICOM",
    "UID",
    "Accession",
    "SOP",
    "Class",
    "English",
    "Petrov",
    "Ivan",
    "Ivanov",
    "Petr",
    "Chest",
    "HL",
    "PACS",
}


def test_russian_pages_hold_no_english(world, proxy, centre):
    for page in every_page(world, proxy, centre):
        assert page.status == 200
        # The standard's own names of rare attributes, and their values, are marked as English or are no words.
        body = re.sub(r'<details.*?</details>|<span lang="en">.*?</span>', "", page.body.decode(), flags=re.DOTALL)
        page.body = body.encode()
        assert set(re.findall(r"[A-Za-z]{2,}", words(page))) - NAMES == set()


def test_english_pages_hold_russian_names_only(world, proxy, centre):
    proxy.language = centre.language = ENGLISH
    for page in every_page(world, proxy, centre):
        assert page.status == 200
        names = r"Лаборантов Пётр|ГБ № 1|Томограф|Русский|Дежурный|Районная больница"
        assert CYRILLIC.findall(re.sub(names, "", words(page))) == []


def test_codes_have_words():
    assert set(REASONS) <= set(quarantine_wording.CAUSES)
    assert set(quarantine_wording.ACTIONS) == set(ACTIONS)
    assert "rejected" in wording.STATES
