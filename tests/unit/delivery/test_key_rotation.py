"""A proxy's key changes while it delivers: two are good, each side reads its files again."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from cami.delivery import tokens
from cami.delivery.tokens import Keys, TokenIssuer, TokenVerifier, kid_of, read_public_keys
from cami.errors import Denied, Misconfigured
from tests.unit.fakes import Hands


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tokens, "_LOOK", 0.0)
    made = tmp_path / "keys"
    made.mkdir()
    return made


def write(path, key, number):
    """Write a private key, with a time of its own: the tests are faster than the clock of the file system."""
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    os.utime(path, ns=(0, number))


def publish(path, key):
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def test_the_new_key_is_good_before_the_old_one_ends(folder, tmp_path, clock):
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    publish(folder / "42001.pem", old)
    write(tmp_path / "link.key", old, 1)
    verifier, issuer = TokenVerifier(Keys(folder), clock), TokenIssuer("42001", tmp_path / "link.key", clock)
    before = issuer.issue()
    assert verifier.verify(before) == "42001"

    write(tmp_path / "next.key", new, 2)
    with pytest.raises(Denied):
        verifier.verify(TokenIssuer("42001", tmp_path / "next.key", clock).issue())
    publish(folder / f"42001.{kid_of(new.public_key())}.pem", new)
    write(tmp_path / "link.key", new, 2)
    after = issuer.issue()
    assert issuer.kid == kid_of(new.public_key())
    assert verifier.verify(before) == verifier.verify(after) == "42001"

    (folder / "42001.pem").unlink()
    assert verifier.verify(after) == "42001"
    with pytest.raises(Denied):
        verifier.verify(before)


def test_a_proxy_of_an_earlier_release_names_no_key(folder, clock):
    import jwt

    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    publish(folder / "42001.pem", old)
    publish(folder / "42001.next.pem", new)
    now = clock.now()
    claims = {"iss": "proxy-42001", "aud": "cami-wire", "iat": now, "exp": now + tokens.LIFETIME}
    verifier = TokenVerifier(Keys(folder), clock)
    for key in (old, new):
        assert verifier.verify(jwt.encode(claims, key, algorithm="EdDSA")) == "42001"
    with pytest.raises(Denied):
        verifier.verify(jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA"))


def test_one_mo_cannot_sign_for_another(folder, tmp_path, clock):
    keys = {mo: Ed25519PrivateKey.generate() for mo in ("42001", "42002")}
    for mo, key in keys.items():
        publish(folder / f"{mo}.pem", key)
    write(tmp_path / "link.key", keys["42002"], 1)
    with pytest.raises(Denied):
        TokenVerifier(Keys(folder), clock).verify(TokenIssuer("42001", tmp_path / "link.key", clock).issue())


def test_what_is_half_written_shuts_nobody_out(folder, tmp_path, clock):
    key = Ed25519PrivateKey.generate()
    publish(folder / "42001.pem", key)
    write(tmp_path / "link.key", key, 1)
    verifier, issuer = TokenVerifier(Keys(folder), clock), TokenIssuer("42001", tmp_path / "link.key", clock)
    (folder / "42002.pem").write_text("-----BEGIN")
    (tmp_path / "link.key").write_text("-----BEGIN")
    assert verifier.verify(issuer.issue()) == "42001"


def test_not_more_than_two(folder):
    for name in ("42001.pem", "42001.a.pem", "42001.b.pem"):
        publish(folder / name, Ed25519PrivateKey.generate())
    with pytest.raises(Misconfigured):
        read_public_keys(folder)
