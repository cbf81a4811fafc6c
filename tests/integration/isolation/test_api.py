"""Our own interfaces by their own description: whatever is sent to them, none fails (no 5xx), none betrays anything."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "study_id",
    "study_uid",
    "reason",
    "kind",
    "group",
    "action",
    "number",
    "priority",
    "from",
    "to",
    "limit",
    "mo",
]
BODIES = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=10), VALUES, max_size=6),
    VALUES,
)
PEOPLE = [("radiologist", "42002"), ("technologist", "42002"), ("mo_admin", "42002"), ("clinician", "42002")]
PEOPLE += [("consultant", "42900"), ("operator", ""), ("auditor", ""), ("dispatcher", "")]


@pytest.fixture(scope="module", params=["central", "proxy"])
def interface(request, region, thief):
    server = region.central if request.param == "central" else region.proxy("42002")["url"]
    answer = region.session("radiologist", "42002").get(server + "/cami/api/openapi.json", timeout=30)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["openapi"].startswith("3.")
    calls = [
        (method.upper(), path, described.get("parameters", []))
        for path, described in document["paths"].items()
        for method in ("get", "post", "put", "delete")
        if method in described
    ]
    assert len(calls) >= 8
    return server, calls


def test_strangers_get_nothing_of_it(region, interface):
    import requests

    server, calls = interface
    assert requests.get(server + "/cami/api/openapi.json", timeout=30).status_code == 401
    for method, path, _ in calls:
        answer = requests.request(method, server + path.replace("{", "").replace("}", ""), json={}, timeout=30)
        assert answer.status_code in (400, 401, 403, 404, 405), (method, path, answer.status_code)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_fails_and_nothing_is_betrayed(region, victim, interface, data):
    server, calls = interface
    method, path, parameters = data.draw(st.sampled_from(calls))
    for parameter in parameters:
        value = data.draw(st.from_regex(parameter["schema"]["pattern"].replace("$", r"\Z"), fullmatch=True))
        path = path.replace("{" + parameter["name"] + "}", value)
    person = region.session(*data.draw(st.sampled_from(PEOPLE)))
    more = {}
    if method in ("POST", "PUT"):
        more = (data.draw(st.sampled_from(["json", "bytes"])) == "json" and {"json": data.draw(BODIES)}) or {}
        more = more or {"data": data.draw(st.binary(max_size=60))}
    elif data.draw(st.booleans()):
        more = {"params": data.draw(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=20), max_size=3))}
    answer = person.request(method, server + path, timeout=60, **more)
    assert answer.status_code < 500, (method, path, more, answer.text)
    assert not victim.betrayed_by(answer.content), (method, path)
