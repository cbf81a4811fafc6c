"""What a bundle carries so that it needs no internet: the container image, or the sandbox's root and packages."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from cami_cli.mo.bundle import Payload, file_payload, folder_payload
from cami_cli.mo.centre import Centre
from cami_cli.places import PLUGINS, runtime_folder
from cami_cli.progress import Progress
from cami_cli.runtime.base import Suite
from cami_cli.runtime.debian_root import ensure_root
from cami_cli.runtime.host_tools import find_tool
from cami_cli.runtime.packages import ensure_packages


def payloads(offline: Sequence[str], suite: Suite, scratch: Path, steps: Progress) -> Iterator[Payload]:
    """Yield the large parts for the runtimes of `offline`."""
    if "docker" in offline:
        yield _image(suite, scratch, steps)
    if "native" in offline:
        yield from _native(suite, scratch, steps)


def suite_of(centre: Centre) -> Suite:
    """Return the suite that the centre runs on: a proxy gets the same. An option that trixie lacks tells them apart."""
    configuration = json.loads((centre.configuration / "orthanc.json").read_text("utf-8"))
    return "forky" if "MaximumRequestBodySizeMB" in configuration else "trixie"


def release() -> str:
    """Return the version of this release."""
    from cami import __version__  # noqa: PLC0415

    return __version__


def _native(suite: Suite, scratch: Path, steps: Progress) -> Iterator[Payload]:
    from cami_cli.ohif import prepare as prepare_ohif  # noqa: PLC0415 - only what prepares needs it

    root = ensure_root(suite, steps)
    yield folder_payload("native/ohif.tar", prepare_ohif(runtime_folder(), steps), scratch)
    yield folder_payload("native/packages.tar", ensure_packages(root, steps), scratch)
    yield folder_payload("native/plugins.tar", PLUGINS, scratch)
    yield folder_payload("native/root.tar", root.folder, scratch)
    program = find_tool("bwrap")
    if program is not None:  # for a Debian of the same release; another has its own package
        yield file_payload("native/bwrap", Path(program))


def _image(suite: Suite, scratch: Path, steps: Progress) -> Payload:
    """Save the image of this checkout."""
    from cami_cli.runtime.docker import DockerRuntime  # noqa: PLC0415 - the Docker SDK is slow to import
    from cami_cli.runtime.docker_engine import connect, told  # noqa: PLC0415

    DockerRuntime(suite).prepare(steps)
    target = scratch / f"cami-{suite}.tar"
    with told("saving the image"), target.open("wb") as stream:
        for chunk in connect().images.get(f"cami:{suite}").save(named=f"cami:{suite}"):
            stream.write(chunk)
    return file_payload(f"images/cami-{suite}.tar", target)
