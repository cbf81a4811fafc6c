"""Rules that the centre makes: read by МО, carried down, kept there, held against images beside the МО's own, tried."""

import json
import re
from types import SimpleNamespace

import pytest
from sqlalchemy import insert, select

from cami.access import Identity, Role
from cami.db import open_engine
from cami.db.tables import forwarding, metadata, study, study_claim, study_grant, study_share
from cami.errors import Conflict, NotFound, Transient
from cami.routing import (
    CentralRules,
    InvalidRules,
    RulesFromCentre,
    RulesPulling,
    Shares,
    central_routing_endpoints,
    rules_wire_endpoints,
)
from cami.routing.reading import Known, KnownEverywhere, select_for
from cami.routing.shares import Announcer, share_handlers
from cami.web import Request
from tests.unit.fakes import Hands
from tests.unit.routing.conftest import KNOWN, MO, rule

CT = "{tag: Modality, equals: CT}"
EVERYWHERE = KnownEverywhere({"42001": ["rsc", "web"], "42002": ["rsc"], "42003": []})
RULES = (
    rule(CT, "{send_to: rsc}", "КТ в РСЦ")
    + "    organizations: ['42001', '42002']\n"
    + "  - {name: дети, when: {age: {to: 17}}, then: {priority: P1}}\n"
    + "  - {name: соседям, organizations: '42002', when: {always: true}, then: {share_with: '42003'}}\n"
)


class Line:
    """The wire between one proxy and the centre, in one process."""

    def __init__(self, centre, mo=MO):
        self.mo = mo
        self.down = False
        tokens = SimpleNamespace(verify_request=lambda headers: self.mo)
        self.endpoints = rules_wire_endpoints(tokens, centre)
        self.calls = 0

    def ask(self, method, path, document=None):
        self.calls += 1
        if self.down:
            raise Transient("the line is down")
        for endpoint in self.endpoints:
            if re.fullmatch(endpoint.pattern, "/cami/wire/v1" + path):
                body = json.dumps(document).encode()
                answer = endpoint.handler(Request(method, "/cami/wire/v1" + path, body=body))
                if answer.status == 404:
                    raise NotFound("no")
                assert answer.status == 200, answer.body
                return json.loads(answer.body)
        raise NotFound("the centre's release knows no rules")


@pytest.fixture
def centre(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/centre.sqlite")
    metadata.create_all(engine)
    rung = []
    rules = CentralRules(engine, Hands(), EVERYWHERE, rung.append)
    yield SimpleNamespace(rules=rules, engine=engine, rung=rung)
    engine.dispose()


def pulling(proxy, line):
    return RulesPulling(line, proxy.centre, proxy.dry_run)


def apply(centre, content=RULES, base=0):
    return centre.rules.apply(content, base=base, why="приказ", who="region")


def test_a_rule_names_what_all_its_organizations_have():
    EVERYWHERE.read(RULES)
    for content, line, said in [
        (rule(CT, "{send_to: rsc}"), 4, 'no destination "rsc" at МО 42003: name organizations that have it'),
        (rule(CT, "{send_to: web}") + "    organizations: ['42001', '42002']\n", 4, '"web" at МО 42002'),
        (rule(CT, "{priority: P0}") + "    organizations: ['1']\n", 5, 'there is no МО "1"'),
        (rule(CT, "{share_with: '9'}"), 4, 'there is no МО "9"'),
        (rule(CT, "{priority: P0}") * 1 + "  - {name: r, when: {always: true}, then: {priority: P1}}\n", 5, "taken"),
    ]:
        with pytest.raises(InvalidRules) as caught:
            EVERYWHERE.read(content)
        assert [(each.line, said in each.message) for each in caught.value.problems] == [(line, True)]
    with pytest.raises(InvalidRules):  # the МО's own rules know no other МО
        KNOWN.read(rule(CT, "{priority: P0}") + "    organizations: ['42001']\n")


def test_an_organization_gets_what_is_for_it():
    names = {
        mo: [each["name"] for each in json.loads(select_for(RULES, mo))["rules"]] for mo in EVERYWHERE.destinations
    }
    assert names == {"42001": ["КТ в РСЦ", "дети"], "42002": ["КТ в РСЦ", "дети", "соседям"], "42003": ["дети"]}
    assert json.loads(select_for("", "42001")) == {"rules": []}


def test_rules_come_down_hold_with_the_own_and_survive(proxy, centre):
    line = Line(centre.rules)
    pull = pulling(proxy, line)
    proxy.rules(rule(CT, "{send_to: [rsc, web]}", "своё"))
    assert pull.step()
    assert (pull.place(), proxy.centre.latest()) == (0, None)
    apply(centre)
    assert centre.rung == ["42001", "42002", "42003"]
    assert centre.rules.place() > pull.place()
    assert pull.step()
    assert pull.place() == centre.rules.place()
    told = {each.mo: (each.version, each.trouble) for each in centre.rules.overview().standings}
    assert told == {"42001": (1, ""), "42002": (0, ""), "42003": (0, "")}

    line.down = True
    proxy.restart()  # neither a restart nor a line that is down changes what holds
    proxy.archive.add("ct")
    proxy.archive.add("child", study="s2", Modality="MR", PatientAge="003Y")
    proxy.read()
    with proxy.engine.connect() as connection:
        rows = connection.execute(select(forwarding)).all()
    assert {(row.destination, row.rule, row.version, row.by_centre) for row in rows} == {
        ("rsc", "КТ в РСЦ", 1, True),
        ("web", "своё", 1, False),
    }
    with pytest.raises(Transient):
        pulling(proxy, line).step()


def test_the_same_version_does_not_come_twice(proxy, centre):
    apply(centre)
    pull = pulling(proxy, line := Line(centre.rules))
    pull.step()
    assert line.calls == 2  # what is new, and that it holds
    pull.step()
    assert line.calls == 3
    assert len(proxy.centre.history()) == 1
    apply(centre, "rules: []", 1)
    pull.step()
    centre.rules.restore(1, base=2, why="вернуть", who="region")
    pull.step()
    assert [each.version for each in proxy.centre.history()] == [3, 2, 1]
    assert [rule.name for rule in proxy.centre.in_force().rules.rules] == ["КТ в РСЦ", "дети"]
    with pytest.raises(Conflict):
        apply(centre, "rules: []", 1)


def test_a_centre_that_was_restored_from_a_backup_is_followed(proxy, centre, tmp_path):
    apply(centre)
    apply(centre, "rules: []", 1)
    pulling(proxy, Line(centre.rules)).step()
    engine = open_engine(f"sqlite:///{tmp_path}/restored.sqlite")
    metadata.create_all(engine)
    restored = CentralRules(engine, clock := Hands(), EVERYWHERE)
    clock.pass_(seconds=1000)
    line = Line(restored)
    pulling(proxy, line).step()
    assert (proxy.centre.in_force().version, proxy.centre.in_force().rules.rules) == (0, ())
    restored.apply("rules: []", base=0, why="x", who="region")
    restored.apply(RULES, base=1, why="x", who="region")  # another version 2
    pulling(proxy, line).step()
    assert len(proxy.centre.in_force().rules.rules) == 2
    engine.dispose()


def test_rules_that_name_what_a_registry_lacks_do_not_hold_and_the_centre_hears_of_it(proxy, centre):
    apply(centre)
    proxy.centre = RulesFromCentre(proxy.engine, proxy.clock, MO, Known([], []))
    pulling(proxy, Line(centre.rules)).step()
    force = proxy.centre.in_force()
    assert (force.version, force.rules.rules) == (1, ())
    assert 'no destination "rsc"' in centre.rules.overview().standings[0].trouble


def test_nobody_shares_with_himself(proxy, centre):
    apply(
        centre,
        rule(CT, "{share_with: ['42001', '42002']}", "всем")
        + "  - {name: нам, when: {always: true}, then: {share_with: '42001'}}\n",
    )
    pulling(proxy, Line(centre.rules)).step()
    (left,) = proxy.centre.in_force().rules.rules
    assert left.then.share_with == ("42002",)
    proxy.archive.add("ct")
    proxy.read()
    notice = proxy.notices.due()
    assert (notice.mo, notice.rule, notice.by_centre) == ("42002", "всем", True)


def test_a_share_by_the_centre_is_told_and_granted_as_such(proxy, centre):
    apply(centre, rule(CT, "{share_with: '42002'}", "всем"))
    pulling(proxy, Line(centre.rules)).step()
    proxy.archive.add("ct")
    proxy.read()
    shares = Shares(centre.engine, Hands(), ["42001", "42002"])
    with centre.engine.begin() as connection:
        row = {"study_id": "s1", "study_uid": "1.2.s1", "owner": MO, "claimed_at": proxy.clock.now(), "labelled": True}
        connection.execute(insert(study_claim).values(study_uid="1.2.s1", owner=MO, claimed_at=proxy.clock.now()))
        connection.execute(insert(study).values(**row))
    (handler,) = share_handlers(shares).values()

    def tell(path, document):
        return json.loads(handler(MO, Request("POST", path, body=json.dumps(document).encode())).body)

    Announcer(proxy.notices, SimpleNamespace(tell=tell)).step()
    with centre.engine.connect() as connection:
        assert connection.execute(select(study_share.c.by_centre, study_share.c.version)).all() == [(True, 1)]
        assert connection.scalar(select(study_grant.c.reference)) == "central: всем"


def test_a_draft_is_tried_where_the_images_are(proxy, centre):
    proxy.archive.add("ct")
    proxy.archive.add("mr", study="s2", Modality="MR")
    proxy.read()
    pull = pulling(proxy, Line(centre.rules))
    pull.step()
    number = centre.rules.try_out(RULES, 100, "region")
    assert centre.rules.place() > pull.place()
    assert centre.rules.trial(number).waits_for == ["42001", "42002", "42003"]
    pull.step()
    trial = centre.rules.trial(number)
    assert trial.waits_for == ["42002", "42003"]
    found = trial.outcomes["42001"]["studies"]
    assert [(each["modality"], each["destinations"]) for each in found] == [("MR", {}), ("CT", {"rsc": 1})]
    assert [each["by_centre"] for each in found[0]["rules"]] == [True, True]
    assert proxy.wanted() == {}
    with pytest.raises(InvalidRules):
        centre.rules.try_out("rules: x", 100, "region")
    centre.rules.settle("42001", number, {"studies": []})  # what was said first stays
    assert centre.rules.trial(number).outcomes["42001"]["studies"] == found


def test_a_trial_is_not_asked_for_ever(proxy, centre):
    number = centre.rules.try_out(RULES, 100, "region")
    centre.rules._clock.pass_(minutes=16)
    assert centre.rules.answer("42001", 0, None, "")["trials"] == []
    assert centre.rules.trial(number).waits_for == []
    centre.rules._clock.pass_(days=1)
    assert centre.rules.try_out(RULES, 100, "region") == number + 1
    with pytest.raises(NotFound):
        centre.rules.trial(number)
    with pytest.raises(NotFound):
        centre.rules.settle("42001", number, {})


def test_a_centre_of_an_earlier_release_is_left_alone(proxy):
    link = SimpleNamespace(ask=lambda *_: (_ for _ in ()).throw(NotFound("no such address")))
    assert not pulling(proxy, link).step()


@pytest.mark.parametrize("answer", [{"rules": {}}, {"rules": {"version": 1, "content": "", "why": "", "made_by": ""}}])
def test_nonsense_in_an_answer_changes_nothing(proxy, answer):
    with pytest.raises(Transient):
        pulling(proxy, SimpleNamespace(ask=lambda *_: answer)).step()
    assert proxy.centre.latest() is None


def test_who_makes_rules_for_all(centre):
    who = SimpleNamespace(person=Identity("region", "Главный", Role.REGION_ADMIN, ""))
    endpoints = central_routing_endpoints(SimpleNamespace(identify=lambda headers: who.person), centre.rules)

    def ask(method, path, body=None):
        raw = b"" if body is None else json.dumps(body).encode()
        for endpoint in endpoints:
            if found := re.fullmatch(endpoint.pattern, "/cami/api/routing" + path):
                answer = endpoint.handler(Request(method, "", body=raw, groups=found.groups()))
                kind = answer.content_type.startswith("application/json")
                return answer.status, json.loads(answer.body) if kind else answer.body.decode()
        raise AssertionError(path)

    assert ask("POST", "", {"content": RULES, "base": 0, "why": "приказ"}) == (200, {"version": 1})
    status, seen = ask("GET", "")
    assert (status, [each["organizations"] for each in seen["rules"]]) == (200, [["42001", "42002"], None, ["42002"]])
    assert seen["organizations"][0] == {"mo": "42001", "version": 0, "trouble": "", "since": None}
    assert ask("POST", "", {"content": "rules: x", "base": 1, "why": "x"})[0] == 400
    assert ask("GET", "/versions/1")[1]["content"] == RULES
    assert ask("POST", "/versions/1/restore", {"base": 1, "why": "снова"}) == (200, {"version": 2})
    assert [each["version"] for each in ask("GET", "/versions")[1]["versions"]] == [2, 1]
    assert ask("POST", "/dry-run", {"studies": 5}) == (200, {"trial": 1})
    assert ask("GET", "/dry-run/1")[1]["waits_for"] == ["42001", "42002", "42003"]
    assert ask("GET", "/dry-run/7")[0] == 404
    assert ask("POST", "/dry-run", {"studies": 0})[0] == 400
    who.person = Identity("op", "Оператор", Role.OPERATOR, "")
    assert (ask("GET", "")[0], ask("POST", "", {})[0]) == (200, 403)
    for role in set(Role) - {Role.OPERATOR, Role.REGION_ADMIN}:
        who.person = Identity("x", "x", role, "42001")
        assert {ask("GET", "")[0], ask("POST", "/dry-run", {})[0]} == {403}
    who.person = None
    assert ask("GET", "")[0] == 401
