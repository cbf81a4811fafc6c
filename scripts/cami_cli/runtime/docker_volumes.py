"""The named volumes of a server: one for its data, which stays, and one for its configuration, filled at each start.

The configuration holds secrets that only the host user may read (0600). A bind mount would show them to the
container's user not at all, or to everybody. So they are copied into a volume, where they belong to that user alone;
this also works with an engine on another machine or without root.
"""

import io
import tarfile
from contextlib import suppress
from pathlib import Path

import docker
from docker.errors import NotFound
from docker.types import Mount

from cami_cli.runtime.base import CONFIGURATION
from cami_cli.runtime.docker_engine import told

#: The user of the image, and of its group (docker/Dockerfile).
USER_ID = 10001


def ensure(client: docker.DockerClient, name: str, labels: dict[str, str]) -> None:
    """Make a named volume unless it is there; Docker gives a fresh one the owner of the image's mount point."""
    with told(f"making the volume {name}"):
        client.volumes.create(name, labels=labels)


def remove(client: docker.DockerClient, name: str) -> None:
    """Remove a volume with all that it holds, if it is there."""
    with told(f"removing the volume {name}"), suppress(NotFound):
        client.volumes.get(name).remove(force=True)


def fill(client: docker.DockerClient, name: str, image: str, folder: Path, labels: dict[str, str]) -> None:
    """Make the volume `name` anew with the files of a configuration folder, readable by the server's user only."""
    remove(client, name)
    ensure(client, name, labels)
    with told("copying the configuration"):
        # Never started: the engine copies into it all the same.
        helper = client.containers.create(
            image,
            entrypoint=["true"],
            network_mode="none",
            mounts=[Mount(target=CONFIGURATION, source=name, type="volume")],
            labels=labels,
        )
        try:
            helper.put_archive(CONFIGURATION, archive(folder))
        finally:
            helper.remove(v=True, force=True)


def archive(folder: Path) -> bytes:
    """Return the files below `folder` as a tar archive, owned by the server's user and closed to all others."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", dereference=True) as tar:
        tar.add(folder, arcname=".", filter=_closed)
    return stream.getvalue()


def _closed(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = USER_ID
    member.uname = member.gname = ""
    member.mode = 0o500 if member.isdir() else 0o400
    return member
