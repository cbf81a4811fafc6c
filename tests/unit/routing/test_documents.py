"""The examples of docs/ru/routing.md are what they say."""

import re
from pathlib import Path

import pytest
import yaml

from cami.delivery.order import Priority
from cami.portal.routing_wording import REASONS
from cami.region.model import Destination
from cami.routing import InvalidRules, read_rules
from cami.routing.decision import decide
from cami.routing.judgement import Facts
from cami.routing.reading import Known
from tests.unit.routing.test_judgement import NOON

DOCUMENT = Path("docs/ru/routing.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
REGISTRY, *EXAMPLES = BLOCKS
WRONG = EXAMPLES.pop()
KNOWN = Known([entry["name"] for entry in yaml.safe_load(REGISTRY)["destinations"]], ["42002"])


def result(example, device="CT42001", moment=NOON, **tags):
    decision = decide(read_rules(EXAMPLES[example], KNOWN), Facts(tags, device, "42001", moment))
    return sorted(decision.destinations), sorted(decision.shares), decision.priority


def test_the_registry_of_the_example_is_right():
    for entry in yaml.safe_load(REGISTRY)["destinations"]:
        Destination.model_validate(entry)
    assert set(KNOWN.destinations) == {"rsc", "onco"}


def test_the_examples_do_what_stands_beside_them():
    head = {"Modality": "CT", "BodyPartExamined": "HEAD", "StudyDate": "20260105"}
    assert result(0, **head, PatientBirthDate="19570308") == (["rsc"], [], Priority.EMERGENCY)
    assert result(0, **head, PatientBirthDate="20150308") == ([], [], None)
    assert result(1, "DX42001", NOON.replace(hour=23)) == ([], [], Priority.EMERGENCY)
    assert result(1, "DX42001") == ([], [], None)
    assert result(2, Modality="MG", StudyDescription="Маммография", StudyDate="20260105") == (["onco"], [], None)
    assert result(2, Modality="MG", StudyDescription="Контроль качества", StudyDate="20250105") == (
        [],
        [],
        Priority.BACKFILL,
    )
    child = {"PatientBirthDate": "20150308", "StudyDate": "20260105"}
    assert result(3, **child, Modality="CT", SliceThickness="5") == ([], ["42002"], None)
    assert result(3, **child, Modality="CT", SliceThickness="0.6") == ([], [], None)
    assert result(3, **child, Modality="DX") == ([], ["42002"], None)
    assert len(EXAMPLES) == 4


def test_the_wrong_example_is_wrong_where_it_says():
    with pytest.raises(InvalidRules) as caught:
        read_rules(WRONG, KNOWN)
    (problem,) = caught.value.problems
    assert problem.line == int(re.search(r"строка (\d+)", WRONG).group(1))


def test_what_to_do_is_told_in_the_words_of_the_page():
    table = DOCUMENT.partition("## Если не доходит")[2].partition("## ")[0]
    told = [row.split("|")[1].strip() for row in table.splitlines() if row.startswith("| ")][1:]
    assert len(told) >= 8
    for words in told:
        plain = re.sub(r" \(.*\)", "", words)
        assert any(plain.split(":")[0] in reason for reason in REASONS.values()), words
