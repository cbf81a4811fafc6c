"""Writing the index. One writer a server: `cami.index.follower`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import (
    change_cursor,
    indexed_gram,
    indexed_name,
    indexed_series,
    indexed_study,
    received_instance,
    study,
)
from cami.index.folding import grams, is_cyrillic, latin
from cami.index.source import StudyRow

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is, of an archive or of an index."""

    studies: int
    series: int
    instances: int


class IndexStore:
    """The tables of the index."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def cursor(self, reader: str) -> int | None:
        """Return how far the change log is in the index; None: it has to be built."""
        with self._reader.connect() as connection:
            return connection.scalar(select(change_cursor.c.seq).where(change_cursor.c.reader == reader))

    def forget_cursors(self) -> None:
        """Ask for the index to be built anew."""
        with self._engine.begin() as connection:
            connection.execute(delete(change_cursor).where(change_cursor.c.reader.like("index-%")))

    def move(self, reader: str, cursor: int) -> None:
        """Say that the index holds everything up to a place of the change log."""
        self.write({}, (reader, cursor))

    def write(self, rows: Mapping[str, StudyRow | None], place: tuple[str, int] | None = None) -> None:
        """Put studies into the index, take those out that are None, and move the cursor, in one transaction."""
        read_at = self._clock.now()
        with self._engine.begin() as connection:
            owners = _owners(connection, rows)
            for study_id, row in rows.items():
                _put(connection, study_id, row, owners.get(study_id, ""), read_at)
            if place is not None:
                _move(connection, *place)

    def studies_of(self, instance_ids: Collection[str]) -> dict[str, str]:
        """Return the studies of delivered instances, as far as the table of deliveries knows them."""
        found: dict[str, str] = {}
        with self._reader.connect() as connection:
            for ids in _chunks(instance_ids):
                query = select(received_instance.c.instance_id, received_instance.c.study_id)
                rows = connection.execute(query.where(received_instance.c.instance_id.in_(ids)))
                found.update({row.instance_id: row.study_id for row in rows})
        return found

    def study_of_series(self, series_id: str) -> str | None:
        """Return the study of a series in the index."""
        with self._reader.connect() as connection:
            return connection.scalar(select(indexed_series.c.study_id).where(indexed_series.c.series_id == series_id))

    def updates(self, study_ids: Collection[str]) -> dict[str, str]:
        """Return when studies in the index were last changed, as Orthanc wrote it."""
        with self._reader.connect() as connection:
            query = select(indexed_study.c.study_id, indexed_study.c.last_update)
            rows = connection.execute(query.where(indexed_study.c.study_id.in_(list(study_ids))))
            return {row.study_id: row.last_update for row in rows}

    def page(self, after: str, limit: int) -> Sequence[str]:
        """List the studies of the index, in the order of their ids."""
        query = select(indexed_study.c.study_id).where(indexed_study.c.study_id > after)
        with self._reader.connect() as connection:
            return list(connection.scalars(query.order_by(indexed_study.c.study_id).limit(limit)))

    def totals(self) -> Totals:
        """Count what is in the index."""
        query = select(
            func.count(),
            func.coalesce(func.sum(indexed_study.c.series), 0),
            func.coalesce(func.sum(indexed_study.c.instances), 0),
        )
        with self._reader.connect() as connection:
            return Totals(*connection.execute(query).one())


def _owners(connection: Connection, study_ids: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for ids in _chunks(list(study_ids)):
        rows = connection.execute(select(study.c.study_id, study.c.owner).where(study.c.study_id.in_(ids)))
        found.update({row.study_id: row.owner for row in rows})
    return found


def _put(connection: Connection, study_id: str, row: StudyRow | None, owner: str, read_at: datetime) -> None:
    here = indexed_study.c.study_id == study_id
    known = connection.scalar(select(indexed_study.c.name_id).where(here))
    connection.execute(delete(indexed_series).where(indexed_series.c.study_id == study_id))
    if row is None:
        connection.execute(delete(indexed_study).where(here))
        _drop_name(connection, known)
        return
    values = asdict(row)
    series, name = values.pop("series"), values.pop("name")
    name_id = _name_id(connection, owner, name)
    values |= {"owner": owner, "name_id": name_id, "series": len(series), "read_at": read_at}
    connection.execute(
        insert(indexed_study).values(values) if known is None else update(indexed_study).where(here).values(values)
    )
    if series:
        connection.execute(insert(indexed_series), [{"study_id": study_id, **each} for each in series])
    if known != name_id:
        _drop_name(connection, known)


def _name_id(connection: Connection, owner: str, folded: str) -> int:
    known = connection.scalar(
        select(indexed_name.c.name_id).where(indexed_name.c.owner == owner, indexed_name.c.folded == folded)
    )
    if known is not None:
        return int(known)
    written = latin(folded)
    made = connection.execute(
        insert(indexed_name)
        .values(owner=owner, folded=folded, latin=written, cyrillic=is_cyrillic(folded))
        .returning(indexed_name.c.name_id)
    ).scalar_one()
    if found := sorted(grams(written)):
        connection.execute(insert(indexed_gram), [{"owner": owner, "gram": gram, "name_id": made} for gram in found])
    return int(made)


def _drop_name(connection: Connection, name_id: int | None) -> None:
    """Forget a name that no study has any more."""
    if name_id is None:
        return
    used = select(indexed_study.c.study_id).where(indexed_study.c.name_id == name_id).limit(1)
    if connection.scalar(used) is not None:
        return
    row = connection.execute(select(indexed_name).where(indexed_name.c.name_id == name_id)).one()
    connection.execute(
        delete(indexed_gram).where(
            indexed_gram.c.owner == row.owner,
            indexed_gram.c.gram.in_(sorted(grams(row.latin))),
            indexed_gram.c.name_id == name_id,
        )
    )
    connection.execute(delete(indexed_name).where(indexed_name.c.name_id == name_id))


def _move(connection: Connection, reader: str, cursor: int) -> None:
    own = change_cursor.c.reader == reader
    if not connection.execute(update(change_cursor).where(own).values(seq=cursor)).rowcount:
        connection.execute(insert(change_cursor).values(reader=reader, seq=cursor))


def _chunks(values: Collection[str]) -> Iterable[list[str]]:
    ordered = list(values)
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]
