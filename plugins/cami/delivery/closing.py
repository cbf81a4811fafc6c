"""Out of the queue: what the centre has is held against what it should have, study by study."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import exists, func, or_, select

from cami.db.tables import delivery_item
from cami.delivery.items import Manifest
from cami.delivery.ledger import Ledger
from cami.delivery.sent import note_verified, pixels_of, sent_of_study, series_of
from cami.delivery.statements import STUDY_TOTAL
from cami.delivery.states import Command, State
from cami.delivery.steps import lose, move


class Closing(Ledger):
    """The side of the queue on which studies are closed by their manifests."""

    def quarantine(self, instance_ids: Sequence[str], reason: str) -> None:
        """Note that the centre does not take these instances into the archive, and why."""
        with self._engine.begin() as connection:
            move(connection, Command.QUARANTINE, instance_ids, reason=reason)
            lose(connection, instance_ids)

    def due_manifests(self, quiet: timedelta) -> list[str]:
        """List studies (Orthanc ids) of which all is stored, something is unconfirmed, and nothing came for `quiet`."""
        waiting = delivery_item.alias()
        # Stored later than now: the clock was set back, and would have to come that far again.
        now, latest = self._clock.now(), func.max(delivery_item.c.stored_at)
        with self._reader.connect() as connection:
            return list(
                connection.scalars(
                    select(delivery_item.c.study_id)
                    .where(
                        delivery_item.c.state == State.STORED,
                        ~exists().where(
                            waiting.c.study_id == delivery_item.c.study_id,
                            waiting.c.state.in_([State.QUEUED, State.SENDING]),
                        ),
                    )
                    .group_by(delivery_item.c.study_id)
                    .having(or_(latest <= now - quiet, latest > now + quiet))
                    .order_by(func.min(delivery_item.c.seq))
                )
            )

    def manifest(self, study_id: str) -> Manifest:
        """Return what the centre should hold of a study, by what it answered."""
        with self._reader.connect() as connection:
            rows = connection.execute(
                select(
                    delivery_item.c.instance_id,
                    delivery_item.c.study_uid,
                    delivery_item.c.sha256,
                    delivery_item.c.lag_seconds,
                ).where(
                    delivery_item.c.study_id == study_id,
                    delivery_item.c.state.in_([State.STORED, State.CONFIRMED, State.EVICTED]),
                )
            ).all()
            sent = sent_of_study(connection, study_id)
        instances = {row.instance_id: row.sha256 for row in rows}
        names = list(instances)
        study_uid = rows[0].study_uid if rows else ""
        lag = max((row.lag_seconds for row in rows if row.lag_seconds is not None), default=None)
        return Manifest(study_id, study_uid, instances, pixels_of(names, sent), series_of(names, sent), lag)

    def study_total(self, study_id: str) -> int:
        """Count what the centre will have of a study when all is sent that is here now."""
        with self._reader.connect() as connection:
            return connection.scalar(STUDY_TOTAL, {"study_id": study_id}) or 0

    def confirm(self, manifest: Manifest, *, pixels_compared: bool = False) -> None:
        """Note that the centre holds all of `manifest`, and whether it has compared the pixels."""
        now = self._clock.now()
        with self._engine.begin() as connection:
            move(connection, Command.CONFIRM, list(manifest.instances), confirmed_at=now, reason=None)
            if pixels_compared:
                note_verified(connection, list(manifest.pixels), now)

    def resend(self, instance_ids: Sequence[str]) -> None:
        """Queue again what the centre said it does not hold."""
        with self._engine.begin() as connection:
            move(connection, Command.MISS, instance_ids, stored_at=None, confirmed_at=None, sha256=None)
            lose(connection, instance_ids)

    def lose(self, instance_ids: Sequence[str]) -> None:
        """Note what neither the local archive nor the centre holds any more."""
        with self._engine.begin() as connection:
            lose(connection, instance_ids)
