"""A trial run tells exactly what the router does, and changes nothing."""

import pytest
from sqlalchemy import select

from cami.db.tables import change_cursor, delivery_study, forwarding, routed_study, share_notice
from cami.delivery.order import Priority
from cami.routing import read_rules
from cami.routing.facts import same_in_a_series
from tests.unit.routing.conftest import KNOWN, rule

MANY = (
    rule("{tag: Modality, equals: CT}", "{send_to: rsc}", "КТ")
    + "  - {name: тонкие, when: {tag: SliceThickness, at_most: 1}, then: {send_to: web, priority: P3}}\n"
    + "  - {name: ночь, when: {time: {from: '20:00', to: '08:00'}}, then: {priority: P1, share_with: '42002'}}\n"
    + "  - {name: никогда, when: {device: NOBODY}, then: {send_to: web}}\n"
)


def fill(proxy):
    add = proxy.archive.add
    for number in range(3):
        add(f"thick{number}", series="1", SliceThickness="5")
        add(f"thin{number}", series="2", SliceThickness="0.6")
        add(f"mr{number}", study="s2", Modality="MR", SliceThickness="3", received="20260105T150000")  # 22:00 there
    add("back", study="s1", series="3", origin="Plugins")


def everything(proxy):
    tables = (forwarding, routed_study, share_notice, change_cursor, delivery_study)
    with proxy.engine.connect() as connection:
        return [connection.execute(select(table)).all() for table in tables]


def test_it_tells_what_then_happens(proxy):
    fill(proxy)
    while proxy.feed.advance():
        pass
    before = everything(proxy)
    run = proxy.dry_run.run(read_rules(MANY, KNOWN))
    assert everything(proxy) == before
    assert not run.by_series
    told = {study.study_id: study for study in run.studies}

    proxy.rules(MANY)
    while proxy.router.advance():
        pass
    happened = {}
    for destination, instance in proxy.wanted():
        study = proxy.archive.images[instance].study
        happened.setdefault(study, {}).setdefault(destination, 0)
        happened[study][destination] += 1
    assert {study: outcome.destinations for study, outcome in told.items() if outcome.destinations} == happened
    assert happened == {"s1": {"rsc": 6, "web": 3}}
    assert {study: outcome.priority for study, outcome in told.items()} == {
        "s1": Priority.PRIOR,
        "s2": Priority.AWAITED,
    }
    with proxy.engine.connect() as connection:
        classes = {row.study_id: row.priority for row in connection.execute(select(delivery_study))}
        shared = {row.study_id for row in connection.execute(select(share_notice))}
    assert classes == {study: outcome.priority for study, outcome in told.items()}
    assert shared == {study for study, outcome in told.items() if outcome.shares} == {"s2"}


def test_each_rule_says_why(proxy):
    fill(proxy)
    proxy.read()
    run = proxy.dry_run.run(read_rules(MANY, KNOWN))
    by_rule = {(study.study_id, each.rule): each for study in run.studies for each in study.rules}

    def because(study, name):
        outcome = by_rule[study, name]
        return outcome.matched, [(finding.holds, finding.found) for finding in outcome.because.because]

    assert because("s1", "КТ") == (6, [(True, "CT")])
    assert because("s2", "КТ") == (0, [(False, "MR")])
    assert because("s1", "тонкие") == (3, [(True, "0.6")])
    assert because("s2", "ночь") == (3, [(True, "mon 22:00")])
    assert because("s1", "ночь") == (0, [(False, "mon 10:00")])
    assert because("s1", "никогда") == (0, [(False, "CT42001")])


def test_one_image_stands_for_a_series_where_that_is_enough(proxy, monkeypatch):
    fill(proxy)
    proxy.read()
    asked = []
    get = proxy.archive.get
    monkeypatch.setattr(proxy.archive, "get", lambda uri: asked.append(uri) or get(uri))
    run = proxy.dry_run.run(read_rules(rule("{tag: Modality, equals: CT}", "{send_to: rsc}"), KNOWN))
    assert run.by_series
    assert {study.study_id: study.destinations for study in run.studies} == {"s1": {"rsc": 6}, "s2": {}}
    assert len([uri for uri in asked if uri.endswith("simplified-tags")]) == 3


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{tag: Modality, equals: CT}", True),
        ("{all: [{tag: StudyDescription, matches: x}, {age: {to: 17}}, {priority: P1}]}", True),
        ("{all: [{tag: Modality, equals: CT}, {not: {tag: SliceThickness, at_most: 1}}]}", False),
        ("{tag: SOPClassUID, exists: true}", False),
        ("{time: {from: '08:00', to: '09:00'}}", False),
        ("{device: CT42001}", False),
    ],
)
def test_what_is_the_same_in_a_series(when, expected):
    assert same_in_a_series(read_rules(rule(when, "{send_to: rsc}"), KNOWN)) is expected


def test_the_newest_studies_up_to_a_number_and_none_that_was_let_go_of(proxy):
    for number in range(5):
        proxy.archive.add(f"i{number}", study=f"s{number}")
    proxy.read()
    del proxy.archive.images["i3"]
    run = proxy.dry_run.run(read_rules(rule("{always: true}", "{send_to: rsc}"), KNOWN), studies=3)
    assert [study.study_id for study in run.studies] == ["s4", "s2"]


def test_a_run_has_an_end(proxy, monkeypatch):
    monkeypatch.setattr("cami.routing.dry_run.MOST_IMAGES", 4)
    fill(proxy)
    proxy.read()
    run = proxy.dry_run.run(read_rules(MANY, KNOWN))
    assert run.cut
    assert [study.study_id for study in run.studies] == []
