"""Every text has an English one, and the Russian pages hold no English."""

import re
from html.parser import HTMLParser
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from cami.access import Reason, Role
from cami.errors import Transient
from cami.portal import Coming, wording
from tests.unit.portal.conftest import COOKIE, OPERATOR, Services, get, make_portal, post, progress, settings, study

#: Rendered in test_routing_page.py.
ROUTING_TEMPLATES = {"routing.html", "routing_history.html", "routing_parts.html", "central_routing.html"}
#: Rendered in test_people_pages.py.
PEOPLE_TEMPLATES = {
    "account.html", "factor.html", "factor_fields.html", "password.html", "password_fields.html", "password_made.html",
    "people.html", "person.html", "person_new.html", "person_place.html", "recovery_codes.html", "step_code.html",
    "step_enrol.html", "step_password.html", "step_place.html",
}  # fmt: skip
#: Names that stay as they are in a Russian text.
NAMES = {"HL", "Orthanc", "Explorer", "Caps", "Lock", "English", "DICOM", "PACS"}
CYRILLIC = re.compile("[А-Яа-яЁё]")


def extracted():
    found = {}
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    options = {"templates/**.html": {"silent": "false"}}
    for name, line, message, *_ in extract_from_dir(str(files("cami.portal")), methods, options):
        found[message if isinstance(message, str) else message[0]] = f"{name}:{line}"
    return found


def catalogue():
    source = files("cami.portal").joinpath("locale/en/LC_MESSAGES/cami.po").read_bytes()
    return {entry.id: entry.string for entry in read_po(BytesIO(source), locale="en") if entry.id}


def test_each_text_has_an_english_one_and_no_other_is_kept():
    texts, english = extracted(), catalogue()
    assert len(texts) > 60
    assert {text: place for text, place in texts.items() if not english.get(text)} == {}
    assert set(english) - set(texts) == set()
    assert [text for text in english.values() if CYRILLIC.search(text)] == []


def test_placeholders_survive_translation():
    for russian, english in catalogue().items():
        assert sorted(re.findall(r"%\(\w+\)s", russian)) == sorted(re.findall(r"%\(\w+\)s", english))


def test_codes_have_words():
    assert set(wording.ROLES) == set(Role)
    assert set(wording.REFUSALS) == set(Reason)


class Words(HTMLParser):
    """Collects what people read and what screen readers say."""

    def __init__(self):
        super().__init__()
        self.found = []
        self._foreign = 0

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.found += [values[name] for name in ("aria-label", "title", "alt", "placeholder") if values.get(name)]

    def handle_data(self, data):
        self.found.append(data)


def pages_of_what_is_elsewhere(language, ohif):
    cookie = {"cookie": f"cami_session=right; i18next={language}"}
    for role in ("central", "proxy"):
        services = Services(studies=[study()], elsewhere=[study("Сидоров^Сидор", "1.2.4")])
        portal = make_portal(services, settings(role, ohif=ohif))
        for state in ("at_mo", "asked", "away", "returning", "not_returned"):
            for received in (0, 3):
                told = Coming("", state, received, 7, may_ask=True, nothing_here=not received, minutes=5)
                services.coming_in = {"id-1.2.3": told, "id-1.2.4": told, "1.2.3": told}
                yield portal.desk.archive(get("/cami", cookie))
                yield portal.viewer.answer(get("/ohif/viewer", cookie, StudyInstanceUIDs="1.2.3"))
        services.coming_in = {"1.2.3": Coming("", "asked", 0, None, may_ask=True, nothing_here=True)}
        yield portal.viewer.answer(get("/ohif/viewer", cookie, StudyInstanceUIDs="1.2.3"))
        services.refuses = Transient("no line")
        yield portal.desk.bring(post("/cami/bring", cookie, "study=x"))


def pages(language):
    services = Services(studies=[study(), study("Сидоров^Сидор", "1.2.4")], known={"id-1.2.3": progress()})
    cookie = {"cookie": f"cami_session=right; i18next={language}"}
    central, proxy = make_portal(services, settings()), make_portal(services, settings("proxy"))
    yield central.desk.archive(get("/cami", cookie))
    for state in wording.STATES:
        services.known = {"id-1.2.3": progress(state, 5)}
        yield proxy.desk.archive(get("/cami", cookie))
    services.studies = []
    yield central.desk.archive(get("/cami", cookie))
    yield proxy.desk.archive(get("/cami", cookie))
    yield central.desk.unknown(get("/cami/x", cookie))
    yield central.viewer.answer(get("/ohif/viewer", cookie))
    yield central.sign_in.login(get("/cami/login", {"cookie": f"i18next={language}"}, next="/ohif/viewer"))
    yield central.sign_in.login(post("/cami/login", {"cookie": f"i18next={language}"}))
    services.person = OPERATOR
    yield central.desk.archive(get("/cami", cookie))


def words(page):
    parser = Words()
    parser.feed(page.body.decode())
    return " ".join(parser.found)


def test_russian_pages_hold_no_english(ohif):
    for page in [*pages("ru"), *pages_of_what_is_elsewhere("ru", ohif)]:
        assert page.status == 200
        assert set(re.findall(r"[A-Za-z]{2,}", words(page))) - NAMES == set()


def test_english_pages_hold_russian_names_only(ohif):
    names = r"ЁЛКИН Пётр Ильич|Сидоров Сидор|К-17|ОГК|Смирнова Анна Олеговна|Кузьмин Пётр|ГБ № \d|Русский"
    for page in [*pages("en-US"), *pages_of_what_is_elsewhere("en-US", ohif)]:
        assert page.status == 200
        assert CYRILLIC.findall(re.sub(names, "", words(page))) == []


def test_every_template_is_rendered_by_these_tests():
    rendered = Path(str(files("cami.portal").joinpath("templates")))
    known = {"base.html", "message.html", "archive.html", "login.html", "no_images.html", "no_viewer.html",
             "not_found.html", "bringing.html", "coming.html", "no_line.html"} | ROUTING_TEMPLATES  # fmt: skip
    known |= {
        "fleet.html",  # rendered in test_fleet_page.py
        "quarantine.html",
        "quarantine_group.html",
        "quarantine_decided.html",
    }  # tests/unit/portal/test_quarantine_page.py
    known |= {"journal.html", "journal_rows.html", "accesses.html"}  # tests/unit/portal/test_journal_page.py
    known |= {"grants.html", "grants_study.html", "grants_table.html"}  # in test_grants_page
    known |= {"emergency.html", "emergency_opened.html", "emergency_too_often.html"}
    known |= {"nodes.html"}  # in test_nodes_page.py
    known |= {path.name for path in rendered.iterdir() if path.name.startswith("consultation")}  # in their own test
    known |= {"delivery.html", "completeness.html"}  # in test_delivery_page, which fills them with a real delivery
    known |= {"hl7.html"}  # in test_hl7_page.py
    known |= {"mis.html", "launch_over.html"}  # tests/unit/portal/test_mis_page.py
    known |= {"worklist.html", "worklist_new.html", "matching.html", "matching_study.html"}  # in test_worklist_pages
    known |= {"removals.html", "removal_new.html"}  # in test_removals_page
    assert {path.name for path in rendered.iterdir()} == known | PEOPLE_TEMPLATES


@pytest.mark.parametrize("cookie", [{}, COOKIE])
def test_russian_is_what_people_get_who_chose_nothing(cookie):
    portal = make_portal(Services(), settings())
    page = portal.sign_in.login(get("/cami/login", {})) if not cookie else portal.desk.archive(get("/cami", cookie))
    assert '<html lang="ru">' in page.body.decode()
