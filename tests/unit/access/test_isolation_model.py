"""Random people, routes and identifiers against a naive model of who may see what, grants included."""

import json
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cami.access import Cause, GrantBook, NewGrant
from cami.access.route_table import TABLE, Rule
from cami.access.routes import decide
from cami.web import Request
from tests.unit.access.conftest import PEOPLE, basic

ABSENT = "0123abcd-0123abcd-0123abcd-0123abcd-0123abcd"
READERS = {"radiologist", "clinician", "technologist"}
ROLES = {login: (role, mo) for login, role, mo in PEOPLE}
LEVELS = ("studies", "series", "instances")

#: Study UID → owner; what is granted, to whom, for how many hours from now.
STUDIES = {"1.2.1": "42001", "1.2.2": "42002", "1.2.3": "42001", "1.2.4": "42900", "1.2.5": "42002"}
GRANTS = [
    ("1.2.1", {"mo": "42900"}, 24),
    ("1.2.2", {"login": "rad1"}, 24),
    ("1.2.3", {"mo": "42002"}, None),
    ("1.2.5", {"mo": "42900", "login": "cons"}, 24),
    ("1.2.5", {"mo": "42001"}, 1),  # over by then
]


@pytest.fixture
def world(deliver, engine, clock):
    """Deliver the studies, give the grants, and let two hours pass."""
    made = {uid: deliver(owner, uid, name=f"NAME^{uid}") for uid, owner in STUDIES.items()}
    book = GrantBook(clock)
    for uid, to, hours in GRANTS:
        until = None if hours is None else clock.now() + timedelta(hours=hours)
        grant = NewGrant(study_uid=uid, owner=STUDIES[uid], cause=Cause.SHARE, reason="x", by="x", until=until, **to)
        with engine.begin() as connection:
            book.give(connection, grant)
    clock.pass_(hours=2)
    return made


def sees(login, uid):
    """Say who sees what, as one would on paper."""
    role, mo = ROLES[login]
    if role == "region_admin":
        return True
    granted = any(
        each == uid and hours != 1 and to.get("mo", mo) == mo and to.get("login", login) == login
        for each, to, hours in GRANTS
    )
    if role == "consultant":
        return granted
    return role in READERS and (STUDIES[uid] == mo or granted)


def concrete(path, key):
    """Fill a path of the table with an identifier; of alternatives take the first of each part."""
    places = {"{id}": key, "{frame}": "0", "{frames}": "1", "{uid}": "1.2", "{any}": "x", "{rest}": "x", "{tags}": "00"}
    return "/".join(places.get(part.split("|")[0], part.split("|")[0]) for part in path.split("/"))


QUERIES = st.sampled_from(
    [
        {},
        {"PatientID": "SHARED"},
        {"StudyInstanceUID": "1.2.1"},
        {"0020,000D": "1.2.2\\1.2.3"},
        {"PatientName": "*"},
    ]
)
PARENTS = st.sampled_from(
    [{}, *({"ParentStudy": uid} for uid in STUDIES), {"ParentSeries": "1.2.5"}, {"ParentStudy": ""}]
)

RESOURCES = sorted(
    {
        (method, f"/{level}/" + path.split("/", 2)[2])
        for row in TABLE
        if row.rule is Rule.RESOURCE
        for path in row.paths
        for method in row.methods
        for level in path.split("/")[1].split("|")
    }
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    login=st.sampled_from(sorted(ROLES)),
    route=st.sampled_from(RESOURCES),
    target=st.tuples(st.sampled_from([*STUDIES, None]), st.sampled_from(["id", "series", "instance", "patient"])),
)
def test_the_gate_agrees_with_the_model(world, gate, login, route, target):
    (method, path), (uid, kind) = route, target
    key = ABSENT if uid is None else getattr(world[uid], kind)
    asked = concrete(path, key)
    decided = decide(method, asked)
    assert decided is not None
    right_level = {"studies": "id", "series": "series", "instances": "instance"}[path.split("/")[1]] == kind
    expected = uid is not None and right_level and sees(login, uid)
    assert gate.allows(method, asked, {}, basic(login)) is expected
    assert not gate.allows(method, asked, {}, {"host": "cami"})


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    login=st.sampled_from(sorted(ROLES)),
    asked=st.tuples(st.sampled_from(["Study", "SERIES", "instances", "Patient"]), QUERIES, PARENTS),
)
def test_searches_agree_with_the_model(world, endpoints, login, asked):
    level, query, parent = asked
    find = next(endpoint.handler for endpoint in endpoints if endpoint.pattern == "/tools/find")
    body = {"Level": level, "Query": query, "Expand": True}
    for name, uid in parent.items():
        body[name] = uid and (world[uid].id if name == "ParentStudy" else world[uid].series)
    answer = find(Request("POST", "/tools/find", basic(login), body=json.dumps(body).encode()))
    assert answer.status in (200, 400)
    if ROLES[login][0] == "region_admin":
        return
    for uid in STUDIES:
        if not sees(login, uid):
            for secret in (world[uid].id, world[uid].series, world[uid].instance):
                if secret not in str(body):
                    assert secret.encode() not in answer.body, (login, uid)


def test_the_model_is_not_empty():
    seen = {(login, uid) for login, uid in product(ROLES, STUDIES) if sees(login, uid)}
    assert ("cons", "1.2.1") in seen
    assert ("cons", "1.2.4") not in seen  # his own house's, and no grant
    assert ("rad1", "1.2.2") in seen
    assert ("clin1", "1.2.2") not in seen
    assert ("rad1", "1.2.5") not in seen  # over
