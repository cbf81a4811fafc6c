"""A container's output, copied to the server's log file for as long as the container runs.

Docker keeps the output for itself; a region promises a file. `follow` attaches before the container starts, so that no
line is missed (the engine's own ``logs --follow`` can lose the last ones of a container that ends), and hands the
connection to a process that outlives the command line, as the container does, and ends with it. That process is this
file run as a program: the standard library only, so that it costs little and starts at once.
"""

import io
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from docker.models.containers import Container

#: In front of each piece: which stream, three empty bytes, its length (Docker Engine API, ContainerAttach).
_HEADER = struct.Struct(">BxxxL")


def follow(container: "Container", log: Path) -> subprocess.Popen[bytes]:
    """Start to append all that `container`, which has not started yet, will write to `log`.

    Raises
    ------
    cami_cli.errors.Trouble
        The engine is elsewhere: the connection belongs to a library then and cannot be handed on.
    """
    connection = container.attach_socket(params={"stdout": 1, "stderr": 1, "stream": 1})
    try:
        if not isinstance(connection, socket.SocketIO):
            raise elsewhere()
        with log.open("ab") as file:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", __file__],
                stdin=connection.fileno(),
                stdout=file,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
    finally:
        connection.close()


def elsewhere() -> Exception:
    """Say that a region needs an engine on this machine, whose network its servers and people share."""
    from cami_cli.errors import Trouble  # noqa: PLC0415 - the copying program knows nothing of this package

    return Trouble("the Docker engine is on another machine", "run scripts/cami there, or unset DOCKER_HOST")


def copy(stream: BinaryIO, log: BinaryIO) -> None:
    """Write what the pieces of `stream` hold to `log`, each at once, until the stream ends."""
    while len(header := stream.read(_HEADER.size)) == _HEADER.size:
        _, length = _HEADER.unpack(header)
        log.write(stream.read(length))
        log.flush()


if __name__ == "__main__":
    copy(io.BufferedReader(io.FileIO(0)), sys.stdout.buffer)
