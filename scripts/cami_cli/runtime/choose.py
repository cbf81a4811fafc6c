"""Which runtime: asked for, kept from the last start, or what this host can."""

import shutil
import subprocess
from typing import Literal

from cami_cli.progress import Progress
from cami_cli.runtime.base import Runtime, RuntimeKind, Suite
from cami_cli.runtime.host_tools import find_tool
from cami_cli.runtime.native import NativeRuntime

Choice = Literal["auto", "native", "docker"]

#: Design §7: kept working for sites that have it, but never quietly.
TRIXIE_WARNING = (
    "! trixie's Orthanc 1.12.7 lacks the fixes of CVE-2026-5437…5445 and CVE-2026-10528: not for new sites (use forky)"
)


def choose_kind(choice: Choice) -> RuntimeKind:
    """Return the kind that `choice` means here: native unless only Docker is possible."""
    if choice != "auto":
        return choice
    if not _native_possible() and _docker_answers():
        return "docker"
    return "native"


def make_runtime(kind: RuntimeKind, suite: Suite) -> Runtime:
    """Return the runtime of a kind."""
    if kind == "docker":
        from cami_cli.runtime.docker import DockerRuntime  # noqa: PLC0415 - the Docker SDK is slow to import

        return DockerRuntime(suite)
    return NativeRuntime(suite)


def warn_of(suite: Suite, steps: Progress) -> None:
    """Say what is wrong with an old suite."""
    if suite == "trixie":
        steps.note(TRIXIE_WARNING)


def _native_possible() -> bool:
    """Return whether this host has, or can fetch, the tools, and allows namespaces."""
    program = find_tool("bwrap")
    if program is None:
        return shutil.which("apt-get") is not None
    trial = [program, "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
