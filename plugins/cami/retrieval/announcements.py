"""Studies that proxies have and the centre has nothing of yet: what «в МО, ещё не передано» is answered from."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, exists, func, insert, select, update

from cami.clock import Clock, iso
from cami.db import reading
from cami.db.tables import announced_study, study, study_claim
from cami.errors import Invalid
from cami.retrieval.columns import Columns


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a proxy tells of a study that it has."""

    study_id: str
    study_uid: str
    instances: int
    size: int
    """Bytes of the files at the proxy."""
    first_received_at: datetime
    columns: Columns

    def to_json(self) -> dict[str, Any]:
        """Return it as it goes over the wire."""
        return {
            "study_id": self.study_id,
            "study_uid": self.study_uid,
            "instances": self.instances,
            "size": self.size,
            "first_received_at": iso(self.first_received_at),
            "columns": self.columns.to_json(),
        }

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Read what `to_json` has written.

        Raises
        ------
        cami.errors.Invalid
            It is no announcement.
        """
        try:
            received = datetime.fromisoformat(document["first_received_at"])
            found = cls(
                study_id=str(document["study_id"])[:64],
                study_uid=str(document["study_uid"])[:128],
                instances=int(document["instances"]),
                size=int(document["size"]),
                first_received_at=received,
                columns=Columns.parse(document["columns"]),
            )
        except (KeyError, TypeError, ValueError):
            raise Invalid("expected announcements of studies") from None
        if received.tzinfo is None or found.instances < 0 or found.size < 0:
            raise Invalid("expected announcements of studies")
        return found


@dataclass(frozen=True, slots=True)
class Announced:
    """A study of which nothing has come yet."""

    owner: str
    announcement: Announcement


class Announcements:
    """The table ``announced_study``."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []

    def listen(self, wake: Callable[[], None]) -> None:
        """Have `wake` called when something was announced."""
        self._listeners.append(wake)

    def take(self, mo: str, announcements: Sequence[Announcement]) -> None:
        """Note what the proxy of `mo` has.

        A study that is here already only learns how much of it is to come. One whose Study Instance UID another МО
        owns is passed over in silence: `mo` shall not learn of it, and its images will go to the quarantine.
        """
        with self._engine.begin() as connection:
            for announcement in announcements:
                self._take(connection, mo, announcement)
        for wake in self._listeners:
            wake()

    def _take(self, connection: Connection, mo: str, told: Announcement) -> None:
        owner = connection.scalar(select(study_claim.c.owner).where(study_claim.c.study_uid == told.study_uid))
        if owner not in (None, mo):
            return
        here = (study.c.study_id == told.study_id, study.c.owner == mo)
        mine = (announced_study.c.study_id == told.study_id, announced_study.c.owner == mo)
        if connection.scalar(select(func.count()).where(*here, study.c.first_stored_at.is_not(None))):
            more = (study.c.expected.is_(None)) | (study.c.expected < told.instances)
            connection.execute(update(study).where(*here, more).values(expected=told.instances))
            connection.execute(delete(announced_study).where(*mine))
            return
        values = {
            "study_uid": told.study_uid,
            "instances": told.instances,
            "size": told.size,
            "first_received_at": told.first_received_at,
            "announced_at": self._clock.now(),
            **told.columns.to_json(),
        }
        if not connection.execute(update(announced_study).where(*mine).values(**values)).rowcount:
            connection.execute(insert(announced_study).values(study_id=told.study_id, owner=mo, **values))

    def newest(self, mo: str | None, days: tuple[str, str] = ("", ""), limit: int = 500) -> list[Announced]:
        """List what was announced and has not begun to come, the newest first.

        Parameters
        ----------
        mo
            Whose studies; None: everybody's.
        days
            First and last Study Date as DICOM writes them; empty: no bound.
        limit
            How many at most.
        """
        first, last = days
        conditions = [
            *((announced_study.c.owner == mo,) if mo is not None else ()),
            *((announced_study.c.study_date >= first,) if first else ()),
            *((announced_study.c.study_date <= last,) if last else ()),
        ]
        query = (
            select(announced_study)
            .where(~_begun(), *conditions)
            .order_by(announced_study.c.study_date.desc(), announced_study.c.announced_at.desc())
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [_announced(row) for row in connection.execute(query)]

    def of_studies(self, pairs: Collection[tuple[str, str]], days: tuple[str, str] = ("", "")) -> list[Announced]:
        """List those of some studies (Study Instance UID and owner) that have not begun to come."""
        first, last = days
        if not pairs:
            return []
        query = select(announced_study).where(
            ~_begun(),
            announced_study.c.study_uid.in_(sorted({uid for uid, _ in pairs})),
            *((announced_study.c.study_date >= first,) if first else ()),
            *((announced_study.c.study_date <= last,) if last else ()),
        )
        with self._reader.connect() as connection:
            found = [_announced(row) for row in connection.execute(query)]
        return [told for told in found if (told.announcement.study_uid, told.owner) in pairs]

    def named(self, mo: str | None, *, study_uid: str = "", study_id: str = "") -> list[Announced]:
        """Return what was announced under a UID or an Orthanc id and has not begun to come."""
        name: ColumnElement[bool] = (
            announced_study.c.study_uid == study_uid if study_uid else announced_study.c.study_id == study_id
        )
        query = select(announced_study).where(~_begun(), name)
        if mo is not None:
            query = query.where(announced_study.c.owner == mo)
        with self._reader.connect() as connection:
            return [_announced(row) for row in connection.execute(query)]

    def of_patient(self, mo: str, patient_id: str, limit: int) -> list[Announced]:
        """List what an МО has announced of a patient and has not begun to come, the newest first."""
        query = select(announced_study).where(
            announced_study.c.owner == mo, announced_study.c.patient_id == patient_id, ~_begun()
        )  # fmt: skip
        newest = (announced_study.c.study_date.desc(), announced_study.c.study_time.desc())
        with self._reader.connect() as connection:
            return [_announced(row) for row in connection.execute(query.order_by(*newest).limit(limit))]

    def tidy(self) -> int:
        """Forget studies that have begun to come: from then on the archive knows them. Return how many."""
        with self._engine.begin() as connection:
            return connection.execute(delete(announced_study).where(_begun())).rowcount


def _begun() -> ColumnElement[bool]:
    return exists().where(
        study.c.study_id == announced_study.c.study_id,
        study.c.owner == announced_study.c.owner,
        study.c.first_stored_at.is_not(None),
    )


def _announced(row: Row[Any]) -> Announced:
    told = Announcement(row.study_id, row.study_uid, row.instances, row.size, row.first_received_at, Columns.of(row))
    return Announced(row.owner, told)
