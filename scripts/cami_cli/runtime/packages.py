"""The locked Python packages of a server, installed for the Python of its root and never for the host's."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from uv import find_uv_bin

from cami_cli.errors import Trouble
from cami_cli.places import REQUIREMENTS, locked, require_space
from cami_cli.progress import Progress, human_size, size_of
from cami_cli.runtime.base import SITE_PACKAGES
from cami_cli.runtime.debian_root import DebianRoot
from cami_cli.runtime.sandbox import run_inside

_NETWORK = re.compile(r"dns|connect|timed out|network|unreachable|error sending request", re.IGNORECASE)
_CERTIFICATE = re.compile(r"certificate|unknownissuer", re.IGNORECASE)


def ensure_packages(root: DebianRoot, steps: Progress, lock: Path = REQUIREMENTS / "runtime.lock") -> Path:
    """Return the folder with the packages of `lock` for the Python of `root`, made first if it is not there.

    Raises
    ------
    cami_cli.errors.Trouble
        They cannot be fetched, a hash differs, or space is missing.
    """
    shelf = root.folder.parent
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = shelf / f"site-packages-{root.python}-{digest}"
    if folder.is_dir():
        return folder
    with locked(shelf / ".lock"):
        if folder.is_dir():  # made while this process waited
            return folder
        require_space(shelf, 0.5)
        with steps.step(f"Python packages for Python {root.python}") as step:
            part = Path(tempfile.mkdtemp(prefix="site-packages.part-", dir=shelf))
            try:
                install(lock, root.python, part, shelf / "packages.log")
                step.show("compiling")
                run_inside(root.folder, ["python3", "-m", "compileall", "-q", "-j0", SITE_PACKAGES],
                           writable={part: SITE_PACKAGES})  # fmt: skip
                part.chmod(0o755)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
            step.show(human_size(size_of(folder)))
    return folder


def install(lock: Path, python: str, folder: Path, log: Path) -> None:
    """Put the wheels of `lock` for Python `python` on this machine's processor into `folder`; needs no such Python.

    Raises
    ------
    cami_cli.errors.Trouble
        They cannot be fetched, a hash differs, or space is missing.
    """
    command = [
        find_uv_bin(), "pip", "install", "--no-progress", "--target", str(folder),
        "--python-version", python, "--python-platform", f"{platform.machine()}-manylinux_2_28",
        "--only-binary", ":all:", "--require-hashes", "--no-deps", "-r", str(lock),
    ]  # fmt: skip
    result = subprocess.run(command, env=os.environ | {"NO_COLOR": "1"}, capture_output=True, text=True, check=False)
    log.write_text(result.stdout + result.stderr)
    if result.returncode == 0:
        return
    text = result.stderr.strip()
    if "No space left" in text:
        raise Trouble("no space left for the Python packages", "free 1 GB and run the command again")
    if _CERTIFICATE.search(text):
        raise Trouble(
            "the package server's certificate is not trusted: something between intercepts TLS",
            f"put its CA into /usr/local/share/ca-certificates and run update-ca-certificates; details: {log}",
        )
    if _NETWORK.search(text):
        raise Trouble(
            "no network: the Python packages could not be fetched",
            f"check the connection or the proxy (https_proxy), then run the command again; details: {log}",
        )
    last = text.splitlines()[-1].strip() if text else "no message"
    raise Trouble(f"the Python packages could not be installed: {last}", f"details: {log}")
