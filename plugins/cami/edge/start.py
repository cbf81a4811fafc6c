"""Starting a server: its configuration is checked, its services are made, and Orthanc is asked to call them.

Called once, while Orthanc loads its plugins: an exception here makes Orthanc exit, which is what an unsafe or broken
installation must do.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from cami.boot.ready import announce_ready
from cami.db import open_engine
from cami.edge import http, logs, sdk
from cami.edge.background import Worker
from cami.edge.callers import RefusedCallers
from cami.edge.central_server import CentralServer
from cami.edge.proxy_server import ProxyServer
from cami.edge.server import Server
from cami.errors import Misconfigured
from cami.selfcheck import refuse_unsafe
from cami.settings import Role, read_settings

_SERVERS: Mapping[Role, type[Server]] = {"central": CentralServer, "proxy": ProxyServer}

#: Seconds that a thread may go on in Python while others wait.
SWITCH_INTERVAL = 0.0005


def start(role: Role) -> None:
    """Start a server of `role`.

    Raises
    ------
    cami.errors.Misconfigured
        The Orthanc configuration is unsafe, or is for another role.
    """
    logs.install()
    # Callbacks of Orthanc wait for Python's lock, a device with them: five milliseconds each time by default.
    sys.setswitchinterval(SWITCH_INTERVAL)
    configuration = json.loads(sdk.get_configuration())
    refuse_unsafe(configuration, role=role)
    settings = read_settings(configuration)
    if settings.role != role:
        raise Misconfigured(f'"Cami.Role" is "{settings.role}", but the script is that of a {role}')
    engine = open_engine(settings.database)
    server = _SERVERS[role](settings, engine, Path(configuration["StorageDirectory"]))
    callers = RefusedCallers(server.strangers)
    _follow_orthanc(server, [*server.register(), Worker("callers", callers.step)])
    callers.listen(announce_ready())


def _follow_orthanc(server: Server, workers: list[Worker]) -> None:
    # Only hints that there is something to read: the change log is what counts.
    woken = {
        change: [worker for worker in workers if worker.name in names]
        for change, names in (
            (sdk.ChangeType.NEW_INSTANCE, ("direct", "feed", "index")),
            (sdk.ChangeType.NEW_STUDY, ("arrivals",)),
        )
    }

    def changed(change: sdk.ChangeType, level: int, resource: str) -> None:
        for worker in woken.get(change, ()):
            worker.wake()
        if change == sdk.ChangeType.ORTHANC_STARTED:
            for worker in workers:
                worker.start()
        elif change == sdk.ChangeType.ORTHANC_STOPPED:
            for worker in workers:
                worker.stop()
            http.end_threads()
            for worker in workers:
                worker.join(1.0)
        elif change == sdk.ChangeType.DELETED:
            server.deleted(level, resource)

    sdk.on_change(changed)
