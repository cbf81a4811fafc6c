"""Detached signatures of answers: CMS (RFC 5652), kept byte by byte, verified as far as this installation can.

RSA and ECDSA are verified here: that the signature is of this document, by the certificate in it; whether that may be
trusted `cami.consultations.trust` says. ГОСТ Р 34.10-2012, which РЭМД asks for, needs a certified tool: a `Verifier` of
the installation tells, and without one a signature is kept and said to be not verified.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from pyasn1.codec.der import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import univ
from pyasn1_modules import rfc5652

from cami.consultations.outside_verifier import Judgement
from cami.consultations.trust import Trust, TrustStore
from cami.errors import Invalid

#: Bytes of a signature at most: a chain of certificates, revocation lists and time stamps included.
LARGEST = 1_000_000
VALID, NOT_VERIFIED = "valid", "not-verified"
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
_DATA = "1.2.840.113549.1.7.1"
_HASHES: dict[str, tuple[str, Callable[[], hashes.HashAlgorithm]]] = {
    "2.16.840.1.101.3.4.2.1": ("sha256", hashes.SHA256),
    "2.16.840.1.101.3.4.2.2": ("sha384", hashes.SHA384),
    "2.16.840.1.101.3.4.2.3": ("sha512", hashes.SHA512),
}
_PSS = "1.2.840.113549.1.1.10"
#: What the algorithms of ГОСТ Р 34.10-2012 and 34.11-2012 begin with (RFC 9215).
_GOST = "1.2.643.7.1.1."


@dataclass(frozen=True, slots=True)
class Proof:
    """By what an answer is signed."""

    kind: str
    """password, cms."""
    signature: bytes | None
    certificate: str
    """Whose it is, for people."""
    verification: str
    verified_by: str
    trust: str = ""
    """Of the certificate; `cami.consultations.trust.Trust`, empty where there is none."""


#: Signed by the password of the account: nothing else to keep.
NO_SIGNATURE = Proof("password", None, "", "", "")


class Verifier(Protocol):
    """A tool that verifies signatures which we cannot."""

    name: str
    """As it is recorded: «verified by …»."""

    def verify(self, document: bytes, signature: bytes) -> Judgement:
        """Return whether `signature` is a detached CMS of `document`, and what is known of its certificate.

        Raises
        ------
        cami.errors.Transient
            It cannot tell now.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Parsed:
    """What of a CMS is needed."""

    algorithm: str
    digest: str
    signed_attributes: Any
    value: bytes
    certificates: Sequence[bytes]
    serial: int | None


class Verifiers:
    """Checks signatures, by ourselves and with the tools of this installation."""

    def __init__(self, others: Sequence[Verifier] = (), trust: TrustStore | None = None) -> None:
        self._others = others
        self._trust = trust or TrustStore(None)

    def check(self, document: bytes, signature: bytes, at: datetime) -> Proof:
        """Return what a detached signature of a document proves; `at` is when it is given.

        Raises
        ------
        cami.errors.Invalid
            It is no CMS, or not of this document; the message is a code.
        """
        parsed = _parse(signature)
        gost = parsed.digest.startswith(_GOST) or parsed.algorithm.startswith(_GOST)
        if not gost:
            certificate = _verified(parsed, document)
            trust = self._trust.judge(certificate, _all(parsed), at)
            return Proof("cms", signature, _name(certificate), VALID, "ЦАМИ", trust.value)
        for verifier in self._others:
            told = verifier.verify(document, signature)
            if not told.valid:
                raise Invalid("signature-wrong")
            trust = Trust.NOT_CHECKED
            if told.trusted is not None:
                trust = Trust.TRUSTED if told.trusted else Trust.UNTRUSTED
            whose = told.certificate or _subject(parsed)
            return Proof("cms", signature, whose, VALID, verifier.name[:64], trust.value)
        return Proof("cms", signature, _subject(parsed), NOT_VERIFIED, "", Trust.NOT_CHECKED.value)


def _parse(signature: bytes) -> _Parsed:
    if not 0 < len(signature) <= LARGEST:
        raise Invalid("signature-malformed")
    try:
        content, rest = decoder.decode(signature, asn1Spec=rfc5652.ContentInfo())
        if rest or content["contentType"] != rfc5652.id_signedData:
            raise Invalid("signature-malformed")
        signed, _ = decoder.decode(content["content"], asn1Spec=rfc5652.SignedData())
        if signed["encapContentInfo"]["eContent"].hasValue():
            raise Invalid("signature-attached")
        if len(signed["signerInfos"]) != 1:
            raise Invalid("signature-signers")
        signer = signed["signerInfos"][0]
        certificates = [
            encoder.encode(choice["certificate"])
            for choice in (signed["certificates"] if signed["certificates"].hasValue() else ())
            if choice.getName() == "certificate"
        ]
        named = signer["sid"]
        by_serial = named.getName() == "issuerAndSerialNumber"
        return _Parsed(
            algorithm=str(signer["signatureAlgorithm"]["algorithm"]),
            digest=str(signer["digestAlgorithm"]["algorithm"]),
            signed_attributes=signer["signedAttrs"] if signer["signedAttrs"].hasValue() else None,
            value=bytes(signer["signature"]),
            certificates=certificates,
            serial=int(named["issuerAndSerialNumber"]["serialNumber"]) if by_serial else None,
        )
    except (PyAsn1Error, ValueError, KeyError, TypeError) as error:
        raise Invalid("signature-malformed") from error


def _verified(parsed: _Parsed, document: bytes) -> x509.Certificate:
    """Return the certificate that has signed a document."""
    if parsed.digest not in _HASHES:
        raise Invalid("signature-algorithm")
    certificate = _certificate(parsed)
    name, algorithm = _HASHES[parsed.digest]
    signed = document
    if parsed.signed_attributes is not None:
        attributes = {str(entry["attrType"]): entry["attrValues"][0] for entry in parsed.signed_attributes}
        told, _ = decoder.decode(attributes[_MESSAGE_DIGEST], asn1Spec=univ.OctetString())
        if bytes(told) != hashlib.new(name, document).digest():
            raise Invalid("signature-other-document")
        # RFC 5652 §5.4: what is signed has the tag of a SET, not that of the field.
        plain = univ.SetOf(componentType=rfc5652.Attribute())
        plain.extend(parsed.signed_attributes)
        signed = encoder.encode(plain)
    _check_key(certificate, parsed, signed, algorithm())
    return certificate


def _check_key(certificate: x509.Certificate, parsed: _Parsed, signed: bytes, algorithm: hashes.HashAlgorithm) -> None:
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO)
            key.verify(parsed.value, signed, pss if parsed.algorithm == _PSS else padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(parsed.value, signed, ec.ECDSA(algorithm))
        else:
            raise Invalid("signature-algorithm")
    except InvalidSignature:
        raise Invalid("signature-wrong") from None


def _all(parsed: _Parsed) -> list[x509.Certificate]:
    found = []
    for encoded in parsed.certificates:
        with suppress(ValueError):
            found.append(x509.load_der_x509_certificate(encoded))
    return found


def _certificate(parsed: _Parsed) -> x509.Certificate:
    for certificate in _all(parsed):
        if parsed.serial is None or certificate.serial_number == parsed.serial:
            return certificate
    raise Invalid("signature-certificate")


def _subject(parsed: _Parsed) -> str:
    try:
        return _name(_certificate(parsed))
    except Invalid:
        return ""


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    subject = str(names[0].value) if names else certificate.subject.rfc4514_string()
    return f"{subject}, № {certificate.serial_number:x}, до {certificate.not_valid_after_utc:%d.%m.%Y}"[:400]
