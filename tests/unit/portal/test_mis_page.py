"""«Обмен с МИС» and the ways in from outside, in both languages."""

import re
from types import SimpleNamespace

import pytest
from sqlalchemy import insert

from cami.access import Identity, Role
from cami.db.tables import mis_message, mis_subscription
from cami.mis.messages import GIVE_UP
from cami.mis.tidings import KINDS as TOLD
from cami.portal.entry import Entry
from cami.portal.launch_page import LaunchPage
from cami.portal.mis_page import KINDS, MisPage
from cami.portal.pages import Pages
from cami.web import Request
from tests.unit.mis.conftest import make
from tests.unit.portal.conftest import settings

OPERATOR = Identity("operator", "Дежурный", Role.OPERATOR, "")
DOCTOR = Identity("doc", "Врач", Role.CLINICIAN, "42001")


@pytest.fixture
def made(tmp_path):
    centre = make(tmp_path / "centre.sqlite")
    pages = Pages(settings(), centre.region)
    who = SimpleNamespace(person=OPERATOR)
    who.identify = lambda _headers: who.person
    page = MisPage(pages, centre.service).endpoints(Entry(pages, who, "central"))[0]
    opened = SimpleNamespace(token="t0ken", study_uid="1.2.3")
    launches = SimpleNamespace(use=lambda code, _address: opened if code == "good" else None)
    studies = SimpleNamespace(
        find=lambda _who, query: (
            [{"MainDicomTags": {"StudyInstanceUID": "1.2.3"}}]
            if query["Query"].get("StudyInstanceUID") == "1.2.3"
            else []
        )
    )
    launch = LaunchPage(pages, who, studies, launches, cookie_secure=True)
    yield SimpleNamespace(centre=centre, page=page, who=who, launch=launch)
    centre.trail.close()
    centre.engine.dispose()


def fill(centre):
    now = centre.clock.now()
    with centre.engine.begin() as connection:
        connection.execute(
            insert(mis_subscription).values(
                id="s1", client="kuzdrav", status="active", resource="Task", channel="rest-hook", content="{}",
                endpoint="https://mis.example/hook", headers="[]", version=1, updated_at=now, failures=3,
                reason="no-answer", succeeded_at=now,
            )
        )  # fmt: skip
        for number, state in enumerate(["queued", "parked", "delivered"]):
            connection.execute(
                insert(mis_message).values(
                    subscription="s1", event=number, event_id=str(number), key="k", kind="order.started",
                    about="Task/t-12", body="{}", state=state, created_at=now, not_before=now, attempts=7,
                    give_up_at=now + GIVE_UP, reason="http-500" if state == "parked" else "",
                )
            )  # fmt: skip


def get(made, path="/cami/mis", **query):
    return made.page.handler(Request("GET", path, {"host": "h", "cookie": ""}, query))


def test_the_operator_sees_what_waits_and_why(made):
    assert "ещё не подписалась" in get(made).body.decode()
    fill(made.centre)
    page = get(made).body.decode()
    for words in (
        "mis.example",
        "МИС не отвечает",
        "Ошибка в МИС (500)",
        "Исследование начато",
        "Task/t-12",
        "Повторить",
    ):
        assert words in page
    assert not re.search(r"no-answer|http-500|order\.started", page)


def test_in_english_too(made):
    fill(made.centre)
    request = Request("GET", "/cami/mis", {"host": "h", "cookie": "i18next=en-US"}, {})
    page = made.page.handler(request).body.decode()
    assert "The MIS does not answer" in page
    assert "Try again" in page
    over = made.launch.launch(
        Request("GET", "/cami/launch", {"cookie": "i18next=en-US"}, {"code": "bad"})
    ).body.decode()
    assert "Go back to the MIS" in over


def test_repeating_brings_back_what_was_given_up(made):
    fill(made.centre)
    request = Request("POST", "/cami/mis", {"host": "h", "origin": "http://h"}, {}, b"subscription=s1")
    assert made.page.handler(request).status == 303
    assert made.centre.service.messages.counts()["s1"].parked == 0
    foreign = Request("POST", "/cami/mis", {"host": "h", "origin": "http://evil"}, {}, b"")
    assert made.page.handler(foreign).headers[0] == ("Location", "/cami/mis")


def test_the_page_is_for_operators_alone(made):
    made.who.person = DOCTOR
    assert "нет к ней доступа" in get(made).body.decode()
    made.who.person = None
    assert get(made).status == 303


def test_everything_that_is_told_has_words():
    assert set(KINDS) == set(TOLD)


def test_a_code_becomes_a_session_and_the_viewer(made):
    answer = made.launch.launch(Request("GET", "/cami/launch", {}, {"code": "good"}))
    headers = dict(answer.headers)
    assert headers["Location"] == "/ohif/viewer?StudyInstanceUIDs=1.2.3"
    assert headers["Set-Cookie"] == "cami_session=t0ken; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert "Вернитесь в МИС" in made.launch.launch(Request("GET", "/cami/launch", {}, {})).body.decode()


def test_a_lasting_link_asks_who(made):
    def follow(uid):
        return made.launch.study(Request("GET", f"/cami/s/{uid}", {}, {}, b"", (uid,)))

    assert dict(follow("1.2.3").headers)["Location"] == "/ohif/viewer?StudyInstanceUIDs=1.2.3"
    assert "Не найдено" in follow("1.2.4").body.decode()
    made.who.person = None
    assert dict(follow("1.2.3").headers)["Location"] == "/cami/login?next=%2Fcami%2Fs%2F1.2.3"


def test_the_parameters_of_ihe_lead_to_the_same(made):
    def invoke(**query):
        answer = made.launch.invoke(Request("GET", "/IHEInvokeImageDisplay", {}, query))
        return dict(answer.headers).get("Location", "")

    assert invoke(requestType="STUDY", studyUID="1.2.3") == "/cami/s/1.2.3"
    assert invoke(requestType="STUDY", studyUID="1.2.3", token="good").startswith("/ohif/viewer?")
    assert invoke(requestType="PATIENT", patientID="1") == ""
    assert invoke(requestType="STUDY", studyUID="//evil") == ""
