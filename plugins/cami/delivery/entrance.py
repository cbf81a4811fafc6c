"""Into the queue: what the change log tells of, what was let go of and is here again, what is gone."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Engine, delete, insert, select

from cami.archive import InstanceIdentity
from cami.clock import Clock
from cami.db.tables import delivery_item
from cami.delivery.change_log import READER, move_cursor, read_cursor
from cami.delivery.journal import Arrivals
from cami.delivery.ledger import Ledger
from cami.delivery.statements import named_state
from cami.delivery.states import Command, State, states_before
from cami.delivery.steps import move, parts
from cami.delivery.turns import Turns


class Entrance(Ledger):
    """The side of the queue on which instances come in. Rows and the cursor of the change log move together."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        super().__init__(engine, clock)
        self._arrivals: Arrivals | None = None

    def tell_arrivals(self, arrivals: Arrivals) -> None:
        """Let the journal know what was not known before."""
        self._arrivals = arrivals

    def cursor(self) -> int:
        """Return how far the change log has been read (0 at first)."""
        with self._reader.connect() as connection:
            return read_cursor(connection, READER) or 0

    def evicted(self, instance_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        """Return which of these instances were let go of here, each with the digests that need not be sent again.

        These are of what the centre has, and of the file that it was made from; none for one that the centre has lost.
        """
        found: dict[str, frozenset[str]] = {}
        asked = select(
            delivery_item.c.instance_id, delivery_item.c.state, delivery_item.c.sha256, delivery_item.c.source_sha256
        )
        with self._reader.connect() as connection:
            for part in parts(instance_ids):
                rows = connection.execute(
                    asked.where(
                        delivery_item.c.instance_id.in_(part),
                        named_state.in_(states_before(Command.RECEIVE)),
                    )
                )
                for row in rows:
                    known = (row.sha256, row.source_sha256) if row.state == State.EVICTED else ()
                    found[row.instance_id] = frozenset(filter(None, known))
        return found

    def record(
        self,
        arrivals: Iterable[tuple[int, InstanceIdentity]],
        cursor: int | None,
        *,
        restored: Sequence[str] = (),
        received: Sequence[str] = (),
    ) -> int:
        """Enter instances and move the cursor, in one transaction; what is there already stays as it is.

        Parameters
        ----------
        arrivals
            Pairs of the change's sequence number and the instance.
        cursor
            Where to go on reading the change log; None: it was not read.
        restored, received
            Instances that were evicted and are here again: as bytes that need not be sent again, or not.

        Returns
        -------
        int
            How many instances are to be sent that were not.
        """
        found = list(arrivals)
        if self._arrivals:
            self._arrivals.look([identity for _, identity in found])
        try:
            return self._record(found, cursor, restored, received)
        except BaseException:
            if self._arrivals:
                self._arrivals.failed()
            raise

    def _record(
        self,
        arrivals: Sequence[tuple[int, InstanceIdentity]],
        cursor: int | None,
        restored: Sequence[str],
        received: Sequence[str],
    ) -> int:
        now = self._clock.now()
        with self._engine.begin() as connection:
            move(connection, Command.RESTORE, restored, received_at=now, stored_at=now, reason=None)
            again = {
                "received_at": now,
                "sha256": None,
                "source_sha256": None,
                "stored_at": None,
                "confirmed_at": None,
                "not_before": None,
            }
            new = move(connection, Command.RECEIVE, received, **again, attempts=0, reason=None)
            new += self._enter(connection, {identity.instance_id: (seq, identity) for seq, identity in arrivals})
            if cursor is not None:
                move_cursor(connection, READER, cursor)
        return new

    def forget(self, instance_id: str) -> None:
        """Drop an instance that the local archive no longer holds and that was never delivered."""
        with self._engine.begin() as connection:
            connection.execute(
                delete(delivery_item).where(
                    delivery_item.c.instance_id == instance_id,
                    delivery_item.c.state.in_([State.QUEUED, State.SENDING]),
                )
            )

    def _enter(self, connection: Connection, arrivals: dict[str, tuple[int, InstanceIdentity]]) -> int:
        for part in parts(list(arrivals)):
            for known in connection.scalars(
                select(delivery_item.c.instance_id).where(delivery_item.c.instance_id.in_(part))
            ).all():
                del arrivals[known]
        if not arrivals:
            return 0
        now = self._clock.now()
        turns = Turns(connection, now.timestamp())
        rows = []
        for seq, identity in arrivals.values():
            place = turns.place(identity)
            rows.append(
                {
                    "instance_id": identity.instance_id,
                    "study_id": identity.study_id,
                    "study_uid": identity.study_uid,
                    "sop_uid": identity.sop_uid,
                    "modality": identity.modality,
                    "description": identity.study_description,
                    "size": identity.size,
                    "seq": seq,
                    "state": State.QUEUED,
                    "received_at": now,
                    "lane": place.lane,
                    "turn": place.turn,
                }
            )
        connection.execute(insert(delivery_item), rows)
        turns.save()
        if self._arrivals:
            self._arrivals.came(connection, [identity for _, identity in arrivals.values()])
        return len(rows)
