"""Following the change log of the local archive, and entering what the rules say of each image that came in.

A reader of its own (``change_cursor``, "routing") behind that of delivery: whatever happens here, the way to the centre
goes on. What is decided is written in the transaction that moves the cursor, so nothing is missed after a crash, and
what is looked at twice has its rows already.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, insert, select, update

from cami.archive import Archive, InstanceIdentity
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import change_cursor, delivery_item, delivery_study, routed_study
from cami.delivery.change_log import READER as DELIVERY
from cami.delivery.change_log import move_cursor, read_cursor
from cami.delivery.order import Priority
from cami.delivery.steps import reclassify
from cami.errors import CamiError, Transient
from cami.routing.decision import Decision, decide
from cami.routing.facts import FactReader
from cami.routing.forwardings import Forwardings, Wanted
from cami.routing.rules import Rule
from cami.routing.shares import Notice, Notices
from cami.routing.together import AllRules, Together

log = logging.getLogger(__name__)

#: Name of the row of ``change_cursor`` that routing moves.
READER = "routing"
#: Entries of the change log that are read at once.
PAGE = 200
#: How often an image that Orthanc cannot tell of is tried before it is passed over.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class _Arrival:
    seq: int
    identity: InstanceIdentity
    decision: Decision


class Router:
    """Holds the rules in force against what comes in."""

    def __init__(
        self,
        *,
        archive: Archive,
        engine: Engine,
        clock: Clock,
        rules: AllRules,
        facts: FactReader,
        forwardings: Forwardings,
        notices: Notices,
        on_wanted: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a router that calls `on_wanted` when there is something to forward or to tell the centre."""
        self._archive = archive
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._rules = rules
        self._facts = facts
        self._forwardings = forwardings
        self._notices = notices
        self._on_wanted = on_wanted
        self._failures: dict[str, int] = {}
        self._told: Sequence[str] = ()

    def begin(self) -> None:
        """Start where delivery is, at the first start of a proxy that knows rules: what came before had none."""
        with self._engine.begin() as connection:
            if read_cursor(connection, READER) is None:
                move_cursor(connection, READER, read_cursor(connection, DELIVERY) or 0)

    def advance(self) -> bool:
        """Look at one page of the change log, no further than delivery; return whether there may be more to look at.

        Raises
        ------
        cami.errors.Transient
            Orthanc cannot tell of an image now; the page is looked at again.
        """
        with self._reader.connect() as connection:
            since = read_cursor(connection, READER) or 0
            end = read_cursor(connection, DELIVERY) or 0
        if since > end:
            # The archive's index was replaced or restored, and delivery has begun anew: so does this.
            since = 0
        if since == end:
            return False
        force = self._rules.in_force()
        self._tell(force)
        if not force.rules.active:
            self._write([], force, end)
            return False
        page = self._archive.changes(since, PAGE)
        changes = [change for change in page.changes if change.seq <= end]
        arrivals = []
        for change in changes:
            if change.kind == "NewInstance":
                arrival = self._judge(change.seq, change.resource, force)
                if arrival is not None:
                    arrivals.append(arrival)
        last = end if page.done or len(changes) < len(page.changes) else changes[-1].seq
        if self._write(arrivals, force, last):
            self._on_wanted()
        return last < end

    def _judge(self, seq: int, instance_id: str, force: Together) -> _Arrival | None:
        try:
            identity = self._archive.identify(instance_id)
            origin = self._facts.origin(instance_id) if identity is not None else None
            if identity is None or origin is None or origin.returned:
                return None
            facts = self._facts.facts(instance_id, origin, self._class_of(identity.study_id), force.rules)
        except CamiError as error:
            self._pass_over(instance_id, error)
            return None
        self._failures.pop(instance_id, None)
        return _Arrival(seq, identity, decide(force.rules, facts)) if facts is not None else None

    def _pass_over(self, instance_id: str, error: CamiError) -> None:
        """Let one image that cannot be judged not hold up all that come after it. It goes to the centre anyway."""
        self._failures[instance_id] = self._failures.get(instance_id, 0) + 1
        if self._failures[instance_id] < _TRIES:
            raise Transient("an image cannot be held against the rules now") from error
        del self._failures[instance_id]
        log.error("instance %s is not routed: Orthanc cannot tell its tags (%s)", instance_id, type(error).__name__)

    def _class_of(self, study_id: str) -> Priority:
        with self._reader.connect() as connection:
            found = connection.scalar(select(delivery_study.c.priority).where(delivery_study.c.study_id == study_id))
        return Priority.PLANNED if found is None else Priority(found)

    def _write(self, arrivals: Sequence[_Arrival], force: Together, last: int) -> int:
        with self._engine.begin() as connection:
            for arrival in arrivals:
                self._set_class(connection, arrival, force)
            new = self._forwardings.enter(connection, _wanted(connection, arrivals, force))
            for arrival in arrivals:
                identity = arrival.identity
                for mo, rule in arrival.decision.shares.items():
                    version = force.version_of(rule)
                    notice = Notice(
                        identity.study_id, identity.study_uid, mo, rule.name, version, by_centre=rule.by_centre
                    )
                    new += self._notices.enter(connection, notice)
            move_cursor(connection, READER, last)
        return new

    def _set_class(self, connection: Connection, arrival: _Arrival, force: Together) -> None:
        """Give the study the class that a rule says, unless somebody has chosen another one."""
        wanted, rule = arrival.decision.priority, arrival.decision.priority_by
        if wanted is None or rule is None:
            return
        study_id = arrival.identity.study_id
        before = connection.scalar(select(routed_study.c.priority).where(routed_study.c.study_id == study_id))
        now = connection.scalar(select(delivery_study.c.priority).where(delivery_study.c.study_id == study_id))
        if before is not None and before <= wanted:
            return
        if now is not None and now != (Priority.PLANNED if before is None else before):
            return
        row = {"priority": wanted, **_of(rule, force)}
        here = routed_study.c.study_id == study_id
        if not connection.execute(update(routed_study).where(here).values(routed_at=self._clock.now(), **row)).rowcount:
            connection.execute(insert(routed_study).values(study_id=study_id, routed_at=self._clock.now(), **row))
        reclassify(connection, study_id, wanted)

    def _tell(self, force: Together) -> None:
        troubles = force.troubles
        if troubles != self._told:
            self._told = troubles
            for trouble in troubles:
                log.error("the routing rules do not hold %s", trouble)


def studies_unread() -> Select[Any]:
    """Return a query for the studies of which images have come in that routing has not looked at yet."""
    read = select(change_cursor.c.seq).where(change_cursor.c.reader == READER).scalar_subquery()
    return select(delivery_item.c.study_id).where(delivery_item.c.seq > read)


def _of(rule: Rule, force: Together) -> dict[str, Any]:
    return {"rule": rule.name, "version": force.version_of(rule), "by_centre": rule.by_centre}


def _wanted(connection: Connection, arrivals: Sequence[_Arrival], force: Together) -> list[Wanted]:
    lanes: dict[str, int] = {}
    wanted = []
    for arrival in arrivals:
        identity = arrival.identity
        if identity.study_id not in lanes:
            known = select(delivery_study.c.priority).where(delivery_study.c.study_id == identity.study_id)
            found = connection.scalar(known)
            lanes[identity.study_id] = min(Priority.PLANNED if found is None else Priority(found), Priority.PLANNED)
        wanted += [
            Wanted(
                name, identity.instance_id, identity.study_id, identity.size, lanes[identity.study_id], arrival.seq,
                **_of(rule, force),
            )
            for name, rule in arrival.decision.destinations.items()
        ]  # fmt: skip
    return wanted
