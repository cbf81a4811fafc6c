"""The description of the FHIR face: the file in docs is true, and it names every operation and no other."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cami.mis.openapi import description
from tests.unit.mis.conftest import BASE, bundle

FILE = Path("docs/mis-openapi.json")
DOCUMENT = description("https://cami.example")
#: Answered before any operation: without a token.
OPEN = {"/metadata", "/openapi.json"}


def test_the_document_is_the_one_in_docs():
    assert json.loads(FILE.read_text("utf-8")) == DOCUMENT, "scripts: see docs/mis-contract.md §2 on how it is written"


def test_it_is_served_without_a_token(client):
    client.token = ""
    assert client.call("GET", "/openapi.json").json == description(BASE)


def operations():
    for path, methods in DOCUMENT["paths"].items():
        for method in methods:
            yield method.upper(), path


def test_every_operation_is_described_and_every_description_has_an_operation(centre):
    known = centre.service.face.operations
    used = set()
    for method, path in operations():
        if path in OPEN:
            continue
        example = path.rstrip("/").replace("{id}", "x-1")
        matching = [(m, p) for m, p in known if m == method and re.fullmatch(p, example)]
        assert matching, f"nothing answers {method} {path}"
        used.add(matching[0])
    assert used == set(known)


@pytest.fixture
def placed(centre):
    assert centre.client.call("POST", "", bundle()).status == 200
    return centre


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TYPES = sorted({path.split("/")[1] for path in DOCUMENT["paths"]} - {"", "metadata", "openapi.json"})
VALUES = st.sampled_from(
    ["", "1", "-1", "x", "a|b", "urn:dicom:uid|1.2.3", "ServiceRequest/sr-1", "ge2026", "gt\x00", "%", "\ud800"]
)


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(
    operation=st.sampled_from(list(operations())),
    id_=st.sampled_from(["sr-1", "t-1", "mo-42001", "x", "0", "sr-99999999999999", "-"]),
    resource=st.dictionaries(
        st.sampled_from([
            "status", "identifier", "subject", "entry", "type", "code",
            "parameter", "for", "input", "id",
        ]), JSON, max_size=5,
    ),
    query=st.dictionaries(
        st.sampled_from(["identifier", "patient", "patient.identifier", "status", "_count", "_page", "_sort", "entity",
                         "based-on", "_lastUpdated", "started", "modality", "focus", "eventsSinceNumber"]),
        VALUES, max_size=2,
    ),
)  # fmt: skip
def test_nothing_that_is_sent_is_our_fault(placed, operation, id_, resource, query):
    """Whatever comes along the description is answered as FHIR, never with 500."""
    method, path = operation
    type_ = path.split("/")[1] or "Bundle"
    body = None
    if method in ("POST", "PUT"):
        body = {"resourceType": "Parameters" if "$" in path else type_, **resource}
    answer = placed.client.call(
        method, path.rstrip("/").replace("{id}", id_), body, query=query if method == "GET" else {},
        headers={"if-match": 'W/"1"'} if "status" in resource else {},
    )  # fmt: skip
    assert answer.status < 500, (operation, answer.body)
    if answer.status >= 400:
        assert answer.json["resourceType"] == "OperationOutcome"
        assert "вчера" not in answer.body.decode()


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(
    entry=st.integers(0, 5),
    field=st.sampled_from(
        [
            "identifier", "name", "code", "subject", "requester", "orderDetail", "performer", "focus",
            "for", "status", "birthDate", "priority", "occurrencePeriod", "reasonCode", "restriction",
        ]
    ),
    value=JSON,
)  # fmt: skip
def test_an_order_with_one_field_spoilt_is_refused_or_taken(placed, entry, field, value):
    spoilt = bundle("spoilt")
    spoilt["entry"][entry]["resource"][field] = value
    assert placed.client.call("POST", "", spoilt).status in (200, 400, 412, 422)
