"""What the МИС is told of consultations: the shape in which their part of the product gives it.

`cami.mis` and `cami.consultations` do not import each other; the edge puts an object of this shape between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection


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


@dataclass(frozen=True, slots=True)
class WantedConsultation:
    """A consultation that a doctor asks for in the МИС."""

    system: str
    """Who brings it in: ``mis:<client>``."""
    doctor: str
    mo: str
    """Code of the МО that asks."""
    to_mo: str
    """Code of the МО that is asked."""
    study_uids: tuple[str, ...]
    """The first is what it is about."""
    given: Mapping[str, object]
    """Urgency, kind, mode, profile, question and so on, by the names of the form."""


class ConsultationRefused(Exception):
    """A consultation cannot be asked for so; the codes are those of the form: ``phone``, ``route``."""

    def __init__(self, codes: Sequence[str]) -> None:
        super().__init__(", ".join(codes))
        self.codes = tuple(codes)


class ConsultationDesk(Protocol):
    """Takes requests into the desk of consultations, in the transaction of the message that brings them."""

    def place(self, connection: Connection, wanted: WantedConsultation) -> int:
        """Make a request and send it; return its number.

        Raises
        ------
        ConsultationRefused
            It is not complete, or no route leads there.
        """
        ...

    def withdraw(self, connection: Connection, number: int, *, system: str, doctor: str, mo: str, text: str) -> None:
        """Take a request back.

        Raises
        ------
        ConsultationRefused
            It has ended.
        """
        ...


class NoConsultations:
    """Nobody takes requests: the part of the product that answers them is not there."""

    def place(self, connection: Connection, wanted: WantedConsultation) -> int:  # noqa: ARG002
        """Refuse."""
        raise ConsultationRefused(["route"])

    def withdraw(self, connection: Connection, number: int, *, system: str, doctor: str, mo: str, text: str) -> None:  # noqa: ARG002
        """Refuse."""
        raise ConsultationRefused(["state"])


class NoReports:
    """There are no reports: the part of the product that makes them is not there."""

    def report(self, payload: Mapping[str, Any]) -> SignedReport | None:  # noqa: ARG002
        """Return nothing."""
        return None
