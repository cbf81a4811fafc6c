import json
from urllib.parse import urlencode

import pytest

from tests.unit.portal.conftest import COOKIE, get, header, make_portal, post, settings

RIGHT = {"login": " doctor ", "password": "ключ 1", "next": "/ohif/viewer?StudyInstanceUIDs=1.2"}


def test_the_right_password_opens_a_session_and_leads_on(portal):
    answer = portal.sign_in.login(post("/cami/login", body=urlencode(RIGHT)))
    assert (answer.status, header(answer, "Location")) == (303, [RIGHT["next"]])
    session, language, search = header(answer, "Set-Cookie")
    assert session == "cami_session=right; Path=/; HttpOnly; SameSite=Lax"
    assert language.startswith("i18next=ru; Path=/")
    assert search.startswith("cami_search=;")


def test_behind_tls_the_cookie_is_for_tls_only(services):
    portal = make_portal(services, settings(secure=True))
    answer = portal.sign_in.login(post("/cami/login", body=urlencode(RIGHT)))
    assert header(answer, "Set-Cookie")[0].endswith("; SameSite=Lax; Secure")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"password": "другой"}, "Неверный логин или пароль"),
        ({"password": ""}, "Введите логин и пароль"),
        ({"login": " "}, "Введите логин и пароль"),
    ],
)
def test_errors_are_said_in_words_and_the_password_is_not_sent_back(portal, changed, words):
    answer = portal.sign_in.login(post("/cami/login", body=urlencode(RIGHT | changed)))
    page = answer.body.decode()
    assert answer.status == 200
    assert not header(answer, "Set-Cookie")
    assert words in page
    assert 'value="/ohif/viewer?StudyInstanceUIDs=1.2"' in page
    assert "ключ 1" not in page
    assert "другой" not in page


@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "none"}],
)
def test_a_form_of_another_site_signs_nobody_in(portal, headers):
    answer = portal.sign_in.login(post("/cami/login", headers, urlencode(RIGHT)))
    assert not header(answer, "Set-Cookie")
    assert "не с этой страницы" in answer.body.decode()


def test_what_was_typed_is_escaped(portal):
    answer = portal.sign_in.login(post("/cami/login", body=urlencode({"login": '"><script>x</script>'})))
    assert b"<script" not in answer.body


@pytest.mark.parametrize("body", ["", "=&=&", "login=%ff", "x" * 20_000])
def test_broken_forms_are_answered_in_words(portal, body):
    assert "Введите логин и пароль" in portal.sign_in.login(post("/cami/login", body=body)).body.decode()


def test_who_is_signed_in_already_is_led_on(portal):
    answer = portal.sign_in.login(get("/cami/login", COOKIE, next="/cami/"))
    assert header(answer, "Location") == ["/cami/"]


def test_the_language_is_chosen_without_losing_the_way(portal):
    answer = portal.sign_in.login(get("/cami/login", {}, next="/ohif/viewer?StudyInstanceUIDs=1.2", language="en"))
    assert header(answer, "Set-Cookie")[0].startswith("i18next=en-US; ")
    assert "next=%2Fohif" in header(answer, "Location")[0]
    english = portal.sign_in.login(get("/cami/login", {"cookie": "i18next=en-US"}))
    assert "Password" in english.body.decode()


def test_signing_out_closes_the_session_and_forgets(portal, services):
    answer = portal.sign_in.logout(post("/cami/logout", COOKIE))
    assert services.closed == ["right"]
    assert [cookie.partition(";")[0] for cookie in header(answer, "Set-Cookie")] == ["cami_session=", "cami_search="]


@pytest.mark.parametrize(
    "request_", [get("/cami/logout", COOKIE), post("/cami/logout", {**COOKIE, "sec-fetch-site": "cross-site"})]
)
def test_nobody_else_signs_somebody_out(portal, services, request_):
    answer = portal.sign_in.logout(request_)
    assert services.closed == []
    assert not header(answer, "Set-Cookie")


def test_whoami_tells_strangers_that_they_are(portal):
    assert json.loads(portal.sign_in.whoami(get("/cami/whoami")).body) == {"login": None}
    known = json.loads(portal.sign_in.whoami(get("/cami/whoami", COOKIE)).body)
    assert known["login"] == "radiologist-42001"
