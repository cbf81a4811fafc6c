"""The places of instances in the queue, reckoned by `cami.delivery.order` from an account kept of each study."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from cami.archive import InstanceIdentity
from cami.db.tables import delivery_study
from cami.delivery.order import PATIENCE, Part, Priority, offset, part_of

_BYTES = {Part.LEADING: "leading_bytes", Part.MAIN: "main_bytes", Part.THIN: "thin_bytes"}


class Place(NamedTuple):
    """Where an instance stands in the queue."""

    lane: int
    turn: float


class Turns:
    """Gives instances their places, and keeps the account of each study that they are reckoned from."""

    def __init__(self, connection: Connection, now: float) -> None:
        self._connection = connection
        self._now = now
        self._studies: dict[str, dict[str, Any]] = {}
        self._known: set[str] = set()

    def place(self, identity: InstanceIdentity) -> Place:
        """Give the next instance of a study its place."""
        study = self._study(identity.study_id)
        part = part_of(identity.modality, identity.image_type, identity.slice_thickness)
        before = sum(study[_BYTES[earlier]] for earlier in (Part.MAIN, Part.THIN) if earlier <= part)
        study[_BYTES[part]] += identity.size
        priority = Priority(study["priority"])
        turn = study["began_at"] + offset(part, before) + PATIENCE[priority].total_seconds()
        return Place(priority, turn)

    def save(self) -> None:
        """Write the accounts of the studies back."""
        for study_id, study in self._studies.items():
            if study_id in self._known:
                statement = update(delivery_study).where(delivery_study.c.study_id == study_id).values(**study)
                self._connection.execute(statement)
            else:
                self._connection.execute(insert(delivery_study).values(study_id=study_id, **study))

    def _study(self, study_id: str) -> dict[str, Any]:
        if study_id not in self._studies:
            row = (
                self._connection.execute(select(delivery_study).where(delivery_study.c.study_id == study_id))
                .mappings()
                .first()
            )
            if row is None:
                study: dict[str, Any] = dict.fromkeys(_BYTES.values(), 0)
                study |= {"priority": Priority.PLANNED, "began_at": self._now}
            else:
                self._known.add(study_id)
                study = {key: value for key, value in row.items() if key != "study_id"}
            self._studies[study_id] = study
        return self._studies[study_id]
