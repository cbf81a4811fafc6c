"""Studies that the centre has and this proxy's queue does not know: after a disaster, or of before this proxy.

They are entered as evicted, with the digests of what the centre has. From then on they are as any study that was let go
of: what comes in and is what the centre has is confirmed without being sent, anything else is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, insert, select

from cami.clock import Clock
from cami.db.tables import delivery_item
from cami.delivery.states import Command, State
from cami.delivery.steps import move, parts


@dataclass(frozen=True, slots=True)
class RemoteInstance:
    """An instance as the centre has it."""

    instance_id: str
    sop_uid: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class RemoteStudy:
    """A study of this МО as the centre has it."""

    study_id: str
    study_uid: str
    modality: str
    description: str
    instances: Sequence[RemoteInstance]
    """In the order in which they should come."""


class Adoption:
    """Enters what the centre has into ``delivery_item``."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def adopt(self, study: RemoteStudy) -> int:
        """Enter the instances that the queue does not know; return how many these were.

        One that counted as lost and is there after all counts as evicted again.
        """
        now = self._clock.now()
        by_id = {instance.instance_id: instance for instance in study.instances}
        with self._engine.begin() as connection:
            known: dict[str, tuple[str, str | None]] = {}
            for part in parts(list(by_id)):
                rows = connection.execute(
                    select(delivery_item.c.instance_id, delivery_item.c.state, delivery_item.c.sha256).where(
                        delivery_item.c.instance_id.in_(part)
                    )
                )
                known.update({row.instance_id: (row.state, row.sha256) for row in rows})
            found = [
                key for key, (state, sha256) in known.items() if state == State.LOST and sha256 == by_id[key].sha256
            ]
            move(connection, Command.CONFIRM, found, reason=None)
            new = [
                {
                    "instance_id": instance.instance_id,
                    "study_id": study.study_id,
                    "study_uid": study.study_uid,
                    "sop_uid": instance.sop_uid,
                    "modality": study.modality,
                    "description": study.description,
                    "size": instance.size,
                    "seq": place,
                    "state": State.EVICTED,
                    "sha256": instance.sha256,
                    "received_at": now,
                    "stored_at": now,
                    "confirmed_at": now,
                }
                for place, instance in enumerate(study.instances)
                if instance.instance_id not in known
            ]
            if new:
                connection.execute(insert(delivery_item), new)
        return len(new)
