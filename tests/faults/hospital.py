"""One МО with its proxy, the line, the centre; and what must be true of them whatever happened."""

import gc
import io
import random
import sqlite3
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pydicom
import requests
from pydicom.pixels import pixel_array

from cami_cli.bench.accidents import under_false_clock
from cami_cli.progress import Progress
from cami_cli.region_file import DicomAddress
from cami_cli.runtime.base import Server
from cami_cli.runtime.native import NativeRuntime
from cami_cli.state import StateFolder
from tests.faults.device import Device
from tests.faults.images import Sent
from tests.live import LiveRegion, wait_until
from tests.registry import CENTRAL, MO, PROXY, Registry
from tests.relay import Relay

#: Longer than any fault lasts, and than what the line then has to carry.
PATIENCE = 900.0


class Hospital:
    """A region with one proxy whose line to the centre is a relay of ours."""

    def __init__(self, folder: Path, sent: Sent, registry: Registry, seconds: float, rng: random.Random) -> None:
        """Start it; the line is so slow that all of `sent` takes about `seconds`."""
        self.sent = sent
        self.rng = rng
        self.registry = registry
        self._began = time.monotonic()
        self.region = LiveRegion(folder / "region")
        self._state = StateFolder(folder / "region")
        self._devices: list[Device] = []
        registry.proxy["link"] = {"mbit_s": "4", "compression": "jpeg-ls", "piece_kib": "64"}
        # Half of `sent` is noise; headers come on top.
        self._rate = 0.65 * sent.size / seconds
        self._seconds = seconds
        self.line: Relay | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "Hospital":
        with ExitStack() as stack:
            stack.callback(self._join)
            self.region.registry = self.registry.write()
            stack.enter_context(self.region)
            self.line = Relay(int(self.region.central.rsplit(":", 1)[1]), rate=self._rate)
            stack.callback(self.line.close)
            stack.callback(self._dismiss)
            self.region.lead_through(MO, self.line.url)
            self.tell("servers answer")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _dismiss(self) -> None:
        for device in self._devices:
            device.stop()

    def _join(self) -> None:
        for device in self._devices:
            device.join(60)
        self._devices.clear()
        gc.collect()  # what pynetdicom has left open; here that is no error (tests/faults/conftest.py)

    def tell(self, text: str) -> None:
        """Print it, with the time."""
        print(f"  {time.monotonic() - self._began:6.1f} s  {text}", flush=True)

    def data(self, server: str) -> Path:
        """Return the folder that a server keeps its data in."""
        return self.region.state / "servers" / server / "data"

    def log(self, server: str) -> str:
        """Return what a server has said so far."""
        return (self.region.state / "servers" / server / "server.log").read_text("utf-8", "replace")

    def send(self) -> Device:
        """Let the device begin."""
        dicom = self.region.proxy(MO)["dicom"]
        device = Device(DicomAddress(dicom["host"], dicom["port"], dicom["aet"]), self.sent, self._seconds * 0.6)
        self._devices.append(device)
        device.start()
        return device

    def queue(self) -> Counter[str]:
        """Return how many images are in which state at the proxy; nothing while it does not answer."""
        try:
            return Counter({state: int(count) for state, count in self.region.delivery(MO)["queue"].items()})
        except requests.RequestException:
            return Counter()

    @property
    def delivered(self) -> int:
        """How many images the centre has acknowledged, by the proxy; 0 while that does not answer."""
        queue = self.queue()
        return queue["stored"] + queue["confirmed"]

    def wait_delivered(self, share: float) -> None:
        """Wait until the centre has acknowledged that share of the images."""
        wanted = int(share * len(self.sent.files))
        wait_until(f"{wanted} images at the centre", lambda: self.delivered >= wanted, PATIENCE)
        self.tell(f"{wanted} of {len(self.sent.files)} images at the centre")

    def kill(self, *servers: str, away: float = 0.0) -> None:
        """Kill servers as a power cut does, and start them again after a while."""
        for server in servers:
            self.region.server("kill", server)
        self.tell(f"{' and '.join(servers)} killed, started again after {away:.1f} s")
        time.sleep(away)
        for server in servers:
            self.region.server("start", server)

    def server(self, name: str) -> Server:
        """Return a server as the runtime knows it."""
        return self._state.server(name, self._state.require().ports[name])

    def give_false_clock(self, name: str) -> None:
        """Start a server again with a clock that `cami_cli.bench.accidents.set_clock` sets."""
        server = self.server(name)
        runtime = NativeRuntime(self._state.require().suite, command=under_false_clock(server))
        runtime.prepare(Progress())
        runtime.stop(server)
        self._stack.callback(runtime.kill, server)
        runtime.start(server)
        wait_until(f"{name} answers", lambda: self.healthy(name), 90)
        self.tell(f"{name} runs by a clock of ours")

    def healthy(self, server: str) -> bool:
        """Return whether a server answers."""
        base = self.region.central if server == CENTRAL else self.region.proxy(MO)["url"]
        try:
            return requests.get(base + "/cami/health", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def check(self, device: Device, *, seconds: float = PATIENCE) -> None:
        """Wait until all is delivered, and compare everything with what the device sent."""
        device.finish(seconds)
        self.tell(f"the device has delivered all to the proxy; refused meanwhile: {dict(device.refusals) or 'nothing'}")
        count = len(self.sent.files)
        self._wait_empty(count, seconds)
        assert self.line is not None
        carried = sum(file.stat().st_size for file in _storage(self.data(CENTRAL)))
        self.tell(f"queue empty; {self.line.carried} bytes went up for {carried} bytes of files at the centre")
        self._check_studies()
        self._check_images()
        self._check_what_is_left(count)
        self.tell("0 lost, 0 duplicated, 0 altered")

    def _wait_empty(self, count: int, seconds: float) -> None:
        """Wait until all is confirmed; fail at once when something is where it should never be."""
        last = 0.0

        def all_confirmed() -> bool:
            nonlocal last
            queue = self.queue()
            if time.monotonic() - last > 15:
                last = time.monotonic()
                self.tell(f"at the proxy: {dict(+queue) or 'no answer'}")
            assert not queue["quarantined"], "a good image is in quarantine"
            return queue["confirmed"] == sum(queue.values()) == count

        try:
            wait_until(f"{count} images confirmed", all_confirmed, seconds)
        except AssertionError:
            with closing(self._database(PROXY)) as database:
                stuck = "SELECT state, reason, attempts, not_before, count(*) FROM delivery_item GROUP BY 1, 2, 3, 4"
                for row in database.execute(stuck):
                    self.tell(f"stuck? {row}")
            raise

    def _check_studies(self) -> None:
        here = {study["study_uid"]: study for study in self.region.delivery(MO)["studies"]}
        there = {study["study_uid"]: study for study in self.region.studies()}
        assert set(here) == set(there) == set(self.sent.studies)
        for uid, count in self.sent.studies.items():
            assert here[uid]["instances"] == here[uid]["confirmed"] == count
            assert here[uid]["confirmed_at"]
            assert (there[uid]["instances"], there[uid]["expected"], there[uid]["owner"]) == (count, count, MO)
            assert there[uid]["confirmed_at"]

    def _check_images(self) -> None:
        """Compare every image at both ends with what was sent, decoded."""
        doctor = self.region.session("radiologist", MO)
        for base in (self.region.central, self.region.proxy(MO)["url"]):
            question = {"Level": "Instance", "Query": {}, "Expand": True}
            found = doctor.post(f"{base}/tools/find", json=question, timeout=120).json()
            uids = [instance["MainDicomTags"]["SOPInstanceUID"] for instance in found]
            assert sorted(uids) == sorted(self.sent.files), "lost or duplicated"
        for instance in doctor.post(
            f"{self.region.central}/tools/find", json={"Level": "Instance", "Query": {}}, timeout=120
        ).json():
            file = doctor.get(f"{self.region.central}/instances/{instance}/file", timeout=60)
            there = pydicom.dcmread(io.BytesIO(file.content))
            here = pydicom.dcmread(self.sent.files[there.SOPInstanceUID])
            assert there.SOPInstanceUID == here.SOPInstanceUID
            assert np.array_equal(pixel_array(there, raw=True), pixel_array(here, raw=True)), "altered"

    def _check_what_is_left(self, count: int) -> None:
        """No file outlives its use, no row is left open, both databases are whole."""
        assert [path for path in (self.data(CENTRAL) / "uploads").rglob("*") if path.is_file()] == []
        for server in (PROXY, CENTRAL):
            assert list((self.data(server) / "quarantine").glob("*")) == []
            known = ("orthanc", "cami.sqlite", "cami.sqlite-wal", "cami.sqlite-shm", "quarantine", "uploads")
            assert {path.name for path in self.data(server).iterdir()} <= set(known)
            with closing(self._database(server)) as database:
                assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            # A server killed between writing a file and entering it leaves one that nothing names: Orthanc's own way.
            extra = len(_storage(self.data(server))) - count
            assert extra >= 0
            if extra:
                self.tell(f"{server}: {extra} files in Orthanc's storage that its index does not name")
        with closing(self._database(CENTRAL)) as database:
            (rows,) = database.execute("SELECT count(*), count(stored_at) FROM received_instance")
            assert rows == (count, count)
            assert database.execute("SELECT count(*) FROM upload").fetchone() == (0,)

    def _database(self, server: str) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.data(server) / 'cami.sqlite'}?mode=ro", uri=True, timeout=60)


def _storage(data: Path) -> list[Path]:
    """Return the DICOM files of an Orthanc; the DICOMweb plugin puts others beside them."""
    found = []
    for path in (data / "orthanc").glob("??/??/*"):
        with path.open("rb") as file:
            if file.read(132).endswith(b"DICM"):
                found.append(path)
    return found
