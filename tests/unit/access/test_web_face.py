"""What only the gateway may say of a client, and how much one client may ask."""

import subprocess
from urllib.parse import quote

import pytest

from cami.access import Gate, Gateway, Limits, cleaned
from cami.access.limits import Bucket
from tests.unit.access.conftest import basic

TOKEN = "t" * 40


@pytest.fixture
def gateway(tmp_path):
    (tmp_path / "gateway.token").write_text(TOKEN + "\n")
    return Gateway(tmp_path / "gateway.token")


def said(**more):
    return {"host": "cami", "x-cami-gateway": TOKEN, "x-real-ip": "10.1.2.3", **more}


def test_the_gateway_says_where_a_request_comes_from(gateway):
    origin = gateway.origin("127.0.0.1", said())
    assert (origin.address, origin.certificate, origin.gateway) == ("10.1.2.3", "", True)


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], TOKEN + "x", "т" * 40])
def test_nobody_else_does(gateway, token):
    claims = said() | {"x-cami-gateway": token, "x-client-cert-verify": "SUCCESS", "x-client-cert": "x"}
    origin = gateway.origin("127.0.0.1", claims)
    assert (origin.address, origin.certificate, origin.gateway) == ("127.0.0.1", "", False)


def test_without_a_token_or_with_a_short_one_there_is_no_gateway(tmp_path):
    assert not Gateway(tmp_path / "none").origin("1.1.1.1", said()).gateway
    (tmp_path / "short").write_text("short")
    assert not Gateway(tmp_path / "short").origin("1.1.1.1", said() | {"x-cami-gateway": "short"}).gateway


@pytest.mark.parametrize("address", ["", "unknown", "10.0.0.1, 10.0.0.2", "<script>", "::1"])
def test_an_address_is_an_address(gateway, address):
    told = gateway.origin("127.0.0.1", said(**{"x-real-ip": address})).address
    assert told == ("::1" if address == "::1" else "127.0.0.1")


def test_a_certificate_counts_when_the_gateway_has_verified_it(gateway, tmp_path):
    pem, der = tmp_path / "c.pem", tmp_path / "c.der"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=p",
    ]
    subprocess.run([*made, "-keyout", tmp_path / "k.pem", "-out", pem], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-in", pem, "-outform", "der", "-out", der], check=True)
    digest = subprocess.run(["sha256sum", der], check=True, capture_output=True, text=True).stdout.split()[0]
    headers = said(**{"x-client-cert": quote(pem.read_text()), "x-client-cert-verify": "SUCCESS"})
    assert gateway.origin("127.0.0.1", headers).certificate == digest
    for verify in ("", "NONE", "FAILED:expired"):
        assert gateway.origin("127.0.0.1", headers | {"x-client-cert-verify": verify}).certificate == ""
    assert gateway.origin("127.0.0.1", headers | {"x-client-cert": "junk"}).certificate == ""


def test_handlers_never_see_what_a_client_claims():
    claims = ["x-cami-gateway", "x-real-ip", "x-forwarded-for", "x-forwarded-proto", "forwarded"]
    claims += ["x-client-cert", "x-client-cert-verify", "x-client-cert-dn"]
    assert cleaned(dict.fromkeys(claims, "x") | {"host": "cami"}) == {"host": "cami"}
    plain = {"host": "cami", "authorization": "x"}
    assert cleaned(plain) is plain


def at(address, headers=None):
    return {**(headers or {"host": "cami"}), "x-cami-source": address}


class Time:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_bucket_gives_its_burst_and_then_its_rate():
    time = Time()
    bucket = Bucket(2, 3, time)
    assert [bucket.take("a") for _ in range(4)] == [True, True, True, False]
    assert bucket.take("b")
    time.now = 0.5
    assert [bucket.take("a"), bucket.take("a")] == [True, False]
    time.now = 1e6
    assert [bucket.take("a") for _ in range(4)] == [True, True, True, False]
    assert all(Bucket(0, 0, time).take("a") for _ in range(100))


@pytest.fixture
def limited(authenticator, archive, engine):
    def make(requests=0.0):
        return Gate("central", "", authenticator, archive, engine, limits=Limits(requests, Time()))

    return make


def test_sign_in_forms_are_limited_by_address(limited):
    gate = limited()
    sent = [gate.allows("POST", "/cami/login", {}, at("10.0.0.1")) for _ in range(130)]
    assert sent == [True] * 120 + [False] * 10
    assert gate.allows("POST", "/cami/login", {}, at("10.0.0.2"))
    assert gate.allows("GET", "/cami/login", {}, at("10.0.0.1"))


def test_requests_are_limited_by_account_and_by_address(limited):
    gate = limited(1)
    who = basic("rad1")
    assert [gate.allows("GET", "/system", {}, at(f"10.0.0.{n}", who)) for n in range(12)] == [True] * 10 + [False] * 2
    assert gate.allows("GET", "/system", {}, at("10.0.0.1", basic("clin1")))
    health = [gate.allows("GET", "/cami/health", {}, at("10.0.9.9")) for _ in range(12)]
    assert health == [True] * 10 + [False] * 2


def test_a_body_too_large_is_refused_before_anybody_reads_it(gate):
    who = basic("rad1")
    assert gate.allows("POST", "/tools/find", {}, who | {"content-length": "262144"})
    assert not gate.allows("POST", "/tools/find", {}, who | {"content-length": "262145"})
    assert gate.allows("POST", "/instances", {}, who | {"content-length": str(1 << 30)})
    assert not gate.allows("POST", "/instances", {}, who | {"content-length": str(3 << 30)})
    assert not gate.allows("POST", "/tools/find", {}, who | {"transfer-encoding": "chunked"})
