"""The Debian root that native servers run in: files of packages, unpacked without running any of their scripts.

mmdebstrap's ``extract`` variant in ``chrootless`` mode needs neither root nor subordinate user ids. What maintainer
scripts would have made and a server needs is made here: accounts, name service, CA bundle, compiled Python modules.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cami_cli.errors import Trouble
from cami_cli.places import locked, make_folder, require_space, runtime_folder
from cami_cli.progress import Progress, Step, human_size, size_of
from cami_cli.runtime.base import ENVIRONMENT, Suite
from cami_cli.runtime.host_tools import require_tools, tool_environment
from cami_cli.runtime.sandbox import run_inside

#: Orthanc with the two plugins that we load, and what starting them needs. No recommended packages: those would bring
#: GDCM, whose library crashes the server, and PostgreSQL clients.
PACKAGES = (
    "ca-certificates", "coreutils", "dash", "dcmtk", "orthanc", "orthanc-dicomweb", "orthanc-python", "python3",
    "tzdata",
)  # fmt: skip

#: Raised when what is made beside the packages' own files changes: roots made by an earlier release are made anew.
_LAYOUT = 2

_ACCOUNTS = {
    "passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\ncami:x:1000:1000:CAMI:/var/lib/cami:/usr/sbin/nologin\n",
    "group": "root:x:0:\ncami:x:1000:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
}

_NETWORK = re.compile(r"resolv|connect|timed out|network|unreachable|failed to fetch", re.IGNORECASE)
_SPACE = re.compile(r"no space left", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DebianRoot:
    """A complete root."""

    folder: Path
    orthanc: str
    """Version of Orthanc: ``1.13.0``."""
    python: str
    """Version of the Python that Orthanc's plugin links: ``3.14``."""


def root_folder(suite: Suite) -> Path:
    """Return where the root of `suite` stands."""
    return runtime_folder() / suite / "root"


def find_root(suite: Suite) -> DebianRoot | None:
    """Return the root of `suite` if it is complete and of this release."""
    folder = root_folder(suite)
    try:
        stamp = json.loads((folder / "cami.json").read_text())
    except (OSError, ValueError):
        return None
    if stamp.get("recipe") != _recipe():
        return None
    return DebianRoot(folder, stamp["orthanc"], stamp["python"])


def ensure_root(suite: Suite, steps: Progress) -> DebianRoot:
    """Return the root of `suite`, made first if it is not there; half-made ones never stay.

    Raises
    ------
    cami_cli.errors.Trouble
        It cannot be made: tools, network or space are missing.
    """
    found = find_root(suite)
    if found is not None:
        return found
    shelf = make_folder(root_folder(suite).parent)
    with locked(shelf / ".lock"):
        found = find_root(suite)
        if found is not None:  # made while this process waited
            return found
        require_tools(("mmdebstrap", "bwrap"))
        require_space(shelf, 2)
        for rest in shelf.glob("root.part-*"):  # of a preparation that was killed
            shutil.rmtree(rest, ignore_errors=True)
        part = Path(tempfile.mkdtemp(prefix="root.part-", dir=shelf))
        try:
            return _make(suite, part, steps)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _make(suite: Suite, part: Path, steps: Progress) -> DebianRoot:
    with steps.step(f"Debian {suite} with Orthanc and dcmtk") as step:
        folder = part / "root"
        unpack(suite, PACKAGES, folder, part.parent / "mmdebstrap.log", step)
        python = _python_version(folder)
        _complete(folder)
        step.show("compiling Python's library")
        library = f"/usr/lib/python{python}"
        _checked(folder, ["python3", "-m", "compileall", "-q", "-j0", library], writable=folder / "usr" / "lib")
        orthanc = _checked(folder, ["Orthanc", "--version"]).split()[1]
        made = DebianRoot(root_folder(suite), orthanc, python)
        stamp = {"recipe": _recipe(), **asdict(made), "folder": None}
        (folder / "cami.json").write_text(json.dumps(stamp))
        shutil.rmtree(made.folder, ignore_errors=True)
        folder.rename(made.folder)
        step.show(f"Orthanc {orthanc}, Python {python}, {human_size(size_of(made.folder))}")
    return made


def _recipe() -> str:
    return f"{_LAYOUT}:{','.join(PACKAGES)}"


def unpack(suite: Suite, packages: Sequence[str], folder: Path, log: Path, step: Step) -> None:
    """Unpack packages of Debian, with all that they depend on, into a folder that is not there yet.

    Raises
    ------
    cami_cli.errors.Trouble
        They cannot be fetched.
    """
    command = [
        "mmdebstrap",
        "--variant=extract",
        "--mode=chrootless",
        # Newer releases refuse this mode to root, for maintainer scripts could harm the host. None is run here.
        "--skip=check/chrootless",
        # The Release file of a testing suite can be older than its validity; its signature is checked all the same.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=Acquire::Retries "3"',
        f"--include={','.join(packages)}",
        suite,
        str(folder),
        *filter(None, [os.environ.get("CAMI_DEBIAN_MIRROR")]),
    ]
    told: list[str] = []
    with (
        log.open("w") as record,
        subprocess.Popen(command, env=tool_environment(), stderr=subprocess.PIPE, stdout=record, text=True) as process,
    ):
        for line in process.stderr or ():
            record.write(line)
            told.append(line.strip())
            if line.startswith("I: ") and "signal" not in line:
                step.show(line[3:].strip().rstrip("."))
    if process.returncode != 0:
        raise explain_failure(told, log)


def explain_failure(told: list[str], log: Path) -> Trouble:
    """Say in one line why mmdebstrap failed, from the lines that it wrote."""
    text = "\n".join(told)
    if _SPACE.search(text):
        return Trouble("no space left while unpacking Debian packages", "free 2 GB and run the command again")
    errors = [line for line in told if line.startswith(("E: ", "Err:"))] or told[-1:] or ["mmdebstrap said nothing"]
    if _NETWORK.search(text):
        return Trouble(
            "no network: the Debian packages could not be fetched",
            "check the connection or the proxy (http_proxy), or name another mirror with CAMI_DEBIAN_MIRROR; "
            f"details: {log}",
        )
    return Trouble(f"the Debian root could not be made: {errors[0].removeprefix('E: ')}", f"details: {log}")


def _python_version(folder: Path) -> str:
    """Return the version of the Python library that Orthanc's Python plugin links."""
    for library in folder.glob("usr/lib/*/libpython3.*.so.1.0"):
        return library.name.removeprefix("libpython").removesuffix(".so.1.0")
    raise Trouble("the unpacked Debian root has no Python library", "report this, with the suite that you used")


def _complete(folder: Path) -> None:
    etc = folder / "etc"
    for name, content in _ACCOUNTS.items():
        (etc / name).write_text(content)
    # What the sandbox mounts over must be there: /etc is read-only then.
    (etc / "cami").mkdir(exist_ok=True)
    for name in ("hosts", "resolv.conf"):
        (etc / name).unlink(missing_ok=True)
        (etc / name).touch()
    (etc / "localtime").unlink(missing_ok=True)
    (etc / "localtime").symlink_to(f"/usr/share/zoneinfo/{ENVIRONMENT['TZ']}")  # Orthanc does not start without
    certificates = sorted((folder / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    bundle = etc / "ssl" / "certs" / "ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text("".join(certificate.read_text() for certificate in certificates))


def _checked(folder: Path, argv: list[str], writable: Path | None = None) -> str:
    result = run_inside(folder, argv, writable={writable: "/usr/lib"} if writable else {})
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise Trouble(f"{argv[0]} fails in the Debian root: {lines[-1]}", "report this, with the suite that you used")
    return result.stdout
