"""When studies were last opened at this server: what retention goes by ("oldest read first").

Noting must cost a request nothing: what was asked for is put aside in memory and written by a thread of its own, once
an hour for a study. A crash forgets the last seconds of it, which does no harm: it is a date to sort by.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, cast

from sqlalchemy import Engine, insert, update

from cami.archive import Archive, Level
from cami.clock import Clock
from cami.db.tables import study_read

#: How exactly the time of reading is kept.
EXACTNESS = timedelta(hours=1)
#: How many openings may wait to be written; more are passed over.
_MOST = 10_000

#: What a viewer asks for when somebody looks at a study: its metadata, frames, files. A list of studies is no reading.
_DICOMWEB = re.compile(r"/dicom-web/studies/([0-9.]{1,64})/.+")
_CORE = re.compile(r"/(studies|series|instances)/([0-9a-f]{8}(?:-[0-9a-f]{8}){4})(?:/.*)?")

_Key = tuple[Literal["uid"] | Level, str]


class Readings:
    """Collects what is opened and writes it to ``study_read``. Thread-safe."""

    def __init__(self, archive: Archive, engine: Engine, clock: Clock) -> None:
        self._archive = archive
        self._engine = engine
        self._clock = clock
        self._waiting: set[_Key] = set()
        self._noted: dict[_Key, datetime] = {}

    def note(self, method: str, path: str) -> None:
        """Note a request that was let in; costs no look at any disk."""
        key = _key(path) if method == "GET" else None
        if key is None or len(self._waiting) >= _MOST:
            return
        before = self._noted.get(key)
        if before is None or self._clock.now() - before >= EXACTNESS:
            self._waiting.add(key)

    def write(self) -> int:
        """Write what was noted; return how many studies that were."""
        now = self._clock.now()
        if len(self._noted) > _MOST:
            self._noted.clear()
        studies: set[str] = set()
        while self._waiting:
            key = self._waiting.pop()
            self._noted[key] = now
            studies.update(self._studies(key))
        for study_id in studies:
            with self._engine.begin() as connection:
                known = connection.execute(
                    update(study_read).where(study_read.c.study_id == study_id).values(read_at=now)
                ).rowcount
                if not known:
                    connection.execute(insert(study_read).values(study_id=study_id, read_at=now))
        return len(studies)

    def _studies(self, key: _Key) -> Iterator[str]:
        kind, value = key
        if kind == "uid":
            yield from self._archive.find({"Level": "Study", "Query": {"StudyInstanceUID": value}})
        else:
            study_id = self._archive.study_of(kind, value)
            if study_id is not None:
                yield study_id


def _key(path: str) -> _Key | None:
    if found := _DICOMWEB.fullmatch(path):
        return "uid", found.group(1)
    if found := _CORE.fullmatch(path):
        return cast("Level", found.group(1)), found.group(2)
    return None
