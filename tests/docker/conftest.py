"""A Docker engine (this machine's, or one started for the tests), the image, and a region in containers."""

import os
import subprocess
from pathlib import Path

import docker
import pytest

from cami_cli.phantoms import write_phantoms
from cami_cli.runtime.docker import DockerRuntime, name_of
from cami_cli.runtime.docker_engine import connect
from cami_cli.state import StateFolder
from tests.live import LiveRegion, cami

ENGINE = Path(__file__).with_name("engine.sh")
SUITE = os.environ.get("SUITE", "forky")


def engine_script(*arguments, check=True):
    """Run engine.sh; what it says to people is shown, what it answers is returned."""
    return subprocess.run([ENGINE, *arguments], stdout=subprocess.PIPE, text=True, check=check)


@pytest.fixture(scope="session")
def engine():
    """A client of an engine. One that the tests started leaves nothing; CAMI_ENGINE_KEEP=1 keeps its images."""
    there = engine_script("status", check=False).returncode == 0
    try:
        address = engine_script("start").stdout.strip().removeprefix("export DOCKER_HOST=")
        os.environ["DOCKER_HOST"] = address
        os.environ["RUNTIME"] = "docker"
        client = connect()
        yield client
        if not there:  # nobody else works with it
            assert [volume.name for volume in client.volumes.list()] == []
    finally:
        if not there:
            engine_script("stop", *(["--keep"] if os.environ.get("CAMI_ENGINE_KEEP") else []))


@pytest.fixture(scope="session")
def image(engine):
    """The name of this checkout's image, built by the command that people use."""
    cami("runtime", "--runtime", "docker")
    return f"cami:{SUITE}"


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory):
    """Small studies, in a folder for each МО."""
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, small=True)
    return folder


@pytest.fixture(scope="session")
def region(engine, image, tmp_path_factory):
    """A region in containers; nothing of it stays, its volumes included."""
    state = StateFolder(tmp_path_factory.mktemp("region"))
    live = LiveRegion(state.folder)
    try:
        yield live.up()
    finally:
        cami("region", "down", "--state", state.folder, check=False)
        runtime = DockerRuntime(SUITE)
        kept = state.load()
        for server in state.servers(kept) if kept else []:
            runtime.discard(server)
        mine = [name_of(server) for server in state.servers(kept)] if kept else []
        left = [*engine.containers.list(all=True), *engine.volumes.list()]
        assert [thing.name for thing in left if thing.name.startswith(tuple(mine) or ("cami-",))] == []


@pytest.fixture
def container_of(engine, region):
    """Find the container that a server of the region runs in, or None."""
    state = StateFolder(region.state)

    def find(name):
        try:
            return engine.containers.get(name_of(state.server(name, (0, 0))))
        except docker.errors.NotFound:
            return None

    return find


@pytest.fixture
def runtime(region):
    """The runtime that the region runs in."""
    return DockerRuntime(SUITE)
