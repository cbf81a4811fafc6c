"""Carrying out what was decided, one entry after the other, and removing what nobody wants when its time has come.

A decision is recorded before anything is done, so a crash leaves it open, and it is carried out again: every step
gives the same when it is done twice. What it changes in the tables and how it ended is one transaction.
"""

import logging
from datetime import timedelta

from sqlalchemy import Connection, Engine, delete, insert, select

from cami.archive import Archive
from cami.clock import Clock
from cami.coercion.elements import Malformed
from cami.coercion.originals import Modification
from cami.db import reading
from cami.db.tables import delivery_item, quarantine_removal
from cami.delivery import Quarantine
from cami.delivery.quarantine import OTHER_MO_STUDY
from cami.delivery.states import State
from cami.errors import Transient
from cami.quarantine.decisions import NEW, SAME, Decision, Decisions, Outcome
from cami.quarantine.entries import Register
from cami.quarantine.relink import CannotBeLinked, Relinked, Source, in_a_new_study, in_another_study, within_its_study
from cami.quarantine.sides import Side

log = logging.getLogger(__name__)


class Carrier:
    """Carries out decisions."""

    def __init__(
        self,
        *,
        engine: Engine,
        clock: Clock,
        register: Register,
        decisions: Decisions,
        side: Side,
        system: str,
        keep_for: timedelta,
    ) -> None:
        """Make a carrier.

        Parameters
        ----------
        system
            AE title of this server, for the record in a linked instance.
        keep_for
            How long bytes are kept after it was decided of them.
        """
        self._engine = engine
        self._clock = clock
        self._register = register
        self._decisions = decisions
        self._side = side
        self._system = system
        self._keep_for = keep_for

    def step(self) -> bool:
        """Carry out the oldest open decision; return whether there was one.

        Raises
        ------
        cami.errors.Transient
            Orthanc cannot store now, or the volume is full; the decision stays open.
        """
        decision = self._decisions.next_open()
        if decision is None:
            return False
        try:
            outcome = self._carry_out(decision)
        except Transient:
            raise
        except Exception as error:  # noqa: BLE001 - one object must not hold up all the others
            log.error("decision %d cannot be carried out: %s", decision.id, type(error).__name__)  # noqa: TRY400
            outcome = Outcome(done=False, detail="failed")
        with self._engine.begin() as connection:
            if outcome.done and self._side.end(connection, decision, outcome):
                self._remove_later(connection, decision)
            self._decisions.end(connection, decision, outcome)
        log.info(
            "quarantine: %s of %s %s decided by %s: %s",
            decision.action, decision.kind, decision.name, decision.login, outcome.detail,
        )  # fmt: skip
        return True

    def _carry_out(self, decision: Decision) -> Outcome:
        if self._register.entry(decision.kind, decision.name, decision.source) is None:
            return Outcome(done=False, detail="not-in-quarantine")
        if decision.action == "reject":
            return Outcome(done=True, detail="rejected")
        if decision.action == "resend":
            return self._side.send_again(decision) or Outcome(done=True, detail="queued")
        return self._link(decision)

    def _link(self, decision: Decision) -> Outcome:
        if decision.target == SAME and decision.cause == OTHER_MO_STUDY.code:
            return Outcome(done=False, detail=OTHER_MO_STUDY.code)
        dicom = self._side.read(decision)
        if dicom is None:
            return Outcome(done=False, detail="gone")
        try:
            made = self._relinked(decision, self._side.put_right(decision, dicom))
        except CannotBeLinked:
            return Outcome(done=False, detail="character-set")
        except Malformed:
            return Outcome(done=False, detail="malformed")
        if made is None:
            return Outcome(done=False, detail="no-such-study")
        refused = self._side.let_in(decision, made.dicom)
        return Outcome(done=False, detail=refused) if refused else Outcome(True, "linked", made.sop_uid)

    def _relinked(self, decision: Decision, dicom: bytes) -> Relinked | None:
        source = Source(dicom, f"{decision.kind}|{decision.name}", self._side.mo_of(decision.source))
        modification = Modification(self._system, self._side.device(decision), decision.decided_at, "CORRECT")
        if decision.target == SAME:
            return within_its_study(source, modification)
        if decision.target == NEW:
            return in_a_new_study(source, modification)
        of_the_study = self._side.one_of(decision.source, decision.target)
        return None if of_the_study is None else in_another_study(source, of_the_study, modification)

    def _remove_later(self, connection: Connection, decision: Decision) -> None:
        key = {"kind": decision.kind, "name": decision.name, "source": decision.source}
        connection.execute(delete(quarantine_removal).filter_by(**key))
        when = self._clock.now() + self._keep_for
        connection.execute(insert(quarantine_removal).values(**key, remove_after=when))


class Removal:
    """Removes what was decided of long enough ago."""

    def __init__(self, archive: Archive, engine: Engine, quarantine: Quarantine, clock: Clock) -> None:
        self._archive = archive
        self._engine = engine
        self._reader = reading(engine)
        self._quarantine = quarantine
        self._clock = clock

    def step(self) -> bool:
        """Remove one thing; return whether there may be more."""
        due = select(quarantine_removal).where(quarantine_removal.c.remove_after <= self._clock.now()).limit(1)
        with self._reader.connect() as connection:
            row = connection.execute(due).first()
        if row is None:
            return False
        if row.kind == "object":
            self._quarantine.remove(row.name, row.source)
        else:
            self._remove_item(row.name)
        with self._engine.begin() as connection:
            connection.execute(delete(quarantine_removal).filter_by(kind=row.kind, name=row.name, source=row.source))
        log.warning("quarantine: %s %s was removed, its time had come", row.kind, row.name)
        return True

    def _remove_item(self, instance_id: str) -> None:
        """Delete the file first: should it come in again right then, reconciliation finds it without a row."""
        rejected = (delivery_item.c.instance_id == instance_id) & (delivery_item.c.state == State.REJECTED)
        with self._reader.connect() as connection:
            if connection.scalar(select(delivery_item.c.instance_id).where(rejected)) is None:
                return
        self._archive.delete_instance(instance_id)
        with self._engine.begin() as connection:
            connection.execute(delete(delivery_item).where(rejected))
