"""A proxy and a centre at the two ends of the thin line: ours, or stock Orthanc as a site would have without us."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import requests
import yaml

from cami.orthanc_config import render
from cami.region import load_region
from cami_cli.answering import http, tail
from cami_cli.bench.accidents import small_volume, under_false_clock
from cami_cli.bench.link_emulator_ends import FAR_ADDRESS, FAR_SIDE_ADDRESS, ThinLine
from cami_cli.errors import Trouble
from cami_cli.keys import ensure_link_key, ensure_passwords, write_accounts
from cami_cli.places import HOME
from cami_cli.progress import Progress
from cami_cli.runtime.base import BOOT, CONFIGURATION, DATA, Server, Suite
from cami_cli.runtime.native import NativeRuntime

MO = "42001"
PROXY_AET = f"PROXY{MO}"
CENTRE_AET = "CENTRE"
_START_SECONDS = 90.0
#: As packaged: without the variable that our sandbox sets for every server.
STOCK = ("env", "--unset=TCP_NODELAY", "Orthanc", f"{CONFIGURATION}/orthanc.json")
Kind = Literal["ours", "stock"]
#: What a fault needs: volumes that can be filled, clocks that can be set.
Weakness = Literal["none", "small volumes", "false clocks"]
#: More than what a server keeps free of images and of uploads (`cami.delivery.disk`, `cami.delivery.uploads`).
_SMALL_BYTES = 1_500_000_000
#: The emulated line has no TLS: its far end is Orthanc itself.
_OPEN = {"plain_http": True}

#: Auto-routing as the Orthanc Book shows it.
_ROUTE = """
function OnStoredInstance(instanceId, tags, metadata, origin)
  SendToModality(instanceId, 'centre')
end
"""


@dataclass(slots=True)
class End:
    """A server and how it is reached without using the line."""

    server: Server
    runtime: NativeRuntime
    base: str
    alive: str
    """An address that answers 200 to strangers once it is up."""
    client: requests.Session = field(default_factory=http)

    def get(self, path: str) -> requests.Response:
        """Read something; an answer other than 200 is the caller's to judge."""
        return self.client.get(self.base + path, timeout=20)

    def instances(self) -> int:
        """Return how many instances it holds; -1 while it does not answer."""
        try:
            answer = self.get("/statistics")
            return int(answer.json()["CountInstances"]) if answer.status_code == 200 else -1
        except (requests.RequestException, ValueError):
            return -1

    def holds(self, instance: str) -> bool:
        """Return whether it holds this instance (an Orthanc id)."""
        try:
            return self.get(f"/instances/{instance}").status_code == 200
        except requests.RequestException:
            return False

    def answers(self) -> bool:
        """Return whether it is up."""
        try:
            return self.get(self.alive).status_code == 200
        except requests.RequestException:
            return False

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.runtime.start(self.server)
        self.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + _START_SECONDS
        while not self.answers():
            if not self.runtime.running(self.server) or time.monotonic() > until:
                raise Trouble(f"{self.server.name} did not start", f"the end of its log:\n{tail(self.server.log)}")
            time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Pair:
    """Both ends."""

    kind: Kind
    centre: End
    proxy: End


@dataclass(frozen=True, slots=True)
class Setting:
    """How servers are made."""

    suite: Suite
    work: Path
    link: Mapping[str, Any]
    """What the registry says of the МО's line, beside its rate."""


class Servers:
    """Makes empty pairs at the ends of a line."""

    def __init__(self, setting: Setting, line: ThinLine) -> None:
        self._setting = setting
        self._line = line
        self._registry = _registry(setting, line.line.mbit_s)
        self._far, self._near = line.at_far_end, ()
        self._steps = Progress()
        self._passwords = ensure_passwords(load_region(self._registry), {})
        self._accounts = setting.work / "accounts.json"
        self._accounts.unlink(missing_ok=True)  # its hashes are of the last run's passwords

    @contextmanager
    def pair(self, kind: Kind, *, lua: bool = False, weak: Weakness = "none") -> Iterator[Pair]:
        """Run an empty pair; `lua` turns on auto-routing of a stock proxy, `weak` prepares ours for a fault."""
        self._registry = _registry(self._setting, self._line.line.mbit_s)
        with ExitStack() as stack:
            ends = {}
            for number, (name, within, host) in enumerate(
                (("central", self._far, FAR_SIDE_ADDRESS), (f"proxy-{MO}", self._near, "127.0.0.1"))
            ):
                server = self._server(name, 18042 + number)
                if weak == "small volumes":
                    stack.enter_context(small_volume(server.data, _SMALL_BYTES))
                command: Sequence[str] = BOOT if kind == "ours" else STOCK
                command = under_false_clock(server) if weak == "false clocks" else command
                runtime = NativeRuntime(self._setting.suite, command=command, within=within)
                runtime.prepare(self._steps)
                alive = "/cami/health" if kind == "ours" else "/system"
                ends[name] = End(server, runtime, f"http://{host}:{server.http_port}", alive)
            pair = Pair(kind, ends["central"], ends[f"proxy-{MO}"])
            self._configure(pair, lua=lua)
            for end in (pair.centre, pair.proxy):
                stack.callback(_end, end)
                end.runtime.start(end.server)
            for end in (pair.centre, pair.proxy):
                end.wait()
            yield pair

    def orthanc_version(self) -> str:
        """Return the version of Orthanc, the same on all sides."""
        return NativeRuntime(self._setting.suite).orthanc_version()

    def _server(self, name: str, port: int) -> Server:
        folder = self._setting.work / name
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("etc/secrets", "etc/keys", "data"):
            (folder / part).mkdir(parents=True)
        log = self._setting.work / f"{name}.log"
        log.unlink(missing_ok=True)
        return Server(name, folder / "etc", folder / "data", log, port, port + 100)

    def _configure(self, pair: Pair, *, lua: bool) -> None:
        centre, proxy = pair.centre, pair.proxy
        if pair.kind == "stock":
            _write(centre.server, _stock(centre.server, CENTRE_AET, {}, {}))
            (proxy.server.configuration / "route.lua").write_text(_ROUTE, encoding="utf-8")
            own = _stock(
                proxy.server,
                PROXY_AET,
                {"centre": [CENTRE_AET, FAR_ADDRESS, centre.server.dicom_port]},
                {"centre": [f"http://{FAR_ADDRESS}:{centre.server.http_port}/"]},
            )
            _write(proxy.server, own | {"LuaScripts": [f"{CONFIGURATION}/route.lua"] if lua else []})
            return
        for end in (centre, proxy):
            self._configure_ours(end, f"http://{FAR_ADDRESS}:{centre.server.http_port}")
        write_accounts(self._accounts, load_region(self._registry), self._passwords)
        shutil.copy(self._accounts, centre.server.configuration / "secrets" / "accounts.json")
        ensure_link_key(
            proxy.server.configuration / "secrets" / "link.key", centre.server.configuration / "keys" / f"{MO}.pem"
        )
        centre.client.auth = self.person("region_admin")

    def _configure_ours(self, end: End, central_url: str) -> None:
        server, central = end.server, end.server.name == "central"
        configuration = render(
            load_region(self._registry),
            "central" if central else "proxy",
            mo="" if central else MO,
            http_port=server.http_port,
            dicom_port=server.dicom_port,
            central_url="" if central else central_url,
            suite=self._setting.suite,
            # The centre has to answer on the line's address; nobody else is in its network namespace.
            http_exposed=central,
        )
        _write(server, configuration)
        shutil.copy(self._registry, server.configuration / "region.yaml")

    def person(self, role: str, mo: str = "") -> tuple[str, str]:
        """Return login and password of somebody."""
        found = next(
            account for account in load_region(self._registry).accounts if (account.role, account.mo) == (role, mo)
        )
        return found.login, self._passwords[found.login]


def _end(end: End) -> None:
    end.runtime.kill(end.server)
    end.client.close()


def link_settings(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the registry says of the line beside its rate."""
    return {**_OPEN, **chosen}


def _registry(setting: Setting, mbit_s: float) -> Path:
    """Write the development registry with the emulated line as the МО's, without a timetable."""
    registry = yaml.safe_load((HOME / "orthanc-config" / "region.yaml").read_text(encoding="utf-8"))
    for organization in registry["organizations"]:
        if organization["code"] == MO:
            organization["proxy"]["link"] = {"mbit_s": mbit_s, **link_settings(setting.link)}
    setting.work.mkdir(parents=True, exist_ok=True)
    file = setting.work / "region.yaml"
    file.write_text(yaml.safe_dump(registry, allow_unicode=True), encoding="utf-8")
    load_region(file)  # says with file, line and field what is wrong with a setting
    return file


def _stock(server: Server, aet: str, modalities: Mapping[str, Any], peers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what has to be said to stock Orthanc; everything else is as packaged."""
    return {
        "Name": aet,
        "StorageDirectory": f"{DATA}/orthanc",
        "IndexDirectory": f"{DATA}/orthanc",
        "HttpPort": server.http_port,
        "DicomPort": server.dicom_port,
        "DicomAet": aet,
        "RemoteAccessAllowed": True,
        "AuthenticationEnabled": False,
        "DicomModalities": modalities,
        "OrthancPeers": peers,
        "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
        "DicomWeb": {"Servers": {name: [f"{peer[0]}dicom-web/"] for name, peer in peers.items()}},
    }


def _write(server: Server, configuration: Mapping[str, Any]) -> None:
    text = json.dumps(configuration, ensure_ascii=False)
    (server.configuration / "orthanc.json").write_text(text, encoding="utf-8")
