"""The Docker engine of this machine: found where it listens, and its errors told in one line."""

import hashlib
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from cami_cli.errors import Trouble
from cami_cli.places import HOME

#: Pulling and building answer in pieces; a single answer (removing a large container) may take this long.
TIMEOUT_SECONDS = 120

_UNIX = "unix://"


def connect() -> docker.DockerClient:
    """Return a client of the engine that ``DOCKER_HOST`` names, else of the first that answers at a usual place.

    Raises
    ------
    cami_cli.errors.Trouble
        None answers, or it may not be used.
    """
    address = os.environ.get("DOCKER_HOST")
    if address:
        if not address.startswith(_UNIX) or _listens(Path(address.removeprefix(_UNIX))):
            with suppress(DockerException, RequestException):
                client = docker.from_env(version="auto", timeout=TIMEOUT_SECONDS)
                client.ping()
                return client
        raise Trouble(
            f"the Docker engine at DOCKER_HOST={address} does not answer",
            "start it, or unset DOCKER_HOST to use the one of this machine",
        )
    forbidden = None
    for place in sockets():
        if not place.is_socket():
            continue
        if not os.access(place, os.R_OK | os.W_OK):
            forbidden = forbidden or place
        elif _listens(place):
            with suppress(DockerException, RequestException):
                client = docker.DockerClient(f"{_UNIX}{place}", version="auto", timeout=TIMEOUT_SECONDS)
                client.ping()
                return client
    if forbidden is not None:
        raise Trouble(
            f"you may not use the Docker engine at {forbidden}",
            "sudo usermod -aG docker $USER and sign in again, run as root, or use --runtime native",
        )
    raise Trouble(
        "no Docker engine answers",
        'install and start one (apt-get install docker.io), or: eval "$(tests/docker/engine.sh start)"; '
        "without Docker: --runtime native",
    )


def sockets() -> list[Path]:
    """Return where engines listen: the system's, a rootless one's, the one of ``tests/docker/engine.sh``."""
    found = [Path("/var/run/docker.sock")]
    if os.environ.get("XDG_RUNTIME_DIR"):
        found.append(Path(os.environ["XDG_RUNTIME_DIR"], "docker.sock"))
    store = os.path.realpath(os.environ.get("CAMI_ENGINE_DIR") or HOME / "build" / "docker-engine")
    mark = hashlib.sha256(store.encode()).hexdigest()[:8]
    return [*found, Path(f"/run/cami-engine-{mark}/docker.sock")]


def _listens(place: Path) -> bool:
    """Return whether somebody accepts connections; asked first, since the SDK forgets to close one that failed."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(place))
        except OSError:
            return False
    return True


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Turn what the engine refuses into `Trouble`: ``doing`` says what was tried."""
    try:
        yield
    except APIError as error:
        reason = (error.explanation or str(error)).strip().splitlines()[0]
        if "no space left" in reason:
            raise Trouble(f"{doing}: no space left", "free some space where Docker keeps its data") from error
        raise Trouble(f"{doing}: {reason}", "see the log of the Docker engine") from error
    except (DockerException, RequestException) as error:
        raise Trouble(f"{doing}: the Docker engine does not answer", "see whether it still runs") from error


def run_once(
    client: docker.DockerClient, image: str, argv: Sequence[str], **settings: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program in a container of its own to its end, with its output captured as text.

    Unlike the SDK's ``run`` it never pulls an image, and it reads the output when all of it is there.
    """
    container = client.containers.create(image, entrypoint=[argv[0]], command=list(argv[1:]), **settings)
    try:
        container.start()
        code = int(container.wait()["StatusCode"])
        output, errors = (
            container.logs(stdout=out, stderr=not out).decode("utf-8", "replace") for out in (True, False)
        )
    finally:
        container.remove(v=True, force=True)
    return subprocess.CompletedProcess(list(argv), code, output, errors)
