"""«Маршрутизация» at the centre: what it shows, what it lets whom do; and what an МО sees of it."""

import re
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from cami.access import Identity, Role
from cami.db import open_engine
from cami.db.tables import metadata
from cami.portal.central_routing_page import CentralRoutingPage
from cami.portal.entry import Entry
from cami.portal.pages import Pages
from cami.portal.routing_page import HISTORY
from cami.portal.routing_wording import mistake
from cami.routing import CentralRules, InvalidRules
from cami.routing.reading import KnownEverywhere
from tests.unit.fakes import Hands
from tests.unit.portal.conftest import REGION, get, header, post, settings
from tests.unit.portal.test_texts import CYRILLIC, words
from tests.unit.routing.conftest import rule

CHIEF = Identity("region", "Главный Олег", Role.REGION_ADMIN, "")
EVERYWHERE = KnownEverywhere({"42001": ["rsc"], "42002": []})
RULES = (
    rule("{tag: Modality, equals: CT}", "{send_to: rsc, priority: P0}", "КТ в РСЦ")
    + "    organizations: '42001'\n  - {name: прочее, when: {always: true}, then: {share_with: '42002'}}\n"
)
STUDY = {
    "modality": "CT", "description": "Голова", "received_at": "2026-01-01T03:00:00.000Z", "instances": 12,
    "destinations": {"rsc": 12}, "shares": ["42002"], "priority": "P0",
    "rules": [{"rule": "КТ в РСЦ", "matched": 12}, {"rule": "прочее", "matched": 0}],
}  # fmt: skip


@pytest.fixture
def page(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/centre.sqlite")
    metadata.create_all(engine)
    clock = Hands()
    rules = CentralRules(engine, clock, EVERYWHERE)
    here = SimpleNamespace(person=CHIEF, rules=rules, clock=clock)
    pages = Pages(settings("central"), REGION)
    who = SimpleNamespace(identify=lambda headers: here.person)
    endpoints = CentralRoutingPage(pages, rules, REGION).endpoints(Entry(pages, who, "central"))

    def show(path="/cami/routing", language="ru", **query):
        endpoint = next(each for each in endpoints if re.fullmatch(each.pattern, path))
        return endpoint.handler(get(path, {"cookie": f"i18next={language}"}, **query))

    here.show = show
    here.send = lambda headers=None, **form: endpoints[0].handler(post("/cami/routing", headers, urlencode(form)))
    yield here
    engine.dispose()


def text(response):
    assert response.status == 200
    return response.body.decode()


def test_rules_for_all_are_made_and_shown_with_how_far_they_have_come(page):
    assert "Правил для всех МО нет" in text(page.show())
    answer = page.send(action="apply", content=RULES.replace("\n", "\r\n"), base="0", why="приказ")
    assert (answer.status, header(answer, "Location")) == (303, ["/cami/routing?done=applied"])
    shown = text(page.show(done="applied"))
    assert "Правила вступили в силу." in shown
    assert "только для «ГБ № 1»" in shown
    assert "для всех МО" in shown
    assert shown.count("прокси ещё не отвечал") == 2
    made_at = page.rules.history()[0].made_at
    page.rules.answer("42001", 1, made_at, "")
    page.rules.answer("42002", 0, None, "")
    shown = text(page.show())
    assert "действуют</span>" in shown
    assert "ждёт связи с прокси" in shown
    page.rules.answer("42002", 1, made_at, "rules:4: no destination")
    assert "не действуют: в реестре на прокси" in text(page.show())


def test_mistakes_stay_with_the_draft(page):
    wrong = RULES.replace("    organizations: '42001'\n", "")
    shown = text(page.send(action="apply", content=wrong, base="0", why="проба"))
    assert "Строка 4" in shown
    assert "назначения «rsc» нет у МО 42002" in shown
    assert 'value="проба"' in shown
    assert page.rules.history() == []
    assert "Напишите, зачем" in text(page.send(action="apply", content=RULES, base="0", why=" "))


def test_every_mistake_of_the_centre_has_russian_words():
    for content in [
        rule("{always: true}", "{send_to: rsc}"),
        rule("{always: true}", "{share_with: '9'}"),
        rule("{always: true}", "{priority: P0}") + "    organizations: ['9']\n",
    ]:
        with pytest.raises(InvalidRules) as caught:
            EVERYWHERE.read(content)
        for problem in caught.value.problems:
            assert mistake(problem.message) != problem.message


def test_a_trial_is_shown_as_it_comes_in(page):
    answer = page.send(action="try", content=RULES, base="0", why="")
    assert header(answer, "Location") == ["/cami/routing?trial=1#tried"]
    shown = text(page.show(trial="1"))
    assert shown.count("ждём ответа прокси") == 2
    assert 'data-every="2000"' in shown
    assert "script-src 'self'" in header(page.show(trial="1"), "Content-Security-Policy")[0]
    assert "КТ в РСЦ" in shown  # the draft is still in the form
    page.rules.settle("42001", 1, {"studies": [STUDY, {**STUDY, "rules": []}], "by_series": True, "cut": False})
    page.rules.settle("42002", 1, {"problems": [{"line": 4, "place": "", "message": 'there is no МО "9" with'}]})
    shown = text(page.show(trial="1"))
    assert "исследований просмотрено: 2, правила сработали бы для 1" in shown
    assert "«Районная больница» через центр" in shown
    assert "у этой МО правила действовать не будут" in shown
    page.clock.pass_(minutes=20)
    page.rules.try_out(RULES, 5, "x")
    page.rules.settle("42001", 2, {"trouble": "unavailable"})
    assert "архив МО сейчас не отвечает" in text(page.show(trial="2"))
    page.clock.pass_(minutes=20)
    assert "прокси не ответил" in text(page.show(trial="2"))
    assert 'id="tried"' not in text(page.show(trial="77"))


def test_history_brings_back(page):
    page.rules.apply(RULES, base=0, why="приказ", who="region")
    page.rules.apply("rules: []", base=1, why="отмена", who="region")
    assert "Версия 2" in text(page.show(HISTORY))
    answer = page.send(action="restore", version="1", base="2", why="вернуть")
    assert header(answer, "Location") == ["/cami/routing?done=restored"]
    assert page.rules.overview().version == 3


def test_who_may_look_and_who_may_change(page):
    page.rules.apply(RULES, base=0, why="приказ", who="region")
    page.person = Identity("op", "Оператор", Role.OPERATOR, "")
    shown = text(page.show())
    assert "КТ в РСЦ" in shown
    assert "<textarea" not in shown
    page.send(action="apply", content="rules: []", base="1", why="x")
    page.person = Identity("adm", "A", Role.MO_ADMIN, "42001")
    assert "КТ в РСЦ" not in text(page.show())
    page.person = CHIEF
    page.send({"sec-fetch-site": "cross-site"}, action="apply", content="rules: []", base="1", why="x")
    assert page.rules.overview().version == 1


def everything(page, language):
    yield page.show(language=language)
    page.rules.apply(RULES, base=0, why="приказ", who="region")
    made_at = page.rules.history()[0].made_at
    page.rules.answer("42001", 1, made_at, "")
    page.rules.answer("42002", 1, made_at, "trouble")
    number = page.rules.try_out(RULES, 100, "region")
    yield page.show(language=language, trial=str(number))
    page.rules.settle("42001", number, {"studies": [STUDY, {}], "by_series": True, "cut": False})
    page.rules.settle("42002", number, {"trouble": "unavailable"})
    yield page.show(language=language, trial=str(number))
    page.clock.pass_(minutes=20)
    page.rules.answer("42002", 0, None, "")
    yield page.show(language=language, trial=str(page.rules.try_out(RULES, 100, "region")))
    yield page.show(HISTORY, language=language)


def test_the_languages_do_not_mix(page):
    codes = r"PACS|DICOM|YAML|rsc|CT|P\d|region|English|Русский|rules|name|when|then|tag|equals|send_to|priority"
    codes += r"|share_with|always|true|Modality|organizations|\d+"
    for shown in everything(page, "ru"):
        assert set(re.findall(r"[A-Za-z]{2,}", re.sub(codes, "", words(shown)))) <= {"HL", "PACS"}


def test_the_english_page_is_english(page):
    own = "КТ в РСЦ|прочее|Главный Олег|ГБ № 1|Районная больница|Русский|приказ|Голова"
    for shown in everything(page, "en-US"):
        assert CYRILLIC.findall(re.sub(own, "", words(shown))) == []
