"""What gets into an image, a container's configuration and a log file."""

import io
import re
import struct
import tarfile

import pytest

from cami_cli.places import HOME
from cami_cli.runtime import docker_payload
from cami_cli.runtime.base import BOOT, DATA, ENVIRONMENT, Server
from cami_cli.runtime.docker import name_of
from cami_cli.runtime.docker_logs import copy
from cami_cli.runtime.docker_volumes import USER_ID, archive

DOCKERFILE = (HOME / "docker" / "Dockerfile").read_text("utf-8")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with a staged context and things that must not get into an image."""
    monkeypatch.setattr(docker_payload, "HOME", tmp_path)
    for name in (
        "docker/Dockerfile", "docker/healthcheck.py", "plugins/cami/web.py", "plugins/cami/__pycache__/web.cpython.pyc",
        "plugins/stray.pyc", "build/docker/forky/site-packages/p/__init__.py", "build/docker/forky/ohif/index.html",
        "build/docker/forky/image.json", "build/docker/trixie/site-packages/t.py", ".state/secret.key", ".git/config",
    ):  # fmt: skip
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
        file.chmod(0o600)
    return tmp_path


def test_the_context_is_what_the_image_needs_and_no_more(checkout):
    assert docker_payload.context("forky") == [
        "docker/Dockerfile",
        "docker/healthcheck.py",
        "plugins/cami/web.py",
        "build/docker/forky/site-packages/p/__init__.py",
        "build/docker/forky/ohif/index.html",
    ]


def test_everything_that_the_dockerfile_copies_is_in_the_context(checkout):
    names = docker_payload.context("forky")
    copied = re.findall(r"^COPY (\S+)", DOCKERFILE, re.MULTILINE)
    assert copied
    for source in copied:
        path = source.replace("${SUITE}", "forky")
        assert any(name == path or name.startswith(path + "/") for name in names), source


def test_files_are_roots_and_readable_in_the_archive(checkout):
    (checkout / "plugins" / "run.sh").write_text("#!/bin/sh")
    (checkout / "plugins" / "run.sh").chmod(0o700)
    (checkout / "plugins" / "linked.py").hardlink_to(checkout / "plugins" / "cami" / "web.py")
    names = docker_payload.context("forky")
    with docker_payload.archive(names) as stream, tarfile.open(fileobj=stream) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == names
    assert all(member.isfile() for member in members)
    assert {(member.uid, member.gid, member.uname) for member in members} == {(0, 0, "")}
    modes = {member.name: member.mode for member in members}
    assert modes.pop("plugins/run.sh") == 0o755
    assert set(modes.values()) == {0o644}


def test_the_digest_follows_content_name_and_base(checkout):
    names = docker_payload.context("forky")
    first = docker_payload.digest(names, "base")
    assert docker_payload.digest(names, "base") == first
    assert docker_payload.digest(names, "another base") != first
    assert docker_payload.digest(names[:-1], "base") != first
    (checkout / "plugins" / "cami" / "web.py").write_text("changed")
    assert docker_payload.digest(names, "base") != first


def test_the_image_is_as_the_contract_says():
    """Environment, command, user and data: one truth for the native sandbox and the image (architecture §3)."""
    block = re.search(r"^ENV (.*?)\n\n", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert block
    (zone,) = set(re.findall(r"^ARG TZ=(\S+)", DOCKERFILE, re.MULTILINE))
    variables = dict(re.findall(r"(\w+)=(\S+)", block[1].replace("${TZ}", zone)))
    assert variables == ENVIRONMENT
    assert f"ENTRYPOINT {list(BOOT)}".replace("'", '"') in DOCKERFILE
    assert f"USER {USER_ID}:{USER_ID}\n" in DOCKERFILE
    assert f'VOLUME ["{DATA}"]' in DOCKERFILE
    assert "HEALTHCHECK" in DOCKERFILE


def test_secrets_belong_to_the_servers_user_alone(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "link.key").write_text("key")
    (tmp_path / "orthanc.json").write_text("{}")
    (tmp_path / "orthanc.json").chmod(0o644)
    with tarfile.open(fileobj=io.BytesIO(archive(tmp_path))) as tar:
        members = tar.getmembers()
    assert {member.name.removeprefix("./") for member in members} == {
        ".",
        "secrets",
        "secrets/link.key",
        "orthanc.json",
    }
    assert {(member.uid, member.gid) for member in members} == {(USER_ID, USER_ID)}
    assert {member.mode for member in members if member.isfile()} == {0o400}
    assert {member.mode for member in members if member.isdir()} == {0o500}


def test_servers_of_two_regions_have_different_containers(tmp_path):
    def server(state):
        home = tmp_path / state / "servers" / "central"
        return Server("central", home / "config", home / "data", home / "server.log", 1, 2)

    assert re.fullmatch(r"cami-[0-9a-f]{8}-central", name_of(server("a")))
    assert name_of(server("a")) == name_of(server("a"))
    assert name_of(server("a")) != name_of(server("b"))


def test_both_streams_of_a_container_get_into_its_log_without_the_frames():
    def piece(stream, content):
        return struct.pack(">BxxxL", stream, len(content)) + content

    cut = struct.pack(">BxxxL", 1, 100)[:5]  # the engine went away in the middle of a header
    log = io.BytesIO()
    copy(io.BytesIO(piece(1, b"out\n") + piece(2, b"err\n") + piece(1, b"") + piece(1, "журнал\n".encode()) + cut), log)
    assert log.getvalue().decode() == "out\nerr\nжурнал\n"
