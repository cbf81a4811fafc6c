"""«Экстренный доступ»: who treats a patient in danger opens the patient's studies of other МО for a day (F-50).

The reason comes first: nothing tells whether there are such studies before somebody has said why, and each asking is in
the journal, also one that finds nothing, of which one person has a few in an hour. A patient is named exactly: a number
(card, СНИЛС, accession) and the date of birth, so that nobody browses. The owner's administrator is told by a notice in
the list of accesses until somebody has taken note of it.
"""

import re
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from sqlalchemy import Engine, func, select

from cami.access import Action, Cause, GrantBook, Identity, NewGrant, allowed
from cami.access.grants import Trail
from cami.access.owners import StudyOwners
from cami.archive import Archive
from cami.audit import AuditEvent, Kind, Outcome
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import audit_record, study
from cami.errors import Denied, Invalid
from cami.sharing.desk import actor_of, checked_reason

#: How long it lasts.
LASTS = timedelta(hours=24)
#: Askings of one person that may find nothing within `WITHIN`.
MOST_MISSES = 5
WITHIN = timedelta(hours=1)
#: Studies of one patient that are opened, the newest first.
_MOST_STUDIES = 500
_CHUNK = 500
_SNILS = re.compile(r"(\d{3})(\d{3})(\d{3})(\d{2})")


class TooOften(Denied):
    """This person has asked in vain too often."""


@dataclass(frozen=True, slots=True)
class Call:
    """What somebody says to get access."""

    number: str
    """Of the patient: card, СНИЛС, or the accession number of a study."""
    birth_date: date
    reason: str


@dataclass(frozen=True, slots=True)
class Opened:
    """What was opened."""

    studies: Sequence[tuple[str, str]]
    """Study Instance UID and owner."""
    until: datetime
    already: int
    """Studies of the patient that this person could see before."""


class KnownPatients(Protocol):
    """Knows by the patient index whose studies are; `cami.mis` has one."""

    def known_by(self, number: str, birth_date: date) -> Collection[tuple[str, str]]:
        """Return UID and owner of the studies of who has that number, in whatever index, and was born on that day."""
        ...


class NobodyKnown:
    """No patient index."""

    def known_by(self, number: str, birth_date: date) -> Collection[tuple[str, str]]:  # noqa: ARG002
        """Return nothing."""
        return []


class EmergencyDesk:
    """Opens studies in an emergency. Thread-safe."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        *,
        book: GrantBook,
        trail: Trail,
        archive: Archive,
        owners: StudyOwners,
        known: KnownPatients | None = None,
    ) -> None:
        self._known = known or NobodyKnown()
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._book = book
        self._trail = trail
        self._archive = archive
        self._owners = owners

    def take(self, identity: Identity, source: str, call: Call) -> Opened:
        """Open what there is of a patient to one person for a day.

        Raises
        ------
        cami.errors.Denied
            Not for this role.
        TooOften
            Too many askings that found nothing.
        cami.errors.Invalid
            The patient is not named exactly, or no reason is given.
        """
        if not (identity.mo and allowed(identity.role, Action.GRANTS_EMERGENCY, "central")):
            raise Denied("not for this role")
        reason = checked_reason(call.reason)
        numbers = _spellings(call.number)
        if self._misses(identity) >= MOST_MISSES:
            raise TooOften("too many askings that found nothing")
        found = self._named(numbers, call.birth_date)
        found += [each for each in self._of_person(call) if each not in found]
        seen = self._owners.visible(identity, found)
        foreign = self._owned(study_id for study_id in found if study_id not in seen)
        until = self._clock.now() + LASTS
        reference = f"emergency-{secrets.token_hex(6)}"
        actor = actor_of(identity, source)
        with self._engine.begin() as connection:
            if not foreign:
                outcome = Outcome.SUCCESS if seen else Outcome.FAILURE
                self._trail.record_in(connection, _nothing(identity, source, reason, outcome))
            for _, study_uid, owner in foreign:
                grant = NewGrant(
                    study_uid,
                    owner,
                    mo=identity.mo,
                    login=identity.login,
                    cause=Cause.BREAK_GLASS,
                    reference=reference,
                    reason=reason,
                    by=identity.login,
                    until=until,
                )
                self._book.give(connection, grant, actor)
        return Opened([(study_uid, owner) for _, study_uid, owner in foreign], until, len(seen))

    def _misses(self, identity: Identity) -> int:
        """Count the askings of a person that found nothing lately; in the journal, so a restart forgets none."""
        query = (
            select(func.count())
            .select_from(audit_record)
            .where(
                audit_record.c.actor == identity.login,
                audit_record.c.at > self._clock.now() - WITHIN,
                audit_record.c.kind == Kind.BREAK_GLASS,
                audit_record.c.outcome == Outcome.FAILURE,
            )
        )
        with self._reader.connect() as connection:
            return connection.scalar(query) or 0

    def _named(self, numbers: Iterable[str], birth_date: date) -> list[str]:
        """Return the studies of a patient of whatever МО, by number and date of birth."""
        found: dict[str, None] = {}
        for number in numbers:
            for keyword in ("PatientID", "AccessionNumber"):
                query = {keyword: number, "PatientBirthDate": f"{birth_date:%Y%m%d}"}
                answers = self._archive.find({"Level": "Study", "Query": query, "Expand": False})
                found.update(dict.fromkeys(map(str, answers)))
        return list(found)

    def _of_person(self, call: Call) -> list[str]:
        """Return the studies of who has this number by the patient index: there it need not stand in any image."""
        named = self._known.known_by(call.number, call.birth_date)
        owners = {(study_uid, owner) for study_uid, owner in named}
        query = select(study.c.study_id, study.c.study_uid, study.c.owner)
        with self._reader.connect() as connection:
            rows = connection.execute(query.where(study.c.study_uid.in_(sorted(uid for uid, _ in owners)))).all()
        return [row.study_id for row in rows if (row.study_uid, row.owner) in owners]

    def _owned(self, study_ids: Iterable[str]) -> list[tuple[str, str, str]]:
        ordered = list(study_ids)
        found: list[tuple[str, str, str]] = []
        query = select(study.c.study_id, study.c.study_uid, study.c.owner).order_by(study.c.claimed_at.desc())
        with self._reader.connect() as connection:
            for start in range(0, len(ordered), _CHUNK):
                rows = connection.execute(query.where(study.c.study_id.in_(ordered[start : start + _CHUNK])))
                found.extend((row.study_id, row.study_uid, row.owner) for row in rows)
        return found[:_MOST_STUDIES]


def _spellings(number: str) -> list[str]:
    """Return how a number may have been written: as typed, and СНИЛС with and without its separators.

    Raises
    ------
    cami.errors.Invalid
        It is none, or a pattern.
    """
    typed = number.strip()
    if not 3 <= len(typed) <= 64 or re.search(r"[*?\\\x00-\x1f]", typed):
        raise Invalid("the number must be given exactly")
    spellings = [typed]
    digits = re.sub(r"[ -]", "", typed)
    if snils := _SNILS.fullmatch(digits):
        first, second, third, check = snils.groups()
        spellings += [digits, f"{first}-{second}-{third} {check}", f"{first}-{second}-{third}-{check}"]
    return list(dict.fromkeys(spellings))


def _nothing(identity: Identity, source: str, reason: str, outcome: Outcome) -> AuditEvent:
    return AuditEvent(
        Kind.BREAK_GLASS,
        identity.login,
        role=identity.role,
        mo=identity.mo,
        source=source,
        outcome=outcome,
        reason=reason,
        details={"opened": "0"},
    )
