"""Programs of the host that the native runtime needs: found, or fetched with apt, with or without root."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from cami_cli.errors import Trouble
from cami_cli.places import HOME, runtime_folder

#: Which Debian package brings which program.
PACKAGES = {
    "bwrap": "bubblewrap",
    "mmdebstrap": "mmdebstrap",
    "nginx": "nginx",
    "stunnel4": "stunnel4",
    "wrk": "wrk",
}
#: Of these, what is never installed: its package would start a service on this host.
_UNPACKED = frozenset({"nginx", "wrk"})


def tool_environment() -> dict[str, str]:
    """Return the environment in which host tools run: with those unpacked under ``.runtime/tools``, messages in C."""
    unpacked = runtime_folder() / "tools"
    environment = os.environ | {"LC_ALL": "C"}
    environment["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin:{unpacked}/usr/bin:{unpacked}/usr/sbin"
    if unpacked.is_dir():
        perl = [*unpacked.glob("usr/share/perl*"), *unpacked.glob("usr/lib/*/perl*")]
        perl += [inner for folder in perl for inner in folder.glob("5.*")]
        libraries = unpacked.glob("usr/lib/*-linux-gnu")
        _prepend(environment, "PERL5LIB", perl)
        _prepend(environment, "LD_LIBRARY_PATH", libraries)
    return environment


def _prepend(environment: dict[str, str], name: str, folders: Iterable[Path]) -> None:
    values = [*map(str, folders), *filter(None, [environment.get(name)])]
    if values:
        environment[name] = ":".join(values)


def find_tool(program: str) -> str | None:
    """Return the path of a host program, or None."""
    return shutil.which(program, path=tool_environment()["PATH"])


def require_tools(programs: Iterable[str]) -> None:
    """Make sure that host programs are there, fetching their packages if need be.

    Raises
    ------
    cami_cli.errors.Trouble
        One is missing and cannot be fetched.
    """
    missing = [program for program in programs if find_tool(program) is None]
    if not missing:
        return
    packages = [PACKAGES[program] for program in missing]
    unpack = ["--unpack"] if _UNPACKED.issuperset(missing) else []
    script = [str(HOME / "scripts" / "host-packages"), *unpack, str(runtime_folder() / "tools"), *packages]
    result = subprocess.run(script, capture_output=True, text=True, check=False)
    still = [program for program in missing if find_tool(program) is None]
    if still:
        lines = [line.strip(" ✗→") for line in result.stderr.splitlines() if line.strip()]
        problem = lines[0] if lines else "the package manager did not bring it"
        raise Trouble(
            f"missing tool: {', '.join(still)} ({problem})",
            f"sudo apt-get install --no-install-recommends {' '.join(packages)}",
        )
