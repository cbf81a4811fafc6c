"""The words of an answer in the tables: what each consultant has typed, and what was signed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, insert, select, update

from cami.access import Identity
from cami.consultations.request import Case, Person
from cami.consultations.signatures import Proof
from cami.db.tables import consultation_draft, consultation_report
from cami.errors import Conflict, Invalid

_LONGEST = {"findings": 40_000, "conclusion": 10_000, "recommendations": 10_000, "diagnosis": 16, "pathology": 16}


@dataclass(frozen=True, slots=True)
class Text:
    """What an answer says."""

    findings: str = ""
    conclusion: str = ""
    recommendations: str = ""
    diagnosis: str = ""
    pathology: str = ""
    """yes, no, or empty."""
    critical: bool = False

    def changed(self, given: Mapping[str, Any]) -> "Text":
        """Return it with what somebody has typed.

        Raises
        ------
        cami.errors.Invalid
            A value is too long or none of those that a field takes; the message is its name.
        """
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name == "critical":
                values[name] = value in (True, "1", "on", "true")
            elif name in _LONGEST:
                values[name] = _checked(name, value)
        return replace(self, **values)


def _checked(name: str, value: Any) -> str:
    text = value.replace("\r\n", "\n") if isinstance(value, str) else None
    if text is None or len(text) > _LONGEST[name] or (name == "pathology" and text not in ("", "yes", "no")):
        raise Invalid(name)
    return text


@dataclass(frozen=True, slots=True)
class Draft:
    """What a consultant has typed so far."""

    login: str
    person: str
    revision: int
    saved_at: datetime
    text: Text


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed version, without its document."""

    id: int
    version: int
    why: str
    login: str
    person: str
    mo: str
    signed_at: datetime
    text: Text
    sha256: str
    signed_by: str
    certificate: str
    verification: str
    verified_by: str
    trust: str
    filed_at: datetime | None
    filing: str
    clinical: bool
    """Whether it has a СЭМД."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that the document shows."""

    case: Case
    text: Text
    version: int
    why: str
    person: Person
    signed_at: datetime
    how: str = ""
    """By what it is signed, in the words of the document; empty: by a file of its own."""
    readers: tuple[str, ...] = ()
    """Who has read before, of the conclusion of a double reading."""
    agreement: str = ""
    """`cami.consultations.readings.Agreement`, or whom a third reader upholds."""
    reading: int = 0
    """Which reading of a double reading this is; 0: the answer."""


class Clinical(Protocol):
    """Makes the СЭМД of an answer; `cami.consultations.clinical_document` does."""

    def render(self, sheet: Sheet) -> bytes:
        """Return the CDA document."""
        ...


class Paper(Protocol):
    """Makes the document that is signed; `cami.consultations.paper` does."""

    def render(self, sheet: Sheet) -> bytes:
        """Return the PDF."""
        ...


def text_of(row: Any) -> Text:
    """Return the words of a row of either table."""
    return Text(**{field.name: getattr(row, field.name) for field in fields(Text)})


def read_draft(connection: Connection, number: int, login: str) -> Draft | None:
    """Return what somebody has typed so far."""
    columns = consultation_draft.c
    row = connection.execute(
        select(consultation_draft).where(columns.number == number, columns.login == login)
    ).first()  # fmt: skip
    return None if row is None else Draft(row.login, row.person, row.revision, row.saved_at, text_of(row))


def put_draft(
    connection: Connection, identity: Identity, number: int, *, text: Text, revision: int, now: datetime
) -> None:
    """Keep what somebody has typed, if it follows on what is kept."""
    columns = consultation_draft.c
    values = {field.name: getattr(text, field.name) for field in fields(Text)}
    values |= {"revision": revision, "saved_at": now, "person": identity.name}
    changed = update(consultation_draft).where(
        columns.number == number, columns.login == identity.login, columns.revision == revision - 1
    )
    if connection.execute(changed.values(**values)).rowcount:
        return
    if revision > 1:
        raise Conflict("a newer text was saved from another window")
    connection.execute(insert(consultation_draft).values(number=number, login=identity.login, **values))


def add_version(
    connection: Connection,
    identity: Identity,
    number: int,
    *,
    text: Text,
    why: str,
    document: bytes,
    proof: Proof,
    now: datetime,
    clinical: bytes | None = None,
) -> None:
    """Add a signed version; `clinical` is its СЭМД."""
    columns = consultation_report.c
    last = connection.scalar(
        select(columns.version).where(columns.number == number).order_by(columns.version.desc()).limit(1)
    )
    connection.execute(
        insert(consultation_report).values(
            number=number,
            version=(last or 0) + 1,
            why=why.strip(),
            login=identity.login,
            person=identity.name,
            mo=identity.mo,
            signed_at=now,
            **{field.name: getattr(text, field.name) for field in fields(Text)},
            document=document,
            sha256=hashlib.sha256(document).hexdigest(),
            signed_by=proof.kind,
            signature=proof.signature,
            certificate=proof.certificate,
            verification=proof.verification,
            verified_by=proof.verified_by,
            verified_at=now if proof.signature is not None else None,
            trust=proof.trust,
            clinical_document=clinical,
        )
    )


def signed_of(row: Any) -> Signed:
    """Return the version of a row of the table."""
    named = [field.name for field in fields(Signed) if field.name not in ("text", "clinical")]
    values = {name: getattr(row, name) for name in named}
    return Signed(**values, text=text_of(row), clinical=row.clinical_document is not None)
