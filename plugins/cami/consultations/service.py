"""What people do with requests: may they, what does it take, and then the workflow.

A request that somebody may not know of is answered as one that does not exist.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Engine, update

from cami.access import Identity
from cami.clock import Clock
from cami.consultations import parts
from cami.consultations.drafts import Content, Drafts, Incomplete, asked
from cami.consultations.people import Consultants
from cami.consultations.ports import Act, Journal
from cami.consultations.readings import Agreement, hears
from cami.consultations.request import Case, Person, load
from cami.consultations.routes import RouteTable
from cami.consultations.states import NEED_A_REASON, Actor, Command, State, step
from cami.consultations.talk import Event, Message, Talk
from cami.consultations.terms import Cancelled, MessageKind, Refused, Urgency
from cami.consultations.timers import set_lease
from cami.consultations.workflow import Change, Taken, Workflow
from cami.db import reading
from cami.db.tables import consultation
from cami.errors import Conflict, Denied, Invalid, NotFound

#: How long a reason may be.
LONGEST_REASON = 2000
_CODES: Mapping[Command, frozenset[str]] = {
    Command.REJECT: frozenset(Refused),
    Command.CANCEL: frozenset(Cancelled),
}
#: Commands that take more than a word, and so a method of their own.
_OTHERS = frozenset(
    {
        Command.CREATE, Command.SIGN, Command.CORRECT, Command.EXPIRE, Command.CONCLUDE, Command.COMPARE,
        Command.DIVERGE,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants done."""

    command: Command
    version: int | None = None
    reason: str = ""
    """Code of rejecting and cancelling."""
    text: str = ""
    to: str = ""
    """Login of who gets it."""
    mo: str = ""
    """Code of the МО that it is redirected to."""
    values: Mapping[str, Any] = field(default_factory=dict)


class Consultations:
    """Requests, for people."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        *,
        routes: RouteTable,
        drafts: Drafts,
        workflow: Workflow,
        consultants: Consultants,
        talk: Talk,
        journal: Journal,
    ) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self.routes = routes
        self._drafts = drafts
        self._workflow = workflow
        self.consultants = consultants
        self.talk = talk
        self._journal = journal

    def create(
        self, identity: Identity, study_uids: Sequence[str], given: Mapping[str, Any], *, based_on: int | None = None
    ) -> Case:
        """Make a draft.

        Raises
        ------
        cami.errors.Denied, cami.errors.NotFound, cami.errors.Invalid
            Not for this role; no such study; a value.
        """
        if not parts.asks(identity):
            raise Denied("not for this role")
        before = self.find(identity, based_on) if based_on is not None else None
        return self._drafts.create(identity, study_uids, Content().changed(given), before=before)

    def save(
        self, identity: Identity, number: int, given: Mapping[str, Any], *, version: int | None,
        study_uids: Sequence[str] | None = None,
    ) -> Case:  # fmt: skip
        """Keep what the author has typed into a draft."""
        with self._engine.begin() as connection:
            case = self._visible(connection, identity, number)
            if Actor.AUTHOR not in self.actors(identity, case):
                raise Denied("the author alone changes a draft")
            return self._drafts.save(connection, case, given, version=version, study_uids=study_uids)

    def find(self, identity: Identity, number: int) -> Case:
        """Return a request that somebody may see; it is written down that they have.

        Raises
        ------
        cami.errors.NotFound
            There is none that they may see.
        """
        with self._reader.connect() as connection:
            case = self._visible(connection, identity, number)
        self._journal.record(self._act(case, identity, "read"))
        return case

    def said(self, identity: Identity, case: Case) -> tuple[list[Message], list[Event]]:
        """Return messages and history of a request, without the words of a reader whom somebody must not hear."""
        number = case.request.number

        def heard(said: Message | Event) -> bool:
            return hears(identity, case, said.login, said.mo)

        messages = [message for message in self.talk.messages(number) if heard(message)]
        return messages, [event if heard(event) else replace(event, text="") for event in self.talk.history(number)]

    def missing(self, case: Case) -> list[str]:
        """Return what a draft lacks, as codes."""
        with self._reader.connect() as connection:
            return self._drafts.missing(connection, case)

    def actors(self, identity: Identity, case: Case) -> frozenset[Actor]:
        """Return in which parts somebody acts on a request."""
        return parts.actors(identity, case, self.routes.approvers(case.request.mo))

    def may(self, identity: Identity, case: Case) -> list[Command]:
        """Return what somebody may do with a request now."""
        possible = parts.may(identity, case, self.routes.approvers(case.request.mo))
        needs_approval = self._needs_approval(case)
        skipped = Command.SEND if needs_approval else Command.SUBMIT
        return [command for command in possible if command is not skipped]

    def submit(self, identity: Identity, number: int, version: int | None) -> Case:
        """Send a draft, or have it approved first where the МО wants it so.

        Raises
        ------
        cami.consultations.drafts.Incomplete
            Something is missing.
        """
        with self._engine.begin() as connection:
            case = self._visible(connection, identity, number)
            if Actor.AUTHOR not in self.actors(identity, case):
                raise Denied("the author alone sends a draft")
            self._complete(connection, case)
            command = Command.SUBMIT if self._needs_approval(case) else Command.SEND
            offers = self._offers(case) if command is Command.SEND else None
            moved = self._workflow.move(
                connection, case, Change(command, Person.of(identity), version=version, offers=offers)
            )
        self._workflow.changed()
        return moved

    def do(self, identity: Identity, number: int, wish: Wish) -> Case:
        """Carry out a command.

        Raises
        ------
        cami.consultations.workflow.Taken
            Somebody else was quicker.
        cami.errors.Conflict
            The request stands otherwise than somebody thought.
        cami.errors.Denied, cami.errors.NotFound, cami.errors.Invalid
            Not in this part; no such request; a reason, a person or an МО is missing or wrong.
        """
        if wish.command in (Command.SEND, Command.SUBMIT):
            return self.submit(identity, number, wish.version)
        if wish.command in _OTHERS:
            raise Invalid("command")
        with self._engine.begin() as connection:
            case = self._contested(connection, identity, number, wish.command)
            self._allowed(identity, case, wish.command)
            change = self._change(connection, identity, case, wish)
            moved = self._workflow.move(connection, case, change)
            self._said(connection, identity, moved, wish)
        self._workflow.changed()
        return moved

    def keep_alive(self, identity: Identity, case: Case) -> None:
        """Note that the consultant is at work; costs a write only now and then."""
        request = case.request
        if request.consultant != identity.login or request.lease_until is None or request.state is State.INFO_REQUESTED:
            return
        now = self._clock.now()
        until = self.routes.lease(request.route, request.urgency, now)
        if (until - request.lease_until) * 8 < until - now:
            return
        here = (
            consultation.c.number == request.number,
            consultation.c.consultant == identity.login,
            consultation.c.lease_until.is_not(None),
        )
        with self._engine.begin() as connection:
            if connection.execute(update(consultation).where(*here).values(lease_until=until)).rowcount:
                set_lease(connection, request.number, until)

    def _contested(self, connection: Connection, identity: Identity, number: int, command: Command) -> Case:
        """Return a request; who comes second to take it is told who has it, though it is theirs no more."""
        case = load(connection, number)
        if case is not None and command is Command.TAKE and _lost(identity, case):
            raise Taken(case.request.consultant_name)
        return self._visible(connection, identity, number)

    def _allowed(self, identity: Identity, case: Case, command: Command) -> None:
        found = step(case.request.state, command, case.request.reading)
        if not found.by & self.actors(identity, case):
            raise Denied(f"not in this part: {command}")
        if command is Command.ACKNOWLEDGE and not case.request.critical:
            raise Conflict("there is no critical finding")

    def _change(self, connection: Connection, identity: Identity, case: Case, wish: Wish) -> Change:
        text = wish.text.replace("\r\n", "\n").strip()
        codes = _CODES.get(wish.command)
        if codes is not None and wish.reason not in codes:
            raise Invalid("reason")
        needed = wish.command in NEED_A_REASON and (codes is None or wish.reason == "other")
        # A dispatcher has told somebody by telephone: whom is written down.
        needed |= wish.command is Command.ACKNOWLEDGE and Actor.ASKER not in self.actors(identity, case)
        if len(text) > LONGEST_REASON or (needed and not text):
            raise Invalid("text")
        change = Change(
            wish.command,
            Person.of(identity),
            version=wish.version,
            reason=wish.reason if codes is not None else "",
            text=text,
            to=self._to(connection, identity, case, wish),
            offers=self._new_offers(connection, case, wish),
            values=self._values(identity, wish),
        )
        if wish.command is Command.APPROVE:
            self._complete(connection, case)
        return change

    def _values(self, identity: Identity, wish: Wish) -> dict[str, Any]:
        if wish.command is Command.ACKNOWLEDGE:
            return {"acknowledged_at": self._clock.now(), "acknowledged_by": identity.login}
        if wish.command is Command.DISAGREE:
            return {"agreement": Agreement.SIGNIFICANT.value}
        return dict(wish.values)

    def _to(self, connection: Connection, identity: Identity, case: Case, wish: Wish) -> Person | None:
        if wish.command not in (Command.ASSIGN, Command.HAND_OVER):
            return None
        person = self.consultants.find(connection, wish.to)
        if person is None or person.mo == case.request.mo or person.login in case.barred:
            raise Invalid("to")
        colleague = person.mo == identity.mo and person.login != identity.login
        if wish.command is Command.HAND_OVER and not colleague:
            raise Invalid("to")
        return person

    def _new_offers(self, connection: Connection, case: Case, wish: Wish) -> Sequence[str] | None:
        if wish.command is Command.APPROVE:
            return self._offers(case)
        if wish.command is Command.REDIRECT:
            if wish.mo == case.request.mo or wish.mo not in self.destinations():
                raise Invalid("mo")
            return [wish.mo]
        if wish.command is Command.ASSIGN:
            person = self.consultants.find(connection, wish.to)
            # Should the consultant give it back, it waits at that МО.
            return [person.mo] if person is not None else None
        return None

    def destinations(self) -> list[str]:
        """Return the МО that a request can be redirected to: those of the routes, and those with consultants."""
        found = {load.person.mo for load in self.consultants.of(None, "")} | set(self.routes.consulting())
        return sorted(found)

    def _said(self, connection: Connection, identity: Identity, case: Case, wish: Wish) -> None:
        kinds = {Command.ASK_MORE: MessageKind.QUESTION, Command.TELL_MORE: MessageKind.ANSWER}
        if wish.command in kinds:
            self.talk.add(connection, identity, case, wish.text.strip(), kinds[wish.command])

    def _offers(self, case: Case) -> list[str]:
        route = self.routes.named(case.request.route)
        return [mo for mo in (route.to if route else ()) if mo != case.request.mo]

    def _needs_approval(self, case: Case) -> bool:
        request = case.request
        approvers = self.routes.approvers(request.mo)
        return bool(approvers) and request.asker not in approvers and request.urgency is not Urgency.STAT

    def _complete(self, connection: Connection, case: Case) -> None:
        missing = self._drafts.missing(connection, case)
        if missing:
            raise Incomplete(missing)

    def _visible(self, connection: Connection, identity: Identity, number: int) -> Case:
        case = load(connection, number)
        if case is None or not parts.sees(identity, case, self.routes.approvers(case.request.mo)):
            raise NotFound("no such request")
        return case

    def within(self, identity: Identity, number: int, action: Callable[[Connection, Case], Any]) -> Any:
        """Do something with a request that somebody may see, in one transaction."""
        with self._engine.begin() as connection:
            return action(connection, self._visible(connection, identity, number))

    def offered(self, case: Case) -> list[tuple[str, str]]:
        """Return the routes that a draft may take now, name and title."""
        return [(route.name, route.title) for route in self.routes.offered(asked(case), self._clock.now())]

    def _act(self, case: Case, identity: Identity, what: str) -> Act:
        request = case.request
        studies = tuple(study.study_uid for study in case.studies)
        return Act(request.number, what, identity.login, identity.role.value, identity.mo, request.mo, studies)


def _lost(identity: Identity, case: Case) -> bool:
    """Return whether a request that was offered to somebody's МО is with somebody else now."""
    offered = identity.mo in case.offers and parts.answers(identity)
    return offered and case.request.held and identity.login not in {case.request.consultant, *case.barred}
