"""The supervisor with small servers in Orthanc's place; tests/integration/test_fail_closed.py has real ones."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.boot.test_ports import free_port

PLUGINS = Path(__file__).parents[3] / "plugins"

#: Supervises argv[2:] with the configuration argv[1].
SUPERVISE = """
import json, logging, sys
from cami.boot.supervisor import Supervisor
logging.basicConfig(level="INFO", format="%(levelname)s %(message)s")
settings = json.loads(sys.argv[1])
sys.exit(Supervisor(sys.argv[2:], settings["orthanc"], **settings["supervisor"]).run())
"""

#: Announces itself if argv[3] says so, then answers on port argv[1] with one status of argv[2] after the other, and
#: with the last of them from then on.
SERVE = """
import http.server, sys
from cami.boot.ready import announce_ready

statuses = sys.argv[2].split(",")

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(int(statuses.pop(0) if len(statuses) > 1 else statuses[0]))
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_POST = do_GET
    def log_message(self, *_):
        pass

if sys.argv[3] == "announce":
    announce_ready()
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer)
print("serving", flush=True)
server.serve_forever()
"""


class Run:
    def __init__(self, script: str, *arguments: str, **supervisor):
        self.port = free_port()
        orthanc = {"HttpPort": self.port, "HttpBindAddresses": ["127.0.0.1"], "DicomServerEnabled": False}
        settings = json.dumps({"orthanc": orthanc, "supervisor": supervisor})
        child = [sys.executable, "-c", script, str(self.port), *arguments]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, settings, *child],
            env=os.environ | {"PYTHONPATH": str(PLUGINS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> tuple[int, str, str]:
        try:
            out, err = self.process.communicate(timeout=30)
        finally:
            self.process.kill()
        return self.process.returncode, out, err

    def read_until(self, word: str) -> None:
        while word not in (line := self.process.stderr.readline()):
            assert line, "ended too early"

    def child(self) -> int:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        deadline = time.monotonic() + 10
        while not (children := path.read_text().split()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return int(children[0])


def test_guarded_server_runs_until_it_is_told_to_stop():
    run = Run(SERVE, "403", "announce")
    run.read_until("refuses strangers")
    run.process.send_signal(signal.SIGTERM)
    status, out, _ = run.wait()
    assert (status, out) == (128 + signal.SIGTERM, "serving\n")


def test_exit_status_of_the_server_is_passed_on():
    assert Run("from cami.boot.ready import announce_ready; announce_ready(); raise SystemExit(7)").wait()[0] == 7


def test_server_whose_plugin_is_silent_gets_no_port():
    status, out, err = Run(SERVE, "200", "silent").wait()
    assert status == 3
    assert out == ""
    assert "Address already in use" in err
    assert "has ended before its plugin guarded it (status 1): it has answered nobody" in err


@pytest.mark.parametrize("answer", ["200", "500", "303", "404"])
def test_server_that_answers_strangers_is_killed(answer):
    status, _, err = Run(SERVE, answer, "announce").wait()
    assert status == 3
    assert f"a stranger's GET /system was answered with status {answer} instead of 401 or 403" in err


def test_server_that_opens_up_later_is_killed():
    status, _, err = Run(SERVE, "403,403,403,403,200", "announce", calm_seconds=0.1).wait()
    assert status == 3
    assert err.index("refuses strangers") < err.index("was answered with status 200")


def test_plugin_that_never_gets_ready():
    started = time.monotonic()
    status, _, err = Run("import time; time.sleep(60)", ready_seconds=0.3).wait()
    assert status == 3
    assert time.monotonic() - started < 20
    assert "the plugin was not ready after 0 s" in err


def test_callers_are_turned_away_until_the_plugin_is_ready():
    run = Run("import time; time.sleep(60)")
    run.child()
    # The reset may be quicker than the caller, who then meets it while connecting.
    with pytest.raises(ConnectionResetError), socket.create_connection(("127.0.0.1", run.port), timeout=10) as caller:
        caller.recv(1)
    run.process.send_signal(signal.SIGINT)
    assert run.wait()[0] == 0


def test_nothing_survives_the_supervisor():
    run = Run("import time; time.sleep(60)")
    child = run.child()
    run.process.kill()
    run.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "State:\tZ" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < deadline, "the server outlived its supervisor"
        time.sleep(0.01)


def test_port_in_use():
    run_script = "print('started', flush=True)"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = json.dumps({"orthanc": {"HttpPort": port, "DicomServerEnabled": False}, "supervisor": {}})
        result = subprocess.run(
            [sys.executable, "-c", SUPERVISE, settings, sys.executable, "-c", run_script],
            env=os.environ | {"PYTHONPATH": str(PLUGINS)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert "started" not in result.stdout
    assert "Misconfigured" in result.stderr


def test_the_supervising_process_needs_the_standard_library_only():
    """It stays as long as the server, beside a DICOM server: no package, no memory for one."""
    code = f"import sys; sys.path.insert(0, {str(PLUGINS)!r}); import cami.boot.__main__, cami.boot.supervisor"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=30)
