"""Looking into the journal: by person, study, patient, kind, time, МО and outcome; newest first, page by page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, or_, select, tuple_
from sqlalchemy.sql import Select

from cami.audit.event import Kind, Outcome
from cami.audit.record import Record
from cami.db import reading
from cami.db.tables import audit_record, audit_study, indexed_study, study
from cami.errors import Invalid

#: Studies of one patient that are looked for; who has more is searched for by study.
MOST_STUDIES = 400


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for; empty fields ask for nothing."""

    actor: str = ""
    study_uid: str = ""
    patient: str = ""
    """Orthanc's key of the patient."""
    kind: Kind | None = None
    outcome: Outcome | None = None
    mo: str = ""
    """Code of the actor's МО, or of whose data it is."""
    server: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is not asked for any more."""
    owner: str = ""
    """Only what is about data of this МО, whoever asks: what its administrator may see."""

    @property
    def plain(self) -> dict[str, str]:
        """Return which fields are filled in, for the journal: reading it is on record too."""
        fields = {
            "actor": self.actor,
            "kind": str(self.kind or ""),
            "outcome": str(self.outcome or ""),
            "mo": self.mo,
            "server": self.server,
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
        }
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: what it is ordered by."""

    at: datetime
    server: str
    seq: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.server}~{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read what `str` makes.

        Raises
        ------
        cami.errors.Invalid
            It is no place.
        """
        try:
            at, server, seq = text.split("~")
            moment = datetime.fromisoformat(at)
            place = cls(moment, server, int(seq))
        except ValueError as error:
            raise Invalid("this is no place in the journal") from error
        if moment.tzinfo is None:
            raise Invalid("this is no place in the journal")
        return place


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, newest first."""

    records: tuple[Record, ...]
    next: Place | None
    """Where to go on; None: that was all."""


class JournalReader:
    """Reads the tables. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._reader = reading(engine)

    def page(self, question: Question, before: Place | None = None, limit: int = 100) -> Page:
        """Return the newest records that fit, or those before a place."""
        query = self._query(question).limit(limit + 1)
        if before is not None:
            key = tuple_(audit_record.c.at, audit_record.c.server, audit_record.c.seq)
            query = query.where(key < tuple_(before.at, before.server, before.seq))
        with self._reader.connect() as connection:
            found = [Record.parse(content) for content in connection.scalars(query)]
        shown = found[:limit]
        more = Place(shown[-1].at, shown[-1].server, shown[-1].seq) if len(found) > limit else None
        return Page(tuple(shown), more)

    def every(self, question: Question, page: int = 1000) -> Iterator[Record]:
        """Yield all records that fit, newest first, page by page."""
        place: Place | None = None
        while True:
            found = self.page(question, place, page)
            yield from found.records
            if found.next is None:
                return
            place = found.next

    def owner(self, study_uid: str) -> str:
        """Return the code of the МО that owns a study; empty if it is not known."""
        with self._reader.connect() as connection:
            found: str | None = connection.scalar(select(study.c.owner).where(study.c.study_uid == study_uid))
        return found or ""

    def _query(self, question: Question) -> Select[Any]:
        row = audit_record.c
        query = select(row.content).order_by(row.at.desc(), row.server.desc(), row.seq.desc())
        for condition in self._conditions(question):
            query = query.where(condition)
        return query

    def _conditions(self, question: Question) -> Iterator[ColumnElement[bool]]:
        row = audit_record.c
        plain = (
            (row.actor, question.actor),
            (row.kind, question.kind),
            (row.outcome, question.outcome),
            (row.server, question.server),
            (row.owner, question.owner),
        )
        yield from (column == str(value) for column, value in plain if value)
        if question.mo:
            yield or_(row.mo == question.mo, row.owner == question.mo)
        if question.since:
            yield row.at >= question.since
        if question.until:
            yield row.at < question.until
        if question.study_uid:
            yield _names([question.study_uid])
        if question.patient:
            yield or_(row.patient == question.patient, _names(self._studies_of(question.patient)))

    def _studies_of(self, patient: str) -> list[str]:
        query = select(indexed_study.c.study_uid).where(indexed_study.c.patient_key == patient).limit(MOST_STUDIES)
        with self._reader.connect() as connection:
            return list(connection.scalars(query))


def _names(study_uids: list[str]) -> ColumnElement[bool]:
    row, named = audit_record.c, audit_study.c
    found = select(named.seq).where(
        and_(named.server == row.server, named.seq == row.seq, named.study_uid.in_(study_uids))
    )
    return found.exists()
