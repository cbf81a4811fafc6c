"""«Рабочий список», «Заявка вручную» and «Сверка»: what they show, whom they let do what, in both languages."""

import re
from dataclasses import replace
from html import unescape
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from cami.access import Identity, Role
from cami.matching import Finding, State
from cami.orders import State as OrderState
from cami.portal import worklist_wording
from cami.portal.entry import Entry
from cami.portal.matching_page import MatchingPage
from cami.portal.pages import Pages
from cami.portal.worklist_page import WorklistPage
from cami.worklist import Listing, Priority, WorklistDesk
from cami.worklist import State as Entries
from tests.unit.matching.conftest import Archive
from tests.unit.portal.conftest import get, header, post, settings
from tests.unit.portal.test_texts import words
from tests.unit.worklist.conftest import MO, OTHER, REGION, ZONE, Proxy

LABORATORY = Identity("lab.42001", "Лаборантов Пётр", Role.TECHNOLOGIST, MO)
ADMIN = Identity("adm.42001", "Управлялов Олег", Role.MO_ADMIN, MO)
FORM = {
    "family": "Седов", "given": "Лев", "middle": "", "birth": "01.02.1950", "sex": "M", "patient": "77",
    "device": "CT42001", "procedure": "КТ головы", "priority": "stat",
}  # fmt: skip


class Site:
    """A page with whoever looks at it."""

    def __init__(self, endpoints):
        self.endpoints = endpoints
        self.person = LABORATORY

    def _handler(self, path):
        for endpoint in self.endpoints:
            if found := re.fullmatch(endpoint.pattern, path):
                return lambda request: endpoint.handler(replace(request, groups=found.groups()))
        raise AssertionError(path)

    def show(self, path, language="ru", **query):
        return self._handler(path)(get(path, {"cookie": f"i18next={language}"}, **query))

    def send(self, path, headers=None, **form):
        return self._handler(path)(post(path, headers, urlencode(form)))


def text(response):
    assert response.status == 200
    page = response.body.decode()
    assert "=&#34;" not in page, "an attribute was escaped"
    return unescape(page)


def made(role, page):
    pages = Pages(settings(role), REGION)
    site = Site([])
    who = SimpleNamespace(identify=lambda _headers: site.person)
    site.endpoints = page(pages).endpoints(Entry(pages, who, role))
    return site


@pytest.fixture
def centre(tmp_path):
    made = Archive(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def proxy(centre):
    made = Proxy(centre)
    yield made
    made.engine.dispose()


@pytest.fixture
def worklist(centre, proxy):
    listing = Listing(proxy.entries, centre.clock, ZONE)
    desk = WorklistDesk(listing, proxy.entries, proxy.manual, proxy.devices)
    return made("proxy", lambda pages: WorklistPage(pages, desk, MO))


@pytest.fixture
def matching(centre):
    return made("central", lambda pages: MatchingPage(pages, centre.desk, {"CT42001": "Компьютерный томограф"}))


LIST, NEW, MATCH = "/cami/worklist", "/cami/worklist/new", "/cami/matching"


def test_a_day_of_the_worklist(centre, proxy, worklist):
    order = centre.place(priority="stat", note="аллергия на йод")
    centre.place("tomorrow", centre.patient("2", family="Завтрашний"), scheduled_at=order.scheduled_at.replace(day=2))
    proxy.pull()
    shown = text(worklist.show(LIST))
    for told in ("Тестова Анна Петровна", "д. р. 14.03.1961", "карта 4512207", order.accession, "10:00",
                 "Экстренная", "КТ ОБП", "Компьютерный томограф, 64 среза", "Ожидает", "аллергия на йод",
                 "Заявка вручную"):  # fmt: skip
        assert told in shown, told
    assert "Завтрашний" not in shown
    assert "Нет связи" not in shown
    assert "Завтрашний" in text(worklist.show(LIST, day="2026-01-02"))
    assert "Завтрашний" in text(worklist.show(LIST, words="завтраш"))
    assert "Тестова" not in text(worklist.show(LIST, device="MR42001"))
    assert "Никого не нашлось" in text(worklist.show(LIST, words="%"))
    centre.clock.pass_(minutes=6)
    assert "Нет связи с центром: список на 01.01.2026 10:00" in text(worklist.show(LIST))


def test_names_are_for_those_who_treat(centre, proxy, worklist):
    order = centre.place(note="беременность")
    proxy.pull()
    worklist.person = ADMIN
    shown = text(worklist.show(LIST, words="Тестова"))
    assert order.accession in shown
    for hidden in ("Тестова", "4512207", "14.03.1961", "беременность", "Заявка вручную"):
        assert hidden not in shown, hidden
    assert "not_found" not in text(worklist.show(NEW))
    assert "Поставить в рабочий список" not in text(worklist.show(NEW))
    worklist.person = Identity("rad", "Чужой", Role.RADIOLOGIST, OTHER)
    assert order.accession not in text(worklist.show(LIST))
    worklist.person = Identity("op", "Кузьмин", Role.OPERATOR, "")
    assert order.accession not in text(worklist.show(LIST))


def test_an_order_by_hand(centre, proxy, worklist):
    assert "любой аппарат: КТ" in text(worklist.show(NEW))
    answer = worklist.send(NEW, **FORM)
    assert (answer.status, header(answer, "Location")) == (303, [f"{LIST}?notice=written"])
    (found,) = proxy.find()
    assert (str(found.PatientName), found.PatientBirthDate, found.RequestedProcedurePriority) == (
        "Седов^Лев",
        "19500201",
        "STAT",
    )
    shown = text(worklist.show(LIST, notice="written"))
    for told in (
        "Седов Лев",
        "без записи",
        "заявка вручную",
        "ещё не передана в центр",
        "Отозвать",
        "В центр она уйдёт",
    ):
        assert told in shown, told
    number = re.search(r'name="number" value="([^"]+)"', shown)[1]
    forged = {"sec-fetch-site": "cross-site"}
    worklist.send(LIST, forged, number=number)
    assert proxy.find()
    worklist.send(LIST, number=number)
    assert proxy.find() == []
    worklist.send(NEW, **FORM)
    proxy.manual.send()
    proxy.pull()
    shown = text(worklist.show(LIST))
    assert "Отозвать" not in shown
    assert "ещё не передана" not in shown
    (order,) = centre.orders.open_for(MO)
    assert (order.order.source, order.order.device_aet, order.order.requesting_mo) == (
        "manual:lab.42001",
        "CT42001",
        MO,
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"family": " "}, "Укажите фамилию"),
        ({"birth": "31.02.1950"}, "Укажите дату рождения"),
        ({"birth": "01.02.2050"}, "Укажите дату рождения"),
        ({"sex": "x"}, "Укажите пол"),
        ({"patient": ""}, "Укажите номер карты"),
        ({"device": "CT42002"}, "Выберите аппарат"),
        ({"procedure": ""}, "Напишите, какое исследование"),
    ],
)
def test_what_an_order_by_hand_must_have(change, told, proxy, worklist):
    shown = text(worklist.send(NEW, **FORM | change))
    assert told in shown
    assert change.get("family") or "Седов" in shown, "what was written stays in the form"
    assert proxy.find() == []


def test_a_form_from_elsewhere_writes_nothing(proxy, worklist):
    assert "не с этой страницы" in text(worklist.send(NEW, {"sec-fetch-site": "cross-site"}, **FORM))
    worklist.person = ADMIN
    worklist.send(NEW, **FORM)
    assert proxy.find() == []


def test_both_sides_beside_each_other(centre, matching):
    order = centre.place()
    study = centre.announce("1.2.3", patient_id="по бумажке", accession="WRONG", patient_birth_date="19610314")
    centre.match()
    shown = text(matching.show(MATCH))
    for told in ("Тестова Анна Петровна", "Похоже на направление", "похожих направлений: 1", "Сверить"):
        assert told in shown, told
    path = f"{MATCH}/{study}"
    shown = text(matching.show(path))
    for told in ("На снимках", f"В направлении {order.accession}", "WRONG", "не совпадает", "по бумажке",
                 "Компьютерный томограф",
                 f"Связать с направлением {order.accession}", "другой номер"):  # fmt: skip
        assert told in shown, told
    assert shown.count('<tr class="differs">') == 1
    assert "Напишите причину" in text(matching.send(path, action=f"link:{order.number}", reason=" "))
    assert "Выберите, что сделать" in text(matching.send(path, action="link:x", reason="да"))
    matching.send(path, {"sec-fetch-site": "cross-site"}, action=f"link:{order.number}", reason="да")
    assert centre.decisions.of(study).state is State.SUGGESTED
    answer = matching.send(path, action=f"link:{order.number}", reason="тот же пациент")
    assert header(answer, "Location") == [f"{MATCH}?notice=link"]
    assert centre.orders.get(order.number).state is OrderState.STARTED
    assert "Сверять нечего" in text(matching.show(MATCH))
    assert "Тестова" in text(matching.show(MATCH, view="linked"))
    shown = text(matching.show(path))
    for told in ("Связано с направлением", "вручную", "Снять связь", "тот же пациент", "lab.42001"):
        assert told in shown, told
    matching.send(path, action="part", reason="ошибка")
    matching.send(path, action="apart", reason="проверка аппарата")
    assert centre.decisions.of(study).state is State.APART


def test_nobody_decides_of_another_mos_studies(centre, matching):
    order = centre.place()
    study = centre.announce("1.2.3", patient_id="x")
    centre.match()
    matching.person = Identity("lab.42002", "Чужой", Role.TECHNOLOGIST, OTHER)
    assert "Тестова" not in text(matching.show(MATCH))
    foreign, absent = (text(matching.show(f"{MATCH}/{one}")) for one in (study, study[::-1]))
    assert foreign.replace(study, "") == absent.replace(study[::-1], "")
    matching.send(f"{MATCH}/{study}", action=f"link:{order.number}", reason="да")
    assert centre.decisions.of(study).state is State.SUGGESTED
    for role in (Role.RADIOLOGIST, Role.MO_ADMIN):
        matching.person = Identity("a", "Б", role, MO)
        assert "Тестова" not in text(matching.show(MATCH))


def test_another_order_is_found_by_words(centre, matching):
    order = centre.place(patient=centre.patient("9", family="Девичья", birth_date="1990-01-01"))
    study = centre.announce("1.2.3", patient_id="x")
    centre.match()
    path = f"{MATCH}/{study}"
    assert "Девичья" not in text(matching.show(path))
    shown = text(matching.send(path, step="find", words="девич"))
    assert "Девичья Анна" in shown
    assert "другое имя" in shown
    assert f"link:{order.number}" in shown


def test_an_order_by_hand_and_the_mis_order_of_one_visit(centre, proxy, worklist, matching):
    worklist.send(
        NEW, **FORM | {"family": "Тестова", "given": "Анна", "middle": "Петровна", "birth": "14.03.1961", "sex": "F"}
    )
    proxy.manual.send()
    order = centre.place(scheduled_at=None)
    shown = text(matching.show(MATCH))
    assert "Одно посещение – две заявки?" in shown
    manual = re.search(r'name="manual" value="(\d+)"', shown)[1]
    answer = matching.send(MATCH, manual=manual, order=str(order.number))
    assert header(answer, "Location") == [f"{MATCH}?notice=replaced"]
    assert centre.orders.get(int(manual)).state is OrderState.REPLACED
    answer = matching.send(MATCH, manual=manual, order=str(order.number))
    assert header(answer, "Location") == [f"{MATCH}?notice=conflict"]


def test_codes_have_words():
    assert set(worklist_wording.STATES) == set(Entries)
    assert set(worklist_wording.PRIORITIES) == set(Priority)
    assert set(worklist_wording.MATCHES) == set(State)
    differences = {finding for finding in Finding if finding.endswith("-other")}
    assert set(worklist_wording.AGAINST) == differences


def test_english(centre, proxy, worklist, matching):
    order = centre.place(
        patient=centre.patient("1", family="Test", given="Ann", middle=""), procedure_text="CT", requester=""
    )
    study = centre.announce("1.2.3", patient_id="x", patient_name="Test^Ann")
    centre.match()
    proxy.pull()
    shown = [worklist.show(LIST, language="en"), worklist.show(LIST, language="en", day="2026-02-01")]
    shown += [worklist.show(NEW, language="en"), matching.show(MATCH, language="en")]
    shown += [matching.show(f"{MATCH}/{study}", language="en")]
    centre.desk.link(MO, study, order.number, "lab", "same")
    shown += [matching.show(f"{MATCH}/{study}", language="en"), matching.show(MATCH, language="en", view="linked")]
    devices = " ".join(device.name for device in proxy.devices.values())
    names = set(re.findall("[А-Яа-яЁё]+", f"{LABORATORY.name} {devices} ГБ Русский"))
    for page in shown:
        assert set(re.findall("[А-Яа-яЁё]+", words(page))) - names == set()
