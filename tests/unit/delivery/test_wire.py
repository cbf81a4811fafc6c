"""Tokens and the HTTP face for proxies."""

import gzip
import hashlib
import json
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cami.delivery import Recall, TokenIssuer, TokenVerifier, Uploads, wire_endpoints
from cami.delivery.disk import DiskWatch, Room
from cami.delivery.squeeze import LARGEST_EXPANDED
from cami.delivery.states import TRANSITIONS, Command, State, after
from cami.delivery.tokens import AUDIENCE
from cami.errors import Conflict, Denied
from cami.region import Disk
from cami.web import Request
from tests.unit.fakes import Hands

from .conftest import dicom


@pytest.fixture
def keys(tmp_path):
    made = {}
    for mo in ("42001", "42002"):
        key = Ed25519PrivateKey.generate()
        path = tmp_path / f"{mo}.key"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        made[mo] = (path, key.public_key())
    return made


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def verifier(keys, clock):
    return TokenVerifier({mo: public for mo, (_, public) in keys.items()}, clock)


def test_a_token_names_its_mo(keys, clock, verifier):
    assert verifier.verify(TokenIssuer("42001", keys["42001"][0], clock).issue()) == "42001"


def test_a_key_signs_for_its_own_mo_only(keys, clock, verifier):
    with pytest.raises(Denied):
        verifier.verify(TokenIssuer("42002", keys["42001"][0], clock).issue())


def test_a_token_dies(keys, clock, verifier):
    token = TokenIssuer("42001", keys["42001"][0], clock).issue()
    clock.pass_(minutes=2, seconds=59)
    verifier.verify(token)
    clock.pass_(seconds=2)
    with pytest.raises(Denied, match="clocks"):
        verifier.verify(token)


def claims(clock, **other):
    now = clock.now()
    return {"iss": "proxy-42001", "aud": AUDIENCE, "iat": now, "exp": now + timedelta(seconds=60)} | other


@pytest.mark.parametrize(
    "change",
    [{"aud": "other"}, {"iss": "42001"}, {"iss": "proxy-99999"}, {"exp": 9999999999}, {"iss": None}],
    ids=str,
)
def test_a_token_that_says_something_else_is_refused(keys, clock, verifier, change):
    token = jwt.encode(
        {key: value for key, value in (claims(clock) | change).items() if value},
        keys["42001"][0].read_text(),
        algorithm="EdDSA",
    )
    with pytest.raises(Denied):
        verifier.verify(token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", jwt.encode({"iss": "proxy-42001"}, None, algorithm="none")])
def test_what_is_no_token_is_refused(verifier, token):
    with pytest.raises(Denied):
        verifier.verify(token)


class NoAccounts:
    """No directory is asked for here."""


@pytest.fixture
def call(region, keys, clock, verifier):
    uploads = Uploads(region.folder / "uploads", region.central_db, region.clock)
    recall = Recall(region.central, region.central_db)
    made = wire_endpoints(
        receiver=region.receiver,
        manifests=region.manifests,
        reports=region.reports,
        tokens=verifier,
        accounts=NoAccounts(),
        uploads=uploads,
        recall=recall,
    )
    endpoints = {endpoint.pattern: endpoint.handler for endpoint in made}

    def call(path, body=b"", *, method="POST", mo="42001", **headers):
        token = TokenIssuer(mo, keys[mo][0], clock).issue()
        path = "/cami/wire/v1" + path
        return endpoints[path](Request(method, path, {"x-cami-token": token, **headers}, body=body))

    return call


def test_an_object_is_stored_and_its_digest_answered(call):
    digest = hashlib.sha256(dicom()).hexdigest()
    response = call("/instances", dicom(), **{"x-cami-sha256": digest})
    assert response.status == 200
    assert json.loads(response.body) == {"outcome": "stored", "reason": "", "sha256": digest}


def test_bytes_that_changed_on_the_way_are_not_stored(call, region):
    response = call("/instances", dicom(), **{"x-cami-sha256": hashlib.sha256(b"other").hexdigest()})
    assert response.status == 400
    assert region.central.files == {}


def test_without_a_token_nothing_happens(call, region):
    response = call("/instances", dicom(), **{"x-cami-token": ""})
    assert response.status == 401
    assert region.central.files == {}


def test_a_full_centre_asks_to_come_again(call, region):
    region.central.full = True
    digest = hashlib.sha256(dicom()).hexdigest()
    assert call("/instances", dicom(), **{"x-cami-sha256": digest}).status == 503


def test_a_centre_without_room_says_so_and_nothing_more(call, region):
    region.receiver._require_room = DiskWatch(lambda: Room(10, 10**12), Disk()).require_room
    digest = hashlib.sha256(dicom()).hexdigest()
    response = call("/instances", dicom(), **{"x-cami-sha256": digest})
    assert (response.status, region.central.files) == (507, {})
    assert call("/instances", dicom(), **{"x-cami-token": ""}).status == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"study_id": "s", "instances": []}', b"\xff"])
def test_a_broken_manifest_is_told_so(call, body):
    assert call("/manifests", body).status == 400


def test_files_are_read_again_for_their_owner(call, region):
    object_ = dicom()
    digest = hashlib.sha256(object_).hexdigest()
    call("/instances", object_, **{"x-cami-sha256": digest})
    (key,) = region.central.files

    def ask(instances, **options):
        return call("/verifications", json.dumps({"instances": instances}).encode(), **options)

    assert json.loads(ask({key: digest}).body) == {"bad": []}
    assert json.loads(ask({key: "0" * 64, "unknown": digest}).body) == {"bad": [key, "unknown"]}
    assert json.loads(ask({key: digest}, mo="42002").body) == {"bad": [key]}
    region.central.damaged[key] = b"rotten"
    assert json.loads(ask({key: digest}).body) == {"bad": [key]}
    assert ask({str(number): digest for number in range(501)}).status == 400
    assert call("/verifications", b"[]").status == 400


def test_each_address_has_one_method(call):
    assert call("/instances", method="GET").status == 405


def test_the_table_of_states_is_the_only_way():
    for state in State:
        for command in Command:
            if (state, command) in TRANSITIONS:
                assert after(state, command) is TRANSITIONS[state, command]
            else:
                with pytest.raises(Conflict):
                    after(state, command)


def test_nothing_leaves_the_quarantine_or_the_confirmed_by_itself():
    ways = {command for state, command in TRANSITIONS if state is State.QUARANTINED}
    assert ways == {Command.RETRY, Command.REJECT}, "people decide"
    assert State.REJECTED not in {state for state, _ in TRANSITIONS}
    assert {command for state, command in TRANSITIONS if state is State.CONFIRMED} == {
        Command.RECHECK,
        Command.CONFIRM,
        Command.MISS,
        Command.QUARANTINE,
        Command.EVICT,
        Command.LOSE,
    }


def test_a_body_as_gzip_is_the_same_object(call, region):
    digest = hashlib.sha256(dicom()).hexdigest()
    packed = gzip.compress(dicom())
    response = call("/instances", packed, **{"x-cami-sha256": digest, "content-encoding": "gzip"})
    assert json.loads(response.body)["sha256"] == digest
    assert list(region.central.files.values()) == [dicom()]


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"no gzip", "gzip", 400),
        (gzip.compress(dicom())[:-3], "gzip", 400),
        (dicom(), "br", 400),
        (gzip.compress(bytes(LARGEST_EXPANDED + 1)), "gzip", 413),
    ],
    ids=["noise", "cut", "unknown", "bomb"],
)
def test_a_body_that_cannot_be_expanded_is_told_so(call, region, body, encoding, status):
    digest = hashlib.sha256(dicom()).hexdigest()
    assert call("/instances", body, **{"x-cami-sha256": digest, "content-encoding": encoding}).status == status
    assert region.central.files == {}


def test_nothing_is_expanded_for_a_stranger(call, monkeypatch):
    monkeypatch.setattr("cami.delivery.wire.expanded", lambda body: pytest.fail("expanded"))
    assert call("/instances", gzip.compress(b"x"), **{"x-cami-token": "", "content-encoding": "gzip"}).status == 401
