"""A Chromium for the browser tests and the screenshots: the host's, or one out of Debian's packages, without root.

Playwright's own download would be one more place to fetch from; Debian's package comes the way that Orthanc comes. It
is unpacked into a folder and run through bubblewrap, so it works on any distribution, as root and as anybody else.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from cami_cli.errors import Trouble
from cami_cli.places import locked, make_folder, require_space
from cami_cli.progress import Progress, Step, human_size, size_of
from cami_cli.runtime.base import Suite
from cami_cli.runtime.debian_root import unpack
from cami_cli.runtime.host_tools import require_tools, tool_environment
from cami_cli.runtime.sandbox import bubblewrap

#: Debian's stable suite: the browser gets security updates there.
SUITE: Suite = "trixie"
PACKAGES = ("chromium", "chromium-l10n", "fonts-dejavu-core")

#: What Chromium is started with: headless, calling nobody at home, in Russian as the hospitals have it.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # bubblewrap is the sandbox, and user namespaces do not nest everywhere
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=ru",
)

#: Raised when the wrapper changes.
LAYOUT = 2

_WRAPPER = """\
#!/bin/sh
# Chromium from the Debian root beside this file. Pipes of the caller (Playwright's 3 and 4) are passed on; its profile
# lies in the host's temporary folder.
set -eu
root=$(cd -- "$(dirname -- "$0")" && pwd)/root
tmp=${{TMPDIR:-/tmp}}
exec {bubblewrap} --unshare-user --unshare-pid --unshare-ipc --die-with-parent \\
  --ro-bind "$root/usr" /usr --ro-bind "$root/etc" /etc \\
  --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/sbin /sbin \\
  --proc /proc --dev /dev --tmpfs /dev/shm --tmpfs /run --tmpfs /var --tmpfs /tmp --bind "$tmp" "$tmp" \\
  --tmpfs /home --setenv HOME /home --setenv XDG_RUNTIME_DIR /run --setenv LANG C.UTF-8 --setenv LANGUAGE ru \\
  /usr/lib/chromium/chromium "$@"
"""


def prepare(runtime_dir: Path, steps: Progress) -> Path:
    """Return the program that Playwright starts (``executable_path``), made first if it is not there.

    Raises
    ------
    Trouble
        There is no Chromium on this host and none can be made.
    """
    host = shutil.which("chromium")
    if host is not None:
        return Path(host)
    shelf = runtime_dir / f"chromium-{SUITE}-{LAYOUT}"
    wrapper = shelf / "chromium"
    if wrapper.is_file():
        return wrapper
    require_tools(("mmdebstrap", "bwrap"))
    make_folder(runtime_dir)
    require_space(runtime_dir, 2)
    with locked(runtime_dir / ".chromium.lock"):
        if wrapper.is_file():  # made while this process waited
            return wrapper
        with steps.step(f"Chromium of Debian {SUITE}") as step:
            _make(shelf, step)
            step.show(f"{_version(wrapper)}, {human_size(size_of(shelf))}")
    return wrapper


def _make(shelf: Path, step: Step) -> None:
    """Unpack the packages and put the wrapper beside them; half-made folders never stay."""
    part = Path(tempfile.mkdtemp(prefix=".chromium.part-", dir=shelf.parent))
    try:
        unpack(SUITE, PACKAGES, part / "root", shelf.parent / "chromium.log", step)
        for name in ("hosts", "resolv.conf", "machine-id"):
            (part / "root/etc" / name).touch()
        for folder in ("doc", "man", "locale"):
            shutil.rmtree(part / "root/usr/share" / folder, ignore_errors=True)
        program = part / "chromium"
        program.write_text(_WRAPPER.format(bubblewrap=bubblewrap()), "utf-8")
        program.chmod(0o755)
        part.chmod(0o755)
        shutil.rmtree(shelf, ignore_errors=True)
        part.rename(shelf)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _version(program: Path) -> str:
    done = subprocess.run([program, "--version"], env=tool_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(program.parent, ignore_errors=True)
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Trouble(f"Chromium does not start: {last}", "allow user namespaces, or install the package chromium")
    return done.stdout.strip()
