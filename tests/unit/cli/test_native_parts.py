"""What the native runtime is made of, as far as it needs no sandbox."""

import os

import pytest

from cami_cli.runtime import debian_root, host_tools, sandbox
from cami_cli.runtime.base import ENVIRONMENT


def pairs(arguments, option, count):
    return [tuple(arguments[at + 1 : at + 1 + count]) for at, word in enumerate(arguments) if word == option]


@pytest.fixture
def arguments(tmp_path):
    return sandbox.arguments(
        tmp_path / "root",
        hostname="proxy-42001",
        readable={tmp_path / "config": "/etc/cami"},
        writable={tmp_path / "data": "/var/lib/cami"},
    )


def test_only_the_data_can_be_written(arguments, tmp_path):
    assert pairs(arguments, "--bind", 2) == [(str(tmp_path / "data"), "/var/lib/cami")]
    assert (str(tmp_path / "config"), "/etc/cami") in pairs(arguments, "--ro-bind", 2)
    # The tmpfs that mount points stand on is closed after all of them are made.
    assert arguments.index("--remount-ro") > max(at for at, word in enumerate(arguments) if word == "--bind")


def test_nothing_of_the_callers_environment_comes_in(arguments):
    assert "--clearenv" in arguments
    assert dict(pairs(arguments, "--setenv", 2)) == ENVIRONMENT
    assert arguments.index("--clearenv") < arguments.index("--setenv")
    assert ENVIRONMENT["TCP_NODELAY"] == "1"


def test_each_server_has_namespaces_of_its_own_and_no_capability(arguments):
    assert {"--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"} <= set(arguments)
    assert pairs(arguments, "--cap-drop", 1) == [("ALL",)]
    # The command line ends, servers go on.
    assert "--die-with-parent" not in arguments


def test_the_hosts_file_knows_the_server_itself():
    with os.fdopen(sandbox.hosts_file("proxy-42001")) as hosts:
        lines = [line.split() for line in hosts]
    assert ["127.0.0.1", "localhost"] in lines
    assert "proxy-42001" in [name for line in lines for name in line[1:]]


@pytest.mark.parametrize(
    ("told", "problem", "remedy"),
    [
        (["E: Failed to fetch file  Temporary failure resolving 'mirror'"], "no network", "CAMI_DEBIAN_MIRROR"),
        (["Err:1 mirror InRelease", "  Could not connect to mirror:80"], "no network", "http_proxy"),
        (["E: write error", "dpkg: No space left on device", "E: connect"], "no space left", "free 2 GB"),
        (["I: ok", "E: setup failed: odd"], "setup failed: odd", "mmdebstrap.log"),
        ([], "mmdebstrap said nothing", "mmdebstrap.log"),
    ],
)
def test_a_failed_preparation_says_why_and_what_to_do(tmp_path, told, problem, remedy):
    trouble = debian_root.explain_failure(told, tmp_path / "mmdebstrap.log")
    assert problem in trouble.problem
    assert "\n" not in trouble.problem
    assert remedy in trouble.remedy


def test_a_root_of_another_recipe_or_a_half_made_one_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("CAMI_RUNTIME_DIR", str(tmp_path))
    folder = debian_root.root_folder("forky")
    folder.mkdir(parents=True)
    assert debian_root.find_root("forky") is None
    stamp = folder / "cami.json"
    stamp.write_text('{"recipe": "0:orthanc", "orthanc": "1.13.0", "python": "3.14"}')
    assert debian_root.find_root("forky") is None
    stamp.write_text('{"recipe": "%s", "orthanc": "1.13.0", "python": "3.14"}' % debian_root._recipe())  # noqa: UP031
    assert debian_root.find_root("forky") == debian_root.DebianRoot(folder, "1.13.0", "3.14")


def test_unpacked_tools_are_found_with_their_libraries(tmp_path, monkeypatch):
    monkeypatch.setenv("CAMI_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    assert host_tools.find_tool("odd-tool") is None
    program = tmp_path / "tools" / "usr" / "bin" / "odd-tool"
    library = tmp_path / "tools" / "usr" / "lib" / "x86_64-linux-gnu"
    for folder in (program.parent, library):
        folder.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert host_tools.find_tool("odd-tool") == str(program)
    assert str(library) in host_tools.tool_environment()["LD_LIBRARY_PATH"].split(":")


@pytest.mark.parametrize(
    ("message", "problem", "remedy"),
    [
        ("bwrap: No permissions to create new namespace, likely\nmore", "allows no sandbox", "--runtime docker"),
        ("bwrap: execvp nope: No such file or directory", "no such program", "spelling"),
        ("", "allows no sandbox", "user namespaces"),
    ],
)
def test_a_refusal_of_bubblewrap_is_explained(message, problem, remedy):
    trouble = sandbox.refused(message)
    assert problem in trouble.problem
    assert "\n" not in trouble.problem
    assert remedy in trouble.remedy
