"""The accession number that the objects of a study go to the centre with (docs/adr/0010, PS3.3 C.12.1.1.9).

A device may leave the number out, or have a wrong one from its operator. Where the worklist tells for sure which order
a study belongs to, its number is written: the Study Instance UID is the one that was issued for the order and the
patient is the same, or a person has linked the study. What is decided when the first object of a study is made ready
holds for all of it, for good: the same object must always become the same bytes.
"""

import threading
from collections import OrderedDict

from sqlalchemy import Connection, Engine, insert, or_, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import accession_stamp, worklist_entry
from cami.errors import Transient

#: Studies whose numbers are kept in memory.
_REMEMBERED = 1000
_row = worklist_entry.c


class Numbering:
    """The table ``accession_stamp``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, str] = OrderedDict()

    def __call__(self, study_uid: str, patient_id: str, accession: str) -> str:
        """Return the accession number to write into an object; nothing: what it says stays.

        Parameters
        ----------
        study_uid, patient_id, accession
            What the object says.

        Raises
        ------
        cami.errors.Transient
            It cannot be told now; without knowing, the object must not go.
        """
        if not study_uid:
            return ""
        with self._lock:
            if study_uid in self._known:
                self._known.move_to_end(study_uid)
                return self._known[study_uid]
        try:
            number = self._decided(study_uid, patient_id, accession)
        except SQLAlchemyError as error:
            raise Transient("the worklist cannot be read now") from error
        with self._lock:
            self._known[study_uid] = number
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return number

    def _decided(self, study_uid: str, patient_id: str, accession: str) -> str:
        query = select(accession_stamp.c.accession).where(accession_stamp.c.study_uid == study_uid)
        with self._reader.connect() as connection:
            before: str | None = connection.scalar(query)
        if before is not None:
            return before
        try:
            with self._engine.begin() as connection:
                number, order = self._wanted(connection, study_uid, patient_id, accession)
                connection.execute(
                    insert(accession_stamp).values(
                        study_uid=study_uid, accession=number, order_number=order, decided_at=self._clock.now()
                    )
                )
        except IntegrityError:  # another sender was quicker
            with self._reader.connect() as connection:
                return connection.scalar(query) or ""
        return number

    def _wanted(self, connection: Connection, study_uid: str, patient_id: str, accession: str) -> tuple[str, str]:
        linked = select(_row.accession, _row.number).where(_row.linked > "", _row.linked.contains(f"\\{study_uid}\\"))
        if (row := connection.execute(linked).first()) is not None:
            return row.accession, row.number
        issued = select(worklist_entry).where(
            or_(_row.study_uid == study_uid, _row.accession == accession) if accession else _row.study_uid == study_uid
        )
        rows = connection.execute(issued).all()
        own = [row for row in rows if row.study_uid == study_uid and row.patient_id == patient_id]
        others = [row for row in rows if row.study_uid != study_uid]
        # A number of another order contradicts the UID: a person has to look at it.
        return (own[0].accession, own[0].number) if own and not others else ("", "")
