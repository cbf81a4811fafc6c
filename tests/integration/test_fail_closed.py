"""A server whose plugin failed or is missing, or whose configuration is unsafe, answers nobody (docs/adr/0003).

Real Orthancs, in the sandbox of the native runtime, each with something broken, while a stranger hammers their ports.
"""

import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cami.orthanc_config import TEMPLATES, render
from cami.region import load_region
from cami.selfcheck import DICOMWEB_PLUGIN, PYTHON_PLUGIN
from cami_cli.keys import ensure_link_key
from cami_cli.places import PLUGINS as OUR_PLUGINS
from cami_cli.ports import choose_free
from cami_cli.progress import Progress
from cami_cli.runtime.base import BOOT, CONFIGURATION, DATA, PLUGINS, SITE_PACKAGES
from cami_cli.runtime.debian_root import ensure_root
from cami_cli.runtime.host_tools import tool_environment
from cami_cli.runtime.packages import ensure_packages
from cami_cli.runtime.sandbox import arguments, bubblewrap, hosts_file

SUITE = os.environ.get("SUITE", "forky")
REGION = load_region(TEMPLATES / "region.yaml")
ORTHANC = ("Orthanc", f"{CONFIGURATION}/orthanc.json")

#: How long a server that must not run may take to end. Its database is migrated before, on a busy machine.
PATIENCE = 60

#: Entry scripts in place of ours.
RAISES = "raise RuntimeError('broken on purpose')\n"
FORGETS_THE_GATE = "import orthanc\n"
SYNTAX_ERROR = "def (:\n"
ENDS = "import sys\nsys.exit(0)\n"
REGISTERS_THEN_RAISES = (
    "import orthanc\northanc.RegisterIncomingHttpRequestFilter(lambda *a, **k: True)\n"
    "raise RuntimeError('broken on purpose')\n"
)
LETS_EVERYBODY_IN = (
    "import orthanc\nfrom cami.boot.ready import announce_ready\n"
    "orthanc.RegisterIncomingHttpRequestFilter(lambda *a, **k: True)\nannounce_ready()\n"
)
SPOILS_THE_GATE = (
    "import orthanc\nfrom cami.boot.ready import announce_ready\n"
    "orthanc.RegisterIncomingHttpRequestFilter(lambda *a, **k: None)\nannounce_ready()\n"
)


class Stranger:
    """Asks for the server's name and studies all the time, and knocks at its DICOM port."""

    def __init__(self, http_port: int, dicom_port: int) -> None:
        self._http_port = http_port
        self._dicom_port = dicom_port
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=[act]) for act in (self._ask, self._knock)]
        self.asked = 0
        self.statuses: set[int] = set()
        self.heard_by_dicom = 0
        for thread in self._threads:
            thread.start()

    def _repeat(self, act) -> None:
        while not self._over.is_set():
            act()
            self._over.wait(0.002)

    def _ask(self) -> None:
        for path in ("/system", "/studies"):
            connection = http.client.HTTPConnection("127.0.0.1", self._http_port, timeout=2)
            self.asked += 1
            try:
                connection.request("GET", path)
                self.statuses.add(connection.getresponse().status)
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()

    def _knock(self) -> None:
        """Begin an association and wait: who is there answers or waits for the rest, `cami.boot` hangs up."""
        try:
            with socket.create_connection(("127.0.0.1", self._dicom_port), timeout=2) as caller:
                caller.sendall(b"\x01\x00\x00\x00\x00\x80\x00\x01")
                self.heard_by_dicom += bool(caller.recv(1))
        except TimeoutError:
            self.heard_by_dicom += 1
        except OSError:
            pass

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


class Server:
    """One server with its own folders and ports, as the native runtime starts it."""

    def __init__(self, folder: Path, runtime: tuple[Path, Path], role: str) -> None:
        self._folder = folder
        self._root, self._packages = runtime
        self.role = role
        self.http_port, self.dicom_port = choose_free(2)
        self.etc = folder / "etc"
        self.plugins = folder / "plugins"
        (folder / "data").mkdir(parents=True)
        (self.etc / "secrets").mkdir(parents=True)
        (self.etc / "keys").mkdir()
        ensure_link_key(self.etc / "secrets" / "link.key", self.etc / "keys" / "42001.pem")
        (self.etc / "secrets" / "accounts.json").write_text("[]")
        shutil.copy(TEMPLATES / "region.yaml", self.etc)
        shutil.copytree(OUR_PLUGINS, self.plugins, ignore=shutil.ignore_patterns("__pycache__"))
        self.configuration = render(
            REGION,
            role,
            mo="42001" if role == "proxy" else "",
            http_port=self.http_port,
            dicom_port=self.dicom_port,
            central_url="http://127.0.0.1:9" if role == "proxy" else "",
            suite=SUITE,
        )
        self.process: subprocess.Popen[str] | None = None
        self.first_process = 0  # as this host counts
        self._overlays: dict[Path, str] = {}

    def use_script(self, content: str) -> None:
        (self.plugins / f"{self.role}.py").write_text(content)

    def put_in_place(self, source: Path, target: str) -> None:
        """Let a file of the runtime be another one."""
        self._overlays[source] = target

    def start(self, *command: str) -> None:
        (self.etc / "orthanc.json").write_text(json.dumps(self.configuration))
        readable = {self.plugins: PLUGINS, self._packages: SITE_PACKAGES, self.etc: CONFIGURATION} | self._overlays
        hosts = hosts_file(self.role)
        info, told = os.pipe()
        log = (self._folder / "log").open("w")
        try:
            options = arguments(
                self._root,
                hostname=self.role,
                readable=readable,
                writable={self._folder / "data": DATA},
                hosts_fd=hosts,
            )
            self.process = subprocess.Popen(
                [
                    bubblewrap(),
                    "--die-with-parent",
                    "--info-fd",
                    str(told),
                    "--as-pid-1",
                    *options,
                    "--",
                    *(command or BOOT),
                ],
                env=tool_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
                pass_fds=(hosts, told),
            )
        finally:
            os.close(hosts)
            os.close(told)
            log.close()
        with os.fdopen(info) as pipe:
            self.first_process = json.loads(pipe.read())["child-pid"]

    def wait(self, seconds: float = PATIENCE) -> int:
        return self.process.wait(seconds)

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def answer(self, path: str) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def wait_until_it_answers(self, path: str, seconds: float = PATIENCE) -> int:
        end = time.monotonic() + seconds
        while (status := self.answer(path)) is None:
            assert time.monotonic() < end, self.log
            assert self.process.poll() is None, self.log
            time.sleep(0.05)
        return status

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def runtime() -> tuple[Path, Path]:
    """The Debian root and the Python packages; `make test-integration` has prepared them."""
    quiet = Progress(io.StringIO())
    root = ensure_root(SUITE, quiet)
    return root.folder, ensure_packages(root, quiet)


@pytest.fixture
def make_server(tmp_path, runtime):
    made = []

    def make(role: str = "central") -> Server:
        made.append(Server(tmp_path / str(len(made)), runtime, role))
        return made[-1]

    yield make
    for server in made:
        server.end()


@pytest.fixture
def hammered():
    """Start servers under the eyes of a stranger."""
    strangers = []

    def start(server: Server, *command: str) -> Stranger:
        strangers.append(Stranger(server.http_port, server.dicom_port))
        server.start(*command)
        return strangers[-1]

    yield start
    for stranger in strangers:
        stranger.end()


def assert_refused(server: Server, stranger: Stranger, *told: str) -> None:
    """The server has ended by itself, said why in one line, and answered nobody."""
    status = server.wait()
    stranger.end()
    assert status not in (0, None)
    for text in told:
        assert any(text in line for line in server.log.splitlines()), server.log
    assert stranger.asked > 10
    assert stranger.statuses == set()
    assert stranger.heard_by_dicom == 0


def test_the_stranger_would_notice_an_open_server(make_server, hammered):
    """Without our plugin the same Orthanc answers everybody: what the other tests exclude is real."""
    server = make_server()
    server.configuration["Plugins"] = [DICOMWEB_PLUGIN]
    stranger = hammered(server, *ORTHANC)
    end = time.monotonic() + PATIENCE
    while not (200 in stranger.statuses and stranger.heard_by_dicom) and time.monotonic() < end:
        time.sleep(0.05)
    assert 200 in stranger.statuses
    assert stranger.heard_by_dicom


@pytest.mark.parametrize("role", ["central", "proxy"])
def test_our_server_refuses_strangers_and_stops_in_order(make_server, hammered, role):
    server = make_server(role)
    stranger = hammered(server)
    server.wait_until_it_answers("/studies")
    time.sleep(0.5)
    stranger.end()
    assert stranger.statuses
    assert stranger.statuses <= {401, 403}
    assert "refuses strangers" in server.log
    os.kill(server.first_process, signal.SIGTERM)
    assert server.wait(30) == 0
    assert "Orthanc has stopped" in server.log


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (RAISES, "broken on purpose"),
        (REGISTERS_THEN_RAISES, "broken on purpose"),
        (SYNTAX_ERROR, "SyntaxError"),
        (ENDS, "has ended before its plugin guarded it"),
        (FORGETS_THE_GATE, "has ended before its plugin guarded it"),
    ],
)
def test_broken_script(make_server, hammered, script, told):
    server = make_server()
    server.use_script(script)
    assert_refused(server, hammered(server), told, "has ended before its plugin guarded it")
    assert server.wait() == 3


def test_script_is_missing(make_server, hammered):
    server = make_server()
    (server.plugins / "central.py").unlink()
    assert_refused(server, hammered(server), "/opt/cami/plugins/central.py is missing")


def test_another_plugin_stands_in_the_place_of_python(make_server, hammered, runtime):
    """Every check of files and configuration passes, but no Python runs in Orthanc."""
    server = make_server()
    server.configuration["Plugins"] = [PYTHON_PLUGIN]
    server.put_in_place(runtime[0] / DICOMWEB_PLUGIN.lstrip("/"), PYTHON_PLUGIN)
    assert_refused(server, hammered(server), "has ended before its plugin guarded it")
    assert "dicom-web" in server.log


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"Plugins": [DICOMWEB_PLUGIN]}, f'"Plugins" must list {PYTHON_PLUGIN} first'),
        ({"Plugins": []}, f'"Plugins" must list {PYTHON_PLUGIN} first'),
        ({"Python": {"AllowThreads": False, "Path": "/opt/cami/plugins/central.py"}}, '"Python.AllowThreads"'),
        ({"WebDavEnabled": True}, '"WebDavEnabled"'),
        ({"DicomAlwaysAllowGet": True}, '"DicomAlwaysAllowGet"'),
        ({"OverwriteInstances": True}, '"OverwriteInstances"'),
        ({"RemoteAccessAllowed": True}, '"RemoteAccessAllowed"'),
        ({"DefaultEncoding": "Latin1"}, '"DefaultEncoding"'),
    ],
)
def test_unsafe_configuration_is_not_started(make_server, hammered, change, told):
    server = make_server()
    server.configuration |= change
    assert_refused(server, hammered(server), told, "Orthanc is not started")
    assert server.wait() == 2
    assert "main.cpp" not in server.log  # not a line of Orthanc's own


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"Python": {"AllowThreads": False, "Path": "/opt/cami/plugins/central.py"}}, '"Python.AllowThreads"'),
        ({"WebDavEnabled": True}, '"WebDavEnabled"'),
        ({"DicomAlwaysAllowGet": True}, '"DicomAlwaysAllowGet"'),
        ({"Plugins": [DICOMWEB_PLUGIN, PYTHON_PLUGIN]}, '"Plugins" must list'),
    ],
)
def test_the_plugin_refuses_an_unsafe_configuration_by_itself(make_server, hammered, change, told):
    """Somebody starts Orthanc without `cami.boot`."""
    server = make_server()
    server.configuration |= change
    assert_refused(server, hammered(server, *ORTHANC), told)


@pytest.mark.parametrize("script", [LETS_EVERYBODY_IN, SPOILS_THE_GATE])
def test_a_gate_that_does_not_refuse_is_noticed(make_server, script):
    """The one case in which a stranger can be answered: our own code, loaded and ready, decides wrongly."""
    server = make_server()
    server.use_script(script)
    server.start()
    assert server.wait() == 3
    assert "a stranger's GET /system was answered with status" in server.log
    assert server.answer("/system") is None


def test_wrong_registry_is_told_with_its_line(make_server, hammered):
    server = make_server()
    path = server.etc / "region.yaml"
    text = path.read_text("utf-8")
    line = text[: text.index("aet: MR42001")].count("\n") + 1
    path.write_text(text.replace("aet: MR42001", "aet: CT42001"), "utf-8")
    assert_refused(server, hammered(server), f"{CONFIGURATION}/region.yaml:{line}: organizations[0].devices[1].aet")


def test_port_in_use_is_told(make_server):
    server = make_server()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", server.dicom_port))
        taken.listen()
        server.start()
        assert server.wait() == 2
    assert f"port {server.dicom_port} of 0.0.0.0 cannot be opened (Address already in use)" in server.log


def test_nothing_outlives_boot(make_server):
    server = make_server()
    server.start()
    server.wait_until_it_answers("/system")
    os.kill(server.first_process, signal.SIGKILL)
    server.wait(10)
    assert server.answer("/system") is None
