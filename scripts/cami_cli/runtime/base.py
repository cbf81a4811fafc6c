"""What a region asks of the place in which its Orthancs run, whatever that place is."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from cami_cli.progress import Progress

RuntimeKind = Literal["native", "docker"]
Suite = Literal["forky", "trixie"]

#: Where the files of a server stand inside the runtime (docs/architecture.md §3).
CONFIGURATION = "/etc/cami"
DATA = "/var/lib/cami"
PLUGINS = "/opt/cami/plugins"
SITE_PACKAGES = "/opt/cami/site-packages"
OHIF = "/opt/cami/ohif"

#: What runs inside: it checks the configuration, migrates the database and supervises Orthanc.
BOOT = ("python3", "-m", "cami.boot", f"{CONFIGURATION}/orthanc.json")

#: The whole environment of a server. ``TCP_NODELAY=1`` frees dcmtk, and so Orthanc's DICOM side, from Nagle's
#: algorithm, which costs 40 ms per C-STORE.
ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108 - the sandbox's own tmpfs
    "LANG": "C.UTF-8",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": f"{PLUGINS}:{SITE_PACKAGES}",
    "PYTHONUTF8": "1",
    "TCP_NODELAY": "1",
    "TZ": "Asia/Novokuznetsk",
}

#: How long a server may take to stop after SIGTERM (1-5 s are usual with open DICOM associations) before SIGKILL.
STOP_SECONDS = 15.0


#: Begins the line that a runtime may write into a server's log before each start, to tell one start from the next.
START_OF_LOG = "=== start of "


@dataclass(frozen=True, slots=True)
class Server:
    """One Orthanc of a region."""

    name: str
    """``central`` or ``proxy-<code of the МО>``."""
    configuration: Path
    """Host folder, read-only at ``/etc/cami``: orthanc.json, region.yaml, secrets/, keys/."""
    data: Path
    """Host folder, read-write at ``/var/lib/cami`` (docker: may be a named volume instead)."""
    log: Path
    """Host file that gets stdout and stderr, appended."""
    http_port: int
    """It listens there on the host's loopback, whatever the runtime; the proxies call the centre there too."""
    dicom_port: int


class Runtime(Protocol):
    """A place in which Orthancs run. Every method may raise `cami_cli.errors.Trouble`."""

    @property
    def kind(self) -> RuntimeKind:
        """Return which of the kinds this is."""
        ...

    def prepare(self, steps: Progress) -> None:
        """Make what servers need: Orthanc, Python packages, OHIF. Idempotent and cached; shows its steps."""
        ...

    def orthanc_version(self) -> str:
        """Return the version of the prepared Orthanc, as ``1.13.0``."""
        ...

    def start(self, server: Server) -> None:
        """Start a server and return at once; it goes on when this process ends. Does not wait until it answers."""
        ...

    def stop(self, server: Server) -> None:
        """End a server in order: SIGTERM, wait, then SIGKILL. Nothing happens if it does not run."""
        ...

    def kill(self, server: Server) -> None:
        """End a server at once, as a power cut would: SIGKILL for all of its processes."""
        ...

    def running(self, server: Server) -> bool:
        """Return whether the server's processes live."""
        ...

    def tool(self, argv: Sequence[str], *, binds: Sequence[Path] = ()) -> subprocess.CompletedProcess[str]:
        """Run a program of the runtime (dcmtk's ``storescu``) to its end, with output captured as text.

        `binds` are host paths that it sees read-only at the same place; it shares the host's network.
        """
        ...
