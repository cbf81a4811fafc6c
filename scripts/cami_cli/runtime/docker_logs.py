"""Follows a container's output into the server's log file, for as long as the container runs.

Docker keeps the output for itself; a region promises a file. `follow` starts this module as a process of its own, which
outlives the command line as the container does and ends with it.
"""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from docker.errors import DockerException
from requests.exceptions import RequestException

from cami_cli.errors import Trouble
from cami_cli.places import HOME, PLUGINS
from cami_cli.runtime.docker_engine import connect


def follow(container: str, log: Path) -> subprocess.Popen[bytes]:
    """Start to append what `container` writes to `log`, from its first line on."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__, container, str(log.absolute())],
        env=os.environ | {"PYTHONPATH": f"{PLUGINS}:{HOME / 'scripts'}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def main(container: str, log: Path) -> int:
    """Copy until the container ends. 1 if the engine went away before it."""
    try:
        with closing(connect()) as client, log.open("ab", buffering=0) as file:
            for piece in client.api.logs(container, stream=True, follow=True):
                file.write(piece)
    except (DockerException, RequestException, Trouble, OSError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
