"""Who may speak as the proxy of an МО: a code is good once, keys end when they should, guessing lets nobody in."""

import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sqlalchemy import select

from cami.db.tables import join_code
from cami.db.tables.audit import audit_record
from cami.enrolment import Authority
from cami.enrolment.codes import digest, secret_of
from cami.errors import Denied, Invalid, Misconfigured, NotFound

from .conftest import SIGNER


def code(centre, mo="42003", **more):
    return centre.members.invite(mo, SIGNER, "oper", **more).code


def steps(centre):
    with centre.engine.connect() as connection:
        records = connection.scalars(select(audit_record.c.content).order_by(audit_record.c.seq))
        return [json.loads(record)["details"]["step"] for record in records]


def test_who_has_the_code_is_let_in_and_known_by_its_key(centre, machine):
    there = machine()
    with pytest.raises(Denied):
        centre.members.join("42003", "aaaa-aaaa", there.file.request("42003"))
    there.join(centre.members, code(centre))
    assert centre.tokens.verify_request(there.headers()) == "42003"
    certificate = x509.load_pem_x509_certificate(there.file.path.read_bytes())
    Authority.read(centre.secrets).certificate.public_key().verify(
        certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256())
    )
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "proxy-42003"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert steps(centre) == ["join-refused", "proxy-invited", "proxy-joined"]


def test_the_code_is_kept_as_a_digest_and_is_on_no_record(centre):
    written = code(centre)
    secret = secret_of(written)
    with centre.engine.connect() as connection:
        kept = connection.execute(select(join_code)).mappings().one()
        journal = "".join(connection.scalars(select(audit_record.c.content)))
    assert kept["code_hash"] == digest(secret)
    assert secret not in str(dict(kept))
    assert secret not in journal.replace("-", "")


@pytest.mark.parametrize("spoilt", ["used", "old", "replaced", "taken back", "of another", "wrong", "of an unknown МО"])
def test_a_code_that_is_not_good_is_refused_in_the_same_words(centre, machine, clock, spoilt):
    given, mo = code(centre), "42003"
    if spoilt == "used":
        machine().join(centre.members, given)
    elif spoilt == "old":
        clock.pass_(days=7)
    elif spoilt == "replaced":
        code(centre)
    elif spoilt == "taken back":
        centre.members.take_back("42003", "oper")
    elif spoilt == "of another":
        mo = "42001"
    elif spoilt == "wrong":
        given = ("b" if given[0] == "a" else "a") + given[1:]
    else:
        mo = "42077"
    there = machine(mo)
    with pytest.raises(Denied, match="this code is not good for this МО"):
        there.join(centre.members, given)
    assert "join-refused" in steps(centre)


def test_how_the_code_is_typed_does_not_matter(centre, machine):
    machine().join(centre.members, f"  {code(centre).upper().replace('-', ' ')}\r\n")


def test_an_answer_that_was_lost_is_asked_for_again_by_the_same_key_alone(centre, machine):
    given, there = code(centre), machine()
    request = there.file.request("42003")
    first = centre.members.join("42003", given, request).pem
    assert centre.members.join("42003", given, there.file.request("42003")).pem == first
    there.file.accept(first)
    with pytest.raises(Denied):
        machine().join(centre.members, given)


def test_a_machine_that_takes_the_place_of_another_ends_its_key(centre, machine):
    old, new = machine(), machine()
    old.join(centre.members, code(centre))
    new.join(centre.members, code(centre))
    assert centre.tokens.verify_request(new.headers()) == "42003"
    with pytest.raises(Denied):
        centre.tokens.verify_request(old.headers())


def test_revoking_works_within_a_second_and_for_keys_of_the_folder(centre, machine, clock):
    there = machine()
    there.join(centre.members, code(centre))
    other = Ed25519PrivateKey.generate().public_key()
    centre.files["42003"] = (other,)
    centre.ticks.now += 2
    assert len(centre.keys.of("42003")) == 2
    assert centre.members.revoke("42003", "oper", "stolen", (other,)) == 2
    with pytest.raises(Denied):
        centre.tokens.verify_request(there.headers())
    assert centre.keys.of("42003") == ()
    assert centre.members.revoke("42003", "oper", "again", (other,)) == 0
    there.file.path.unlink()
    there.join(centre.members, code(centre))
    assert centre.tokens.verify_request(there.headers()) == "42003", "it may join again, with a new code"


def test_another_replica_hears_of_it_within_a_second(centre, machine):
    there = machine()
    there.join(centre.members, code(centre))
    assert centre.keys.of("42003")
    with centre.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE proxy_key SET ended_at = issued_at")
    assert centre.keys.of("42003"), "what was found is kept for a second"
    centre.ticks.now += 1.0
    assert centre.keys.of("42003") == ()


def test_a_renewed_key_is_good_beside_the_old_one_for_a_day(centre, machine, clock):
    there = machine()
    there.join(centre.members, code(centre))
    old = there.headers()
    renewed = centre.members.renew("42003", there.file.request("42003")).pem
    assert centre.members.renew("42003", there.file.request("42003")).pem == renewed, "an answer was lost"
    assert centre.tokens.verify_request(old) == "42003"
    there.file.accept(renewed)
    assert centre.tokens.verify_request(there.headers()) == "42003"
    assert len(centre.keys.of("42003")) == 2
    clock.pass_(days=1, seconds=1)
    centre.ticks.now += 2
    assert len(centre.keys.of("42003")) == 1
    assert centre.tokens.verify_request(there.headers()) == "42003"


def test_a_certificate_that_has_ended_is_good_for_nothing(centre, machine, clock):
    there = machine()
    there.join(centre.members, code(centre))
    clock.pass_(days=366)
    centre.ticks.now += 2
    with pytest.raises(Denied):
        centre.tokens.verify_request(there.headers())


def test_an_ended_key_cannot_be_certified_again(centre, machine):
    there = machine()
    request = there.file.request("42003")
    centre.members.join("42003", code(centre), request)
    centre.members.revoke("42003", "oper", "stolen")
    with pytest.raises(Denied):
        centre.members.join("42003", code(centre), request)
    with pytest.raises(Denied):
        centre.members.renew("42003", request)


def test_where_a_certificate_is_shown_it_must_be_the_proxys_own(centre, machine):
    there, other = machine(), machine("42001")
    there.join(centre.members, code(centre))
    other.join(centre.members, code(centre, "42001"))
    own, foreign = (
        x509.load_pem_x509_certificate(each.file.path.read_bytes()).fingerprint(hashes.SHA256()).hex()
        for each in (there, other)
    )
    assert centre.tokens.verify_request(there.headers(own)) == "42003"
    with pytest.raises(Denied):
        centre.tokens.verify_request(there.headers(foreign))


def test_only_an_mo_of_the_registry_is_invited(centre):
    with pytest.raises(NotFound):
        code(centre, "42077")


def test_without_an_authority_nobody_is_invited(centre):
    (centre.secrets / "authority.key").unlink()
    with pytest.raises(Misconfigured, match="ca init"):
        code(centre)


def test_how_each_mo_stands(centre, machine, clock):
    assert centre.members.standings() == {}
    given = code(centre)
    assert centre.members.standings()["42003"].code_until == clock.now() + timedelta(days=7)
    there = machine()
    there.join(centre.members, given)
    standing = centre.members.standings()["42003"]
    assert standing.cause == "join"
    assert standing.code_until is None
    assert standing.not_after - clock.now() == timedelta(days=365)


def bad_requests():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy-42003")])
    elliptic = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    yield elliptic.public_bytes(Encoding.PEM).decode()
    own = x509.CertificateSigningRequestBuilder().subject_name(name).sign(Ed25519PrivateKey.generate(), None)
    signed = bytearray(own.public_bytes(Encoding.DER))
    signed[-1] ^= 1
    yield x509.load_der_x509_csr(bytes(signed)).public_bytes(Encoding.PEM).decode()
    yield ""
    yield "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"
    yield own.public_bytes(Encoding.PEM).decode() + " " * 10_000
    yield "ключ"


@pytest.mark.parametrize("request_", list(bad_requests()))
def test_what_is_no_request_is_refused_and_costs_no_code(centre, machine, request_):
    given = code(centre)
    with pytest.raises(Invalid):
        centre.members.join("42003", given, request_)
    machine().join(centre.members, given)
