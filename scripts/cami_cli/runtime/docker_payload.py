"""What an image gets from this repository and from the package registries, put where ``docker build`` finds it.

``build/docker/SUITE/`` holds ``site-packages`` (the locked packages for the image's Python, fetched and checked on this
host, so that a build needs no Python registry) and ``ohif``. Together with ``plugins/`` and ``docker/`` that is the
whole context; its digest tells whether an image is that of this checkout.
"""

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from cami_cli.places import HOME, REQUIREMENTS, locked, make_folder, require_space, runtime_folder
from cami_cli.progress import Progress, human_size, size_of
from cami_cli.runtime.base import Suite
from cami_cli.runtime.packages import install

LOCK = REQUIREMENTS / "runtime.lock"

#: What the first stage of the Dockerfile, Debian's part, is made from.
SYSTEM = ("docker/Dockerfile",)


def folder_of(suite: Suite) -> Path:
    """Return the staging folder of a suite; `docker/Dockerfile` copies from it."""
    return HOME / "build" / "docker" / suite


def stage(suite: Suite, python: str, steps: Progress) -> None:
    """Make Python packages and OHIF ready for a build, as far as they are not.

    Raises
    ------
    cami_cli.errors.Trouble
        Something cannot be fetched or is not what was pinned.
    """
    from cami_cli.ohif import prepare as prepare_ohif  # noqa: PLC0415 - only what prepares needs it

    folder = make_folder(folder_of(suite))
    ohif = prepare_ohif(runtime_folder(), steps)
    with locked(folder / ".lock"):
        _stage_packages(folder, python, steps)
        _stage_ohif(folder, ohif)


def context(suite: Suite) -> list[str]:
    """Return the files of the whole context, relative to the repository, in order."""
    staged = folder_of(suite).relative_to(HOME)
    parts = ("docker/healthcheck.py", "plugins", f"{staged}/site-packages", f"{staged}/ohif")
    return [*SYSTEM, *(name for part in parts for name in _files(HOME / part))]


def digest(names: Iterable[str], *more: str) -> str:
    """Return a digest of files by name, executability and content, and of what else an image depends on."""
    total = hashlib.sha256("\0".join(more).encode())
    for name in names:
        file = HOME / name
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{name}\0{file.stat().st_mode & 0o111:o}\0{content}\n".encode())
    return total.hexdigest()[:16]


def archive(names: Iterable[str]) -> io.BufferedRandom:
    """Return files as the tar archive that an engine builds from: owned by root, readable by all, nothing else."""
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - handed to the caller
    # Links are followed: the staging folder's hard links are files of their own in an image.
    with tarfile.open(fileobj=stream, mode="w", dereference=True) as tar:
        for name in names:
            tar.add(HOME / name, arcname=name, recursive=False, filter=_plain)
    stream.seek(0)
    return stream


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    return member


def _files(part: Path) -> list[str]:
    """Return the files of one part; compiled Python is left out, since the image compiles for itself."""
    if part.is_file():
        return [str(part.relative_to(HOME))]
    found = []
    for folder, below, names in os.walk(part):
        below[:] = sorted(name for name in below if name != "__pycache__")
        place = Path(folder).relative_to(HOME)
        found += [str(place / name) for name in sorted(names) if not name.endswith(".pyc")]
    return found


def _stage_packages(folder: Path, python: str, steps: Progress) -> None:
    wanted = f"{python} {hashlib.sha256(LOCK.read_bytes()).hexdigest()}"
    target, stamp = folder / "site-packages", folder / "site-packages.made"
    if target.is_dir() and stamp.is_file() and stamp.read_text() == wanted:
        return
    require_space(folder, 0.5)
    with steps.step(f"Python packages for Python {python}") as step:
        part = Path(tempfile.mkdtemp(prefix="site-packages.part-", dir=folder))
        try:
            install(LOCK, python, part, folder / "packages.log")
            part.chmod(0o755)
            stamp.unlink(missing_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        stamp.write_text(wanted)
        step.show(human_size(size_of(target)))


def _stage_ohif(folder: Path, made: Path) -> None:
    """Put the prepared viewer into the context: linked where the disk allows it, else copied."""
    target, stamp = folder / "ohif", folder / "ohif.made"
    if target.is_dir() and stamp.is_file() and stamp.read_text() == made.name:
        return
    stamp.unlink(missing_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(made, target, copy_function=_link)
    stamp.write_text(made.name)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or the kernel protects files of others
        shutil.copy2(source, target)
