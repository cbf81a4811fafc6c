"""The pages of the portal, as people see them."""

import re

import pytest

from tests.browser.conftest import SCREENSHOTS


def expected(studies, mo):
    return sorted(study.description for study in studies[1] if study.mo == mo)


def shown(page):
    return sorted(page.locator(".studies tbody tr td:nth-of-type(2) .studies__more").all_inner_texts())


def test_wrong_passwords_are_told_in_words(visitor):
    somebody = visitor()
    somebody.open("/")
    somebody.screenshot("login")
    somebody.page.fill("input[name=login]", "nobody")
    somebody.page.fill("input[name=password]", "нет такого")
    somebody.page.keyboard.press("Enter")
    somebody.page.get_by_role("alert").get_by_text("Неверный логин или пароль").wait_for()
    assert somebody.page.input_value("input[name=password]") == ""
    assert somebody.page.evaluate("document.activeElement.name") == "password"
    somebody.screenshot("login-refused")
    assert somebody.problems == []


@pytest.mark.parametrize("mo", ["42001", "42002"])
def test_a_doctor_sees_the_own_studies_and_no_others(visitor, studies, mo):
    doctor = visitor()
    doctor.open("/cami/")
    doctor.sign_in(mo=mo)
    doctor.page.get_by_role("heading", name="Исследования").wait_for()
    assert shown(doctor.page) == expected(studies, mo)
    assert doctor.page.get_by_text("Получено полностью").count() == len(expected(studies, mo))
    doctor.screenshot(f"archive-{mo}", full=True)
    assert doctor.problems == []


def test_a_patient_of_two_organizations_shows_each_its_own(visitor, studies):
    for mo, foreign in (("42001", "КТ"), ("42002", "Рентген")):
        doctor = visitor()
        doctor.open("/cami/")
        doctor.sign_in(mo=mo)
        row = doctor.page.locator(".studies tbody tr", has_text="Общий Константин")
        assert row.count() == 1
        assert foreign not in row.locator(".studies__modality").inner_text()


def test_searching_leaves_no_name_in_the_address_and_survives_reloading(visitor):
    doctor = visitor()
    doctor.open("/cami/")
    doctor.sign_in()
    doctor.page.fill("input[name=words]", "семенова алена")
    doctor.page.keyboard.press("Enter")
    doctor.page.get_by_text("Найдено: 1").wait_for()
    assert doctor.page.url.endswith("/cami/")
    doctor.page.reload()
    doctor.page.get_by_text("Семёнова Алёна").wait_for()
    doctor.screenshot("search")
    doctor.page.fill("input[name=words]", "нет такой фамилии")
    doctor.page.click("text=Найти")
    doctor.page.get_by_text("Ничего не найдено").wait_for()
    doctor.screenshot("search-empty")
    doctor.page.click("text=Сбросить поиск")
    doctor.page.get_by_text("Всего:").wait_for()
    assert doctor.problems == []


def test_a_proxy_shows_how_its_studies_are_delivered(visitor, region, studies):
    doctor = visitor(region.proxy("42001")["url"])
    doctor.open("/")
    doctor.sign_in()
    doctor.page.get_by_text("Архив снимков · ГБ № 1").wait_for()
    # The proxy keeps what devices send; text that they declare wrongly is put right on the way (docs/adr/0010).
    folder, written = studies
    readable = expected((folder, [study for study in written if study.text_is_right]), "42001")
    assert [text for text in sorted(shown(doctor.page)) if text in readable] == sorted(readable)
    assert len(shown(doctor.page)) == len(expected(studies, "42001"))
    assert doctor.page.get_by_text("Подтверждено центром").count() == len(expected(studies, "42001"))
    doctor.screenshot("proxy", full=True)
    doctor.page.get_by_role("link", name="Открыть снимки").first.click()
    doctor.page.wait_for_url("**/ohif/viewer?**")
    assert doctor.problems == []


def test_a_proxy_lets_nobody_of_another_organization_in(visitor, region):
    doctor = visitor(region.proxy("42001")["url"])
    doctor.open("/")
    doctor.sign_in(mo="42002")
    doctor.page.get_by_text("Неверный логин или пароль").wait_for()


def test_who_may_see_no_images_is_told_so(visitor):
    operator = visitor()
    operator.open("/cami/")
    operator.sign_in("operator", "")
    operator.page.get_by_role("heading", name="Нет доступа к снимкам").wait_for()
    operator.screenshot("no-images")


def test_an_address_that_is_no_page_is_answered_in_words(visitor):
    doctor = visitor()
    doctor.open("/cami/nothing")
    doctor.sign_in()
    doctor.open("/cami/nothing/here")
    doctor.page.get_by_role("heading", name="Не найдено").wait_for()
    doctor.screenshot("not-found")


def test_signing_out_ends_the_session(visitor):
    doctor = visitor()
    doctor.open("/cami/")
    doctor.sign_in()
    doctor.page.get_by_role("button", name="Выйти").click()
    doctor.page.get_by_role("heading", name="Вход в архив снимков").wait_for()
    doctor.page.go_back()
    assert "Иванов" not in doctor.page.content()
    doctor.open("/cami/")
    assert doctor.page.url.endswith("/cami/login")
    assert doctor.problems == []


def test_english_is_one_click_away(visitor):
    doctor = visitor()
    doctor.open("/cami/")
    doctor.sign_in()
    doctor.page.click("text=English")
    doctor.page.get_by_role("heading", name="Studies").wait_for()
    assert doctor.page.get_by_text("Complete").count() >= 4
    doctor.screenshot("archive-english")
    doctor.page.click("text=Русский")
    doctor.page.get_by_role("heading", name="Исследования").wait_for()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dark", {"color_scheme": "dark"}),
        ("tablet", {"viewport": {"width": 820, "height": 1180}}),
        ("phone", {"viewport": {"width": 390, "height": 844}}),
    ],
)
def test_the_list_fits_other_screens(visitor, name, options):
    doctor = visitor(**options)
    doctor.open("/cami/")
    doctor.sign_in()
    doctor.page.get_by_role("heading", name="Исследования").wait_for()
    doctor.screenshot(f"archive-{name}")
    assert doctor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert (SCREENSHOTS / f"archive-{name}.png").stat().st_size > 10_000


def test_the_list_can_be_used_with_the_keyboard_alone(visitor):
    doctor = visitor()
    doctor.open("/cami/")
    doctor.sign_in()
    doctor.page.get_by_role("heading", name="Исследования").wait_for()
    doctor.page.keyboard.press("Tab")
    assert doctor.page.evaluate("document.activeElement.className") == "skip"
    for _ in range(30):
        doctor.page.keyboard.press("Tab")
        if re.match("Открыть снимки", doctor.page.evaluate("document.activeElement.ariaLabel") or ""):
            break
    assert doctor.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    doctor.page.keyboard.press("Enter")
    doctor.page.wait_for_url("**/ohif/viewer?**")
