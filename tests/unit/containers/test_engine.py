"""Which engine is asked, and what is said if there is none."""

import socket
from pathlib import Path

import pytest
from docker.errors import APIError

from cami_cli.errors import Trouble
from cami_cli.runtime import docker_engine


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine on which no engine listens."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(docker_engine, "sockets", lambda: [tmp_path / "docker.sock"])
    return tmp_path


def test_the_usual_places_come_before_the_engine_of_the_tests(monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    monkeypatch.setenv("CAMI_ENGINE_DIR", "/x/../x/store")
    first, rootless, own = docker_engine.sockets()
    assert (first, rootless) == (Path("/var/run/docker.sock"), Path("/run/user/1000/docker.sock"))
    monkeypatch.setenv("CAMI_ENGINE_DIR", "/x/store")
    assert docker_engine.sockets()[-1] == own  # engine.sh canonicalizes as well
    assert own.name == "docker.sock"
    assert own.parent.name.startswith("cami-engine-")


def test_no_engine_is_told_with_what_to_do(nowhere):
    with pytest.raises(Trouble) as caught:
        docker_engine.connect()
    assert caught.value.problem == "no Docker engine answers"
    assert "--runtime native" in caught.value.remedy


def test_a_socket_that_nobody_listens_at_is_no_engine(nowhere):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(nowhere / "docker.sock"))
    with pytest.raises(Trouble, match="no Docker engine answers"):
        docker_engine.connect()


def test_an_engine_that_may_not_be_used_is_told_so(nowhere, monkeypatch):
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(nowhere / "docker.sock"))
    monkeypatch.setattr(docker_engine.os, "access", lambda path, mode: False)
    with pytest.raises(Trouble, match="you may not use the Docker engine") as caught:
        docker_engine.connect()
    assert "usermod" in caught.value.remedy


def test_docker_host_is_obeyed_even_if_it_is_wrong(nowhere, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{nowhere}/other.sock")
    with pytest.raises(Trouble, match="DOCKER_HOST"):
        docker_engine.connect()


@pytest.mark.parametrize(
    ("reason", "problem"),
    [
        ("port is already allocated\nand more", "starting x: port is already allocated"),
        ("write /var/lib/docker/y: no space left on device", "starting x: no space left"),
    ],
)
def test_what_an_engine_refuses_is_one_line(reason, problem):
    with pytest.raises(Trouble) as caught, docker_engine.told("starting x"):
        raise APIError("500", explanation=reason)
    assert caught.value.problem == problem
