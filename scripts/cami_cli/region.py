"""A development region: brought up, looked at, taken down; servers of it stopped, killed and started again.

What is decided once (ports, keys, passwords) is kept in the state folder, so that everything here can be repeated.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cami.region import Region, load_region
from cami_cli import answering, ports
from cami_cli.errors import Trouble
from cami_cli.keys import MIS, ensure_passwords, write_private
from cami_cli.places import require_space
from cami_cli.progress import Progress
from cami_cli.runtime.base import Runtime, RuntimeKind, Server, Suite
from cami_cli.runtime.choose import Choice, choose_kind, make_runtime, warn_of
from cami_cli.servers import CENTRAL, Configurations, mo_of, names, url
from cami_cli.state import Kept, StateFolder


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of ``region up``."""

    registry: Path
    runtime: Choice = "auto"
    suite: Suite | None = None
    """None: that of the state, else forky."""
    base_port: int | None = None


@dataclass(slots=True)
class Running:
    """A region that answers."""

    report: dict[str, Any]
    """The object of ``region up --json`` (design §7)."""
    runtime: Runtime
    started: list[Server] = field(default_factory=list)
    """What this call started; what ran before is not its to end."""

    def down(self) -> None:
        """End the servers that this call started."""
        stop_all(self.runtime, self.started)

    def alive(self) -> bool:
        """Return whether any of the servers that this call started still runs."""
        return any(self.runtime.running(server) for server in self.started)


def bring_up(state: StateFolder, wish: Wish, steps: Progress) -> Running:
    """Start what does not run, and wait until all of it answers.

    When it fails, what was started by this call is ended again.

    Raises
    ------
    cami_cli.errors.Trouble
        Something on this host is in the way.
    cami.errors.Invalid
        The registry is wrong.
    """
    region = load_region(wish.registry)
    with state.exclusive():
        require_space(state.folder, 0.5)
        kept = _settle(state, wish, region)
        warn_of(kept.suite, steps)
        runtime = make_runtime(kept.runtime, kept.suite)
        _refuse_moving(state, kept, wish, runtime)
        _retire(state, kept, region, runtime, steps)
        kept.ports = _ports(kept, wish, region)
        kept.passwords = ensure_passwords(region, kept.passwords)
        runtime.prepare(steps)
        state.save(kept)
        running = Running({}, runtime)
        try:
            _start_missing(Configurations(region, wish.registry, state, kept), state, kept, running, steps)
            _wait_all(region, state, kept, running, steps)
        except BaseException:
            running.down()
            raise
        running.report = describe(region, state, kept, runtime)
        write_private(state.report, json.dumps(running.report, ensure_ascii=False, indent=1))
    return running


def take_down(state: StateFolder, steps: Progress) -> None:
    """End every server of a region; its data stay."""
    kept = state.require()
    with state.exclusive():
        runtime = make_runtime(kept.runtime, kept.suite)
        there = [server for server in state.servers(kept) if runtime.running(server)]
        if not there:
            steps.note("  ✓ nothing runs")
            return
        with steps.step(f"stop {', '.join(server.name for server in there)}"):
            stop_all(runtime, there)


def stop_all(runtime: Runtime, servers: Sequence[Server]) -> None:
    """End servers in order, side by side: each takes seconds."""
    if servers:
        with ThreadPoolExecutor(len(servers)) as pool:
            list(pool.map(runtime.stop, reversed(servers)))


def find(state: StateFolder, name: str) -> tuple[Runtime, Server]:
    """Return a server of a region by its name, with its runtime.

    Raises
    ------
    cami_cli.errors.Trouble
        There is no such region or server.
    """
    kept = state.require()
    if name not in kept.ports:
        raise Trouble(f"there is no server {name}", f"name one of {', '.join(kept.ports)}")
    return make_runtime(kept.runtime, kept.suite), state.server(name, kept.ports[name])


def start_one(state: StateFolder, name: str, steps: Progress) -> None:
    """Start a server that was stopped or killed, with the configuration that it had, and wait until it answers."""
    runtime, server = find(state, name)
    with state.exclusive():
        if runtime.running(server):
            steps.note(f"  ✓ {name} runs already")
            return
        ports.require_free(server.http_port, name)
        ports.require_free(server.dicom_port, name)
        runtime.prepare(steps)
        with steps.step(f"start {name}"):
            runtime.start(server)
            try:
                answering.wait_healthy(runtime, server)
            except Trouble:
                runtime.kill(server)
                raise


def overview(state: StateFolder) -> dict[str, Any]:
    """Return how the servers of a region are."""
    kept = state.require()
    runtime = make_runtime(kept.runtime, kept.suite)

    def look(server: Server) -> dict[str, Any]:
        runs = runtime.running(server)
        return {
            "name": server.name,
            "running": runs,
            "healthy": runs and answering.healthy(server),
            "url": url(server),
            "dicom_port": server.dicom_port,
            "log": str(server.log),
        }

    with ThreadPoolExecutor() as pool:
        servers = list(pool.map(look, state.servers(kept)))
    return {"runtime": kept.runtime, "suite": kept.suite, "state": str(state.folder), "servers": servers}


def describe(region: Region, state: StateFolder, kept: Kept, runtime: Runtime) -> dict[str, Any]:
    """Return the object of design §7 (contract)."""
    central = state.server(CENTRAL, kept.ports[CENTRAL])
    base = url(central)
    proxies = []
    for organization in region.with_proxy:
        name = f"proxy-{organization.code}"
        server = state.server(name, kept.ports[name])
        proxies.append(
            {
                "mo": organization.code,
                "name": organization.short_name,
                "url": url(server),
                "dicom": _dicom(server, organization.proxy.aet if organization.proxy else ""),
                "devices": [{"aet": device.aet, "modality": device.modality} for device in organization.devices],
            }
        )
    machine = next((account for account in region.accounts if account.role == MIS.role), MIS)
    return {
        "runtime": runtime.kind,
        "orthanc_version": runtime.orthanc_version(),
        "central": {
            "url": base,
            "portal": f"{base}/cami/",
            "dicomweb": f"{base}/dicom-web",
            "dicom": _dicom(central, region.centre.aet),
        },
        "proxies": proxies,
        "accounts": [
            {"login": person.login, "password": kept.passwords[person.login], "role": person.role, "mo": person.mo}
            for person in region.accounts
            if person.role != MIS.role
        ],
        "mis": {
            "fhir": f"{base}/cami/fhir",
            "token_url": f"{base}/cami/oauth/token",
            "client_id": machine.login,
            "client_secret": kept.passwords[machine.login],
        },
    }


def _dicom(server: Server, aet: str) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": server.dicom_port, "aet": aet}


def _settle(state: StateFolder, wish: Wish, region: Region) -> Kept:
    """Return what is kept of this region, or the beginnings of a new one; refuse what cannot be changed later."""
    kept = state.load()
    if kept is None:
        kind: RuntimeKind = choose_kind(wish.runtime)
        return Kept(kind, wish.suite or "forky", dict.fromkeys(names(region), (0, 0)))
    elsewhere = "choose another folder (--state DIR), or remove this one to begin anew"
    if wish.runtime not in ("auto", kept.runtime):
        raise Trouble(f"the region in {state.folder} was made with the runtime {kept.runtime}", elsewhere)
    if wish.suite not in (None, kept.suite):
        raise Trouble(f"the region in {state.folder} was made with the suite {kept.suite}", elsewhere)
    return kept


def _refuse_moving(state: StateFolder, kept: Kept, wish: Wish, runtime: Runtime) -> None:
    """Refuse to give other ports to servers that run."""
    if wish.base_port is None:
        return
    asked = ports.consecutive(wish.base_port, 2 * len(kept.ports))
    for index, server in enumerate(state.servers(kept)):
        if runtime.running(server) and (server.http_port, server.dicom_port) != tuple(asked[2 * index : 2 * index + 2]):
            raise Trouble(
                f"the region runs on other ports ({server.name} on {server.http_port})",
                f"take it down first: scripts/cami region down --state {state.folder}",
            )


def _retire(state: StateFolder, kept: Kept, region: Region, runtime: Runtime, steps: Progress) -> None:
    """End servers whose МО have left the registry: nothing would know of them any more."""
    for server in state.servers(kept):
        if server.name not in names(region) and runtime.running(server):
            with steps.step(f"stop {server.name}, which is no longer in the registry"):
                runtime.stop(server)


def _ports(kept: Kept, wish: Wish, region: Region) -> dict[str, tuple[int, int]]:
    """Return the ports of each server: asked for, kept, or chosen free."""
    wanted = names(region)
    if wish.base_port is not None:
        numbers = ports.consecutive(wish.base_port, 2 * len(wanted))
        return {name: (numbers[2 * index], numbers[2 * index + 1]) for index, name in enumerate(wanted)}
    new = [name for name in wanted if kept.ports.get(name, (0, 0)) == (0, 0)]
    numbers = ports.choose_free(2 * len(new))
    chosen = {name: (numbers[2 * index], numbers[2 * index + 1]) for index, name in enumerate(new)}
    return {name: chosen.get(name) or kept.ports[name] for name in wanted}


def _start_missing(
    configurations: Configurations, state: StateFolder, kept: Kept, running: Running, steps: Progress
) -> None:
    servers = state.servers(kept)
    missing = [server for server in servers if not running.runtime.running(server)]
    for server in servers:
        if server not in missing and configurations.changed(server):
            steps.note(f"! {server.name} runs with an older configuration: region stop {server.name}, then region up")
    for server in missing:
        ports.require_free(server.http_port, server.name)
        ports.require_free(server.dicom_port, server.name)
    for server in missing:  # the centre's first: the proxies' keys are made with it
        configurations.write(server)
    for server in missing:
        running.started.append(server)  # before: an interrupted start has to be ended too
        running.runtime.start(server)


def _wait_all(region: Region, state: StateFolder, kept: Kept, running: Running, steps: Progress) -> None:
    servers = state.servers(kept)
    with steps.step("servers answer") as step:
        for server in servers:
            step.show(f"waiting for {server.name}")
            answering.wait_healthy(running.runtime, server)
        step.show(", ".join(f"{server.name} :{server.http_port}" for server in servers))
    unsettled = [server for server in servers if mo_of(server.name) and server.name not in kept.settled]
    if not unsettled:
        return
    with steps.step("people of the МО are known at their proxies"):
        for server in unsettled:
            people = [a.login for a in region.accounts if a.mo == mo_of(server.name)]
            if people:
                answering.wait_people(running.runtime, server, [(login, kept.passwords[login]) for login in people])
            kept.settled.append(server.name)
    state.save(kept)
