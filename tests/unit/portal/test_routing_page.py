"""«Маршрутизация»: what it shows, what it lets whom do, in both languages."""

import re
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from cami.access import Identity, Role
from cami.portal.entry import Entry
from cami.portal.pages import Pages
from cami.portal.routing_page import HISTORY, RoutingPage
from cami.portal.routing_sentences import Sentences
from cami.portal.routing_wording import REASONS, mistake
from cami.region import Destination
from cami.routing import RoutingService, Ways, read_rules
from cami.routing.outcomes import Unavailable
from cami.routing.reading import InvalidRules
from tests.unit.portal.conftest import REGION, get, header, post, settings
from tests.unit.portal.test_texts import CYRILLIC, words
from tests.unit.routing.conftest import KNOWN, MO, Proxy, Way, rule

ADMIN = Identity("adm.42001", "Управлялов Олег", Role.MO_ADMIN, MO)
LABORATORY = Identity("lab.42001", "Лаборантов Пётр", Role.TECHNOLOGIST, MO)
RSC = Destination.model_validate(
    {"name": "rsc", "title": "PACS сосудистого центра", "dicom": {"aet": "RSC", "host": "10.0.0.9", "port": 104}}
)
RULES = (
    rule("{all: [{tag: Modality, equals: CT}, {age: {from: 18}}]}", "{send_to: rsc, priority: P0}", "КТ взрослым")
    + "  - {name: прочее, enabled: false, comment: Звонить 5-12, when: {always: true}, then: {share_with: '42002'}}\n"
)


@pytest.fixture
def page(tmp_path, monkeypatch):
    proxy = Proxy(tmp_path, monkeypatch)
    destination = Way()
    ways = Ways(tmp_path, "PROXY", lambda dicom, syntax: None, None)
    monkeypatch.setattr(ways, "way", lambda _destination: destination)
    service = RoutingService(
        versions=proxy.versions, centre=proxy.centre, forwardings=proxy.forwardings, notices=proxy.notices,
        dry_run=proxy.dry_run,
        destinations=[RSC], ways=ways,
    )  # fmt: skip
    here = SimpleNamespace(person=ADMIN, proxy=proxy, destination=destination, service=service)
    pages = Pages(settings("proxy"), REGION)
    who = SimpleNamespace(identify=lambda headers: here.person)
    endpoints = RoutingPage(pages, service, MO).endpoints(Entry(pages, who, "proxy"))

    def show(path="/cami/routing", language="ru", **query):
        endpoint = next(each for each in endpoints if re.fullmatch(each.pattern, path))
        return endpoint.handler(get(path, {"cookie": f"i18next={language}"}, **query))

    def send(headers=None, **fields):
        return endpoints[0].handler(post("/cami/routing", headers, urlencode(fields)))

    here.show, here.send = show, send
    yield here
    proxy.engine.dispose()


def text(response):
    assert response.status == 200
    return response.body.decode()


def test_rules_are_shown_as_sentences(page):
    page.proxy.rules(RULES)
    shown = text(page.show())
    assert (
        "Если модальность – CT и возраст от 18 лет, то отправить в «PACS сосудистого центра» и присвоить класс P0,"
        " экстренно." in shown
    )
    assert "Любой снимок: передать через центр в «Районная больница»." in shown
    assert "выключено" in shown
    assert "Звонить 5-12" in shown


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("{any: [{device: [CT1, CT2]}, {priority: P1}]}", "аппарат – CT1 или CT2 или класс – P1"),
        ("{not: {tag: StationName, exists: true}}", "неверно, что название станции – указано"),
        ("{tag: StudyDescription, matches: голов}", "описание исследования содержит образец голов"),
        ("{tag: SliceThickness, at_least: 1, at_most: 2}", "толщина среза, мм от 1 до 2"),
        ("{tag: KVP, in: ['80', '100', '120']}", "KVP – 80, 100 или 120"),
        ("{time: {days: [sat, sun], from: '20:00', to: '08:00'}}", "снимок получен с 20:00 до 08:00 (сб или вс)"),
        ("{all: [{mo: '42001'}, {any: [{always: true}, {age: {to: 17}}]}]}",
         "МО – ГБ № 1 и (снимок любой или возраст от 0 до 17 лет включительно)"),
    ],
)  # fmt: skip
def test_sentences(when, said):
    names = Sentences(lambda message: message, {}, {"42001": "ГБ № 1"}.get)
    assert names.condition(read_rules(rule(when, "{priority: P0}"), KNOWN).rules[0].when) == said


def test_rules_are_changed_with_a_reason(page):
    answer = page.send(action="apply", content=RULES.replace("\n", "\r\n"), base="0", why="РСЦ просит")
    assert (answer.status, header(answer, "Location")) == (303, ["/cami/routing?done=applied"])
    assert page.proxy.versions.latest().content == RULES
    assert "Правила вступили в силу." in text(page.show(done="applied"))
    assert "Напишите, зачем" in text(page.send(action="apply", content="rules: []", base="1", why=" "))
    assert "изменил кто-то другой" in text(page.send(action="apply", content="rules: []", base="0", why="x"))
    assert page.proxy.versions.latest().version == 1


def test_mistakes_are_told_in_russian_and_the_draft_stays(page):
    draft = rule("{tag: Modality, equls: CT}", "{send_to: туда}", "черновик")
    shown = text(page.send(action="apply", content=draft, base="0", why="проба"))
    assert "<strong>Строка 3</strong> (<code>rules[0].when.equls</code>): нет такого поля" in shown
    assert "черновик" in shown
    assert 'value="проба"' in shown
    assert page.proxy.versions.latest() is None


def test_a_trial_run_is_shown_and_changes_nothing(page):
    page.proxy.archive.add("a", PatientAge="045Y")
    page.proxy.archive.add("b", study="s2", Modality="MR")
    page.proxy.read()
    shown = text(page.send(action="try", content=RULES, base="0", why=""))
    assert "сработало: КТ взрослым" in shown
    assert "PACS сосудистого центра <span" in shown
    assert "модальность – CT – неверно (MR)" in shown
    assert "P0, экстренно" in shown
    assert page.proxy.wanted() == {}
    assert page.proxy.versions.latest() is None


def test_destinations_tell_how_they_are(page):
    page.proxy.rules(RULES)
    page.proxy.archive.add("a", PatientAge="045Y")
    page.proxy.read()
    page.proxy.forwardings.rest(page.proxy.forwardings.take("rsc"), "unreachable", "")
    shown = text(page.show())
    assert "не отвечает: проверьте сеть, адрес и порт" in shown
    assert "RSC@10.0.0.9:104" in shown
    page.destination.faults = [Unavailable("rejected", "")]
    assert "проверьте AE title" in text(page.send(action="echo", destination="rsc"))
    assert header(page.send(action="echo", destination="rsc"), "Location") == ["/cami/routing?done=answers"]
    assert header(page.send(action="resend", destination="rsc"), "Location") == ["/cami/routing?done=resent"]
    assert page.proxy.forwardings.rests_until("rsc") is None
    assert header(page.send(action="cancel", destination="rsc"), "Location") == ["/cami/routing?done=cancelled"]
    assert page.proxy.wanted() == {("rsc", "a"): "cancelled"}
    assert "Такой страницы нет" in text(page.send(action="resend", destination="nowhere"))


def test_history_shows_what_changed_and_brings_back(page):
    page.proxy.rules(RULES)
    page.proxy.rules("rules: []")
    shown = text(page.show(HISTORY))
    assert "Версия 2" in shown
    assert '<div class="diff__line diff__line--added">+rules: []</div>' in shown
    answer = page.send(action="restore", version="1", base="2", why="вернуть")
    assert header(answer, "Location") == ["/cami/routing?done=restored"]
    assert page.proxy.versions.latest().restored == 1


OF_CENTRE = {
    "version": 4, "content": rule("{tag: Modality, equals: MR}", "{send_to: rsc}", "МРТ региона"), "why": "приказ",
    "made_by": "region", "made_at": "2026-01-01T00:00:00+00:00",
}  # fmt: skip


def test_rules_of_the_centre_are_shown_and_nobody_changes_them_here(page):
    page.proxy.centre.take(OF_CENTRE)
    shown = text(page.show())
    assert "Если модальность – MR, то отправить в «PACS сосудистого центра»." in shown
    assert "здесь их нельзя изменить" in shown
    assert "Своих правил у МО нет" in shown
    assert "МРТ региона" not in re.search("<textarea.*?</textarea>", shown, re.DOTALL).group()
    assert "Правила центра, как они приходили" in text(page.show(HISTORY))
    page.proxy.archive.add("b", study="s2", Modality="MR")
    page.proxy.read()
    assert page.proxy.wanted() == {("rsc", "b"): "queued"}
    tried = text(page.send(action="try", content=RULES, base="0", why=""))
    assert "правило центра" in tried
    assert "сработало: МРТ региона" in tried
    page.proxy.centre.take({**OF_CENTRE, "version": 5, "content": rule("{always: true}", "{send_to: nowhere}")})
    assert "Правила центра у нас не действуют" in text(page.show())


def test_who_may_look_and_who_may_change(page):
    page.proxy.rules(RULES)
    page.person = LABORATORY
    shown = text(page.show())
    assert "КТ взрослым" in shown
    assert "<textarea" not in shown
    assert "Проверить связь" not in shown
    assert "Вернуть эту версию" not in text(page.show(HISTORY))
    page.send(action="apply", content="rules: []", base="1", why="x")
    page.person = Identity("rad", "R", Role.RADIOLOGIST, MO)
    assert "КТ взрослым" not in text(page.show())
    page.person = ADMIN
    page.send({"sec-fetch-site": "cross-site"}, action="apply", content="rules: []", base="1", why="x")
    page.person = None
    assert page.show().status == 303
    assert page.proxy.versions.latest().version == 1


def test_what_people_write_is_escaped(page):
    evil = rule("{tag: StationName, equals: '<script>'}", "{priority: P0}", "'<b>имя</b>'")
    page.proxy.rules(evil)
    for shown in (
        text(page.show()),
        text(page.send(action="try", content=evil + "#</textarea><script>", why='"><script>')),
    ):
        assert "<b>имя" not in shown
        assert "&lt;script&gt;" in shown
        assert "<script>" not in shown


def everything(page, language):
    page.proxy.centre.take(OF_CENTRE)
    yield page.show(language=language)
    page.proxy.rules(RULES)
    page.proxy.archive.add("a", PatientAge="045Y")
    page.proxy.read()
    yield page.show(language=language)
    for reason in REASONS:
        page.proxy.forwardings.resend("rsc")
        page.proxy.forwardings.rest(page.proxy.forwardings.take("rsc"), reason, "")
        yield page.show(language=language)
        page.proxy.forwardings.resend("rsc")
        page.proxy.forwardings.fail(page.proxy.forwardings.take("rsc"), reason)
        yield page.show(language=language)
    yield page.show(HISTORY, language=language)
    cookie = {"cookie": f"i18next={language}"}
    yield page.send(cookie, action="try", content=RULES, base="0", why="")
    yield page.send(cookie, action="apply", content=RULES, base="1", why="")


def test_the_languages_do_not_mix(page):
    codes = r"PACS|DICOM|YAML|AE title|rsc|RSC|CT|P\d|adm|test|English|Русский|rules|name|when|then|all|tag|equals|age"
    codes += r"|from|send_to|priority|enabled|comment|share_with|always|true|false|Modality|mo|MR|region|\d+"
    for shown in everything(page, "ru"):
        assert set(re.findall(r"[A-Za-z]{2,}", re.sub(codes, "", words(shown)))) == set()


def test_the_english_page_is_english(page):
    own = "КТ взрослым|прочее|Звонить|PACS сосудистого центра|Управлялов Олег|ГБ № 1|Районная больница|Русский"
    own += "|МРТ региона|приказ"
    for shown in everything(page, "en-US"):
        assert CYRILLIC.findall(re.sub(own, "", words(shown))) == []


@pytest.mark.parametrize(
    "document",
    [
        "rules: x", "- a", "x: [", "rules: [a]", "rules: [{}]", "rules: " + "[" * 70, "rules: &a []", "rules: !!map {}",
        "rules: []\n---\nrules: []", "rules: []\nrules: []", "? [a]\n: b", "#" + "я" * 40_000, "rules: [{name: [a]}]",
        rule("{tag: PatientName, exists: true}", "{}"), rule("{tag: Nope, exists: maybe}", "{send_to: nowhere}"),
        rule("{tag: Modality}", "{share_with: Я, priority: P7}"), rule("{tag: KVP, matches: '('}", "{send_to: Я}"),
        rule("{tag: KVP, at_least: x}", "{send_to: []}"), rule("{tag: KVP, at_least: 2, at_most: 1}", "{send_to: a}"),
        rule("{device: [Ж]}", "{priority: P0}"), rule("{device: A, equals: b}", "{priority: P0}"),
        rule("{time: {days: monday, from: 8}}", "{priority: P0}"), rule("{age: {from: 200, to: x}}", "{priority: P0}"),
        rule("{age: {from: 5, to: 1}}", "{priority: P0}"), rule("{age: {from: -5}}", "{priority: P0}"),
        rule("{always: false}", "{priority: P0}"), rule("{all: []}", "{priority: P0}"), rule("", "{priority: P0}"),
        rule("{tag: KVP, equals: " + "1" * 300 + "}", "{priority: P0}"), rule("{always: true}", "{}", "' a'"),
        rule("{tag: KVP, matches: " + "1" * 300 + "}", "{priority: P0}"), rule("{" + "not: {" * 20 + "}" * 21, "{}"),
        rule("{always: true}", "{priority: P0}") + "  - {name: r, when: {always: true}, then: {priority: P1}}\n",
        rule("{always: true}", "{priority: P0}") * 1 + "    enabled: perhaps\n    comment: " + "x" * 1100 + "\n",
        "rules:\n" + "  - {name: r, when: {always: true}, then: {priority: P1}}\n" * 201,
    ],
)  # fmt: skip
def test_every_mistake_has_russian_words(document):
    with pytest.raises(InvalidRules) as caught:
        read_rules(document, KNOWN)
    for problem in caught.value.problems:
        assert mistake(problem.message) != problem.message, problem.message
