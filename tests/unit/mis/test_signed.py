"""What a МИС signs with its own key: assertions and links; each good once, for a short time, for one who is named."""

import json
from datetime import timedelta
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import update

from cami.db.tables import account
from cami.mis.limits import Limits
from cami.mis.validation import model
from cami.web import Request
from tests.unit.mis.conftest import BASE, DOCTOR, bundle, make
from tests.unit.mis.test_telling import image

KEY = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def jwks(*keys):
    found = []
    for kid, key in keys:
        algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        found.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid})
    return json.dumps({"keys": found})


@pytest.fixture
def centre(tmp_path):
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "kuzdrav.jwks.json").write_text(jwks(("one", KEY), ("two", RSA)))
    made = make(tmp_path / "centre.sqlite", keys=keys)
    made.keys = keys
    yield made
    made.trail.close()
    made.engine.dispose()


def asserted(centre, key=KEY, algorithm="ES384", kid="one", **claims):
    now = centre.clock.now()
    given = {
        "iss": "kuzdrav", "sub": "kuzdrav", "aud": f"{BASE}/cami/oauth/token", "exp": now + timedelta(minutes=4),
        "iat": now, "jti": "a1", **claims,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm, headers={"kid": kid})


def token(centre, assertion):
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": assertion}
    endpoint = centre.service.endpoints()[0]
    return endpoint.handler(Request("POST", "/cami/oauth/token", {}, {}, urlencode(form).encode()))


def test_an_assertion_is_a_token_once(centre):
    assertion = asserted(centre)
    answer = token(centre, assertion)
    assert answer.status == 200, answer.body
    centre.client.token = json.loads(answer.body)["access_token"]
    assert centre.client.call("POST", "", bundle()).status == 200
    assert token(centre, assertion).status == 401
    assert token(centre, asserted(centre, RSA, "RS384", "two", jti="a2")).status == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://elsewhere/token"},
        {"sub": "other"},
        {"iss": "other", "sub": "other"},
        {"iss": "../kuzdrav", "sub": "../kuzdrav"},
        {"jti": None},
        {"jti": "x" * 200},
        {"exp": None},
        {"kid": "three"},
        {"key": ec.generate_private_key(ec.SECP384R1())},
        {"key": RSA, "algorithm": "RS384", "kid": "one"},
    ],
)
def test_what_is_wrong_is_no_token(centre, claims):
    assert token(centre, asserted(centre, **claims)).status == 401


def test_what_is_over_too_long_or_of_nobody_is_no_token(centre):
    now = centre.clock.now()
    assert token(centre, asserted(centre, exp=now - timedelta(minutes=1), iat=now - timedelta(minutes=3))).status == 401
    assert token(centre, asserted(centre, exp=now + timedelta(minutes=9))).status == 401
    unsigned = jwt.encode({"iss": "kuzdrav", "sub": "kuzdrav"}, None, algorithm="none")
    assert token(centre, unsigned).status == 401
    for rubbish in ("", "x", "a.b.c", "ж" * 2000):
        assert token(centre, rubbish).status == 401
    shared = jwt.encode({"iss": "kuzdrav"}, "shared secret of both sides, long enough for SHA-384", algorithm="HS384")
    assert token(centre, shared).status == 401
    with centre.engine.begin() as connection:
        connection.execute(update(account).where(account.c.login == "kuzdrav").values(disabled=True))
    assert token(centre, asserted(centre, jti="a9")).status == 401


def test_keys_change_without_a_restart(centre):
    new = ec.generate_private_key(ec.SECP384R1())
    (centre.keys / "kuzdrav.jwks.json").write_text(jwks(("new", new)))
    assert token(centre, asserted(centre)).status == 401
    assert token(centre, asserted(centre, new, kid="new", jti="a3")).status == 200
    (centre.keys / "kuzdrav.jwks.json").write_text("{half")
    assert token(centre, asserted(centre, new, kid="new", jti="a4")).status == 401


def link(centre, **claims):
    now = centre.clock.now()
    uid = centre.orders.get(1).study_uid
    given = {
        "iss": "kuzdrav", "aud": "cami-viewer", "sub": "70012345719", "name": "Образцов И.С.", "org": DOCTOR.oid,
        "purpose": "TREAT", "study": uid, "iat": now, "exp": now + timedelta(seconds=60), "jti": "l1", **claims,
    }  # fmt: skip
    return jwt.encode(given, KEY, algorithm="ES384", headers={"kid": "one"})


def test_a_signed_link_opens_the_images_once(centre):
    centre.client.call("POST", "", bundle())
    image(centre, 1, confirmed=True)
    signed = link(centre)
    opened = centre.service.launches.use_signed(signed, "10.0.0.1")
    assert opened is not None
    assert opened.study_uid == centre.orders.get(1).study_uid
    assert centre.service.guests.identify(opened.token).name == "Образцов И.С."
    assert centre.service.launches.use_signed(signed, "10.0.0.1") is None
    by_number = link(centre, study="", acsn=centre.orders.get(1).accession, jti="l2")
    assert centre.service.launches.use_signed(by_number, "").study_uid == opened.study_uid


def test_a_link_that_is_not_good_opens_nothing(centre):
    centre.client.call("POST", "", bundle())
    image(centre, 1, confirmed=True)
    now = centre.clock.now()
    for number, wrong in enumerate(
        (
            {"org": "1.2.643.5.1.13.13.12.2.42.9902"}, {"org": ""}, {"sub": ""}, {"study": "1.2.3"},
            {"aud": "cami"}, {"exp": now + timedelta(minutes=5)},
        )
    ):  # fmt: skip
        assert centre.service.launches.use_signed(link(centre, jti=f"w{number}", **wrong), "") is None
    late = link(centre, jti="late")
    centre.clock.pass_(seconds=120)
    assert centre.service.launches.use_signed(late, "") is None
    assert centre.service.launches.use_signed("rubbish", "") is None


def test_a_client_that_asks_too_much_waits_and_others_go_on():
    now = [0.0]
    limits = Limits(rate=10, burst=20, now=lambda: now[0])
    assert [limits.wait("one") for _ in range(20)] == [0.0] * 20
    assert 0 < limits.wait("one") <= 0.1
    assert limits.wait("two") == 0.0
    now[0] += 0.1
    assert limits.wait("one") == 0.0
    assert limits.wait("one") > 0


def test_the_answer_says_when_to_come_back(tmp_path):
    centre = make(tmp_path / "limited.sqlite", limits=Limits(rate=0.5, burst=1))
    assert centre.client.call("GET", "/Task").status == 200
    refused = centre.client.call("GET", "/Task")
    assert (refused.status, refused.codes, refused.headers["Retry-After"]) == (503, [("CAMI-0095",)], "2")
    assert centre.client.call("GET", "/metadata").status == 200
    centre.trail.close()
    centre.engine.dispose()


def test_directories_are_those_of_the_registry_and_what_the_mis_adds(centre):
    client = centre.client
    found = client.call("GET", "/Organization", query={"identifier": "1.2.643.5.1.13.13.12.2.42.9901"}).json["entry"]
    assert [each["resource"]["id"] for each in found] == ["mo-42001"]
    devices = client.call("GET", "/Device").json
    model("Bundle").model_validate(devices)
    assert "urn:cami:aet:CT42001" in {each["resource"]["identifier"][0]["value"] for each in devices["entry"]}
    assert client.call("GET", "/Device/aet-42001-CT42001").json["owner"]["identifier"]["value"].endswith(".9901")
    unit = {
        "resourceType": "HealthcareService",
        "identifier": [{"system": "urn:x", "value": "kt-1"}],
        "name": "Кабинет КТ",
    }
    assert client.call("POST", "/HealthcareService", unit).status == 201
    assert client.call("GET", "/HealthcareService", query={"identifier": "urn:x|kt-1"}).json["entry"]
    assert client.call("POST", "/Device", {"resourceType": "Device"}).status == 400


def test_the_mis_reads_who_saw_a_study_of_its_orders_alone(centre):
    client = centre.client
    client.call("POST", "", bundle())
    image(centre, 1, confirmed=True)
    opened = centre.service.launches.use_signed(link(centre), "10.0.0.1")
    found = client.call("GET", "/AuditEvent", query={"entity": "ImagingStudy/study-1"})
    assert found.status == 200, found.body
    model("Bundle").model_validate(found.json)
    kinds = [each["resource"]["subtype"][0]["code"] for each in found.json["entry"]]
    assert kinds[0] == "journal"
    assert "sign-in" in kinds
    assert "70012345719" in json.dumps(found.json)
    one = client.call(
        "GET", "/AuditEvent", query={"entity": f"urn:dicom:uid|urn:oid:{opened.study_uid}", "_count": "1"}
    )
    assert [link_["relation"] for link_ in one.json["link"]] == ["self", "next"]
    assert client.call("GET", "/AuditEvent").codes[0][0] == "CAMI-0026"
    assert client.call("GET", "/AuditEvent", query={"entity": "ImagingStudy/x"}).status == 404
    client.token = centre.service.tokens.issue("other")
    assert client.call("GET", "/AuditEvent", query={"entity": "ImagingStudy/study-1"}).status == 404
