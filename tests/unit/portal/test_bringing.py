"""Studies that are somewhere else: the list, the button, the page that waits."""

import re
from urllib.parse import urlencode

import pytest

from cami.errors import Denied, NotFound, Transient
from cami.portal import Coming
from tests.unit.portal.conftest import COOKIE, get, header, make_portal, post, progress, settings, study
from tests.unit.portal.test_archive_page import text_of


def coming(state="at_mo", received=0, expected=7, *, may_ask=True, minutes=0, study_id="id-1.2.3"):
    return Coming(
        study_id, state, received, expected, may_ask=may_ask, nothing_here=not received, owner="42001", minutes=minutes
    )


def test_what_is_at_the_mo_stands_in_the_list_with_a_button(portal, services):
    services.elsewhere = [study()]
    services.coming_in = {"id-1.2.3": coming(minutes=12)}
    page = portal.desk.archive(get("/cami", COOKIE))
    text = text_of(page)
    assert "Ёлкин Пётр Ильич" in text or "ЁЛКИН Пётр Ильич" in text
    for words in ("В МО, ещё не передано", "снимков в МО: 7", "по запросу – около 12 мин", "Запросить из МО", "КТ"):
        assert words in text
    assert "Открыть снимки" not in text
    assert 'name="study" value="id-1.2.3"' in page.body.decode()


def test_what_was_asked_for_shows_how_far_it_is_and_can_be_waited_for(portal, services):
    services.elsewhere = [study()]
    services.coming_in = {"id-1.2.3": coming("asked", may_ask=False, minutes=3)}
    text = text_of(portal.desk.archive(get("/cami", COOKIE)))
    assert "Запрошено из МО" in text
    assert "ещё около 3 мин" in text
    assert "Запросить из МО" not in text
    assert "Открыть снимки" in text


def test_a_study_that_comes_in_can_be_hurried(portal, services):
    services.studies = [study()]
    services.known = {"id-1.2.3": progress("receiving", 5, 9)}
    services.coming_in = {"id-1.2.3": coming("", 5, 9)}
    text = text_of(portal.desk.archive(get("/cami", COOKIE)))
    for words in ("Поступает", "получено 5 из 9", "Запросить из МО", "Открыть снимки"):
        assert words in text


def test_what_has_left_the_proxy_stands_in_the_list(proxy, services):
    services.elsewhere = [study(day="20261201")]
    services.studies = [study("Сидоров^Сидор", "1.2.4")]
    services.coming_in = {"id-1.2.3": coming("away", 0, 7)}
    text = text_of(proxy.desk.archive(get("/cami", COOKIE)))
    assert text.index("ЁЛКИН") < text.index("Сидоров")
    for words in ("Хранится в ЦАМИ", "здесь 0 из 7 снимков", "Вернуть из ЦАМИ"):
        assert words in text
    assert text.count("Открыть снимки") == text.count("Открыть снимки: Сидоров Сидор") + 1


def test_what_comes_back_shows_its_progress(proxy, services):
    services.studies = [study()]
    services.coming_in = {"id-1.2.3": coming("returning", 3, 7, may_ask=False)}
    page = proxy.desk.archive(get("/cami", COOKIE))
    assert "Возвращается из ЦАМИ" in text_of(page)
    assert "получено 3 из 7" in text_of(page)
    assert re.search(r'<progress value="3" max="7"', page.body.decode())


def test_a_study_that_is_in_both_lists_is_shown_once(portal, services):
    services.studies, services.elsewhere = [study()], [study()]
    assert "Всего: 1" in text_of(portal.desk.archive(get("/cami", COOKIE)))


def test_a_search_goes_for_what_is_elsewhere_too(portal, services):
    services.elsewhere = [study(), study("Сидоров^Сидор", "1.2.4")]
    answer = portal.desk.archive(post("/cami", COOKIE, urlencode({"words": "сидоров", "until": "2026-11-30"})))
    cookie = header(answer, "Set-Cookie")[0].partition(";")[0]
    text = text_of(portal.desk.archive(get("/cami", {"cookie": f"cami_session=right; {cookie}"})))
    assert "Найдено: 1" in text
    assert ("", "20261130") in services.asked


def test_the_button_asks_and_leads_back(portal, services):
    answer = portal.desk.bring(post("/cami/bring", COOKIE, "study=id-1.2.3"))
    assert (answer.status, header(answer, "Location")) == (303, ["/cami/"])
    assert services.brought == ["id-1.2.3"]


def test_another_sites_page_presses_no_button(portal, services):
    portal.desk.bring(post("/cami/bring", {**COOKIE, "sec-fetch-site": "cross-site"}, "study=id-1.2.3"))
    portal.desk.bring(get("/cami/bring", COOKIE, study="id-1.2.3"))
    stranger = portal.desk.bring(post("/cami/bring", body="study=id-1.2.3"))
    assert header(stranger, "Location") == ["/cami/login"]
    assert services.brought == []


@pytest.mark.parametrize("error", [Denied("no"), NotFound("no")])
def test_what_may_not_be_asked_for_does_not_exist(portal, services, error):
    services.refuses = error
    assert "Не найдено" in text_of(portal.desk.bring(post("/cami/bring", COOKIE, "study=x")))


def test_without_a_line_it_is_told_so(proxy, services):
    services.refuses = Transient("no line")
    assert "Нет связи с ЦАМИ" in text_of(proxy.desk.bring(post("/cami/bring", COOKIE, "study=x")))


@pytest.fixture
def viewer(services, ohif):
    return make_portal(services, settings("proxy", ohif=ohif)).viewer


def test_the_page_waits_until_the_images_are_there(viewer, services):
    services.coming_in = {"1.2.3": coming("returning", 2, 7)}
    page = viewer.answer(get("/ohif/viewer", COOKIE, StudyInstanceUIDs="1.2.3"))
    text = text_of(page)
    assert "Снимки возвращаются из ЦАМИ" in text
    assert "получено 2 из 7" in text
    assert header(page, "Refresh") == ["3"]
    assert "/ohif/viewer?StudyInstanceUIDs=1.2.3&amp;part=1" in page.body.decode()
    services.coming_in = {}
    assert b"root" in viewer.answer(get("/ohif/viewer", COOKIE, StudyInstanceUIDs="1.2.3")).body
    assert services.brought == ["1.2.3", "1.2.3"]


def test_who_does_not_want_to_wait_opens_what_is_there(viewer, services):
    services.coming_in = {"1.2.3": coming("returning", 2, 7)}
    page = viewer.answer(get("/ohif/viewer", COOKIE, StudyInstanceUIDs="1.2.3", part="1"))
    assert b"root" in page.body
    assert services.brought == []


def test_a_picture_in_another_page_opens_nothing(viewer, services):
    services.coming_in = {"1.2.3": coming()}
    for destination in ("image", "script", "empty"):
        headers = {**COOKIE, "sec-fetch-dest": destination}
        viewer.answer(get("/ohif/viewer", headers, StudyInstanceUIDs="1.2.3"))
    assert services.brought == []
    viewer.answer(get("/ohif/viewer", {**COOKIE, "sec-fetch-dest": "document"}, StudyInstanceUIDs="1.2.3"))
    assert services.brought == ["1.2.3"]


def test_several_studies_and_nonsense(viewer, services):
    services.coming_in = {"1.2.3": coming("returning", 2, 7), "1.2.4": coming("not_returned", 1, 3)}
    page = viewer.answer(get("/ohif/viewer", COOKIE, StudyInstanceUIDs="1.2.3,<b>,1.2.4,*"))
    assert "получено 3 из 10" in text_of(page)
    assert "Часть снимков не удалось вернуть" in text_of(page)
    assert services.brought == ["1.2.3", "1.2.4"]
