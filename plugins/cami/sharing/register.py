"""Reading the grants: which there are, for those who gave them and those who got them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, false, func, select

from cami.access.granted import given_to, in_force
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import study, study_grant
from cami.errors import NotFound

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Grant:
    """A row of the table."""

    number: int
    study_uid: str
    owner: str
    mo: str
    login: str
    cause: str
    reference: str
    reason: str
    given_by: str
    given_at: datetime
    until: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    ended_why: str | None
    reviewed_at: datetime | None
    reviewed_by: str | None
    holds: bool
    """At the moment of reading."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A part of a list, and how long it is."""

    grants: Sequence[Grant]
    total: int


class GrantRegister:
    """The table ``study_grant``, read. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = reading(engine)
        self._clock = clock

    def one(self, number: int) -> Grant:
        """Return a grant.

        Raises
        ------
        cami.errors.NotFound
            There is none of that number.
        """
        found = self._read(study_grant.c.number == number)
        if not found:
            raise NotFound("no such grant")
        return found[0]

    def of_study(self, owner: str, study_uid: str) -> Sequence[Grant]:
        """Return all grants that an owner has ever given for a study, the newest first."""
        return self._read(study_grant.c.study_uid == study_uid, study_grant.c.owner == owner)

    def given(self, owner: str, *, holding: bool, since: int = 0, limit: int = 0) -> Listed:
        """Return the grants of an МО's studies, the newest first; those that hold, or all."""
        return self._part((study_grant.c.owner == owner,), holding=holding, since=since, limit=limit)

    def received(self, mo: str, login: str, *, holding: bool, since: int = 0, limit: int = 0) -> Listed:
        """Return what an МО or one of its people was granted, the newest first; what holds, or all."""
        return self._part((given_to(mo, login),), holding=holding, since=since, limit=limit)

    def of_organization(self, mo: str, *, holding: bool, since: int = 0, limit: int = 0) -> Listed:
        """Return what an МО and any of its people were granted, for its administrator."""
        meant = study_grant.c.mo == mo if mo else false()
        return self._part((meant,), holding=holding, since=since, limit=limit)

    def unreviewed(self, owner: str) -> Sequence[Grant]:
        """Return the emergency accesses to an МО's studies that nobody of it has taken note of."""
        return self._read(*_unreviewed(owner))

    def unreviewed_number(self, owner: str) -> int:
        """Return how many of them there are."""
        query = select(func.count()).where(*_unreviewed(owner))
        with self._reader.connect() as connection:
            return connection.scalar(query) or 0

    def seen_by(self, mo: str, login: str, study_uids: Collection[str]) -> dict[str, Grant]:
        """Return by which grant somebody sees studies: the one that holds longest."""
        found: dict[str, Grant] = {}
        ordered = sorted(study_uids)
        for start in range(0, len(ordered), _CHUNK):
            part = study_grant.c.study_uid.in_(ordered[start : start + _CHUNK])
            for grant in self._read(part, given_to(mo, login), in_force(self._clock.now())):
                known = found.get(grant.study_uid)
                if known is None or (known.until and (grant.until is None or grant.until > known.until)):
                    found[grant.study_uid] = grant
        return found

    def study_ids(self, grants: Collection[Grant]) -> dict[tuple[str, str], str]:
        """Return the studies of grants that are here (Orthanc ids), by Study Instance UID and owner."""
        found: dict[tuple[str, str], str] = {}
        ordered = sorted({grant.study_uid for grant in grants})
        query = select(study.c.study_id, study.c.study_uid, study.c.owner).where(study.c.first_stored_at.is_not(None))
        with self._reader.connect() as connection:
            for start in range(0, len(ordered), _CHUNK):
                rows = connection.execute(query.where(study.c.study_uid.in_(ordered[start : start + _CHUNK])))
                found |= {(row.study_uid, row.owner): row.study_id for row in rows}
        return found

    def study_of(self, study_id: str) -> tuple[str, str] | None:
        """Return Study Instance UID and owner of a study that is here, named by its Orthanc id."""
        query = select(study.c.study_uid, study.c.owner).where(study.c.study_id == study_id)
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row.study_uid, row.owner)

    def owner_of(self, study_uid: str) -> str | None:
        """Return whose a study is that is here, or None."""
        with self._reader.connect() as connection:
            return connection.scalar(select(study.c.owner).where(study.c.study_uid == study_uid).limit(1))

    def _part(self, conditions: Collection[ColumnElement[bool]], *, holding: bool, since: int, limit: int) -> Listed:
        meant = (*conditions, *((in_force(self._clock.now()),) if holding else ()))
        with self._reader.connect() as connection:
            total = connection.scalar(select(func.count()).select_from(study_grant).where(*meant)) or 0
        return Listed(self._read(*meant, since=since, limit=limit), total)

    def _read(self, *conditions: ColumnElement[bool], since: int = 0, limit: int = 0) -> list[Grant]:
        query = (
            select(study_grant).where(*conditions).order_by(study_grant.c.given_at.desc(), study_grant.c.number.desc())
        )
        now = self._clock.now()
        with self._reader.connect() as connection:
            rows = connection.execute(query.offset(since or None).limit(limit or None))
            return [_grant(row, now) for row in rows]


def _unreviewed(owner: str) -> tuple[ColumnElement[bool], ...]:
    grants = study_grant.c
    return grants.owner == owner, grants.cause == "break-glass", grants.reviewed_at.is_(None)


def _grant(row: Row[Any], now: datetime) -> Grant:
    values = row._asdict()
    del values["labelled"]
    return Grant(**values, holds=row.ended_at is None and (row.until is None or row.until > now))
