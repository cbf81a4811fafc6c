"""«Передача» and «Полнота передачи», on databases that a real delivery between two archives in memory has filled."""

import csv
import io
import re
from datetime import timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from cami.access import Identity, Role
from cami.delivery.order import Priority
from cami.delivery.reasons import Cause, codes
from cami.portal import delivery_wording, wording
from cami.portal.completeness_page import CompletenessPage
from cami.portal.completeness_report import CentralReport, ProxyReport
from cami.portal.delivery_page import DeliveryPage
from cami.portal.entry import Entry
from cami.portal.pages import Pages
from cami.watch.progress import delivery_progress
from tests.unit.delivery.conftest import region
from tests.unit.portal.conftest import COOKIE, REGION, Services, get, header, post, settings
from tests.unit.watch.conftest import GB, transfer_of
from tests.unit.watch.test_waiting import fill

__all__ = ["region"]

TECHNOLOGIST = Identity("lab", "Лаборантов Пётр", Role.TECHNOLOGIST, "42001")
MO_ADMIN = Identity("adm", "Управлялов Олег", Role.MO_ADMIN, "42001")
RADIOLOGIST = Identity("rad", "Смирнова Анна", Role.RADIOLOGIST, "42001")
OPERATOR = Identity("oper", "Кузьмин Пётр", Role.OPERATOR, "")
ZONE = ZoneInfo("Asia/Novokuznetsk")


def text_of(answer):
    body = re.sub(r"<option.*?</option>", " ", answer.body.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)).replace("\xa0", " ")


def words_of(answer):
    """Return the text with words that the layout parts put together."""
    return re.sub(r" ([,.:%])", r"\1", text_of(answer))


class Names(Services):
    def find(self, identity, query):
        self.asked.append(query)
        uids = query["Query"]["StudyInstanceUID"].split("\\")
        return [
            {"MainDicomTags": {"StudyInstanceUID": uid}, "PatientMainDicomTags": {"PatientName": "Ёлкин^Пётр"}}
            for uid in uids
        ]


@pytest.fixture
def desk(region):
    """A proxy, its pages, and the person who sits before them."""
    side = region.proxy("42001")
    services = Names(TECHNOLOGIST)
    made = SimpleNamespace(side=side, services=services, free=400 * GB)

    def page():
        pages = Pages(settings("proxy"), REGION)
        transfer = transfer_of(side, free=made.free)
        delivery = DeliveryPage(
            pages, engine=side.engine, transfer=transfer, controls=side.controls, studies=services, zone=ZONE
        )
        (endpoint,) = delivery.endpoints(Entry(pages, services, "proxy"))
        return endpoint.handler

    made.handler = page
    made.open = lambda **query: page()(get("/cami/delivery", COOKIE, **query))
    made.post = lambda body, headers=None: page()(post("/cami/delivery", {**COOKIE, **(headers or {})}, body))
    made.study = lambda: delivery_progress(side.engine)[0]
    return made


def test_every_code_has_words():
    assert set(delivery_wording.CAUSES) == codes()
    assert set(delivery_wording.OUTAGES) == {Cause.LINE, Cause.TOKEN, Cause.CENTRE}
    assert set(delivery_wording.PRIORITIES) == set(Priority)
    assert set(Cause) > delivery_wording.PASSING


def test_a_study_under_way_shows_how_far_how_fast_and_how_long(desk):
    fill(desk.side, 1, images=4)
    item = desk.side.queue.take()
    with desk.side.meter.carrying(item.study_id, item.size, 10) as load:
        desk.side.meter.sent(5, load)
        text = text_of(desk.open())
    for words in ("Ёлкин Пётр", "КТ · Chest", "01.01.2026 07:00", "Передаётся в центр", "0 из 4", "5 Б из 40 Б",
                  "меньше минуты", "снимков: 4", "Работает", "Достаточно", "свободно 400 ГБ"):  # fmt: skip
        assert words in text
    assert "Отправить повторно" not in text


def test_a_line_that_is_down_is_told_and_no_time_is_made_up(desk):
    fill(desk.side, 1)
    desk.side.line_state.failed()
    text = text_of(desk.open())
    assert "Нет связи с 01.01.2026 07:01" in text
    assert "осталось: неизвестно" in text
    assert "Осталось неизвестно" in text


def test_a_refused_study_names_the_cause_and_can_be_sent_again(desk, region):
    other = region.proxy("42002")
    fill(other, 1)
    other.work(3)
    fill(desk.side, 1)
    desk.side.work(3)
    answer = desk.open(view="failed")
    assert "Исследование с таким номером уже принадлежит другой МО." in text_of(answer)
    study = desk.study().study_id
    assert f'name="study" value="{study}"' in answer.body.decode()
    done = desk.post(f"do=resend&study={study}&view=failed&day=2026-01-01")
    assert header(done, "Location") == ["/cami/delivery?view=failed&day=2026-01-01&notice=retried"]
    assert desk.study().queued == 2
    assert "Отправляется повторно по запросу." in text_of(desk.open(notice="retried"))


def test_a_confirmed_study_is_compared_when_somebody_doubts(desk):
    fill(desk.side, 1)
    desk.side.work(3)
    assert "Проверить в центре" in text_of(desk.open())
    done = desk.post(f"do=resend&study={desk.study().study_id}")
    assert header(done, "Location") == ["/cami/delivery?notice=compared"]
    assert desk.study().stored == 2


def test_urgency_is_changed_by_those_who_may(desk):
    fill(desk.side, 1)
    body = f"do=priority&study={desk.study().study_id}&class=0"
    desk.services.person = MO_ADMIN
    desk.post(body)
    assert desk.study().priority == Priority.PLANNED
    desk.services.person = RADIOLOGIST
    assert header(desk.post(body), "Location") == ["/cami/delivery?notice=moved"]
    assert desk.study().priority == Priority.EMERGENCY
    for wrong in ("class=9", "class=x", ""):
        answer = desk.post(f"do=priority&study={desk.study().study_id}&{wrong}")
        assert header(answer, "Location") == ["/cami/delivery?notice=unknown"]
    assert header(desk.post("do=priority&study=nothing&class=1"), "Location") == ["/cami/delivery?notice=unknown"]


def test_a_form_of_another_site_does_nothing(desk):
    fill(desk.side, 1)
    answer = desk.post(f"do=priority&study={desk.study().study_id}&class=0", {"sec-fetch-site": "cross-site"})
    assert header(answer, "Location") == ["/cami/delivery?notice=forged"]
    assert desk.study().priority == Priority.PLANNED


def test_who_may_see_no_patients_sees_none(desk):
    fill(desk.side, 1)
    desk.services.person = MO_ADMIN
    text = text_of(desk.open())
    assert "КТ" in text
    assert "Ёлкин" not in text
    assert desk.services.asked == []


def test_who_follows_no_delivery_is_told_that_there_is_no_such_page(desk):
    desk.services.person = Identity("x", "Икс", Role.CONSULTANT, "42001")
    assert "Такой страницы нет" in text_of(desk.open())


def test_strangers_sign_in_first(desk):
    desk.services.person = None
    assert header(desk.open(), "Location") == ["/cami/login?next=%2Fcami%2Fdelivery"]


def test_pages_lead_on_and_keep_what_was_asked_for(desk):
    fill(desk.side, 51, images=1)
    first = desk.open(priority="2")
    (link,) = re.findall(r'href="(/cami/delivery\?[^"]*after=[^"]*)"', first.body.decode())
    assert "priority=2" in link
    after = dict(part.split("=") for part in link.partition("?")[2].replace("&amp;", "&").split("&"))["after"]
    second = desk.open(priority="2", after=after.replace("%3A", ":"))
    assert second.body.decode().count('id="study-') == 1
    assert "К самым новым" in text_of(second)


@pytest.mark.parametrize("query", [{"view": "<x>"}, {"priority": "7"}, {"day": "x"}, {"after": "x"}])
def test_a_question_that_makes_no_sense_shows_everything(desk, query):
    fill(desk.side, 1)
    assert desk.open(**query).body.decode().count('id="study-') == 1


@pytest.mark.parametrize(
    ("free", "words"),
    [
        (40, "Место на диске кончается: свободно 40 ГБ из 500 ГБ"),
        (1, "Снимки с аппаратов не принимаются"),
    ],
)
def test_the_alarm_comes_long_before_the_disk_is_full(desk, free, words):
    desk.free = free * GB
    assert words in text_of(desk.open())


def test_the_script_is_ours_and_only_here(desk):
    answer = desk.open()
    (policy,) = header(answer, "Content-Security-Policy")
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>", answer.body.decode()) == [
        re.search(r'<script src="/cami/static/live-[0-9a-f]{12}\.js" defer>', answer.body.decode()).group()
    ]


def reports(role, engine, clock):
    services = Services(OPERATOR if role == "central" else MO_ADMIN)
    pages = Pages(settings(role), REGION)
    mos = ["42001", "42002"]
    report = CentralReport(engine, mos, ZONE) if role == "central" else ProxyReport(engine, "42001", ZONE)
    page, table = CompletenessPage(pages, report, ZONE, clock).endpoints(Entry(pages, services, role))
    return services, page.handler, table.handler


def test_the_centre_reports_every_organization_and_its_days(region):
    one, two = region.proxy("42001"), region.proxy("42002")
    fill(one, 2)
    fill(two, 1, images=1)  # a study of the first: kept apart
    region.clock.pass_(minutes=7)
    one.work(4)
    two.work(4)
    _, page, table = reports("central", region.central_db, region.clock)
    text = text_of(page(get("/cami/completeness", COOKIE)))
    assert "ГБ № 1 2 2 4 0 0" in text
    assert "10 мин" in text  # the first study waited three and seven minutes
    assert re.search(r"Районная больница 0 0 0 0 1 0 Б – –", text)
    days = text_of(page(get("/cami/completeness", COOKIE, mo="42001")))
    assert "01.01.2026 2 2 4 0 0" in days
    content = table(get("/cami/completeness.csv", COOKIE)).body.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(content), delimiter=";"))
    assert rows[0][:3] == ["МО", "День", "Исследований"]
    assert [row[:7] for row in rows[1:]] == [
        ["42001", "01.01.2026", "2", "2", "4", "4", "0"],
        ["42002", "01.01.2026", "0", "0", "0", "0", "0"],
    ]
    assert [row[7] for row in rows[1:]] == ["0", "1"]


def test_an_administrator_of_one_organization_sees_no_other(region):
    services, page, table = reports("central", region.central_db, region.clock)
    services.person = MO_ADMIN
    other = region.proxy("42002")
    fill(other, 1)
    other.work(3)
    for answer in (page(get("/cami/completeness", COOKIE, mo="42002")), table(get("/x", COOKIE, mo="42002"))):
        assert "42002" not in text_of(answer)
        assert "Районная" not in answer.body.decode()
    assert "За эти дни ничего не поступало" in text_of(page(get("/cami/completeness", COOKIE)))


def test_a_study_that_is_on_its_way_counts_by_what_was_announced(region):
    side = region.proxy("42001")
    fill(side, 1, images=4)
    side.courier.send_next()
    _, page, _ = reports("central", region.central_db, region.clock)
    assert "1 из 4 25 %" in text_of(page(get("/cami/completeness", COOKIE, mo="42001")))


def test_a_proxy_reports_its_days_and_comparisons(region):
    side = region.proxy("42001")
    fill(side, 2)
    side.work(3)
    fill(side, 3)
    _, page, table = reports("proxy", side.engine, region.clock)
    text = text_of(page(get("/cami/completeness", COOKIE)))
    assert "01.01.2026 3 2 4 из 6 66,7 %" in text
    assert "Сверки ещё не было" in text
    assert "42001;01.01.2026;3;2;6;4;0;0;60" in table(get("/cami/completeness.csv", COOKIE)).body.decode()


def test_days_that_make_no_sense_are_the_usual_ones(region):
    _, page, _ = reports("central", region.central_db, region.clock)
    for query in ({"first": "x"}, {"first": "2027-01-01", "last": "2020-13-01"}, {"last": "9999-12-31"}):
        assert 'name="last" type="date" value="2026-01-01"' in page(get("/c", COOKIE, **query)).body.decode()
    far = page(get("/c", COOKIE, first="1999-01-01", last="2025-12-31")).body.decode()
    assert 'name="first" type="date" value="2025-10-01"' in far


def test_a_doctor_is_not_shown_the_report(region):
    services, page, table = reports("central", region.central_db, region.clock)
    services.person = RADIOLOGIST
    assert "Такой страницы нет" in text_of(page(get("/cami/completeness", COOKIE)))
    assert "Такой страницы нет" in text_of(table(get("/cami/completeness.csv", COOKIE)))


def all_pages(desk, region, language):
    """Open the pages with something of everything on them."""
    desk.free = 40 * GB
    side = desk.side
    fill(side, 2)
    item = side.queue.take()
    side.queue.give_back(item, "digest", timedelta())
    side.queue.quarantine([side.queue.take().instance_id], "other-content")
    cookie = {"cookie": f"cami_session=right; i18next={language}"}
    for cause in (None, Cause.LINE, Cause.TOKEN, Cause.CENTRE):
        if cause is not None:
            side.line_state.works()
            side.line_state.failed(cause)
        yield desk.handler()(get("/cami/delivery", cookie))
    side.line_state.works()
    side.work(2)
    yield desk.handler()(get("/cami/delivery", cookie, notice="retried"))
    yield desk.handler()(get("/cami/delivery", cookie, view="waiting", priority="4"))
    yield desk.handler()(get("/cami/delivery", cookie, after="99999999999_x"))
    for role, engine in (("central", region.central_db), ("proxy", side.engine)):
        _, page, _ = reports(role, engine, region.clock)
        yield page(get("/cami/completeness", cookie))
        yield page(get("/cami/completeness", cookie, mo="42001"))
        yield page(get("/cami/completeness", cookie, last="2025-01-01"))


def test_russian_pages_hold_no_english(desk, region):
    for answer in all_pages(desk, region, "ru"):
        found = set(re.findall(r"[A-Za-z]{2,}", text_of(answer)))
        assert found <= {"English", "CSV", "Chest", "DICOM", "HL", "PACS"}, found


def test_english_pages_hold_russian_names_only(desk, region):
    names = r"Ёлкин Пётр|Лаборантов Пётр|Управлялов Олег|Кузьмин Пётр|ГБ № \d|Районная больница|Русский"
    for answer in all_pages(desk, region, "en-US"):
        assert re.findall("[А-Яа-яЁё]+", re.sub(names, "", text_of(answer))) == []


def test_states_of_a_proxy_have_words():
    assert {"queued", "sending", "stored", "confirmed", "quarantined", "lost"} <= set(wording.STATES)
