"""The description of the JSON face says what it answers; and whatever it is given, it answers and does not fail."""

import json
import re
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cami.consultations import Beats, Desk, Diagnoses, consultation_endpoints
from cami.consultations.description import spoken
from cami.watch.description import described
from cami.web import Request
from tests.unit.consultations.conftest import CONSULTANT, DISPATCHER, DOCTOR, GIVEN, STUDY, sent

BASE = "/cami/api/consultations"
PEOPLE = [DOCTOR, CONSULTANT, DISPATCHER]
#: What programs of others send: numbers beyond every column, halves of letters, a zero byte, the right word.
TEXTS = st.text(max_size=20) | st.sampled_from(["\ud800", "a\x00b", "stat", "1.2.3", "con.42900", "42900", "no-data"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


class Face:
    """The addresses over one database."""

    def __init__(self, centre):
        self.person = DOCTOR
        identify = SimpleNamespace(identify=lambda _headers: self.person)
        self.endpoints = consultation_endpoints(
            identify, consultations=centre.consultations, answers=centre.answers,
            desk=Desk(centre.engine, centre.clock), notices=centre.notices, beats=Beats(centre.engine, hold=0),
            diagnoses=Diagnoses(centre.engine), council=centre.council,
        )  # fmt: skip

    def ask(self, person, method, path, body=b"", query=None, **headers):
        self.person = person
        for endpoint in self.endpoints:
            if found := re.fullmatch(endpoint.pattern, BASE + path):
                asked = Request(method, BASE + path, headers, query or {}, body, found.groups())
                return endpoint.handler(asked)
        return None


@pytest.fixture
def face(centre):
    return Face(centre)


def disagrees(value, schema, place=""):
    """Return where a value is not as its schema says."""
    if "anyOf" in schema:
        return [] if any(not disagrees(value, each) for each in schema["anyOf"]) else [f"{place}: {value!r:.60}"]
    kinds = {
        "object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None),
        "number": (int, float),
    }  # fmt: skip
    if not isinstance(value, kinds[schema["type"]]):
        return [f"{place}: {value!r:.60} is no {schema['type']}"]
    if isinstance(value, list):
        return [wrong for each in value for wrong in disagrees(each, schema["items"], f"{place}[]")]
    if not isinstance(value, dict):
        return []
    told = schema["properties"]
    wrong = [f"{place}.{name}: not described" for name in value if name not in told]
    wrong += [f"{place}.{name}: missing" for name in schema.get("required", ()) if name not in value]
    return wrong + [
        bad for name, each in value.items() if name in told for bad in disagrees(each, told[name], f"{place}.{name}")
    ]


def test_answers_are_as_described(face, centre):
    number = sent(centre)
    body = json.dumps({"studies": [STUDY], **GIVEN}).encode()
    asked = [
        (DOCTOR, "POST", "", body), (DOCTOR, "GET", "", b""), (DISPATCHER, "GET", "", b""),
        (DOCTOR, "GET", "/pulse", b""), (DISPATCHER, "GET", "/notices", b""), (DOCTOR, "GET", "/diagnoses", b""),
        (DOCTOR, "POST", f"/{number}/messages", b'{"text": "!"}'), (DISPATCHER, "GET", f"/{number}", b""),
        (CONSULTANT, "POST", f"/{number}/take", b"{}"),
        (CONSULTANT, "PUT", f"/{number}/answer", '{"conclusion": "Нет"}'.encode()),
        (CONSULTANT, "GET", f"/{number}/answer", b""), (CONSULTANT, "POST", f"/{number}/answer/document", b"{}"),
        (CONSULTANT, "POST", f"/{number}/answer/sign", '{"password": "ключ"}'.encode()),
        (DOCTOR, "GET", f"/{number}/answer", b""), (DOCTOR, "GET", f"/{number}", b""),
    ]  # fmt: skip
    for person, method, path, content in asked:
        answer = face.ask(person, method, path, content)
        assert answer.status == 200, (method, path, answer.body)
        place = path.replace(str(number), "N").replace("/take", "/COMMAND")
        assert disagrees(json.loads(answer.body), spoken()[place][method].gives, f"{method} {path}") == []


def test_the_description_is_whole(face):
    paths = described(face.endpoints, "central")["paths"]
    assert len(paths) == len(face.endpoints)
    without = [
        f"{method} {path}"
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "parameters" and "content" not in operation["responses"]["200"]
    ]
    # What hands out files says nothing more.
    assert without == [
        f"get {BASE}/{{part1}}/answer/prepared",
        f"get {BASE}/{{part1}}/answer/{{part2}}/{{part3}}",
        f"get {BASE}/{{part1}}/files/{{part2}}",
    ]


NASTY = ["\ud800", "a\x00b", 10**30, -1, True, None, [], {}, "x" * 100_000]


def test_each_field_stands_what_it_does_not_expect(face, centre):
    number = sent(centre)
    failed = []
    for place, methods in spoken().items():
        for method, said in methods.items():
            for name in (said.takes or {}).get("properties", ()):
                for value in NASTY:
                    document = {"text": "?", "studies": [STUDY], name: value}
                    path = place.replace("/N", f"/{number}").replace("COMMAND", "ask-more")
                    try:
                        answer = face.ask(CONSULTANT, method, path, json.dumps(document).encode())
                        mine = face.ask(DOCTOR, method, path, json.dumps(document).encode())
                    except Exception as error:  # noqa: BLE001 - told below, all of them at once
                        failed.append(f"{method} {place} {name}={value!r:.20}: {type(error).__name__}")
                        continue
                    if answer.status >= 500 or mine.status >= 500:
                        failed.append(f"{method} {place} {name}={value!r:.20}: {answer.status} {mine.status}")
    assert failed == []


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_sent_is_answered(face, centre, data):
    if not hasattr(face, "number"):
        face.number = sent(centre)
    places = [(place, method) for place, methods in spoken().items() for method in methods]
    place, method = data.draw(st.sampled_from(places))
    command = data.draw(st.sampled_from(["take", "assign", "cancel", "reject", "ask-more", "send", "nothing"]))
    path = place.replace("/N", f"/{face.number}").replace("COMMAND", command)
    takes = spoken()[place][method].takes
    names = sorted(takes["properties"]) if takes else ["a"]
    document = data.draw(VALUES | st.dictionaries(st.sampled_from(names), VALUES))
    query = {name: data.draw(TEXTS) for name in spoken()[place][method].query or {}}
    body = json.dumps(document).encode() if method != "GET" else b""
    person = data.draw(st.sampled_from(PEOPLE))
    answer = face.ask(person, method, path, body, query, **{"content-type": "application/json", "x-cami-name": "a.txt"})
    assert answer.status < 500, (method, path, document, answer.body)
