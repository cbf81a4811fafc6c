"""Marking, confirming, taking back, deleting."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from cami.access import Action, Identity, Role, allowed
from cami.archive import Archive
from cami.audit import AuditEvent, AuditTrail, Kind
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import (
    announced_study,
    awaited_study,
    file_damage,
    received_instance,
    removal,
    stored_content,
    study,
    study_completeness,
)
from cami.errors import Conflict, Denied, Invalid, NotFound
from cami.removal.removal import Copies, NoCopies, Removal
from cami.removal.states import OPEN, Command, State, after

log = logging.getLogger(__name__)

SHORTEST_REASON, LONGEST_REASON = 10, 500
#: Removals that a list shows.
MOST = 200


class Removals:
    """Removals at the centre. Thread-safe."""

    def __init__(
        self,
        engine: Engine,
        archive: Archive,
        trail: AuditTrail,
        clock: Clock,
        *,
        copies: Copies | None = None,
        on_decided: Callable[[], None] = lambda: None,
    ) -> None:
        """Make it; `on_decided` is called when there is something to delete."""
        self._copies = copies or NoCopies()
        self._engine = engine
        self._reader = reading(engine)
        self._archive = archive
        self._trail = trail
        self._clock = clock
        self.on_decided = on_decided

    def mark(self, identity: Identity, study_id: str, reason: str) -> int:
        """Mark a study of the own МО; return the number of the removal.

        Raises
        ------
        cami.errors.NotFound
            The own МО has no such study.
        cami.errors.Invalid
            The reason is too short to be one.
        cami.errors.Conflict
            It is marked already.
        """
        _require(identity, Action.REMOVAL_MARK)
        reason = " ".join(reason.split())
        if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
            raise Invalid(f"the reason has {SHORTEST_REASON} to {LONGEST_REASON} characters")
        with self._engine.begin() as connection:
            found = connection.execute(
                select(study.c.study_uid, study.c.owner).where(study.c.study_id == study_id)
            ).one_or_none()
            if found is None or not identity.mo or found.owner != identity.mo:
                raise NotFound("no such study")
            here = (removal.c.study_id == study_id) & removal.c.state.in_([*OPEN, State.DELETING])
            if connection.scalar(select(func.count()).where(here)):
                raise Conflict("the study is marked already")
            stored = (received_instance.c.study_id == study_id) & received_instance.c.stored_at.is_not(None)
            instances = connection.scalar(select(func.count()).where(stored)) or 0
            values = {
                "study_id": study_id,
                "study_uid": found.study_uid,
                "owner": found.owner,
                "state": State.MARKED,
                "reason": reason,
                "instances": instances,
                "marked_by": identity.login,
                "marked_at": self._clock.now(),
            }
            made = connection.execute(insert(removal).values(values).returning(removal.c.number)).scalar_one()
            number = int(made)
            self._record(connection, identity, self._get(connection, number), "mark", reason)
        return number

    def own(self, identity: Identity, *, study_id: str = "", study_uid: str = "") -> tuple[str, str] | None:
        """Return Orthanc id and Study Instance UID of a study of the own МО, which one of them names; None: no such."""
        named = study.c.study_id == study_id if study_id else study.c.study_uid == study_uid
        query = select(study.c.study_id, study.c.study_uid).where(named, study.c.owner == identity.mo).limit(1)
        with self._reader.connect() as connection:
            found = connection.execute(query).first() if identity.mo else None
        return None if found is None else (found.study_id, found.study_uid)

    def confirm(self, identity: Identity, number: int) -> State:
        """Confirm a removal as who one is; return how it stands then.

        Raises
        ------
        cami.errors.NotFound
            There is none of that number, or of another МО.
        cami.errors.Denied
            The same person has confirmed for the other side.
        cami.errors.Conflict
            This side has confirmed already, or it is too late.
        """
        _require(identity, Action.REMOVAL_CONFIRM)
        region = identity.role is Role.REGION_ADMIN
        with self._engine.begin() as connection:
            found = self._visible(connection, identity, number)
            if identity.login in (found.confirmed_by_mo, found.confirmed_by_region):
                raise Denied("the two who confirm are different people")
            command = Command.CONFIRM_BY_REGION if region else Command.CONFIRM_BY_MO
            state = after(found.state, command)
            side = "confirmed_by_region" if region else "confirmed_by_mo"
            values = {"state": state, side: identity.login, f"{side}_at": self._clock.now()}
            self._move(connection, found, values)
            self._record(connection, identity, found, command, found.reason)
        if state is State.DELETING:
            self.on_decided()
        return state

    def withdraw(self, identity: Identity, number: int) -> None:
        """Take a removal back: whoever may mark or confirm may, until both have confirmed.

        Raises
        ------
        cami.errors.NotFound
            There is none of that number, or of another МО.
        cami.errors.Conflict
            It is too late.
        """
        _require(identity, Action.REMOVAL_MARK, Action.REMOVAL_CONFIRM)
        with self._engine.begin() as connection:
            found = self._visible(connection, identity, number)
            values = {
                "state": after(found.state, Command.WITHDRAW),
                "ended_by": identity.login,
                "ended_at": self._clock.now(),
            }
            self._move(connection, found, values)
            self._record(connection, identity, found, Command.WITHDRAW, found.reason)

    def listing(self, identity: Identity) -> Sequence[Removal]:
        """Return the newest removals of the own МО; of all to the region administrator."""
        _require(identity, Action.REMOVAL_READ)
        query = select(removal).order_by(removal.c.number.desc()).limit(MOST)
        if identity.role is not Role.REGION_ADMIN:
            query = query.where(removal.c.owner == identity.mo)
        with self._reader.connect() as connection:
            found = [Removal.of(row) for row in connection.execute(query).mappings()]
        standing = self._copies.standing([each for each in found if each.state is State.DELETED])
        return [replace(each, copy=standing.get(each.number, "")) for each in found]

    def waiting(self, identity: Identity) -> int:
        """Return how many removals wait for the confirmation of somebody's side."""
        if not allowed(identity.role, Action.REMOVAL_CONFIRM, "central"):
            return 0
        region = identity.role is Role.REGION_ADMIN
        side = removal.c.confirmed_by_region if region else removal.c.confirmed_by_mo
        query = select(func.count()).where(removal.c.state.in_(OPEN), side == "")
        if not region:
            query = query.where(removal.c.owner == identity.mo)
        with self._reader.connect() as connection:
            return connection.scalar(query) or 0

    def carry_out(self) -> int:
        """Delete what both have confirmed; return how many studies. After a crash it goes on where it was."""
        with self._reader.connect() as connection:
            query = select(removal).where(removal.c.state == State.DELETING).order_by(removal.c.number)
            due = [Removal.of(row) for row in connection.execute(query).mappings()]
        for each in due:
            self._delete(each)
        return len(due)

    def _delete(self, found: Removal) -> None:
        for instance in self._archive.instances_of(found.study_id):
            self._archive.delete_instance(instance)
        gone = list(self._archive.instances_of(found.study_id))
        if gone:  # something came in while we deleted: the next turn takes it
            return
        self._copies.remove(found)
        with self._engine.begin() as connection:
            deleted = forget_study(connection, found.study_id)
            self._copies.forget(connection, found)
            values = {
                "state": after(found.state, Command.FINISH),
                "ended_at": self._clock.now(),
                "deleted": deleted,
            }
            self._move(connection, found, values)
            event = AuditEvent(
                Kind.DELETE,
                "system",
                studies=(found.study_uid,),
                owner=found.owner,
                subject=str(found.number),
                reason=found.reason,
                details={
                    "instances": str(deleted),
                    "by_mo": found.confirmed_by_mo,
                    "by_region": found.confirmed_by_region,
                },
            )
            self._trail.record_in(connection, event)
        log.warning("removal %d is carried out: %d instances of МО %s", found.number, deleted, found.owner)

    def _visible(self, connection: Connection, identity: Identity, number: int) -> Removal:
        found = self._get(connection, number)
        if identity.role is not Role.REGION_ADMIN and found.owner != identity.mo:
            raise NotFound("no such removal")
        return found

    @staticmethod
    def _get(connection: Connection, number: int) -> Removal:
        row = connection.execute(select(removal).where(removal.c.number == number)).mappings().one_or_none()
        if row is None:
            raise NotFound("no such removal")
        return Removal.of(row)

    @staticmethod
    def _move(connection: Connection, found: Removal, values: dict[str, Any]) -> None:
        """Write a step, unless somebody was faster."""
        this = (removal.c.number == found.number) & (removal.c.state == found.state)
        if not connection.execute(update(removal).where(this).values(values)).rowcount:
            raise Conflict("somebody else has just decided")

    def _record(self, connection: Connection, identity: Identity, found: Removal, step: str, reason: str) -> None:
        event = AuditEvent(
            Kind.DELETE,
            identity.login,
            identity.role,
            identity.mo,
            studies=(found.study_uid,),
            owner=found.owner,
            subject=str(found.number),
            reason=reason,
            details={"step": str(step), "instances": str(found.instances)},
        )
        self._trail.record_in(connection, event)


def forget_study(connection: Connection, study_id: str) -> int:
    """Take a study out of our tables; whose its UID is stays known, so that nobody else can take it."""
    instances = select(received_instance.c.instance_id).where(received_instance.c.study_id == study_id)
    connection.execute(delete(stored_content).where(stored_content.c.instance_id.in_(instances)))
    connection.execute(delete(file_damage).where(file_damage.c.study_id == study_id))
    deleted = connection.execute(delete(received_instance).where(received_instance.c.study_id == study_id)).rowcount
    for table in (study_completeness, announced_study, awaited_study):
        connection.execute(delete(table).where(table.c.study_id == study_id))
    connection.execute(delete(study).where(study.c.study_id == study_id))
    return deleted


def _require(identity: Identity, *actions: Action) -> None:
    if not any(allowed(identity.role, action, "central") for action in actions):
        raise Denied("not for this role")
