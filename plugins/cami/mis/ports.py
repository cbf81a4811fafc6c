"""What the МИС is told of consultations: the shape in which their part of the product gives it.

`cami.mis` and `cami.consultations` do not import each other; the edge puts an object of this shape between them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Signature:
    """A detached signature: its bytes are kept and handed on exactly as they were made."""

    data: bytes
    kind: str
    """``author`` (врач) or ``organization`` (МО)."""
    when: datetime
    of: str = "application/pdf"
    """Media type of the document that it covers."""
    form: str = "application/pkcs7-signature"


@dataclass(frozen=True, slots=True)
class SignedReport:
    """A report as it was signed."""

    number: str
    """Of the report, unique in the region."""
    version: int
    """1: final; later ones are corrections."""
    study_uids: tuple[str, ...]
    issued: datetime
    author: str
    author_snils: str
    author_login: str
    mo: str
    """Code of the МО for which the author signed."""
    title: str
    pdf: bytes
    findings: str = ""
    conclusion: str = ""
    recommendations: str = ""
    xml: bytes = b""
    """СЭМД, if there is one."""
    signatures: tuple[Signature, ...] = ()


class SignedReports(Protocol):
    """Finds signed reports by the payload of the event ``report.signed``."""

    def report(self, payload: Mapping[str, Any]) -> SignedReport | None:
        """Return the report, None if there is none (any more)."""
        ...


class NoReports:
    """There are no reports: the part of the product that makes them is not there."""

    def report(self, payload: Mapping[str, Any]) -> SignedReport | None:  # noqa: ARG002
        """Return nothing."""
        return None
