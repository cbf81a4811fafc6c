"""The native sandbox: what a program in it sees, and that its end is the end of all that it started."""

import os
import socket
import time
from dataclasses import replace

import pytest

from cami_cli.errors import Trouble
from cami_cli.progress import Progress
from cami_cli.runtime.base import ENVIRONMENT, Server
from cami_cli.runtime.native import NativeRuntime
from tests.live import wait_until

SUITE = os.environ.get("SUITE") or "forky"

#: Two processes, one in a session of its own, that both count into files; SIGTERM is obeyed by the first.
_PAIR = """
import os, pathlib, signal, sys, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    name = "child"
else:
    signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path("/var/lib/cami/obeyed").write_text("yes"), sys.exit(0)))
    name = "first"
for number in range(10_000):
    pathlib.Path("/var/lib/cami", name).write_text(str(number))
    time.sleep(0.02)
"""


@pytest.fixture
def prepared(request):
    command = getattr(request, "param", ["python3", "-c", _PAIR])
    runtime = NativeRuntime(SUITE, command=command)
    runtime.prepare(Progress())
    return runtime


@pytest.fixture
def server(tmp_path, prepared):
    made = Server("proxy-42001", tmp_path / "config", tmp_path / "data", tmp_path / "server.log", 1, 2)
    for folder in (made.configuration, made.data):
        folder.mkdir()
    yield made
    prepared.kill(made)


def python(runtime, code):
    return runtime.tool(["python3", "-c", code])


def read(path):
    return path.read_text() if path.exists() else ""


def test_a_program_sees_the_environment_of_a_server_and_no_other(prepared, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "x")
    seen = python(prepared, "import os; print(sorted(os.environ))")
    assert seen.stdout.strip() == str(sorted([*ENVIRONMENT, "PWD"]))


def test_a_program_cannot_write_into_the_root_nor_see_the_host(prepared, tmp_path):
    (tmp_path / "secret").write_text("x")
    code = f"""
import os, pathlib
for place in ("/", "/usr", "/etc", "/opt"):
    try:
        pathlib.Path(place, "written").write_text("x")
        print("wrote", place)
    except OSError:
        pass
print(os.path.exists("{tmp_path}/secret"), os.path.exists("/home"), os.path.exists("/root"))
pathlib.Path("/tmp/fine").write_text("x")
print(len(os.listdir("/proc/self/task")), [p for p in os.listdir("/proc") if p.isdigit()] == ["1", str(os.getpid())])
"""
    assert python(prepared, code).stdout.splitlines() == ["False False False", "1 True"]


def test_a_bind_is_readable_and_not_writable(prepared, tmp_path):
    (tmp_path / "file").write_text("hello")
    code = f"p = __import__('pathlib').Path('{tmp_path}/file'); print(p.read_text()); p.write_text('changed')"
    done = prepared.tool(["python3", "-c", code], binds=[tmp_path])
    assert done.stdout == "hello\n"
    assert done.returncode != 0
    assert "Read-only" in done.stderr


def test_the_servers_own_name_resolves_without_dns(prepared):
    code = "import socket; print(socket.gethostbyname(socket.gethostname()), socket.gethostbyname('localhost'))"
    assert python(prepared, code).stdout.split()[1] == "127.0.0.1"


def test_dcmtk_is_there_with_its_dictionary(prepared, tmp_path):
    done = prepared.tool(["dump2dcm", "/dev/null", "/tmp/x.dcm"])
    assert "dictionary" not in done.stderr.lower()
    assert prepared.tool(["storescu", "--version"]).returncode == 0


def test_an_unknown_program_is_told(prepared):
    with pytest.raises(Trouble, match="no such program"):
        prepared.tool(["no-such-program"])


def test_a_server_runs_detached_and_stops_in_order_with_all_that_it_started(prepared, server):
    prepared.start(server)
    assert prepared.running(server)
    assert NativeRuntime(SUITE).running(server)  # another command line finds it
    for name in ("first", "child"):
        wait_until(f"{name} runs", lambda name=name: read(server.data / name), 10)
    prepared.start(server)  # again: it runs already
    NativeRuntime(SUITE).stop(server)
    assert not prepared.running(server)
    assert read(server.data / "obeyed") == "yes"
    before = read(server.data / "child")
    time.sleep(0.2)
    assert read(server.data / "child") == before


def test_kill_ends_all_processes_at_once_and_the_server_can_start_again(prepared, server):
    prepared.start(server)
    wait_until("the child runs", lambda: read(server.data / "child"), 10)
    prepared.kill(server)
    assert not prepared.running(server)
    before = read(server.data / "child")
    time.sleep(0.2)
    assert read(server.data / "child") == before
    assert read(server.data / "obeyed") == ""
    prepared.start(server)
    assert prepared.running(server)


def test_stop_reaches_a_server_that_has_only_just_started(prepared, server):
    """The kernel drops SIGTERM for the first process of a namespace that has no handler for it yet."""
    prepared.start(server)
    prepared.stop(server)
    assert not prepared.running(server)
    assert read(server.data / "obeyed") == "yes"


@pytest.mark.parametrize("prepared", [["python3", "-c", "import socket; print(socket.gethostname())"]], indirect=True)
def test_a_server_has_its_own_host_name_and_its_end_is_seen(prepared, server):
    prepared.start(server)
    wait_until("it has ended", lambda: not prepared.running(server), 10)
    assert server.log.read_text().splitlines()[-1] == "proxy-42001"
    assert server.log.read_text() != socket.gethostname()


def test_a_server_whose_folder_is_gone_is_told(prepared, server, tmp_path):
    for missing in (replace(server, data=tmp_path / "gone"), replace(server, configuration=tmp_path / "gone")):
        with pytest.raises(Trouble, match="gone is missing"):
            prepared.start(missing)
        assert not prepared.running(missing)
