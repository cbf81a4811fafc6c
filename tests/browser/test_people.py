"""People: a first password, a second factor, sessions, and who looks after accounts."""

import re
from datetime import UTC, datetime

import pytest

from tests.unit.people.test_second_factor import code_of

GOOD = "Сосна-над-Томью-7"


class Now:
    def now(self):
        return datetime.now(UTC)


def fill(page, **fields):
    for name, value in fields.items():
        page.fill(f"input[name={name}]", value)
    page.click("main form button[type=submit]")


def enter(somebody, login, password):
    somebody.open("/cami/login")
    fill(somebody.page, login=login, password=password)


@pytest.fixture
def chief(visitor):
    """The administrator of 42001 at «Сотрудники»."""
    seated = visitor()
    seated.open("/cami/people")
    seated.sign_in("mo_admin", "42001")
    seated.page.get_by_role("heading", name="Сотрудники").wait_for()
    return seated


def added(chief, login, name="Новикова Мария Ивановна"):
    page = chief.page
    page.get_by_role("link", name="Добавить сотрудника").click()
    page.fill("input[name=name]", name)
    page.fill("input[name=login]", login)
    page.select_option("select[name=role]", "clinician")
    chief.screenshot("people-new", full=True)
    page.get_by_role("button", name="Создать").click()
    page.get_by_role("heading", name="Сотрудник добавлен").wait_for()
    chief.screenshot("people-password", full=True)
    return page.locator("#password").inner_text()


def test_a_clinician_is_added_and_signs_in(chief, visitor):
    password = added(chief, "nov.doc")
    chief.page.get_by_role("link", name="К списку сотрудников").click()
    chief.screenshot("people", full=True)
    doctor = visitor()
    enter(doctor, "nov.doc", password)
    doctor.page.get_by_role("heading", name="Смена пароля").wait_for()
    doctor.screenshot("people-first-password", full=True)
    doctor.open("/cami/")
    doctor.page.get_by_role("heading", name="Смена пароля").wait_for()
    fill(doctor.page, present=password, wanted="короткий", again="короткий")
    doctor.page.get_by_text("Пароль слишком короткий").wait_for()
    fill(doctor.page, present=password, wanted=GOOD, again=GOOD)
    doctor.page.get_by_role("link", name="Новикова Мария Ивановна").wait_for()
    assert doctor.page.get_by_role("heading", name="Исследования").count() == 1
    assert chief.problems == doctor.problems == []


def test_a_second_factor_is_set_up_and_asked_for(chief, visitor):
    password = added(chief, "two.doc", "Кодова Анна Петровна")
    doctor = visitor()
    enter(doctor, "two.doc", password)
    fill(doctor.page, present=password, wanted=GOOD, again=GOOD)
    doctor.page.get_by_role("link", name="Кодова Анна Петровна").click()
    doctor.page.get_by_role("link", name="Включить второй фактор").click()
    doctor.page.get_by_text("Камера не видит картинку?").click()
    secret = re.sub(r"\s", "", doctor.page.locator(".secret").inner_text())
    box = doctor.page.locator("svg.qr").bounding_box()
    assert box["width"] >= 200
    doctor.screenshot("people-factor", full=True)
    code = code_of(secret, Now())
    fill(doctor.page, code=code)
    doctor.page.get_by_role("heading", name="Резервные коды").wait_for()
    assert doctor.page.locator(".codes li").count() == 10
    doctor.screenshot("people-codes", full=True)
    doctor.page.get_by_role("link", name="Коды записаны, продолжить").click()
    doctor.page.get_by_role("button", name="Выйти", exact=True).click()
    doctor.page.get_by_text("Вы вышли").wait_for()
    fill(doctor.page, login="two.doc", password=GOOD)
    doctor.page.get_by_role("heading", name="Код из приложения").wait_for()
    doctor.screenshot("people-code", full=True)
    fill(doctor.page, code=code)
    doctor.page.get_by_text("Код не подошёл").wait_for()
    fill(doctor.page, code=code_of(secret, Now(), 1))
    doctor.page.get_by_role("link", name="Кодова Анна Петровна").wait_for()
    assert doctor.problems == []

    chief.page.get_by_role("link", name="К списку сотрудников").click()
    chief.page.get_by_role("row").filter(has_text="two.doc").get_by_role("link", name="Открыть").click()
    chief.screenshot("people-person", full=True)
    chief.page.get_by_role("button", name="Отключить второй фактор").click()
    chief.page.get_by_text("Второй фактор отключён").wait_for()
    assert chief.problems == []


def test_out_everywhere(visitor):
    one, two = visitor(), visitor()
    for somebody in (one, two):
        somebody.open("/cami/account")
        somebody.sign_in("clinician", "42001")
        somebody.page.get_by_role("heading", name="Моя учётная запись").wait_for()
    one.page.reload()
    one.screenshot("people-account", full=True)
    assert one.page.get_by_text("этот сеанс").count() == 1
    one.page.get_by_role("button", name="Выйти везде").click()
    one.page.get_by_text("Вы вышли на всех устройствах").wait_for()
    two.page.reload()
    two.page.get_by_role("heading", name="Вход в архив снимков").wait_for()
    assert one.problems == two.problems == []


def test_on_a_tablet_nothing_is_cut_off(visitor):
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    somebody = visitor(viewport={"width": 820, "height": 1180})
    somebody.open("/cami/people")
    somebody.sign_in("region_admin", "")
    somebody.page.get_by_role("heading", name="Сотрудники").wait_for()
    for name in ("people", "people/of/rad.42001", "account"):
        somebody.open(f"/cami/{name}")
        assert somebody.page.evaluate(overflow) <= 0, name
        somebody.screenshot(f"people-tablet-{name.rpartition('/')[2]}", full=True)
