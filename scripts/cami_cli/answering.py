"""Waiting until servers answer, and telling why one does not."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from cami_cli.errors import Trouble
from cami_cli.runtime.base import START_OF_LOG, Runtime, Server
from cami_cli.servers import mo_of, url

#: A slow machine that starts all servers at once needs half a minute.
START_SECONDS = 120.0
#: People reach a proxy within seconds of both being up; it asks every 15.
PEOPLE_SECONDS = 60.0
_LOG_LINES = 15


def http() -> requests.Session:
    """Return an HTTP client for this host: no proxy of the environment stands between."""
    session = requests.Session()
    session.trust_env = False
    return session


def healthy(server: Server) -> bool:
    """Return whether a server says that it is well, in the role that it should have."""
    role = "proxy" if mo_of(server.name) else "central"
    try:
        with http() as client:
            answer = client.get(f"{url(server)}/cami/health", timeout=5)
            return answer.status_code == 200 and answer.json() == {"status": "ok", "role": role}
    except (requests.RequestException, ValueError):
        return False


def signs_in(server: Server, credentials: Sequence[tuple[str, str]]) -> bool:
    """Return whether a server knows one of these logins with its password."""
    with http() as client:
        for login, password in credentials:
            try:
                answer = client.get(f"{url(server)}/cami/whoami", auth=(login, password), timeout=10)
                if answer.status_code == 200 and answer.json().get("login") == login:
                    return True
            except (requests.RequestException, ValueError):
                continue
    return False


def wait_healthy(runtime: Runtime, server: Server) -> None:
    """Wait until a server answers.

    Raises
    ------
    cami_cli.errors.Trouble
        It ended, or did not answer in time; with the end of its log.
    """
    _wait(runtime, server, lambda: healthy(server), _Patience(START_SECONDS, 0.2, "does not answer"))


def wait_people(runtime: Runtime, server: Server, credentials: Sequence[tuple[str, str]]) -> None:
    """Wait until the people of a proxy's МО have come from the centre and can sign in.

    Raises
    ------
    cami_cli.errors.Trouble
        It ended, or they did not come in time.
    """
    # One login: each try with a login that the proxy does not know yet counts as a failed sign-in there.
    first = credentials[:1]
    patience = _Patience(PEOPLE_SECONDS, 1.0, "has not got its people from the centre")
    _wait(runtime, server, lambda: signs_in(server, first), patience)


@dataclass(frozen=True, slots=True)
class _Patience:
    seconds: float
    pause: float
    otherwise: str
    """What is wrong with a server for which this was not enough."""


def _wait(runtime: Runtime, server: Server, ready: Callable[[], bool], patience: _Patience) -> None:
    until = time.monotonic() + patience.seconds
    while not ready():
        if not runtime.running(server):
            raise Trouble(f"{server.name} ended while starting", _see(server.log))
        if time.monotonic() > until:
            raise Trouble(f"{server.name} {patience.otherwise} after {patience.seconds:.0f} s", _see(server.log))
        time.sleep(patience.pause)


def _see(log: Path) -> str:
    return f"the end of its log {log}:\n{tail(log)}"


def tail(log: Path) -> str:
    """Return the last lines that a server has logged since its last start, fit for a terminal.

    That is without control characters and endless lines.

    Servers write no patient data and no secrets into their logs (``DeidentifyLogs``, `cami.edge.logs`).
    """
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 16_384))
            text = stream.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return "    (nothing)"
    latest = text.rpartition(START_OF_LOG)[2]
    lines = [line for line in latest.splitlines() if line.strip()][-_LOG_LINES:]
    return "\n".join("    " + "".join(sign if sign.isprintable() else " " for sign in line)[:200] for line in lines)
