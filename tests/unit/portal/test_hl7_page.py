"""«Сообщения HL7»: what was refused, without a patient, and what is done about it."""

from types import SimpleNamespace

import pytest

from cami.access import Identity, Role
from cami.hl7v2.peers import Origin
from cami.portal.entry import Entry
from cami.portal.hl7_page import Hl7Page
from cami.portal.pages import Pages
from cami.portal.texts import language_cookie
from cami.web import Request
from tests.unit.hl7v2.conftest import HOME, OMI, SYSTEM, edit, hl7_over, registry
from tests.unit.mis.conftest import make
from tests.unit.portal.conftest import settings

OPERATOR = Identity("operator", "Дежурный", Role.OPERATOR, "")
DOCTOR = Identity("doc", "Врач", Role.CLINICIAN, "42001")


@pytest.fixture
def made(tmp_path):
    region = registry(
        tmp_path, {"listen": {"tls": False}, "systems": [{**SYSTEM, "send": {"host": "mis.example", "port": 2576}}]}
    )
    centre = make(tmp_path / "centre.sqlite")
    hl7 = hl7_over(centre, region, tmp_path)
    who = SimpleNamespace(person=OPERATOR)
    who.identify = lambda _headers: who.person
    page = Hl7Page(Pages(settings(), region), hl7, region).endpoints(Entry(Pages(settings(), region), who, "central"))[
        0
    ]
    yield SimpleNamespace(centre=centre, hl7=hl7, page=page, who=who)
    centre.trail.close()
    centre.engine.dispose()


def show(made, language="ru", **query):
    request = Request("GET", "/cami/hl7", {"cookie": language_cookie(language).partition(";")[0]}, query, b"")
    return made.page.handler(request)


def press(made, body):
    headers = {"host": "cami.example", "origin": "http://cami.example", "sec-fetch-site": "same-origin"}
    headers["content-type"] = "application/x-www-form-urlencoded"
    return made.page.handler(Request("POST", "/cami/hl7", headers, {}, body.encode()))


@pytest.mark.parametrize("language", ["ru", "en"])
def test_what_was_refused_is_listed_without_a_patient(made, language):
    made.hl7.intake.take(edit(OMI, "B1", PID_3="").encode(), HOME)
    made.hl7.intake.take(b"MSH|^~\\&|\xff\xfe", Origin("10.42.0.9"))
    text = show(made, language).body.decode()
    assert ("Сообщения HL7" if language == "ru" else "HL7 messages") in text
    assert all(each in text for each in ("B1", "PID-3", "10.42.0.9", "mis.example:2576", "127.0.0.1:2575"))
    assert not any(each in text for each in ("Тестова", "4512207", "19610314"))


def test_a_message_is_tried_again_and_dismissed(made):
    made.hl7.intake.take(edit(OMI, "C1", ORC_1="CA").encode(), HOME)
    number = made.hl7.kept.listed()[0].number
    assert press(made, f"number={number}&action=repeat").headers[0] == ("Location", "/cami/hl7?well=0&badly=1")
    made.hl7.intake.take(OMI.encode(), HOME)
    assert dict(press(made, f"number={number}&action=repeat").headers)["Location"].endswith("?well=1&badly=0")
    assert made.hl7.kept.listed() == []
    made.hl7.intake.take(edit(OMI, "C3", PID_3="").encode(), HOME)
    press(made, f"number={made.hl7.kept.listed()[0].number}&action=dismiss")
    assert made.hl7.kept.waiting() == 0


def test_a_doctor_is_told_that_there_is_no_such_page(made):
    made.who.person = DOCTOR
    assert "Сообщения HL7" not in show(made).body.decode()
