"""«Узлы DICOM»: who may call, and who was refused, for those who look after it."""

import re
from datetime import UTC, datetime

import pytest

from cami.access import Identity, Role
from cami.portal.entry import Entry
from cami.portal.nodes_page import REASONS, SERVICES, NodesPage
from cami.portal.pages import Pages
from cami.query_retrieve.strangers import Stranger
from cami.region import CentreAccess, Service, Workstation
from tests.unit.portal.conftest import get, settings
from tests.unit.portal.test_texts import CYRILLIC, words
from tests.unit.query_retrieve.test_finding import STATION, region

AT = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)
STRANGERS = [
    Stranger("EVIL<b>", "10.0.0.7", "unknown", "", 3, AT, AT),
    Stranger("CT42001", "10.0.0.9", "address", "", 1, AT, AT),
    Stranger("CT42001", "10.0.0.1", "service", "Find", 1200, AT, AT),
]
FAR = Workstation(aet="FAR42001", name="АРМ у центра", room="5", address="10.1.1.8", port=104, archive="central")


class Known:
    def __init__(self, *strangers):
        self._strangers = strangers

    def listed(self, limit=100):
        return self._strangers


class Who:
    def __init__(self, role):
        self._role = role

    def identify(self, headers):
        return Identity("x", "Иванов", self._role, "42001" if self._role is not Role.OPERATOR else "")


def page(server="proxy", role=Role.TECHNOLOGIST, strangers=STRANGERS, language="ru"):
    known = region(workstations=(STATION, FAR), centre_dicom=CentreAccess(source="127.0.42.1", port=2762))
    made = settings(server)
    pages = Pages(made, known)
    (endpoint,) = NodesPage(pages, known, made, Known(*strangers)).endpoints(Entry(pages, Who(role), server))
    return endpoint.handler(get("/cami/nodes", {"cookie": f"i18next={language}"}))


def test_every_service_and_reason_has_words():
    assert set(SERVICES) == set(Service.__args__)
    assert set(REASONS) == {"unknown", "address", "service"}


def test_a_proxy_shows_its_own_nodes_and_who_was_refused():
    shown = page().body.decode()
    assert all(word in shown for word in ("WS42001", "CT42001", "10.1.1.7", "EVIL&lt;b&gt;", "10.0.0.9", "28.11.2026"))
    assert "FAR42001" not in shown
    assert "CT42002" not in shown


def test_the_centre_shows_who_comes_through_terminators():
    shown = page("central", Role.OPERATOR).body.decode()
    assert "FAR42001" in shown
    assert "127.0.42.1" in shown
    assert "WS42001" not in shown.replace("FAR42001", "")


@pytest.mark.parametrize("role", [Role.RADIOLOGIST, Role.CLINICIAN, Role.AUDITOR, Role.DISPATCHER])
def test_others_do_not_see_it(role):
    assert "EVIL" not in page(role=role).body.decode()


def test_each_language_is_one():
    names = r"[A-Z]+4200\d|EVIL|Find|AE title|IP|DICOM|English|region\.yaml|services|b\b"
    assert re.findall(r"[A-Za-z]{2,}", re.sub(names, "", words(page()))) == []
    left = words(page(language="en-US", strangers=[]))
    for node in region().organization("42001").nodes("proxy"):
        left = left.replace(node.name, "")
    assert CYRILLIC.findall(re.sub(r"Русский|Иванов|ГБ № \d|каб\. \d+", "", left)) == []
