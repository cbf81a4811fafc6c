"""The contract for the МИС's developers: every example is FHIR, the order is taken, the codes are those of the code."""

import json
import re
from pathlib import Path

import pytest

from cami.mis.problems import markdown
from cami.mis.reads import PARAMETERS
from cami.mis.rendering import STATUSES
from cami.mis.validation import model

TEXT = Path("docs/mis-contract.md").read_text("utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"{each['resourceType']}-{each.get('type', '')}")
def test_every_example_is_fhir(example):
    model(example["resourceType"]).model_validate(example)


def test_there_are_examples_of_everything():
    kinds = [each["resourceType"] for each in EXAMPLES]
    assert kinds.count("Bundle") >= 4
    assert {"ServiceRequest", "Task", "ImagingStudy", "Parameters", "Subscription", "OperationOutcome"} <= set(kinds)


def test_the_order_of_the_contract_is_taken(client):
    order = next(each for each in EXAMPLES if each.get("type") == "transaction")
    assert client.call("POST", "", order).status == 200


def test_the_codes_are_those_of_the_code():
    shown = TEXT.partition("<!-- codes -->\n")[2].partition("\n<!-- /codes -->")[0]
    assert shown == markdown(), f"put this into docs/mis-contract.md:\n{markdown()}"


def test_the_states_are_those_of_the_code():
    for state, (request, task, _) in STATUSES.items():
        assert f"| `{request}` | `{task}` | `{state}` |" in TEXT


def test_the_searches_are_those_of_the_code():
    for type_ in ("Patient", "ImagingStudy", "DiagnosticReport"):
        row = re.search(rf"^\| {type_} \| (.*) \|$", TEXT, re.MULTILINE)[1]
        assert set(re.findall(r"`([^`]+)`", row)) == set(PARAMETERS[type_])
