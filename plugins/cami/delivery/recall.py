"""Has the centre this object already? Asked before a large one is sent again because its answer was lost."""

from sqlalchemy import Engine, select

from cami.archive import Archive
from cami.db import reading
from cami.db.tables import quarantined_object, received_instance, study
from cami.delivery.damage import known_damaged
from cami.delivery.receiver import Reception


class Recall:
    """Finds by digest what a proxy has delivered before."""

    def __init__(self, archive: Archive, engine: Engine) -> None:
        self._archive = archive
        self._reader = reading(engine)

    def reception(self, mo: str, sha256: str) -> Reception | None:
        """Return what became of the object of `mo` with this digest, or None if it has to be sent.

        Another МО's objects are unknown to it. What has left the archive since, or is damaged
        there, has to be sent again.
        """
        with self._reader.connect() as connection:
            stored = list(
                connection.scalars(
                    select(received_instance.c.instance_id)
                    .join(study)
                    .where(
                        received_instance.c.sha256 == sha256,
                        received_instance.c.stored_at.is_not(None),
                        study.c.owner == mo,
                        ~known_damaged,
                    )
                )
            )
            reason = connection.scalar(
                select(quarantined_object.c.reason).where(
                    quarantined_object.c.sha256 == sha256, quarantined_object.c.source == mo
                )
            )
        if any(self._archive.stored_md5(instance_id) is not None for instance_id in stored):
            return Reception("present", sha256=sha256)
        return None if reason is None else Reception("quarantined", reason)
