"""When studies were last opened at the centre, told to the proxies that keep them too.

Doctors read at the centre; a proxy that knew of its own openings only would let go of what everybody is looking at and
keep what nobody wants (F-03: oldest read first). The proxy asks now and then for what has been opened since it asked
last, and goes on from the last row that it has seen. Asking twice changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, and_, exists, insert, or_, select, update

from cami.db import reading
from cami.db.tables import delivery_study, study, study_read
from cami.delivery.change_log import move_cursor, read_cursor
from cami.delivery.link import CentralLink
from cami.errors import Invalid, NotFound
from cami.web import Request, Response, answer_json

#: Readings in one answer.
MOST = 500
#: Name of the row of ``change_cursor``, which holds whole seconds since 1970 here.
READER = "readings at the centre"
#: The centre writes a reading down up to some seconds after it has been noted; replicas have clocks of their own.
_OVERLAP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Place:
    """How far somebody has come in the list of readings, which is in the order of time, then of study."""

    read_at: datetime
    study_id: str = ""


class CentralReadings:
    """The centre's end: the table ``study_read``, each МО's own studies only."""

    def __init__(self, engine: Engine) -> None:
        self._reader = reading(engine)

    def after(self, mo: str, place: Place) -> list[Place]:
        """Return when studies that `mo` owns were last opened here, the earliest first, from `place` on."""
        read_at, study_id = study_read.c.read_at, study_read.c.study_id
        query = (
            select(study_id, read_at)
            .join_from(study_read, study, study.c.study_id == study_id)
            .where(
                study.c.owner == mo,
                or_(read_at > place.read_at, and_(read_at == place.read_at, study_id > place.study_id)),
            )
            .order_by(read_at, study_id)
            .limit(MOST)
        )
        with self._reader.connect() as connection:
            return [Place(row.read_at, row.study_id) for row in connection.execute(query)]

    def answer(self, mo: str, request: Request) -> Response:
        """Answer ``GET /cami/wire/v1/readings?since=TIME&after=STUDY`` of the proxy of `mo`."""
        found = self.after(mo, _place(request.query))
        return answer_json({"readings": [{"study_id": one.study_id, "read_at": _exact(one.read_at)} for one in found]})


def _exact(moment: datetime) -> str:
    """Write a time with its microseconds: a page that went on from a rounded one would begin anew for ever."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _place(query: Mapping[str, str]) -> Place:
    try:
        since = datetime.fromisoformat(query.get("since", ""))
    except ValueError:
        since = None
    if since is None or since.tzinfo is None:
        raise Invalid("since must be a time as 2026-12-31T00:00:00Z")
    return Place(since, query.get("after", ""))


class CentralReadingsFollower:
    """The proxy's end: takes over what was read at the centre later than here."""

    def __init__(self, engine: Engine, link: CentralLink) -> None:
        self._engine = engine
        self._link = link

    def step(self) -> int:
        """Ask for all that is new, a page at a time; return how many readings came.

        Raises
        ------
        cami.errors.Transient
            The line is down.
        """
        with self._engine.connect() as connection:
            cursor = read_cursor(connection, READER) or 0
        place = Place(datetime.fromtimestamp(cursor, UTC))
        come = 0
        while True:
            page = self._page(place)
            come += len(page)
            if page:
                place = page[-1]
            with self._engine.begin() as connection:
                for each in page:
                    _note(connection, each)
                if page:
                    move_cursor(connection, READER, max(0, int((place.read_at - _OVERLAP).timestamp())))
            if len(page) < MOST:
                return come

    def _page(self, place: Place) -> list[Place]:
        try:
            document = self._link.ask("GET", f"/readings?since={_exact(place.read_at)}&after={place.study_id}")
        except NotFound:
            return []  # a centre of an earlier release does not tell
        return [_reading(each) for each in document["readings"]]


def _reading(document: Any) -> Place:
    return Place(datetime.fromisoformat(document["read_at"]), str(document["study_id"]))


def _note(connection: Connection, place: Place) -> None:
    here = study_read.c.study_id == place.study_id
    known = connection.scalar(select(study_read.c.read_at).where(here))
    if known is not None:
        if known < place.read_at:
            connection.execute(update(study_read).where(here).values(read_at=place.read_at))
    elif connection.scalar(select(exists().where(delivery_study.c.study_id == place.study_id))):
        connection.execute(insert(study_read).values(study_id=place.study_id, read_at=place.read_at))
