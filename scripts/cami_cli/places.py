"""Where things stand on the host: this repository, the runtime cache, and room on the disk."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cami_cli.errors import Trouble

#: The repository that this command line belongs to.
HOME = Path(__file__).resolve().parents[2]
PLUGINS = HOME / "plugins"
REQUIREMENTS = HOME / "requirements"


def runtime_folder() -> Path:
    """Return the folder of prepared runtimes; ``CAMI_RUNTIME_DIR`` lets several clones share one."""
    return Path(os.environ.get("CAMI_RUNTIME_DIR") or HOME / ".runtime").absolute()


def make_folder(folder: Path, *, private: bool = False) -> Path:
    """Make `folder`, and those above it that are missing, and return it.

    Parameters
    ----------
    private
        Only its owner may look into what is made.

    Raises
    ------
    cami_cli.errors.Trouble
        It cannot be made.
    """
    mode = 0o700 if private else 0o755
    try:
        # Path.mkdir(parents=True) gives the mode to the last one only.
        for missing in reversed([above for above in (folder, *folder.parents) if not above.exists()]):
            missing.mkdir(exist_ok=True, mode=mode)
    except OSError as error:
        raise Trouble(f"{folder} cannot be made: {error.strerror}", "choose a folder that you may write") from error
    return folder


def require_space(folder: Path, gigabytes: float) -> None:
    """Make sure that the file system of `folder` has room.

    Raises
    ------
    cami_cli.errors.Trouble
        It has less than `gigabytes` free.
    """
    free = shutil.disk_usage(folder).free
    if free < gigabytes * 1e9:
        raise Trouble(
            f"no space: {folder} has {free / 1e9:.1f} GB free, {gigabytes:g} GB are needed",
            "free some space, or name a folder on another disk (CAMI_RUNTIME_DIR for runtimes, --state for regions)",
        )


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Let one process at a time do what follows; others wait. The lock ends with the process, however it ends."""
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
