"""The language: what it says, and how it answers to mistakes."""

import time
from pathlib import Path

import pytest

from cami.delivery.order import Priority
from cami.region import load_region
from cami.routing.judgement import Facts, judge
from cami.routing.phrases import say, say_actions
from cami.routing.reading import InvalidRules, known_to, read_rules
from tests.unit.routing.conftest import KNOWN, rule


def problems(text):
    with pytest.raises(InvalidRules) as caught:
        read_rules(text, KNOWN)
    return [(problem.line, problem.message) for problem in caught.value.problems]


def test_a_rule_is_read_from_yaml_and_from_json():
    (own,) = read_rules(
        rule("{tag: Modality, in: [CT, MR]}", "{send_to: rsc, share_with: '42002', priority: P1}"), KNOWN
    ).rules
    text = '{"rules": [{"name": "r", "when": {"tag": "Modality", "in": ["CT", "MR"]},'
    text += ' "then": {"send_to": ["rsc"], "share_with": ["42002"], "priority": "P1"}}]}'
    assert read_rules(text, KNOWN).rules == (own,)
    assert own.then.priority is Priority.AWAITED
    assert (say(own.when), say_actions(own.then)) == (
        "Modality in CT, MR",
        "send to rsc; share with МО 42002; class P1",
    )


@pytest.mark.parametrize("text", ["", "rules: []", "# nothing yet\n", "{}"])
def test_there_may_be_no_rules(text):
    assert read_rules(text, KNOWN).rules == ()


def test_every_mistake_is_told_with_its_line():
    text = """rules:
  - name: a
    when: {tag: Modality, equls: CT}
    then: {}
  - name: a
    when:
      any:
        - {tag: Bodypart, equals: HEAD}
        - {priority: P9}
        - {device: [], tag: Modality, equals: CT}
        - {time: {from: "25:00"}}
        - {tag: Modality, matches: "(a"}
    then: {send_to: [nowhere], share_with: "42001"}
  - when: {always: true}
    then: {priority: P0, forward: rsc}
"""
    assert [line for line, _ in problems(text)] == [3, 4, 5, 8, 9, 10, 11, 12, 13, 13, 14, 15]


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("{tag: PatientName, exists: true}", "cannot be asked for"),
        ("{tag: PatientID, equals: '1'}", "cannot be asked for"),
        ("{tag: PatientBirthDate, equals: '19570308'}", "cannot be asked for"),
        ("{tag: PatientComments, matches: a}", "cannot be asked for"),
        ("{tag: ReferencedStudySequence, exists: true}", "no sequences"),
        ("{tag: PixelData, exists: true}", "no sequences"),
        ("{tag: Modality}", "needs one of"),
        ("{tag: Modality, equals: CT, matches: CT}", "needs one of"),
        ("{tag: Modality, equals: CT, device: CT42001}", "exactly one of"),
        ("{equals: CT}", "exactly one of"),
        ("{device: CT42001, equals: CT}", "belongs to a tag"),
        ("{always: false}", "always is true"),
        ("{all: []}", "is an empty list"),
        ("{age: {from: 18, to: 5}}", "is no span"),
        ("{tag: SliceThickness, at_least: thin}", "is no number"),
        ("{tag: SliceThickness, at_least: NaN}", "is no number"),
        ("{tag: SliceThickness, at_least: 5, at_most: 1}", "leave nothing"),
        ("{tag: Modality, matches: '" + "a" * 201 + "'}", "at most 200"),
        ("{tag: Modality, matches: '(a)\\1'}", "no pattern"),
        ("{tag: Modality, matches: '(?=a)'}", "no pattern"),
        ("{mo: [Кемерово]}", "is no code"),
    ],
)
def test_a_condition_that_cannot_be_is_refused(when, told):
    ((line, message),) = problems(rule(when, "{priority: P0}"))
    assert line == 3
    assert told in message


def test_what_is_nested_too_deeply_is_refused():
    deep = "{not: " * 20 + "{always: true}" + "}" * 20
    assert "deep" in problems(rule(deep, "{priority: P0}"))[0][1]
    assert "levels" in problems("rules: " + "[" * 20_000)[0][1]


def test_what_is_too_long_is_refused():
    assert "longer than" in problems("#" + "я" * 40_000)[0][1]


def test_no_pattern_takes_its_time():
    condition = read_rules(rule("{tag: StudyDescription, matches: '(a+)+$'}", "{priority: P0}"), KNOWN).rules[0].when
    facts = Facts({"StudyDescription": "a" * 5000 + "!"}, "", "42001", None)
    began = time.perf_counter()
    assert not judge(condition, facts).holds
    assert time.perf_counter() - began < 0.5


def test_rules_may_name_the_destinations_of_their_own_proxy_and_the_other_organizations():
    known = known_to(load_region(Path("orthanc-config/region.yaml")), "42001")
    assert (list(known.destinations), list(known.organizations)) == ([], ["42002"])
