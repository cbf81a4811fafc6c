"""The compose files of production, with a real Docker Compose: a centre and a proxy come up and deliver."""

import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from docker.errors import NotFound

from cami_cli.runtime.docker_engine import run_once
from cami_cli.runtime.docker_volumes import USER_ID
from tests.live import ROOT, wait_until

from .conftest import SUITE

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

FOLDER = ROOT / "docker"
#: Debian 12 has no Compose v2; forky and trixie have.
DOCKERFILE = """
ARG BASE
FROM ${BASE}
RUN apt-get -q -o Acquire::Check-Valid-Until=false update && \
    DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends docker-cli docker-compose
"""


class Compose:
    """``docker compose``: the host's plugin, or one from Debian in a container."""

    def __init__(self, engine, socket):
        self._engine = engine
        self._socket = socket
        self._image = None
        probe = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False) \
            if shutil.which("docker") else None  # fmt: skip
        if probe is None or probe.returncode:
            self._image, _ = engine.images.build(
                fileobj=io.BytesIO(DOCKERFILE.encode()), tag="cami-test-compose",
                buildargs={"BASE": f"cami-system:{SUITE}"}, network_mode="host", rm=True, forcerm=True,
            )  # fmt: skip

    def __call__(self, file, *arguments, check=True, **settings):
        """Run it on one of our files: exit code, and what it said."""
        command = ["docker", "compose", "-f", str(FOLDER / file), *arguments]
        code, said = self._on_host(command, settings) if self._image is None else self._inside(command, settings)
        if check:
            assert code == 0, said
        return code, said

    def _on_host(self, command, settings):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **settings}, timeout=300
        )
        return done.returncode, done.stdout if done.returncode == 0 else done.stderr

    def _inside(self, command, settings):
        volumes = {self._socket: {"bind": "/var/run/docker.sock"}, str(FOLDER): {"bind": str(FOLDER), "mode": "ro"}}
        done = run_once(
            self._engine, self._image.id, command, environment=settings, volumes=volumes, network_mode="none"
        )
        return done.returncode, done.stdout if done.returncode == 0 else done.stderr

    def close(self):
        """Remove the image that was built for it."""
        if self._image is not None:
            self._engine.images.remove(self._image.id, force=True)


@pytest.fixture(scope="module")
def compose(engine, image):
    address = os.environ["DOCKER_HOST"]
    if not address.startswith("unix://"):
        pytest.skip("Compose in a container needs the engine's socket")
    tool = Compose(engine, address.removeprefix("unix://"))
    yield tool
    tool.close()


def configuration(region, name, folder):
    """Copy the configuration of a region's server to where an operator would put it, as docker/README.md says."""
    target = folder / name
    shutil.copytree(region.state / "servers" / name / "config", target)
    for path in [target, *target.rglob("*")]:
        if os.getuid() == 0:
            os.chown(path, USER_ID, USER_ID)
            path.chmod(0o500 if path.is_dir() else 0o400)
        else:  # the region's throw-away keys; pytest's folder is closed to others
            path.chmod(0o755 if path.is_dir() else 0o644)
    return target


@pytest.mark.parametrize(
    ("file", "settings"),
    [("compose.central.yaml", {}), ("compose.proxy.yaml", {"CAMI_MO": "42001"})],
    ids=["central", "proxy"],
)
def test_a_compose_file_is_valid_and_closed(compose, file, settings):
    _, said = compose(file, "config", "--format", "json", CAMI_CONFIG="/etc/cami-x", **settings)
    project = json.loads(said)
    (service,) = project["services"].values()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges=true"]
    assert service["user"] == f"{USER_ID}:{USER_ID}"
    assert service["network_mode"] == "host"
    assert service["pull_policy"] == "never"
    assert service["restart"] == "unless-stopped"
    assert int(service["mem_limit"]) > 0
    assert service["stop_grace_period"] == "1m0s"
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])
    assert "privileged" not in service
    assert "ports" not in service
    mounts = {mount["target"]: mount for mount in service["volumes"]}
    assert mounts["/etc/cami"] | {"bind": None} == {
        "type": "bind", "source": "/etc/cami-x", "target": "/etc/cami", "read_only": True, "bind": None,
    }  # fmt: skip
    assert mounts["/var/lib/cami"]["type"] == "volume"
    assert [volume["name"] for volume in project["volumes"].values()] == [project["name"] + "-data"]


def test_a_proxy_without_its_mo_or_configuration_is_refused(compose):
    code, said = compose("compose.proxy.yaml", "config", check=False)
    assert code != 0
    assert "CAMI_MO" in said
    code, said = compose("compose.proxy.yaml", "config", check=False, CAMI_MO="42001")
    assert code != 0
    assert "CAMI_CONFIG" in said


def test_a_centre_and_a_proxy_of_compose_deliver(compose, engine, region, phantoms, tmp_path):
    """Both up with fresh volumes; images arrive; ``down`` and ``up`` keep them."""
    servers = {
        "central": ("compose.central.yaml", "cami-central", {}),
        "proxy-42001": ("compose.proxy.yaml", "cami-proxy-42001", {"CAMI_MO": "42001"}),
    }
    for _, project, _ in servers.values():
        with pytest.raises(NotFound):  # never touch what somebody runs on this engine
            engine.volumes.get(f"{project}-data")
    for name in servers:
        region.server("stop", name)
    settings = {
        name: {"CAMI_CONFIG": str(configuration(region, name, tmp_path)), "CAMI_IMAGE": f"cami:{SUITE}", **own}
        for name, (_, _, own) in servers.items()
    }

    def up(name):
        file, project, _ = servers[name]
        compose(file, "up", "--detach", **settings[name])
        found = engine.containers.list(filters={"label": f"com.docker.compose.project={project}"})
        assert len(found) == 1
        wait_until(f"{name} is healthy", lambda: health(found[0]) == "healthy")
        return found[0]

    try:
        containers = {name: up(name) for name in servers}
        for container in containers.values():
            assert container.attrs["HostConfig"]["ReadonlyRootfs"] is True
            assert container.exec_run(["id", "-u"])[1].decode().strip() == str(USER_ID)
            assert container.exec_run(["touch", "/etc/cami/x"])[0] != 0
        sent = sorted(Path(phantoms, "42001").rglob("*.dcm"))
        region.send(phantoms / "42001", "42001")
        region.settle("42001", len(sent), 120)
        assert sum(study["instances"] for study in region.studies("radiologist", "42001")) == len(sent)

        for name, (file, _, _) in servers.items():
            compose(file, "down", **settings[name])
            assert up(name).id != containers[name].id
        region.settle("42001", len(sent))
        assert sum(study["instances"] for study in region.studies("radiologist", "42001")) == len(sent)
    finally:
        for name, (file, _, _) in servers.items():
            compose(file, "down", "--volumes", check=False, **settings[name])
        region.up()


def health(container):
    """What the engine says of a container now."""
    container.reload()
    return container.attrs["State"]["Health"]["Status"]
