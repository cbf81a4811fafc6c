"""What must hold before Orthanc is started: a safe configuration, files that are there, a database of this release."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cami.errors import Misconfigured
from cami.selfcheck import violations
from cami.settings import Settings, read_settings

_ERROR = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*(: |$)")


def _secret(settings: Settings) -> Path:
    """Return the secret that a role cannot do without."""
    return settings.link_key if settings.role == "proxy" else settings.secrets / "accounts.json"


def read_configuration(path: Path) -> dict[str, Any]:
    """Read Orthanc's configuration strictly: no comments, no field twice, so that we and Orthanc read the same.

    Raises
    ------
    cami.errors.Misconfigured
        It cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_duplicates)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Misconfigured(f"{path} is not the JSON that scripts/cami renders: {error}") from error
    if not isinstance(content, dict):
        raise Misconfigured(f"{path} must be one JSON object")
    return content


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f'"{key}" stands there twice')
        result[key] = value
    return result


def problems(configuration: Mapping[str, Any]) -> list[str]:
    """Return everything that forbids to start a server with this configuration, a line each."""
    try:
        settings = read_settings(configuration)
    except Misconfigured as error:
        return [str(error)]
    unsafe = [f"unsafe: {violation.message}" for violation in violations(configuration, role=settings.role)]
    # Without a safe configuration its paths are not trusted either.
    return unsafe or [*_missing_files(configuration, settings), *_unwritable(configuration, settings)]


def _missing_files(configuration: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    wanted = {
        "the plugin": [Path(plugin) for plugin in configuration["Plugins"]],
        "the script": [Path(configuration["Python"]["Path"])],
        "the registry": [settings.region],
        "the secret": [_secret(settings)],
    }
    for what, paths in wanted.items():
        for path in paths:
            if not path.is_file() or not os.access(path, os.R_OK):
                yield f"{what} {path} is missing or not readable: mount it, or prepare the runtime again"
    if settings.role == "central" and not settings.keys.is_dir():
        yield f"the folder of the proxies' keys {settings.keys} is missing: mount it"


def _unwritable(configuration: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    folders = (Path(configuration["StorageDirectory"]), settings.quarantine)
    for nearest in dict.fromkeys(_nearest(folder) for folder in folders):
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            yield f"{nearest} is not writable: give it to the user that runs the server (uid {os.getuid()})"


def _nearest(folder: Path) -> Path:
    """Return the folder itself, or the first one above it that is there."""
    return next((parent for parent in (folder, *folder.parents) if parent.exists()), Path("/"))


def warnings(hosts: Path = Path("/etc/hosts")) -> Iterator[str]:
    """Yield what is not wrong but will hurt."""
    name = socket.gethostname()
    try:
        entries = hosts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        entries = []
    if not any(name in line.partition("#")[0].split()[1:] for line in entries):
        yield f"the host name {name} is not in {hosts}: DICOMweb answers will wait for DNS; add it with 127.0.0.1"


def check_registry(settings: Settings) -> None:
    """Validate the registry.

    Raises
    ------
    cami.errors.Misconfigured
        It is wrong; the message has one line a problem.
    """
    _run("cami.region", [str(settings.region)], "the registry is wrong")


def migrate(settings: Settings) -> None:
    """Bring the database to this release. Its address is handed over in the environment: it may hold a password.

    Raises
    ------
    cami.errors.Misconfigured
        The migration failed.
    """
    _run("cami.db.migrate", [], "the database could not be migrated", CAMI_DATABASE=settings.database)


def _run(module: str, arguments: list[str], failure: str, **environ: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    run = subprocess.run(
        command, env=os.environ | environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if run.returncode:
        told = run.stderr.strip().splitlines()
        if any(line.startswith("Traceback") for line in told):
            told = [line for line in told if _ERROR.match(line)][-1:]  # what happened, without the way to it
        raise Misconfigured("\n".join([failure, *(told or [f"{module} ended with status {run.returncode}"])]))
