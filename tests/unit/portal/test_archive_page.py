import re
from urllib.parse import urlencode

import pytest

from tests.unit.portal.conftest import COOKIE, OPERATOR, get, header, post, progress, study


def text_of(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.body.decode()))


def test_strangers_are_sent_to_sign_in(portal, services):
    assert header(portal.desk.archive(get("/cami")), "Location") == ["/cami/login"]
    assert header(portal.desk.unknown(get("/cami/x")), "Location") == ["/cami/login"]
    assert services.asked == []


def test_a_study_is_shown_as_a_doctor_reads_it(portal, services):
    services.studies = [study()]
    services.known = {"id-1.2.3": progress()}
    answer = portal.desk.archive(get("/cami", COOKIE))
    text = text_of(answer)
    for words in (
        "ЁЛКИН Пётр Ильич", "д. р. 08.03.1957 · муж. · карта К-17", "22.11.2026 03:05", "КТ ОГК", "ГБ № 1",
        "Поступает", "получено 180 из 600", "Смирнова Анна Олеговна", "Врач-рентгенолог · ГБ № 1",
    ):  # fmt: skip
        assert words in text
    assert 'href="/ohif/viewer?StudyInstanceUIDs=1.2.3"' in answer.body.decode()
    assert header(answer, "Cache-Control") == ["no-store"]


@pytest.mark.parametrize(
    ("state", "received", "words"),
    [
        ("queued", 0, "В очереди на передачу передано 0 из 600"),
        ("sending", 180, "Передаётся в центр передано 180 из 600"),
        ("stored", 600, "Передано, ждёт подтверждения снимков: 600"),
        ("confirmed", 600, "Подтверждено центром снимков: 600"),
        ("quarantined", 599, "В карантине: нужен оператор передано 599 из 600"),
    ],
)
def test_a_proxy_shows_how_delivery_stands(proxy, services, state, received, words):
    services.studies = [study()]
    services.known = {"id-1.2.3": progress(state, received)}
    text = text_of(proxy.desk.archive(get("/cami", COOKIE)))
    assert words in text
    assert "Архив снимков · ГБ № 1" in text


def test_a_study_without_progress_and_without_tags_is_still_shown(portal, services):
    bare = study(name="", day="")
    bare["PatientMainDicomTags"], bare["MainDicomTags"] = {}, {"StudyInstanceUID": "1.2.3"}
    services.studies = [bare]
    text = text_of(portal.desk.archive(get("/cami", COOKIE)))
    assert "Имя не указано" in text
    assert "снимков: 7" in text


def test_tags_are_escaped(portal, services):
    services.studies = [study(name="<script>alert(1)</script>", card='"><b>', StudyDescription="<i>x")]
    page = portal.desk.archive(get("/cami", COOKIE)).body.decode()
    assert "<script" not in page
    assert "<b>" not in page
    assert "<i>" not in page


def test_newest_come_first_and_pages_hold_fifty(portal, services):
    services.studies = [study(f"П{number:03}", f"1.{number}", str(20260101 + number)) for number in range(120)]
    first = text_of(portal.desk.archive(get("/cami", COOKIE)))
    assert first.index("П119") < first.index("П070")
    assert "П069" not in first
    assert "страница 1 из 3" in first
    assert "П000" in text_of(portal.desk.archive(get("/cami", COOKIE, page="99")))
    assert "страница 1 из 3" in text_of(portal.desk.archive(get("/cami", COOKIE, page="-1")))


def test_a_search_goes_into_a_cookie_never_into_an_address(portal, services):
    answer = portal.desk.archive(post("/cami", COOKIE, urlencode({"words": "елкин", "since": "2026-11-01"})))
    assert (answer.status, header(answer, "Location")) == (303, ["/cami/"])
    services.studies = [study(), study("Сидоров^Сидор", "1.2.4")]
    cookie = header(answer, "Set-Cookie")[0].partition(";")[0]
    shown = portal.desk.archive(get("/cami", {"cookie": f"cami_session=right; {cookie}"}))
    assert services.asked[:1] == [("елкин", "20261101-", 2001)]
    assert services.asked[1]["Query"] == {"StudyDate": "20261101-"}
    assert "Найдено: 1" in text_of(shown)
    assert "Сидоров" not in text_of(shown)
    assert 'value="елкин"' in shown.body.decode()


def test_what_the_index_finds_is_not_looked_through(portal, services):
    services.indexed = [study("Yolkin^Petr")]
    services.studies = [study("Сидоров^Сидор", "1.2.4")]
    cookie = header(portal.desk.archive(post("/cami", COOKIE, urlencode({"words": "елкин"}))), "Set-Cookie")[0]
    shown = text_of(portal.desk.archive(get("/cami", {"cookie": f"cami_session=right; {cookie.partition(';')[0]}"})))
    assert "Yolkin Petr" in shown
    assert "Сидоров" not in shown
    assert [asked["RequestedTags"][0] for asked in services.asked if isinstance(asked, dict)] == ["ModalitiesInStudy"]


def test_resetting_forgets_the_search(portal):
    answer = portal.desk.archive(post("/cami", COOKIE, urlencode({"words": "елкин", "reset": "1"})))
    assert header(answer, "Set-Cookie")[0].startswith("cami_search=;")


def test_empty_lists_say_why(portal, proxy):
    assert "Исследования вашей МО появятся здесь" in text_of(portal.desk.archive(get("/cami", COOKIE)))
    assert "как только аппарат отправит" in text_of(proxy.desk.archive(get("/cami", COOKIE)))
    cookie = header(portal.desk.archive(post("/cami", COOKIE, "words=x")), "Set-Cookie")[0].partition(";")[0]
    found = portal.desk.archive(get("/cami", {"cookie": f"cami_session=right; {cookie}"}))
    assert "Ничего не найдено" in text_of(found)


def test_who_may_see_no_images_is_told_so_and_nothing_is_asked(portal, services):
    services.person = OPERATOR
    services.studies = [study()]
    text = text_of(portal.desk.archive(get("/cami", COOKIE)))
    assert "Нет доступа к снимкам" in text
    assert "ЁЛКИН" not in text
    assert services.asked == []


def test_pages_carry_the_security_headers(portal):
    for answer in (
        portal.desk.archive(get("/cami", COOKIE)), portal.desk.unknown(get("/cami/x", COOKIE)),
        portal.sign_in.login(get("/cami/login")),
    ):  # fmt: skip
        headers = dict(answer.headers)
        assert "script-src" not in headers["Content-Security-Policy"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        page = answer.body.decode()
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|https?://", page)
