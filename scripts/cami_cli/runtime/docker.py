"""Servers as Docker containers: nobody's user, read-only root, no capabilities, named volumes, the host's network.

Why the host's network: docs/adr/0008-host-network.md. The containers are as the compose files in ``docker/`` make them
for production, except that nothing restarts them: in a region that is what its command line is for.
"""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

import docker
from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.types import LogConfig, Mount

from cami_cli.errors import Trouble
from cami_cli.progress import Progress
from cami_cli.runtime import docker_image, docker_logs, docker_volumes
from cami_cli.runtime.base import BOOT, CONFIGURATION, DATA, STOP_SECONDS, Server, Suite
from cami_cli.runtime.docker_engine import connect, run_once, told
from cami_cli.runtime.docker_image import LABEL

#: For archives that Orthanc packs and uploads that it receives; the only place beside the data that can be written.
_TMPFS = {"/tmp": "rw,nosuid,nodev,noexec,mode=1777,size=1g"}  # noqa: S108 - inside the container


class DockerRuntime:
    """Runs each server as a container of its own."""

    kind: Literal["docker"] = "docker"

    def __init__(self, suite: Suite, *, command: Sequence[str] = BOOT) -> None:
        self._suite = suite
        self._command = list(command)
        self._connected: docker.DockerClient | None = None
        self._followers: dict[Path, subprocess.Popen[bytes]] = {}

    def prepare(self, steps: Progress) -> None:
        """Build the image of this checkout, as far as it is not there yet."""
        docker_image.ensure(self._client, self._suite, steps)

    def orthanc_version(self) -> str:
        """Return the version of Orthanc in the image."""
        return docker_image.find(self._suite).orthanc

    def start(self, server: Server) -> None:
        """Start a server in a fresh container; its data is where it was."""
        if self.running(server):
            return
        image = docker_image.find(self._suite).reference
        name, labels = name_of(server), {LABEL: "server", f"{LABEL}.server": server.name}
        self._remove(server)
        docker_volumes.ensure(self._client, f"{name}-data", labels)
        try:
            docker_volumes.fill(self._client, f"{name}-config", image, server.configuration, labels)
            with told(f"starting {server.name}"):
                container = self._create(server, image, labels)
                self._followers[server.log] = docker_logs.follow(container, server.log)
                container.start()
        except Trouble as trouble:
            self._remove(server)
            if isinstance(trouble.__cause__, ImageNotFound):
                raise Trouble("the Docker image is gone", "RUNTIME=docker scripts/cami runtime") from trouble
            raise

    def stop(self, server: Server) -> None:
        """End a server in order, by force if it takes too long; what remains is the volume with its data."""
        container = self._container(server)
        if container is not None:
            with told(f"stopping {server.name}"), suppress(NotFound):
                container.stop(timeout=int(STOP_SECONDS))
        self._remove(server)

    def kill(self, server: Server) -> None:
        """End all processes of a server at once: the kernel ends those of a container with its first one.

        What remains is the volume with its data, as after `stop`: no container, no copy of its secrets.
        """
        container = self._container(server)
        if container is not None:
            with told(f"killing {server.name}"), suppress(NotFound):
                try:
                    container.kill("SIGKILL")
                except APIError as error:
                    if error.status_code != HTTPStatus.CONFLICT:  # it has ended already
                        raise
                container.wait(timeout=STOP_SECONDS)
        self._remove(server)

    def running(self, server: Server) -> bool:
        """Return whether the container's first process lives."""
        container = self._container(server)
        return container is not None and container.status == "running"

    def discard(self, server: Server) -> None:
        """End a server and remove all that it keeps outside the host's folders: its data too."""
        self.kill(server)
        docker_volumes.remove(self._client, f"{name_of(server)}-data")

    def tool(self, argv: Sequence[str], *, binds: Sequence[Path] = ()) -> subprocess.CompletedProcess[str]:
        """Run a program of the image as the user of this host, who may read what `binds` hold."""
        paths = [str(path.absolute()) for path in binds]
        with told(f"running {argv[0]}"):
            return run_once(
                self._client,
                docker_image.find(self._suite).reference,
                argv,
                labels={LABEL: "tool"},
                healthcheck={"test": ["NONE"]},
                mounts=[Mount(target=path, source=path, type="bind", read_only=True) for path in paths],
                user=f"{os.getuid()}:{os.getgid()}",
                # Root on the host reads everybody's files; without this, root in the container would not.
                cap_add=["DAC_READ_SEARCH"] if os.getuid() == 0 else [],
                **_CLOSED,
            )

    @property
    def _client(self) -> docker.DockerClient:
        if self._connected is None:
            self._connected = connect()
        return self._connected

    def _create(self, server: Server, image: str, labels: dict[str, str]) -> Container:
        name = name_of(server)
        return self._client.containers.create(
            image,
            entrypoint=self._command,
            name=name,
            labels=labels,
            hostname=server.name,
            # DICOMweb resolves the server's own name for every study that it lists; DNS would stall it.
            extra_hosts={server.name: "127.0.0.1"},
            mounts=[
                Mount(target=CONFIGURATION, source=f"{name}-config", type="volume", read_only=True),
                Mount(target=DATA, source=f"{name}-data", type="volume"),
            ],
            log_config=LogConfig(type="json-file", config={"max-size": "10m", "max-file": "3"}),
            **_CLOSED,
        )

    def _container(self, server: Server) -> Container | None:
        with told(f"looking for {server.name}"):
            try:
                return self._client.containers.get(name_of(server))
            except NotFound:
                return None

    def _remove(self, server: Server) -> None:
        """Remove the container, running or not, and the copy of its secrets."""
        container = self._container(server)
        if container is not None:
            with told(f"removing {server.name}"), suppress(NotFound):
                container.remove(v=True, force=True)
        self._unfollow(server)
        docker_volumes.remove(self._client, f"{name_of(server)}-config")

    def _unfollow(self, server: Server) -> None:
        """Let the follower write the last lines; it ends with the container."""
        follower = self._followers.pop(server.log, None)
        if follower is not None:
            try:
                follower.wait(5)
            except subprocess.TimeoutExpired:
                follower.kill()
                follower.wait()


#: What every container of ours is denied.
_CLOSED: dict[str, Any] = {
    "network_mode": "host",
    "read_only": True,
    "tmpfs": _TMPFS,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges=true"],
    "pids_limit": 1024,
}


def name_of(server: Server) -> str:
    """Return the name of a server's container, unlike that of the same server of another region on this engine."""
    return f"cami-{hashlib.sha256(str(server.data.resolve()).encode()).hexdigest()[:8]}-{server.name}"
