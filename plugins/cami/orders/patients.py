"""The patient index: people as their identifiers tell them apart (reference/domain.md §3.2, F-16, F-17).

A person is found by the MIS's number; if that is new, by a СНИЛС, then an ЕНП, whose check digits are right and that
agree with the date of birth and the sex; never by a name. Merging sets a pointer: orders and studies keep the patient
they were made for, every view follows the pointer, and undoing takes it away. DICOM files are never touched.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import patient, patient_identifier, patient_merge
from cami.errors import Conflict, NotFound
from cami.events import EventLog, NewEvent
from cami.orders import statements
from cami.orders.identifiers import Identifier, Kind

#: A merging can be undone for so long (reference/domain.md I5).
UNDOABLE = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Person:
    """What somebody says of a patient."""

    family: str
    given: str = ""
    middle: str = ""
    birth_date: str = ""
    """YYYY-MM-DD, or its beginning."""
    sex: str = ""
    """M, F, O, or empty: Patient's Sex (0010,0040)."""
    identifiers: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient of the index."""

    key: str
    person: Person
    version: int
    merged_into: str
    """Key of the patient that stands for this one; empty: itself."""
    changed_at: datetime

    def identifier(self, kind: Kind) -> Identifier | None:
        """Return the first identifier of a kind."""
        return next((known for known in self.person.identifiers if known.kind is kind), None)


@dataclass(frozen=True, slots=True)
class Known:
    """What came of telling the index of a patient."""

    patient: Patient
    created: bool
    changed: bool
    warnings: tuple[str, ...]
    """Codes: ``snils-checksum``, ``enp-checksum``, ``snils-contradicts``, ``enp-contradicts``."""


class Patients:
    """The tables ``patient``, ``patient_identifier`` and ``patient_merge``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, events: EventLog) -> None:
        self._reader = reading(engine)
        self._clock = clock
        self._events = events

    def put(self, connection: Connection, person: Person, source: str, version: int | None = None) -> Known:
        """Make a patient known or bring what is known up to date, in the caller's transaction.

        Parameters
        ----------
        source
            Who says so.
        version
            The version that the change is of (If-Match); None: whatever it is.

        Raises
        ------
        cami.errors.Conflict
            The patient has been merged into another, or is not of that version (any more).
        """
        warnings = [f"{each.kind}-checksum" for each in person.identifiers if not each.sound]
        key = self._claimed(connection, person.identifiers)
        if key is None:
            key, contradictions = self._same_person(connection, person)
            warnings += contradictions
        if key is None:
            return Known(self._create(connection, person, source), True, True, tuple(warnings))
        before = self._get(connection, key)
        if before.merged_into:
            raise Conflict("the patient has been merged into another")
        if version is not None and version != before.version:
            raise Conflict("the patient has changed since")
        after = _joined(before.person, person)
        if after == before.person:
            return Known(before, False, False, tuple(warnings))
        values = _columns(after) | {"version": before.version + 1, "source": source, "changed_at": self._clock.now()}
        connection.execute(update(patient).where(patient.c.key == key).values(**values))
        connection.execute(delete(patient_identifier).where(patient_identifier.c.patient == key))
        self._write_identifiers(connection, key, after.identifiers)
        self._tell(connection, "patient.changed", key, {})
        return Known(self._get(connection, key), False, True, tuple(warnings))

    def merge(self, connection: Connection, source: str, target: str, by: str) -> int:
        """Let the patient `target` stand for `source`; return the merging's number.

        Raises
        ------
        cami.errors.Conflict
            They are the same already, or `source` is merged into another.
        """
        target = self.root_in(connection, target)
        if self._get(connection, source).merged_into:
            raise Conflict("the patient has been merged into another")
        if source == target:
            raise Conflict("a patient cannot be merged into itself")
        made = connection.execute(
            insert(patient_merge).values(source=source, target=target, merged_by=by, merged_at=self._clock.now())
        )
        number = int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0
        self._point(connection, source, target)
        self._tell(connection, "patient.merged", target, {"source": source, "target": target, "merge": number})
        return number

    def unmerge(self, connection: Connection, source: str, by: str) -> int:
        """Undo the merging of `source`; return its number.

        Raises
        ------
        cami.errors.Conflict
            It is not merged, or was so too long ago.
        """
        open_ = (patient_merge.c.source == source, patient_merge.c.undone_at.is_(None))
        row = connection.execute(select(patient_merge).where(*open_)).first()
        if row is None:
            raise Conflict("the patient is not merged")
        if self._clock.now() - row.merged_at > UNDOABLE:
            raise Conflict("the patients were merged too long ago")
        connection.execute(
            update(patient_merge)
            .where(patient_merge.c.number == row.number)
            .values(undone_by=by, undone_at=self._clock.now())
        )
        self._point(connection, source, None)
        details = {"source": source, "target": row.target, "merge": row.number}
        self._tell(connection, "patient.unmerged", source, details)
        return int(row.number)

    def get(self, key: str) -> Patient:
        """Return the patient with that very key, merged or not.

        Raises
        ------
        cami.errors.NotFound
            There is none.
        """
        with self._reader.connect() as connection:
            return self._get(connection, key)

    def standing_for(self, key: str) -> Patient:
        """Return the patient that stands for `key`: itself unless it is merged."""
        with self._reader.connect() as connection:
            return self._get(connection, self.root_in(connection, key))

    def of_identifier(self, identifier: Identifier) -> list[Patient]:
        """Return the patients that have an identifier; of the MIS's numbers there is one at most."""
        with self._reader.connect() as connection:
            return self._holders(connection, identifier)

    def everybody(self, key: str) -> list[str]:
        """Return the keys of all that are the same person as `key`: the one that stands for them first."""
        with self._reader.connect() as connection:
            found = [self.root_in(connection, key)]
            for each in found:  # grows as it is walked
                found += connection.scalars(select(patient.c.key).where(patient.c.merged_into == each))
        return found

    def root_in(self, connection: Connection, key: str) -> str:
        """Return the key of the patient that stands for `key`, in the caller's transaction."""
        while into := connection.scalar(statements.MERGED_INTO, {"of": key}):
            key = into
        return key

    def known_in(self, connection: Connection, key: str) -> bool:
        """Say whether there is a patient with that key, in the caller's transaction."""
        return connection.scalar(statements.PATIENT_KEY, {"of": key}) is not None

    def get_in(self, connection: Connection, keys: Collection[str]) -> dict[str, Patient]:
        """Return patients by key, in the caller's transaction."""
        return {key: self._get(connection, key) for key in sorted(keys)}

    def _claimed(self, connection: Connection, identifiers: Iterable[Identifier]) -> str | None:
        """Return whose patient one of the numbers is that one patient alone may have."""
        claims = [claim for each in identifiers if (claim := _claim(each))]
        found = set(connection.scalars(statements.CLAIMED, {"claims": claims}))
        if len(found) > 1:
            raise Conflict("the numbers belong to different patients: merge them first")
        return found.pop() if found else None

    def _same_person(self, connection: Connection, person: Person) -> tuple[str | None, list[str]]:
        """Look for a patient of another МИС by СНИЛС, then ЕНП; return it, and what contradicts."""
        warnings: list[str] = []
        systems = {each.system for each in person.identifiers if each.kind is Kind.MIS}
        for kind in (Kind.SNILS, Kind.ENP):
            for each in person.identifiers:
                if each.kind is not kind or not each.sound:
                    continue
                for other in self._holders(connection, each):
                    if other.merged_into:
                        continue
                    if systems & {known.system for known in other.person.identifiers if known.kind is Kind.MIS}:
                        continue  # two cards in one МИС are two patients until it merges them itself
                    if _agree(person, other.person):
                        return other.key, warnings
                    warnings.append(f"{kind}-contradicts")
        return None, warnings

    def _holders(self, connection: Connection, identifier: Identifier) -> list[Patient]:
        named = {"of": identifier.system, "number": identifier.value}
        return [self._get(connection, key) for key in list(connection.scalars(statements.HOLDERS, named))]

    def _create(self, connection: Connection, person: Person, source: str) -> Patient:
        key, now = str(uuid4()), self._clock.now()
        columns = _columns(person)
        values = {"key": key, **columns, "version": 1, "source": source, "created_at": now, "changed_at": now}
        connection.execute(statements.NEW_PATIENT, values)
        self._write_identifiers(connection, key, person.identifiers)
        known = Person(**columns, identifiers=_sorted(dict.fromkeys(person.identifiers)))
        return Patient(key, known, 1, "", now)

    def _write_identifiers(self, connection: Connection, key: str, identifiers: Iterable[Identifier]) -> None:
        rows = [
            {"system": each.system, "value": each.value, "patient": key, "kind": each.kind, "claim": _claim(each)}
            for each in dict.fromkeys(identifiers)
        ]
        if rows:
            connection.execute(statements.NEW_NUMBERS, rows)

    def _point(self, connection: Connection, source: str, target: str | None) -> None:
        connection.execute(
            update(patient)
            .where(patient.c.key == source)
            .values(merged_into=target, version=patient.c.version + 1, changed_at=self._clock.now())
        )

    def _tell(self, connection: Connection, kind: str, key: str, payload: dict[str, Any]) -> None:
        self._events.append(connection, NewEvent(kind, self.root_in(connection, key), {"patient": key, **payload}))

    def _get(self, connection: Connection, key: str) -> Patient:
        row = connection.execute(statements.PATIENT, {"of": key}).first()
        if row is None:
            raise NotFound("no such patient")
        numbers = connection.execute(statements.NUMBERS, {"of": key})
        return _patient(row, _sorted(Identifier(each.system, each.value) for each in numbers))


def _claim(identifier: Identifier) -> str | None:
    if identifier.kind not in (Kind.MIS, Kind.LOCAL):
        return None
    return f"{identifier.system}|{identifier.value}"


def _agree(one: Person, other: Person) -> bool:
    """Say whether two descriptions with one number may be of one person: names change, these do not."""
    same_birth = not one.birth_date or not other.birth_date or one.birth_date == other.birth_date
    return same_birth and (not one.sex or not other.sex or one.sex == other.sex)


def _joined(before: Person, now: Person) -> Person:
    """Return what is known after an update: what is said replaces, numbers that are not named stay."""
    said = {each.kind for each in now.identifiers if each.kind in (Kind.SNILS, Kind.ENP)}
    kept = [each for each in before.identifiers if each.kind not in said]
    numbers = _sorted({*kept, *now.identifiers})
    return Person(now.family, now.given, now.middle, now.birth_date, now.sex, numbers)


def _sorted(identifiers: Iterable[Identifier]) -> tuple[Identifier, ...]:
    """Return numbers in one order, whatever a database's collation is: persons are compared."""
    return tuple(sorted(identifiers, key=lambda each: (each.kind, each.system, each.value)))


def _columns(person: Person) -> dict[str, Any]:
    return {
        "family": person.family,
        "given": person.given,
        "middle": person.middle,
        "birth_date": person.birth_date,
        "sex": person.sex,
    }


def _patient(row: Row[Any], identifiers: tuple[Identifier, ...]) -> Patient:
    person = Person(row.family, row.given, row.middle, row.birth_date, row.sex, identifiers)
    return Patient(row.key, person, row.version, row.merged_into or "", row.changed_at)
