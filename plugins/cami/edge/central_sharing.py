"""Sharing at the centre: grants of people and emergencies, and the labels that follow them."""

from dataclasses import dataclass
from datetime import timedelta

from cami.access import Accounts, GrantBook, study_owners
from cami.edge.background import Worker
from cami.edge.server import Server, Services
from cami.errands import ErrandBook
from cami.sharing import Caller, EmergencyDesk, LabelMirror, SharingDesk, grant_endpoints
from cami.sharing.emergency import KnownPatients

#: Seconds between looks for grants whose time is over when nothing wakes the mirror.
MIRROR_INTERVAL = 5.0
#: Seconds that changes are gathered; also the moment that a change may take to be committed.
GATHERS = 0.2
#: Between two comparisons of all labels with the table.
REPAIR_EVERY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class KnownPeople:
    """The accounts, as sharing asks for them."""

    accounts: Accounts

    def known(self, login: str) -> bool:
        """Say whether there is an account of that login that may sign in."""
        return self.accounts.state(login) is not None


def open_sharing(server: Server, book: GrantBook, errands: ErrandBook, known: KnownPatients) -> Services:
    """Make what shares, and give it to the server's portal."""
    organizations = [organization.code for organization in server.region.organizations]
    people = KnownPeople(server.accounts)
    server.sharing = SharingDesk(server.engine, server.clock, book, people, organizations)
    server.emergency = EmergencyDesk(
        server.engine,
        server.clock,
        book=book,
        trail=server.audit,
        archive=server.archive,
        owners=study_owners("central", "", server.engine, server.clock),
        known=known,
    )
    mirror = LabelMirror(server.engine, server.clock, server.archive, book)
    with_proxy = [organization.code for organization in server.region.with_proxy]
    caller = Caller(server.engine, server.clock, errands, with_proxy)
    compared = server.clock.now()

    def follow() -> float:
        nonlocal compared
        if server.clock.now() - compared >= REPAIR_EVERY:
            mirror.repair()
            compared = server.clock.now()
        caller.step()
        return 0.0 if mirror.step() else MIRROR_INTERVAL

    worker = Worker("grants", follow, gather=GATHERS)
    book.changed = worker.wake
    return grant_endpoints(server.authenticator, server.sharing, mirror), [worker]
