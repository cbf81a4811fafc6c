"""Signing in step by step, the own account, the staff: pages over the real services."""

import re
from urllib.parse import urlencode

import pytest
from sqlalchemy import update

from cami.db.tables import account
from cami.people import Client, PeopleServices, Place, Role
from cami.people.program_passwords import ProgramPasswords
from cami.portal.account_page import AccountPage
from cami.portal.entry import Entry
from cami.portal.pages import Pages
from cami.portal.people_page import PeoplePage
from cami.portal.session_cookie import SessionCookie
from cami.portal.sign_in import SignInPages
from cami.portal.sign_in_steps import SignInSteps
from cami.portal.visitors import browser_of
from cami.web import Request
from tests.unit.people.conftest import (  # noqa: F401 - fixtures
    PASSWORD,
    basic,
    clock,
    easy,
    empty_database,
    engine,
    password_hash,
    people,
    strict,
)
from tests.unit.people.test_second_factor import code_of
from tests.unit.portal.conftest import REGION, header, settings
from tests.unit.portal.test_texts import CYRILLIC, NAMES, words

# ruff: noqa: F811 - fixtures by name
HERE = Client("10.0.0.7")
GOOD = "Сосна-над-Томью-7"


class Portal:
    """All pages about people, and a browser that keeps the cookie."""

    def __init__(self, house, role="central"):
        self.house = house
        config = settings(role)
        pages = Pages(config, REGION)
        services = PeopleServices(
            accounts=house.accounts,
            sessions=house.sessions,
            authenticator=house.authenticator,
            sign_in=house.sign_in,
            factor=house.factor,
            programs=ProgramPasswords(house.engine, house.clock, house.trail),
            administration=house.administration,
            copies=None,
        )
        entry, cookie = Entry(pages, house.authenticator, role), SessionCookie(secure=False)
        self.endpoints = [
            *SignInPages(pages, house.authenticator, house.sign_in, cookie=cookie).endpoints(),
            *SignInSteps(pages, services, house.rules, cookie=cookie).endpoints(),
            *AccountPage(pages, services, house.rules, cookie=cookie, central=role == "central").endpoints(entry),
            *PeoplePage(pages, house.administration, REGION).endpoints(entry),
        ]
        self.cookie = ""
        self.language = "ru"
        self.headers = {}

    def ask(self, method, address, body=b""):
        path, _, query = address.partition("?")
        values = dict(part.partition("=")[::2] for part in query.split("&")) if query else {}
        headers = {"host": "cami", "cookie": f"{self.cookie}; i18next={self.language}", "user-agent": "Firefox/132.0"}
        if method == "POST":
            headers["origin"] = "http://cami"
        for endpoint in self.endpoints:
            if found := re.fullmatch(endpoint.pattern, path):
                answer = endpoint.handler(
                    Request(method, path, headers | self.headers, values, body, groups=found.groups())
                )
                for cookie in header(answer, "Set-Cookie"):
                    if cookie.startswith("cami_session="):
                        self.cookie = cookie.partition(";")[0]
                return answer
        raise AssertionError(f"no page at {path}")

    def get(self, address):
        return self.ask("GET", address)

    def post(self, address, **form):
        return self.ask("POST", address, urlencode(form).encode())

    def sign_in(self, login, password=PASSWORD):
        return where(self.post("/cami/login", login=login, password=password))


def where(answer):
    assert answer.status == 303
    return header(answer, "Location")[0]


def read(answer):
    assert answer.status == 200
    return words(answer)


@pytest.fixture
def portal(easy):
    return Portal(easy)


def test_a_first_password_is_changed_before_anything_opens(strict):
    portal = Portal(strict)
    assert portal.sign_in("rad1") == "/cami/login/step"
    assert where(portal.get("/cami/account")) == "/cami/login?next=%2Fcami%2Faccount"
    assert where(portal.get("/cami/login?next=/cami/account")) == "/cami/login/step?next=%2Fcami%2Faccount"
    assert "Смена пароля" in read(portal.get("/cami/login/step"))
    said = portal.post("/cami/login/step", step="password", present=PASSWORD, wanted="короткий", again="короткий")
    assert "слишком короткий" in read(said)
    said = portal.post("/cami/login/step", step="password", present=PASSWORD, wanted=GOOD, again=GOOD + "x")
    assert "не совпадают" in read(said)
    assert GOOD not in said.body.decode()
    done = portal.post("/cami/login/step", step="password", present=PASSWORD, wanted=GOOD, again=GOOD, next="/ohif/x")
    assert where(done) == "/cami/login/step?next=%2Fohif%2Fx"
    assert where(portal.get("/cami/login/step?next=/ohif/x")) == "/ohif/x"
    assert "Открытые сеансы" in read(portal.get("/cami/account"))


def test_a_second_factor_is_set_up_and_asked_for(easy, portal, clock):
    portal.sign_in("adm1")
    page = portal.get("/cami/account/factor").body.decode()
    assert "<svg" in page
    assert "<script" not in page
    secret = easy.factor.secret("adm1")
    assert secret[:4] in page
    assert "не подошёл" in read(portal.post("/cami/account/factor", code="000000"))
    page = read(portal.post("/cami/account/factor", code=code_of(secret, clock)))
    assert "Больше они показаны не будут" in page
    assert "Второй фактор включён" in read(portal.get("/cami/account"))
    assert where(portal.get("/cami/account/factor")) == "/cami/account"
    assert where(portal.post("/cami/logout")) == "/cami/login?told=out"
    assert "Вы вышли" in read(portal.get("/cami/login?told=out"))
    clock.pass_(seconds=30)
    assert portal.sign_in("adm1") == "/cami/login/step"
    assert "Код из приложения" in read(portal.get("/cami/login/step"))
    assert "не подошёл" in read(portal.post("/cami/login/step", step="code", code="000000"))
    assert where(portal.post("/cami/login/step", step="code", code=code_of(secret, clock))) == "/cami/login/step"
    assert where(portal.get("/cami/login/step")) == "/cami/"


def test_who_needs_one_is_led_to_it(strict, clock):
    with strict.engine.begin() as connection:
        connection.execute(update(account).values(must_change=False))
    portal = Portal(strict)
    assert portal.sign_in("adm1") == "/cami/login/step"
    assert "Вашей роли нужен второй фактор" in read(portal.get("/cami/login/step"))
    assert "не подошёл" in read(portal.post("/cami/login/step", step="enrol", code="1"))
    secret = strict.factor.secret("adm1")
    page = portal.post("/cami/login/step", step="enrol", code=code_of(secret, clock))
    assert "Резервные коды" in read(page)
    assert where(portal.get("/cami/login/step")) == "/cami/"


def test_guessing_codes_ends_at_the_login_page(easy, portal, clock):
    portal.sign_in("adm1")
    secret = easy.factor.secret("adm1")
    portal.post("/cami/account/factor", code=code_of(secret, clock))
    portal.post("/cami/logout")
    portal.sign_in("adm1")
    for _ in range(4):
        portal.post("/cami/login/step", step="code", code="000000")
    assert where(portal.post("/cami/login/step", step="code", code="000000")) == "/cami/login?refused=locked"
    assert "Слишком много" in read(portal.get("/cami/login?refused=locked"))
    assert "script" not in read(portal.get("/cami/login?refused=<script>"))


def test_a_place_is_chosen_and_switched(easy, portal):
    easy.administration.add_place(easy.who("root"), "rad1", Place("42002", Role.CLINICIAN))
    assert portal.sign_in("rad1") == "/cami/login/step"
    page = read(portal.get("/cami/login/step"))
    assert "Где вы сейчас работаете" in page
    assert "Районная больница" in page
    assert "Выберите" in read(portal.post("/cami/login/step", step="place", mo="42900"))
    portal.post("/cami/login/step", step="place", mo="42002")
    assert easy.authenticator.identify({"cookie": portal.cookie}).mo == "42002"
    assert "Работать как" in read(portal.get("/cami/account"))
    portal.post("/cami/account", act="place", mo="42001")
    assert easy.authenticator.identify({"cookie": portal.cookie}).mo == "42001"
    assert where(portal.post("/cami/account", act="place", mo="нет")) == "/cami/account"


def test_sessions_are_shown_and_ended(easy, portal):
    portal.sign_in("rad1")
    other = easy.sign_in.sign_in("rad1", PASSWORD, Client("10.0.0.99", "Chrome 131, Windows")).token
    page = read(portal.get("/cami/account"))
    assert "10.0.0.99" in page
    assert "Firefox 132" in page
    key = next(each.key for each in easy.sessions.of("rad1") if each.address == "10.0.0.99")
    assert where(portal.post("/cami/account", act="end", key=key)) == "/cami/account?done=session"
    assert easy.sessions.identify(other) is None
    assert where(portal.post("/cami/account", act="everywhere")) == "/cami/login?told=everywhere"
    assert where(portal.get("/cami/account")).startswith("/cami/login")


def test_the_own_password_is_changed(portal):
    portal.sign_in("rad1")
    assert "неверно" in read(portal.post("/cami/account/password", present="x", wanted=GOOD, again=GOOD))
    done = portal.post("/cami/account/password", present=PASSWORD, wanted=GOOD, again=GOOD)
    assert where(done) == "/cami/account?done=password"
    assert "Пароль изменён" in read(portal.get("/cami/account?done=password"))


def test_a_programs_password_is_shown_once_and_manages_nobody(easy, portal):
    portal.sign_in("adm1")
    page = portal.post("/cami/account", act="program", name="скрипт").body.decode()
    made = re.search(r"cami-[0-9a-f]{40}", page).group()
    assert made not in portal.get("/cami/account").body.decode()
    program = Portal(easy)
    program.headers = {"authorization": basic("adm1", made)["authorization"]}
    assert "Такой страницы нет" in read(program.get("/cami/people"))
    key = re.search(r'name="key" value="([0-9a-f]{16})">\s*<button[^>]*>Удалить', page).group(1)
    portal.post("/cami/account", act="program-end", key=key)
    assert easy.accounts.verify("adm1", made) is None


def test_at_a_proxy_nothing_is_changed(easy):
    portal = Portal(easy, "proxy")
    portal.sign_in("rad1")
    page = read(portal.get("/cami/account"))
    assert "меняются на центральном портале" in page
    assert "Пароли для программ" not in page
    assert where(portal.get("/cami/account/password")) == "/cami/account"
    assert where(portal.get("/cami/account/factor")) == "/cami/account"
    assert "Такой страницы нет" in read(portal.get("/cami/people"))


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_another_site_changes_nothing(easy, portal, site):
    portal.sign_in("adm1")
    portal.headers = {"sec-fetch-site": site}
    portal.post("/cami/account", act="everywhere")
    portal.post("/cami/people/of/rad1", act="block")
    portal.post("/cami/people/new", login="new", name="Имя", role="clinician")
    portal.headers = {}
    people = read(portal.get("/cami/people"))
    assert "Заблокирована" not in people
    assert "Найдено: 4" in people


class TestStaff:
    @pytest.fixture
    def chief(self, portal):
        portal.sign_in("adm1")
        return portal

    def test_somebody_is_added_and_found(self, easy, chief):
        page = chief.post("/cami/people/new", login="Doc.Nov", name="Новикова Ёлка", role="clinician").body.decode()
        password = re.search(r'id="password">([^<]+)<', page).group(1)
        assert easy.sign_in.sign_in("doc.nov", password, HERE).identity.mo == "42001"
        assert "doc.nov" in read(chief.get("/cami/people?words=елка"))
        assert "Никого не нашлось" in read(chief.get("/cami/people?words=нет"))

    def test_what_cannot_be_made_is_said(self, chief):
        said = chief.post("/cami/people/new", login="rad1", name="Имя", role="clinician")
        assert "Такой логин уже есть" in read(said)
        assert "роль вы дать не можете" in read(chief.post("/cami/people/new", login="x", name="И", role="operator"))
        assert "роль вы дать не можете" in read(chief.post("/cami/people/new", login="x", name="И", role=""))

    @pytest.mark.parametrize(
        ("act", "said"),
        [
            ("block", "заблокирована"),
            ("unblock", "разблокирована"),
            ("unlock", "снята"),
            ("end", "завершены"),
            ("factor-off", "отключён"),
        ],
    )
    def test_acts(self, easy, chief, act, said):
        easy.sign_in.sign_in("rad1", PASSWORD, HERE)
        at = where(chief.post("/cami/people/of/rad1", act=act))
        assert said in read(chief.get(at))

    def test_role_and_name(self, chief):
        at = where(chief.post("/cami/people/of/rad1", act="role", role="technologist"))
        assert "Роль изменена" in read(chief.get(at))
        at = where(chief.post("/cami/people/of/rad1", act="rename", name="Иная Фамилия"))
        assert "Иная Фамилия" in read(chief.get(at))
        assert "роль вы дать не можете" in read(chief.post("/cami/people/of/rad1", act="role", role="region_admin"))
        assert "недоступно" in read(chief.post("/cami/people/of/rad1", act="нечто"))

    def test_a_reset_password_is_shown_once(self, easy, chief):
        page = chief.post("/cami/people/of/rad1", act="reset").body.decode()
        password = re.search(r'id="password">([^<]+)<', page).group(1)
        assert easy.sign_in.sign_in("rad1", password, HERE).step == "password"

    def test_others_are_not_there(self, chief):
        assert "Такой страницы нет" in read(chief.get("/cami/people/of/rad2"))
        assert "Такой страницы нет" in read(chief.post("/cami/people/of/rad2", act="block"))
        assert "Это ваша учётная запись" in read(chief.get("/cami/people/of/adm1"))
        assert "недоступно" in read(chief.post("/cami/people/of/adm1", act="block"))

    def test_somebody_of_another_mo_is_taken_in(self, chief):
        assert "Такой учётной записи нет" in read(chief.post("/cami/people/place", login="нет", role="clinician"))
        at = where(chief.post("/cami/people/place", login="rad2", role="consultant"))
        page = read(chief.get(at))
        assert "ведает другая МО" in page
        assert "Консультант" in page
        at = where(chief.post("/cami/people/of/rad2", act="place-remove", mo="42001"))
        assert "Такой страницы нет" in read(chief.get(at))

    def test_the_region_administrator_moves_people_and_leaves_the_auditor_alone(self, easy, portal):
        portal.sign_in("root")
        assert "ГБ № 1" in read(portal.get("/cami/people?mo=42001"))
        at = where(portal.post("/cami/people/of/rad1", act="role", role="radiologist", mo="42002"))
        assert "Районная больница" in read(portal.get(at))
        assert "Добавить место работы" in read(portal.get("/cami/people/of/rad1"))
        where(portal.post("/cami/people/of/rad1", act="place-add", role="clinician", mo="42001"))
        page = portal.get("/cami/people/of/aud").body.decode()
        assert "Сбросить пароль" not in page
        assert "недоступно" in read(portal.post("/cami/people/of/aud", act="reset"))
        assert easy.sign_in.sign_in("aud", PASSWORD, HERE).step is None


def everything(easy, clock, language):
    portal = Portal(easy)
    portal.language = language
    easy.administration.add_place(easy.who("root"), "clin1", Place("42002", Role.CLINICIAN))
    yield portal.get("/cami/login?told=everywhere")
    yield portal.get("/cami/login?refused=old-copy")
    portal.sign_in("clin1")
    yield portal.get("/cami/login/step")
    portal.post("/cami/login/step", step="place", mo="42001")
    yield portal.get("/cami/account")
    yield portal.get("/cami/account/password")
    yield portal.get("/cami/account/factor")
    yield portal.post("/cami/account/factor", code="1")
    yield portal.post("/cami/account/factor", code=code_of(easy.factor.secret("clin1"), clock))
    yield portal.post("/cami/account", act="program", name="1")
    portal.post("/cami/logout")
    portal.sign_in("clin1")
    yield portal.get("/cami/login/step")
    with easy.engine.begin() as connection:
        connection.execute(update(account).where(account.c.login == "rad1").values(must_change=True))
    portal.post("/cami/logout")
    portal.sign_in("rad1")
    yield portal.get("/cami/login/step")
    yield portal.post("/cami/login/step", step="password", present="1", wanted="2", again="2")
    for login in ("root", "adm1"):
        portal.post("/cami/logout")
        portal.sign_in(login)
        yield portal.get("/cami/people")
        yield portal.get("/cami/people/new")
        yield portal.get("/cami/people/place")
        for other in ("rad1", "clin1", "adm1"):
            yield portal.get(f"/cami/people/of/{other}?done=role")
        yield portal.post("/cami/people/new", login="x", name="1", role="clinician", mo="42001")
        yield portal.post("/cami/people/new", login=f"{login}.x", name="1", role="clinician", mo="42001")
        yield portal.post("/cami/people/of/rad1", act="reset")


OURS = "|".join(
    [
        r"(?:rad|clin|tech|adm)\d", "root|cons|oper|disp|watch",
        r"\b(?:aud|mis)\b", r"[a-z]+\.x", "Firefox|FreeOTP|Google",
        "TOTP|HTTP|Basic|Authenticator|DICOMweb", r"cami-\w+|[A-Z2-7]{4}", "[a-z0-9]{5}-[a-z0-9]{5}",
        "[a-z0-9]{4}(?:-[a-z0-9]{4}){3}",
    ]
)  # fmt: skip


def test_russian_pages_hold_russian(easy, clock):
    for page in everything(easy, clock, "ru"):
        left = re.sub(OURS, "", read(page))
        assert set(re.findall(r"[A-Za-z]{2,}", left)) - NAMES == set(), left[:300]


def test_english_pages_hold_english(easy, clock):
    for page in everything(easy, clock, "en-US"):
        left = re.sub(r"Районная больница|ГБ № 1|Консультативный центр|Русский", "", read(page))
        assert CYRILLIC.findall(left) == [], left[:300]


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox 132, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0.0.0 YaBrowser/24.12 Safari/537.36",
         "Яндекс Браузер 24, Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/131.0.0.0 Safari/537.36 Edg/131.0", "Edge 131, Windows"),
        ("curl/8.1", ""),
    ],
)  # fmt: skip
def test_browsers_have_names(agent, name):
    assert browser_of(agent) == name
