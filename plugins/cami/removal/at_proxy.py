"""A deleted study's copy at its МО's proxy: removed when the centre says that two people have decided so (F-56).

What is left out of one copy stays seen in the other, so a deletion takes both. It is an errand: the centre repeats it
until the proxy has answered, whatever becomes of the line, and this proxy goes through all of it each time. Objects in
quarantine stay where they are: they were never part of the study.
"""

import logging

from sqlalchemy import Connection, Engine, delete, select, update

from cami.archive import Archive
from cami.audit import AuditEvent, AuditTrail, Kind
from cami.clock import Clock
from cami.db.tables import (
    delivery_item,
    delivery_study,
    eviction,
    fetch,
    forwarding,
    kept_study,
    known_series,
    known_study,
    raised_study,
    routed_study,
    schedule,
    sent_content,
    share_notice,
    study_read,
    uploaded_instance,
)
from cami.errands import DONE, UNKNOWN, Errand, Report
from cami.errors import Transient
from cami.routing import states as forwardings

log = logging.getLogger(__name__)

_TABLES = (
    delivery_study,
    eviction,
    fetch,
    kept_study,
    known_series,
    known_study,
    raised_study,
    routed_study,
    schedule,
    share_notice,
    study_read,
)


class ProxyRemoval:
    """Removes studies from one proxy: its files, and what its tables know of it."""

    def __init__(self, mo: str, archive: Archive, engine: Engine, trail: AuditTrail, clock: Clock) -> None:
        self._mo = mo
        self._archive = archive
        self._engine = engine
        self._trail = trail
        self._clock = clock

    def remove(self, errand: Errand) -> Report:
        """Carry out `cami.errands.Kind.REMOVE`.

        Raises
        ------
        cami.errors.Transient
            An image has come in meanwhile: once more, later.
        """
        study = errand.study
        if not study.study_id:  # the archive takes an empty parent for "any"
            return UNKNOWN
        instances = list(self._archive.instances_of(study.study_id))
        for instance_id in instances:
            self._archive.delete_instance(instance_id)
        if list(self._archive.instances_of(study.study_id)):
            raise Transient("an image of the study has come in while it was removed")
        with self._engine.begin() as connection:
            known = self._forget(connection, study.study_id)
            if not (instances or known):
                return UNKNOWN
            event = AuditEvent(
                Kind.DELETE,
                "system",
                studies=(study.study_uid,),
                owner=self._mo,
                subject=str(errand.details.get("number", "")),
                details={"instances": str(len(instances)), "step": "copy"},
            )
            self._trail.record_in(connection, event)
        log.warning("study %s is deleted at the centre, and now here: %d instances", study.study_id, len(instances))
        return DONE

    def _forget(self, connection: Connection, study_id: str) -> int:
        """Take a study out of this proxy's tables; return how many rows knew of it."""
        images = select(delivery_item.c.instance_id).where(delivery_item.c.study_id == study_id)
        for table in (sent_content, uploaded_instance):
            connection.execute(delete(table).where(table.c.instance_id.in_(images)))
        known = connection.execute(delete(delivery_item).where(delivery_item.c.study_id == study_id)).rowcount
        waiting = forwarding.c.state.in_(forwardings.states_before(forwardings.Command.CANCEL))
        over = {"state": forwardings.State.CANCELLED.value, "reason": "gone", "ended_at": self._clock.now()}
        connection.execute(update(forwarding).where(forwarding.c.study_id == study_id, waiting).values(over))
        for table in _TABLES:
            known += connection.execute(delete(table).where(table.c.study_id == study_id)).rowcount
        return known
