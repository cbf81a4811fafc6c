"""The quarantine desk of a server: what people see of it, and the threads that do what they decide."""

from datetime import timedelta

from cami.edge.background import Worker
from cami.edge.server import Server, Services
from cami.quarantine import Carrier, Decisions, QuarantineDesk, Register, Removal, Side, quarantine_endpoints

#: Seconds between looks for decisions when nothing wakes the carrier: what a crash or a full disk left open.
CARRY_INTERVAL = 30.0
#: Seconds between looks for what is to be removed.
REMOVAL_INTERVAL = 3600.0


def open_desk(server: Server, side: Side, *, system: str, keep_days: int) -> Services:
    """Make the desk of a server and give it to its portal; `system` is the server's AE title."""
    register = Register(server.engine, proxy=server.settings.role == "proxy")
    decisions = Decisions(server.engine, server.clock)
    carrier = Carrier(
        engine=server.engine,
        clock=server.clock,
        register=register,
        decisions=decisions,
        side=side,
        system=system,
        keep_for=timedelta(days=keep_days),
    )
    removal = Removal(server.archive, server.engine, server.quarantine, server.clock)

    def carry() -> float:
        return 0.0 if carrier.step() else CARRY_INTERVAL

    def remove() -> float:
        return 0.0 if removal.step() else REMOVAL_INTERVAL

    carrying = Worker("quarantine", carry)
    server.desk = QuarantineDesk(
        role=server.settings.role,
        mo=server.settings.mo,
        archive=server.archive,
        register=register,
        decisions=decisions,
        side=side,
        wake=carrying.wake,
    )
    return quarantine_endpoints(server.authenticator, server.desk), [carrying, Worker("quarantine-removal", remove)]
