"""Whether the certificate of a signature may be trusted: a chain to a root that the installation trusts (RFC 5280).

Trusted roots, and intermediate certificates that signatures do not bring, are files of one folder (PEM or DER). What is
looked at: the chain, its dates at the moment of signing, and that the key is for signing. Whether a certificate has
been revoked is not asked: that takes the network of the authority. ГОСТ is not known to the library: such certificates
are said to be not checked, unless a tool of the installation has judged them.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

log = logging.getLogger(__name__)

_PEM = b"-----BEGIN CERTIFICATE-----"


class Trust(StrEnum):
    """What is known of a certificate."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    """No chain leads to a trusted root."""
    OUT_OF_DATE = "out-of-date"
    """It was not valid yet, or no more, when it signed."""
    OTHER_USE = "other-use"
    """Its key is not for signing documents."""
    NOT_CHECKED = "not-checked"
    """There are no trusted roots here, or none that know its algorithm."""


class TrustStore:
    """The certificates of a folder, read anew each time: they change seldom, and without a restart."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def judge(self, certificate: x509.Certificate, others: Sequence[x509.Certificate], at: datetime) -> Trust:
        """Return whether a certificate was to be trusted at a moment; `others` came with it."""
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            return Trust.OUT_OF_DATE
        if not _signs(certificate):
            return Trust.OTHER_USE
        known = self._known()
        roots = [each for each in known if each.issuer == each.subject]
        if not roots:
            return Trust.NOT_CHECKED
        # A chain goes over authorities; that the end is for signing was seen above.
        policy = PolicyBuilder().store(Store(roots)).time(at)
        policy = policy.extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
        )
        try:
            policy.build_client_verifier().verify(
                certificate, [*others, *(each for each in known if each not in roots)]
            )
        except VerificationError:
            return Trust.UNTRUSTED
        return Trust.TRUSTED

    def _known(self) -> list[x509.Certificate]:
        if self._folder is None or not self._folder.is_dir():
            return []
        found: list[x509.Certificate] = []
        for file in sorted(self._folder.iterdir()):
            if file.suffix.lower() not in (".pem", ".crt", ".cer", ".der"):
                continue
            try:
                found += read_certificates(file.read_bytes())
            except (OSError, ValueError):
                log.warning("%s holds no certificate that can be read", file.name)
        return found


def read_certificates(content: bytes) -> list[x509.Certificate]:
    """Read the certificates of a file, PEM or DER.

    Raises
    ------
    ValueError
        There is none.
    """
    if _PEM in content:
        return x509.load_pem_x509_certificates(content)
    return [x509.load_der_x509_certificate(content)]


def _signs(certificate: x509.Certificate) -> bool:
    """Return whether a key may sign documents (RFC 5280 §4.2.1.3); one that says nothing of its use may."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return usage.digital_signature or usage.content_commitment
