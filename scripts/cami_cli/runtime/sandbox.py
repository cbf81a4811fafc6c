"""bubblewrap: how the Debian root becomes a place to run in, for servers and for single programs."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cami_cli.errors import Trouble
from cami_cli.runtime.base import ENVIRONMENT
from cami_cli.runtime.host_tools import find_tool, tool_environment

#: The account inside; outside it is whoever runs the command line, root included.
_USER = "1000"


def arguments(
    root: Path,
    *,
    hostname: str,
    readable: Mapping[Path, str] = {},
    writable: Mapping[Path, str] = {},
    hosts_fd: int | None = None,
) -> list[str]:
    """Return bubblewrap's arguments: namespaces, the root read-only, mounts of host paths, a clean environment.

    The network is the host's. DICOMweb resolves the server's own host name for every study that it lists, so it must
    stand in ``/etc/hosts`` (`hosts_fd`, see `hosts_file`), else each answer waits for DNS.
    """
    result = ["--unshare-user", "--uid", _USER, "--gid", _USER, "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    result += ["--hostname", hostname, "--cap-drop", "ALL"]
    result += ["--ro-bind", str(root / "usr"), "/usr", "--ro-bind", str(root / "etc"), "/etc"]
    for name in ("bin", "lib", "lib64", "sbin"):
        result += ["--symlink", f"usr/{name}", f"/{name}"]
    result += ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/run", "/var"):  # noqa: S108 - inside the sandbox
        result += ["--tmpfs", folder]
    # resolv.conf is often a link into /run, so its target is mounted.
    result += ["--ro-bind-try", os.path.realpath("/etc/resolv.conf"), "/etc/resolv.conf"]
    if hosts_fd is not None:
        result += ["--ro-bind-data", str(hosts_fd), "/etc/hosts"]
    for source, target in readable.items():
        result += ["--ro-bind", str(source), target]
    for source, target in writable.items():
        result += ["--bind", str(source), target]
    result += ["--remount-ro", "/", "--chdir", "/", "--clearenv"]
    for name, value in ENVIRONMENT.items():
        result += ["--setenv", name, value]
    return result


def hosts_file(hostname: str) -> int:
    """Return a descriptor to read an ``/etc/hosts`` from that knows localhost and the server itself."""
    content = f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {hostname}\n"
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        pipe.write(content)
    return read


def bubblewrap() -> str:
    """Return the path of bubblewrap.

    Raises
    ------
    cami_cli.errors.Trouble
        It is not installed.
    """
    program = find_tool("bwrap")
    if program is None:
        raise Trouble("missing tool: bwrap", "run scripts/cami runtime, or sudo apt-get install bubblewrap")
    return program


def run_inside(
    root: Path,
    argv: Sequence[str],
    *,
    readable: Mapping[Path, str] = {},
    writable: Mapping[Path, str] = {},
) -> subprocess.CompletedProcess[str]:
    """Run a program in the sandbox to its end.

    Raises
    ------
    cami_cli.errors.Trouble
        This host does not let bubblewrap make a sandbox.
    """
    hosts = hosts_file("localhost")
    try:
        options = arguments(root, hostname="localhost", readable=readable, writable=writable, hosts_fd=hosts)
        result = subprocess.run(
            [bubblewrap(), "--die-with-parent", *options, "--", *argv],
            env=tool_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            pass_fds=(hosts,),
            check=False,
        )
    finally:
        os.close(hosts)
    if result.returncode != 0 and result.stderr.startswith("bwrap: "):
        raise refused(result.stderr)
    result.args = list(argv)
    return result


def refused(message: str) -> Trouble:
    """Explain why bubblewrap could not start something."""
    line = message.strip().splitlines()[0] if message.strip() else "bwrap: no message"
    if "execvp" in line:
        return Trouble(f"no such program in the runtime: {line}", "check the spelling of the program")
    return Trouble(
        f"this host allows no sandbox: {line}",
        "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), run as root, or use --runtime docker",
    )
