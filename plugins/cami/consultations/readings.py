"""Double reading and пересмотр: who has read what, whose words stay unseen, and in what two readers agree (F-35, F-36).

A reading is signed and kept like an answer, but nobody gets it: the asking МО is given the one conclusion that comes of
both. Until both are signed neither reader, nor anybody of the consulting side, reads a word of the other.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select

from cami.access import Identity
from cami.consultations.request import SYSTEM, Case
from cami.consultations.signatures import Proof
from cami.consultations.states import BLINDED, THIRD, Command, State
from cami.consultations.terms import Kind, Part
from cami.consultations.texts import Text, text_of
from cami.db.tables import consultation_member, consultation_reading, consultation_report
from cami.errors import Conflict, Invalid


class Agreement(StrEnum):
    """How far two texts about the same images agree: the categories of the tele-audit (F-36)."""

    NONE = "none"
    """Нет замечаний."""
    REMARKS = "remarks"
    """Замечания."""
    MINOR = "minor"
    """Незначимое расхождение."""
    SIGNIFICANT = "significant"
    """Клинически значимое расхождение: of a double reading it takes a third reader."""


class Upheld(StrEnum):
    """With whom the third reader agrees."""

    FIRST = "first"
    SECOND = "second"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Reading:
    """A signed reading, without its document."""

    place: int
    """1, 2."""
    login: str
    person: str
    mo: str
    signed_at: datetime
    text: Text


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The answer that a пересмотр is of."""

    number: int
    version: int
    login: str
    person: str
    mo: str
    signed_at: datetime
    text: Text


def blinded(case: Case) -> bool:
    """Return whether readers must not see each other's words yet."""
    return case.request.kind is Kind.DOUBLE_READING and len(case.readers) < len(BLINDED)


def hears(identity: Identity, case: Case, login: str, mo: str) -> bool:
    """Return whether somebody who sees a request may read what `login`, of the МО `mo`, has written about it."""
    if not blinded(case) or identity.mo == case.request.mo:
        return True
    return login in (identity.login, SYSTEM.login) or mo == case.request.mo


def shown_to(identity: Identity, case: Case, readings: Sequence[Reading]) -> list[Reading]:
    """Return which readings somebody may see: the own one; both once they are signed, to who reads or decides."""
    reads = identity.login in case.readers or identity.login == case.request.consultant
    return [each for each in readings if each.login == identity.login or (reads and not blinded(case))]


def differences(first: Text, second: Text) -> tuple[str, ...]:
    """Return in what two texts differ, as far as that can be compared without understanding them: names of fields."""
    found = [name for name in ("pathology", "critical") if getattr(first, name) != getattr(second, name)]
    # МКБ-10: the three-character category; a text without a code says nothing of one.
    codes = [text.diagnosis[:3] for text in (first, second)]
    return (*found, "diagnosis") if all(codes) and codes[0] != codes[1] else tuple(found)


def ending(case: Case, text: Text, readings: Sequence[Reading], agreed: str) -> tuple[Command, dict[str, Any]]:
    """Return what signing a text does to its request, and the columns that it sets.

    Parameters
    ----------
    readings
        What was signed of a double reading before.
    agreed
        What who signs says of other texts: an `Agreement`, of the third reader an `Upheld`.

    Raises
    ------
    cami.errors.Invalid
        Something has to be said that is not; the message is a code.
    cami.errors.Conflict
        The request is not in work.
    """
    request = case.request
    if request.state is State.DONE:
        return Command.CORRECT, {"critical": text.critical}
    if request.state is State.IN_WORK and request.reading in BLINDED:
        return _reading_ends(case, text, readings)
    said: dict[str, Any] = {}
    if request.state is State.COMPARING:
        _check(agreed in (Agreement.NONE, Agreement.REMARKS, Agreement.MINOR), "agreement")
        # What both have found is not changed by one of them.
        _check(not differences(readings[-1].text, text), "other-finding")
        said = {"agreement": agreed}
    elif request.state is not State.IN_WORK:
        raise Conflict("the request is not in work")
    elif request.reading == THIRD:
        _check(agreed in set(Upheld), "upheld")
        said = {"upheld": agreed}
    elif request.kind is Kind.SECOND_OPINION:
        _check(agreed in set(Agreement), "agreement")
        said = {"agreement": agreed}
    return Command.SIGN, {"critical": text.critical, **said}


def _reading_ends(case: Case, text: Text, readings: Sequence[Reading]) -> tuple[Command, dict[str, Any]]:
    _check(bool(text.pathology), "pathology-needed")
    if case.request.reading == 1:
        return Command.CONCLUDE, {}
    if differences(readings[0].text, text):
        return Command.DIVERGE, {"agreement": Agreement.SIGNIFICANT.value}
    return Command.COMPARE, {}


def _check(fine: bool, code: str) -> None:
    if not fine:
        raise Invalid(code)


def readings_of(connection: Connection, number: int) -> list[Reading]:
    """Read the signed readings of a request, in their order."""
    table = consultation_reading
    rows = connection.execute(select(table).where(table.c.number == number).order_by(table.c.place))
    return [
        Reading(row.place, row.login, row.person, row.mo, row.signed_at, text_of(row)) for row in rows
    ]  # fmt: skip


def reviewed_by(connection: Connection, case: Case) -> Reviewed | None:
    """Return the answer that a пересмотр is of, in its newest version; None if it is of no answer given here."""
    request = case.request
    if request.kind is not Kind.SECOND_OPINION or request.based_on is None:
        return None
    table = consultation_report
    newest = select(table).where(table.c.number == request.based_on).order_by(table.c.version.desc()).limit(1)
    row = connection.execute(newest).first()
    if row is None:
        return None
    return Reviewed(row.number, row.version, row.login, row.person, row.mo, row.signed_at, text_of(row))


def add_reading(
    connection: Connection, identity: Identity, case: Case, *, text: Text, document: bytes, proof: Proof, now: datetime
) -> None:
    """Keep a signed reading, and who has read: they do not read this again."""
    number, place = case.request.number, case.request.reading
    words: dict[str, Any] = {name: getattr(text, name) for name in Text.__dataclass_fields__}
    connection.execute(
        insert(consultation_reading).values(
            number=number, place=place, login=identity.login, person=identity.name, mo=identity.mo, signed_at=now,
            **words, document=document, sha256=hashlib.sha256(document).hexdigest(), signed_by=proof.kind,
            signature=proof.signature, certificate=proof.certificate, verification=proof.verification,
            verified_by=proof.verified_by, trust=proof.trust,
        )
    )  # fmt: skip
    connection.execute(
        insert(consultation_member).values(
            number=number, login=identity.login, name=identity.name, mo=identity.mo, part=Part.READER.value,
            added_at=now,
        )
    )  # fmt: skip
