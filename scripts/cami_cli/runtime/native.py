"""Servers in a sandbox on this host: a Debian root made by mmdebstrap, run through bubblewrap, as root or not."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

from cami_cli.errors import Trouble
from cami_cli.places import PLUGINS as HOST_PLUGINS
from cami_cli.places import runtime_folder
from cami_cli.progress import Progress
from cami_cli.runtime import processes
from cami_cli.runtime.base import (
    BOOT,
    CONFIGURATION,
    DATA,
    OHIF,
    PLUGINS,
    SITE_PACKAGES,
    START_OF_LOG,
    STOP_SECONDS,
    Server,
    Suite,
)
from cami_cli.runtime.debian_root import DebianRoot, ensure_root, find_root
from cami_cli.runtime.host_tools import require_tools, tool_environment
from cami_cli.runtime.packages import ensure_packages
from cami_cli.runtime.sandbox import arguments, bubblewrap, hosts_file, refused, run_inside


class NativeRuntime:
    """Runs each server as a process of its own, in its own PID namespace: when its first process ends, all do."""

    kind: Literal["native"] = "native"

    def __init__(self, suite: Suite, *, command: Sequence[str] = BOOT, within: Sequence[str] = ()) -> None:
        """Make a runtime.

        Parameters
        ----------
        command
            What runs in the sandbox.
        within
            What stands before the sandbox on the host: ``nsenter`` into another network namespace, for benchmarks.
        """
        self._suite = suite
        self._command = command
        self._within = within
        self._packages: Path | None = None
        self._ohif: Path | None = None
        self._started: dict[Path, subprocess.Popen[bytes]] = {}

    def prepare(self, steps: Progress) -> None:
        """Make the Debian root, the Python packages and OHIF, as far as they are not there yet."""
        from cami_cli.ohif import prepare as prepare_ohif  # noqa: PLC0415 - only what prepares needs it

        require_tools(("bwrap",))
        root = ensure_root(self._suite, steps)
        self._packages = ensure_packages(root, steps)
        self._ohif = prepare_ohif(runtime_folder(), steps)
        self._compile_plugins()

    def _compile_plugins(self) -> None:
        """Leave the plugin's bytecode beside its sources: a server cannot write it there, and compiles for seconds.

        What has not changed is passed over. A folder that cannot be written to costs time, nothing else.
        """
        run_inside(
            self._root().folder, ["python3", "-m", "compileall", "-q", PLUGINS], writable={HOST_PLUGINS: PLUGINS}
        )

    def orthanc_version(self) -> str:
        """Return the version of Orthanc in the root."""
        return self._root().orthanc

    def start(self, server: Server) -> None:
        """Start a server, detached from this process and its terminal."""
        if self.running(server):
            return
        if self._packages is None or self._ohif is None:
            raise RuntimeError("prepare() comes before start()")
        readable = {
            HOST_PLUGINS: PLUGINS,
            self._packages: SITE_PACKAGES,
            self._ohif: OHIF,
            server.configuration.absolute(): CONFIGURATION,
        }
        for source in (*readable, server.data):
            if not source.is_dir():
                raise Trouble(f"{server.name} cannot start: {source} is missing", "scripts/cami region up makes it")
        pid = self._launch(server, readable)
        mark = processes.mark_of(pid) if pid is not None else None
        if mark is not None:
            processes.write_mark(self._mark(server), mark)
            return
        self._forget(server)
        told = server.log.read_text("utf-8", "replace").rpartition(START_OF_LOG)[2].partition("\n")[2]
        if pid is None or told.startswith("bwrap: "):
            raise refused(told)

    def _launch(self, server: Server, readable: Mapping[Path, str]) -> int | None:
        """Start bubblewrap; return the process id of the server's first process, None if there was none."""
        hosts = hosts_file(server.name)
        info, told = os.pipe()
        options = arguments(
            self._root().folder,
            hostname=server.name,
            readable=readable,
            writable={server.data.absolute(): DATA},
            hosts_fd=hosts,
        )
        try:
            with _open_log(server.log) as log:
                log.write(f"{START_OF_LOG}{server.name} {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode())
                log.flush()
                self._started[server.log] = subprocess.Popen(
                    [*self._within, bubblewrap(), "--info-fd", str(told), "--as-pid-1", *options, "--", *self._command],
                    env=tool_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(hosts, told),
                    start_new_session=True,
                    umask=0o077,
                )
        finally:
            os.close(hosts)
            os.close(told)
        with os.fdopen(info) as pipe:
            answer = pipe.read()
        return int(json.loads(answer)["child-pid"]) if answer.strip() else None

    def stop(self, server: Server) -> None:
        """End a server in order, by force if it takes too long."""
        mark = processes.read_mark(self._mark(server))
        if mark is not None:
            processes.terminate(mark, STOP_SECONDS)
        self._forget(server)

    def kill(self, server: Server) -> None:
        """End all processes of a server at once."""
        mark = processes.read_mark(self._mark(server))
        if mark is not None:
            processes.kill(mark)
        self._forget(server)

    def running(self, server: Server) -> bool:
        """Return whether the server's first process lives."""
        return processes.read_mark(self._mark(server)) is not None

    def tool(self, argv: Sequence[str], *, binds: Sequence[Path] = ()) -> subprocess.CompletedProcess[str]:
        """Run a program of the root, with `binds` readable at their own paths."""
        readable = {path.absolute(): str(path.absolute()) for path in binds}
        return run_inside(self._root().folder, argv, readable=readable)

    def _root(self) -> DebianRoot:
        root = find_root(self._suite)
        if root is None:
            raise Trouble(f"the runtime {self._suite} is not prepared", f"SUITE={self._suite} scripts/cami runtime")
        return root

    @staticmethod
    def _mark(server: Server) -> Path:
        return server.log.with_suffix(".pid")

    def _forget(self, server: Server) -> None:
        self._mark(server).unlink(missing_ok=True)
        process = self._started.pop(server.log, None)
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)


def _open_log(file: Path) -> BinaryIO:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
