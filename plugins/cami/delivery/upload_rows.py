"""How far each unfinished upload has come: the table ``upload`` at the centre, a row for each part of an object."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Engine, delete, func, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import upload


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part belongs: an object of a proxy, and the offset in it."""

    mo: str
    sha256: str
    """Of the whole object."""
    start: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a part has come."""

    offset: int
    """From its beginning."""
    length: int
    size: int
    """Of the whole object."""

    @property
    def whole(self) -> bool:
        """Whether the part is the object and has arrived."""
        return self.offset == self.length == self.size


class UploadRows:
    """The table; `cami.delivery.uploads` sees to it that one request at a time works on an upload."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def parts(self, place: Place) -> dict[int, Progress]:
        """Return all parts of an object, by where they begin."""
        with self._reader.connect() as connection:
            rows = connection.execute(
                select(upload.c.start, upload.c.received, upload.c.length, upload.c.size).where(_here(place))
            ).all()
        return {row.start: Progress(row.received, row.length, row.size) for row in rows}

    def add(self, place: Place, length: int, size: int) -> None:
        """Enter a part of which nothing has come yet."""
        row = {"mo": place.mo, "sha256": place.sha256, "start": place.start, "length": length, "size": size}
        with self._engine.begin() as connection:
            connection.execute(insert(upload).values(**row, received=0, touched_at=self._clock.now()))

    def record(self, place: Place, progress: Progress) -> Progress:
        """Note how far a part has come."""
        with self._engine.begin() as connection:
            connection.execute(
                update(upload)
                .where(_here(place), upload.c.start == place.start)
                .values(received=progress.offset, touched_at=self._clock.now())
            )
        return progress

    def begin_again(self, place: Place) -> None:
        """Note that nothing of an object is here any more."""
        with self._engine.begin() as connection:
            connection.execute(update(upload).where(_here(place)).values(received=0, touched_at=self._clock.now()))

    def forget(self, place: Place) -> None:
        """Remove all parts of an object."""
        with self._engine.begin() as connection:
            connection.execute(delete(upload).where(_here(place)))

    def untouched(self, lifetime: timedelta) -> list[Place]:
        """Return the objects that nobody has gone on with for so long."""
        with self._reader.connect() as connection:
            rows = connection.execute(
                select(upload.c.mo, upload.c.sha256)
                .group_by(upload.c.mo, upload.c.sha256)
                .having(func.max(upload.c.touched_at) < self._clock.now() - lifetime)
            ).all()
        return [Place(row.mo, row.sha256) for row in rows]

    def longest_untouched(self, mo: str, *, beyond: int) -> list[Place]:
        """Return the objects of an МО beyond so many that were touched last."""
        query = select(upload.c.sha256).where(upload.c.mo == mo).group_by(upload.c.sha256)
        query = query.order_by(func.max(upload.c.touched_at).desc()).offset(beyond)
        with self._reader.connect() as connection:
            return [Place(mo, sha256) for sha256 in connection.scalars(query)]


def _here(place: Place) -> ColumnElement[bool]:
    return (upload.c.mo == place.mo) & (upload.c.sha256 == place.sha256)
