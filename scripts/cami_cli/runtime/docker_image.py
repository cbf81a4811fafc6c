"""The image of a suite: its base, Debian's part, and ours on top, built again only when something has changed."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.images import Image

from cami_cli.errors import Trouble
from cami_cli.places import HOME, locked, make_folder, require_space
from cami_cli.progress import Progress, Step, human_size
from cami_cli.runtime import docker_payload
from cami_cli.runtime.base import Suite
from cami_cli.runtime.docker_engine import run_once, told
from cami_cli.runtime.host_tools import require_tools, tool_environment

#: On every container and volume of ours; `docker ps --filter label=…` finds them.
LABEL = "ru.cami"

#: How many images of a suite stay: one change more or less of the plugin makes another.
_KEPT = 3

#: Asks an image which Python Orthanc's plugin links, and which Orthanc it has: the packages have to fit the former.
_ASK = """
import pathlib, re, subprocess
plugin = pathlib.Path("/usr/share/orthanc/plugins/libOrthancPython.so").read_bytes()
print(re.search(rb"libpython(3\\.\\d+)\\.so", plugin)[1].decode())
print(subprocess.run(["Orthanc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1])
"""


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image that is ready to run."""

    reference: str
    """Its id, so that another checkout's build under the same name changes nothing for this one."""
    orthanc: str
    python: str


def find(suite: Suite) -> BuiltImage:
    """Return the image that this checkout has prepared.

    Raises
    ------
    cami_cli.errors.Trouble
        It has not.
    """
    try:
        return BuiltImage(**json.loads(_record(suite).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise Trouble(
            f"the Docker image for {suite} is not prepared", f"SUITE={suite} RUNTIME=docker scripts/cami runtime"
        ) from error


def ensure(client: docker.DockerClient, suite: Suite, steps: Progress) -> BuiltImage:
    """Return the image of this checkout, built first if it is not there.

    Raises
    ------
    cami_cli.errors.Trouble
        It cannot be built.
    """
    folder = make_folder(docker_payload.folder_of(suite))
    with locked(folder / ".build-lock"):
        base = _base(client, suite, steps)
        system = _system(client, suite, base, steps)
        python, orthanc = _versions(client, system)
        docker_payload.stage(suite, python, steps)
        names = docker_payload.context(suite)
        tag = f"{suite}-{docker_payload.digest(names, str(system.id))}"
        image = _find(client, f"cami:{tag}")
        if image is None:
            require_space(folder, 1)
            with steps.step(f"Image cami:{suite}") as step:
                image = _build(
                    client, f"cami:{tag}", names, step,
                    buildargs={"BASE_IMAGE": base, "SUITE": suite, "VERSION": _version(), "REVISION": _revision()},
                )  # fmt: skip
                step.show(human_size(image.attrs["Size"]))
        _name(client, image, "cami", suite)
        built = BuiltImage(str(image.id), orthanc, python)
        _record(suite).write_text(json.dumps(asdict(built)))
    return built


def _base(client: docker.DockerClient, suite: Suite, steps: Progress) -> str:
    """Return the name of a minimal Debian: given, here already, pulled, or made from packages."""
    given = os.environ.get("CAMI_BASE_IMAGE")
    official, own = f"debian:{suite}-slim", f"cami-base:{suite}"
    for name in [given] if given else [official, own]:
        with told(f"looking for the image {name}"), suppress(ImageNotFound):
            client.images.get(name)
            return name
    with steps.step(f"Base image {given or official}: pull") as step:
        try:
            client.images.pull(given or official)
        except DockerException as error:
            if given:
                raise Trouble(
                    f"the image {given} cannot be pulled", "check CAMI_BASE_IMAGE and the registry"
                ) from error
            step.show("not possible here, so it is made from Debian's packages")
        else:
            return given or official
    return _make_base(client, suite, own, steps)


def _make_base(client: docker.DockerClient, suite: Suite, name: str, steps: Progress) -> str:
    require_tools(("mmdebstrap",))
    with steps.step(f"Base image {name}: mmdebstrap") as step, tempfile.TemporaryDirectory() as scratch:
        require_space(Path(scratch), 0.5)
        tar = Path(scratch, "base.tar")
        made = subprocess.run(
            [HOME / "docker" / "base-image.sh", suite, tar],
            env=tool_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode != 0:
            lines = [line for line in made.stderr.splitlines() if line.strip()] or ["it said nothing"]
            raise Trouble(f"the base image cannot be made: {lines[-1]}", "check the network, then try again")
        with told(f"importing {name}"):
            repository, _, tag = name.partition(":")
            client.api.import_image_from_file(str(tar), repository=repository, tag=tag, changes=['CMD ["bash"]'])
        step.show(human_size(tar.stat().st_size))
    return name


def _system(client: docker.DockerClient, suite: Suite, base: str, steps: Progress) -> Image:
    """Return Debian's part of the image."""
    with told(f"looking at the image {base}"):
        tag = f"{suite}-{docker_payload.digest(docker_payload.SYSTEM, str(client.images.get(base).id))}"
    image = _find(client, f"cami-system:{tag}")
    if image is None:
        with steps.step(f"Image cami-system:{suite}: Orthanc and dcmtk from Debian") as step:
            image = _build(
                client, f"cami-system:{tag}", docker_payload.SYSTEM, step,
                target="system", buildargs={"BASE_IMAGE": base},
            )  # fmt: skip
            step.show(human_size(image.attrs["Size"]))
    _name(client, image, "cami-system", suite)
    return image


def _versions(client: docker.DockerClient, image: Image) -> tuple[str, str]:
    with told("asking the image for its versions"):
        answer = run_once(
            client, str(image.id), ["python3", "-c", _ASK], network_mode="none", labels={LABEL: "tool"}
        )  # fmt: skip
    if answer.returncode != 0:
        reason = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        raise Trouble(f"the image's Orthanc does not run: {reason}", "report this, with the suite that you used")
    python, orthanc = answer.stdout.split()
    return python, orthanc


def _find(client: docker.DockerClient, name: str) -> Image | None:
    """Return an image by the name that says what it was made from."""
    with told(f"looking for the image {name}"), suppress(ImageNotFound):
        return client.images.get(name)
    return None


def _name(client: docker.DockerClient, newest: Image, repository: str, suite: Suite) -> None:
    """Give an image the name that people use, and remove the oldest of its kind, except those that run."""
    with told(f"naming {repository}:{suite}"):
        newest.tag(repository, suite)
        images = [image for image in client.images.list(name=repository) if image.id != newest.id]
        images.sort(key=lambda image: str(image.attrs["Created"]), reverse=True)
        for old in images[_KEPT - 1 :]:
            for tag in old.tags:
                if tag.startswith(f"{repository}:{suite}-"):
                    with suppress(APIError):
                        client.images.remove(tag)


def _build(
    client: docker.DockerClient,
    tag: str,
    names: Iterable[str],
    step: Step,
    *,
    buildargs: Mapping[str, str],
    target: str | None = None,
) -> Image:
    """Build from a context that is only what `names` say; the whole output goes to a log."""
    log = HOME / "build" / "docker" / f"{tag.partition(':')[0]}.log"
    with told(f"building {tag}"):
        with docker_payload.archive(names) as context, log.open("w", encoding="utf-8") as record:
            # On the host's network: the engine's own may reach no mirror, or there may be none (engine.sh).
            answer = client.api.build(
                fileobj=context, custom_context=True, dockerfile="docker/Dockerfile", tag=tag, target=target,
                buildargs=dict(buildargs), network_mode="host", rm=True, forcerm=True, decode=True,
            )  # fmt: skip
            for piece in answer:
                _follow(piece, record.write, step, log)
        return client.images.get(tag)


def _follow(piece: Mapping[str, Any], write: Callable[[str], object], step: Step, log: Path) -> None:
    text = str(piece.get("stream", ""))
    write(text)
    if text.startswith("Step "):
        step.show(text.strip()[:70])
    if "error" in piece:
        reason = str(piece["error"]).strip().splitlines()[0]
        write(f"{reason}\n")
        raise Trouble(f"the image cannot be built: {reason}", f"details: {log}")


def _record(suite: Suite) -> Path:
    return docker_payload.folder_of(suite) / "image.json"


def _version() -> str:
    for line in (HOME / "pyproject.toml").read_text("utf-8").splitlines():
        if line.startswith("version = "):
            return line.split('"')[1]
    return "unknown"


def _revision() -> str:
    """Return the commit that this checkout stands at, as far as git can say."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    command = [git, "-c", f"safe.directory={HOME}", "-C", str(HOME), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
