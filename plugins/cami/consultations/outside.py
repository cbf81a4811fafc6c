"""Requests that another system brings in for a doctor who has no account here: the МИС (reference/domain.md I9).

They are made and sent in one step, in the transaction of the message that asks for them, by the same rules as those of
the form; whoever is asked finds no difference. The asking МО's doctors see them, the approver of the МО approves them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from cami.access import Identity, Role
from cami.clock import Clock
from cami.consultations.drafts import Content, Drafts, Incomplete, asked
from cami.consultations.request import Case, Person, load
from cami.consultations.routes import Asked, RouteTable
from cami.consultations.states import Command, State
from cami.consultations.terms import Cancelled, Urgency
from cami.consultations.workflow import Change, Workflow
from cami.errors import Invalid, NotFound


class Outside:
    """Makes and withdraws such requests."""

    def __init__(self, clock: Clock, routes: RouteTable, drafts: Drafts, workflow: Workflow) -> None:
        self._clock = clock
        self._routes = routes
        self._drafts = drafts
        self._workflow = workflow

    def place(
        self, connection: Connection, by: Identity, given: Mapping[str, Any], study_uids: Sequence[str], to_mo: str
    ) -> Case:
        """Make a request and send it, or have it approved first, in the caller's transaction.

        Parameters
        ----------
        by
            The system's login, the doctor's name, the asking МО.
        given
            Fields of `Content`; the profile by code or by name, empty: the first of a route; the route is chosen.
        to_mo
            МО that is asked; empty: whoever the dispatcher chooses.

        Raises
        ------
        cami.consultations.drafts.Incomplete
            Something is missing, or no route fits; its codes say what.
        cami.errors.Invalid, cami.errors.NotFound
            A value is wrong; the asking МО has no such study.
        """
        values = {**given, "profile": self._profile(str(given.get("profile", "")), by.mo, to_mo)}
        draft = self._drafts.create(by, study_uids, Content().changed(values), within=connection)
        route = self._route(asked(draft), to_mo)
        case = self._drafts.save(connection, draft, {"route": route}, version=None)
        if missing := self._drafts.missing(connection, case):
            raise Incomplete(missing)
        approvers = self._routes.approvers(by.mo)
        if approvers and case.request.urgency is not Urgency.STAT:
            return self._workflow.move(connection, case, Change(Command.SUBMIT, Person.of(by)))
        found = self._routes.named(route)
        offers = [mo for mo in (found.to if found else ()) if mo != by.mo]
        return self._workflow.move(connection, case, Change(Command.SEND, Person.of(by), offers=offers))

    def withdraw(self, connection: Connection, number: int, by: Identity, text: str) -> Case:
        """Take a request back, in the caller's transaction.

        Raises
        ------
        cami.errors.Conflict
            It has ended.
        """
        case = load(connection, number)
        if case is None:
            raise NotFound("no such request")
        if case.request.state is State.CANCELLED:
            return case
        change = Change(Command.CANCEL, Person.of(by), reason=Cancelled.NO_LONGER_NEEDED.value, text=text[:2000])
        return self._workflow.move(connection, case, change)

    def changed(self) -> None:
        """Say that a transaction with such a change has ended: images are to be brought."""
        self._workflow.changed()

    def _profile(self, said: str, mo: str, to_mo: str) -> str:
        known = self._routes.profiles
        if said:
            return next((code for code, name in known.items() if said.casefold() in (code, name.casefold())), said)
        leading = [route for route in self._routes.open_to(mo) if not to_mo or to_mo in route.to]
        return next((profile for route in leading for profile in route.profiles), "")

    def _route(self, wanted: Asked, to_mo: str) -> str:
        """Return the route to that МО that may be taken now; empty if there is none."""
        offered = self._routes.offered(wanted, self._clock.now())
        return next((each.name for each in offered if (to_mo in each.to if to_mo else not each.to)), "")


def asker(system: str, name: str, mo: str) -> Identity:
    """Return in whose name a system asks: it vouches for its doctor, who has no account here."""
    return Identity(system[:64], name[:200], Role.CLINICIAN, mo)


def refused_codes(error: Invalid | NotFound) -> tuple[str, ...]:
    """Return why a request was refused, as codes of the form."""
    if isinstance(error, Incomplete):
        return error.codes
    return ("studies",) if isinstance(error, NotFound) else (str(error),)
