"""Real destinations for routing: dcmtk's storescp, a stock Orthanc with DICOMweb, a node that fails when told to."""

import json
import os
import subprocess
import threading
import time
from pathlib import Path

import pydicom
import requests
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification

from cami_cli.bench.delivery_servers import STOCK
from cami_cli.progress import Progress
from cami_cli.runtime.base import DATA, Server
from cami_cli.runtime.debian_root import find_root
from cami_cli.runtime.host_tools import tool_environment
from cami_cli.runtime.native import NativeRuntime
from cami_cli.runtime.sandbox import arguments, bubblewrap, hosts_file
from tests.live import wait_until

SUITE = "forky"


class StoreScp:
    """dcmtk's ``storescp`` in the sandbox; it may be stopped and started again."""

    def __init__(self, folder: Path, port: int, aet: str) -> None:
        self.folder = folder / "received"
        self.folder.mkdir(parents=True)
        self.log = folder / "storescp.log"
        self.port = port
        self.aet = aet
        self._process = None

    def start(self) -> None:
        hosts = hosts_file("storescp")
        options = arguments(find_root(SUITE).folder, hostname="storescp", writable={self.folder: DATA}, hosts_fd=hosts)
        command = ["storescp", "-v", "+xa", "-aet", self.aet, "-od", DATA, str(self.port)]
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [bubblewrap(), "--die-with-parent", *options, "--", *command],
                    env=tool_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    pass_fds=(hosts,),
                )  # fmt: skip
        finally:
            os.close(hosts)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def received(self) -> list[str]:
        """The SOP Instance UIDs of what lies in its folder."""
        return sorted(
            str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in self.folder.iterdir()
        )

    def requests(self) -> int:
        """How often something was sent, the same or not."""
        return self.log.read_text(errors="replace").count("Received Store Request")


class WebArchive:
    """A stock Orthanc that takes STOW-RS."""

    def __init__(self, folder: Path, http_port: int, dicom_port: int) -> None:
        for part in ("etc", "data"):
            (folder / part).mkdir(parents=True)
        self.server = Server("web", folder / "etc", folder / "data", folder / "orthanc.log", http_port, dicom_port)
        self.url = f"http://127.0.0.1:{http_port}"
        configuration = {
            "StorageDirectory": f"{DATA}/orthanc",
            "IndexDirectory": f"{DATA}/orthanc",
            "HttpPort": http_port,
            "DicomPort": dicom_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {"router": "secret"},
            "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
        }
        (folder / "etc" / "orthanc.json").write_text(json.dumps(configuration))
        self._runtime = NativeRuntime(SUITE, command=STOCK)

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, auth=("router", "secret"), timeout=10)

    def start(self) -> None:
        self._runtime.prepare(Progress())
        self._runtime.start(self.server)

        def up() -> bool:
            try:
                return self.get("/system").status_code == 200
            except requests.ConnectionError:
                return False

        wait_until("the web archive answers", up, 30)

    def stop(self) -> None:
        self._runtime.kill(self.server)

    def received(self) -> list[str]:
        found = self.get("/instances?expand").json()
        return sorted(instance["MainDicomTags"]["SOPInstanceUID"] for instance in found)


class FailingNode:
    """A node that answers what it is told to: statuses, one for each image, then success."""

    def __init__(self, port: int, aet: str) -> None:
        self.port = port
        self.answers: list[int] = []
        self.always = 0x0000
        self.delay = 0.0
        self.got: list[str] = []
        self._lock = threading.Lock()
        entity = AE(aet)
        entity.supported_contexts = AllStoragePresentationContexts
        entity.add_supported_context(Verification)
        self._server = entity.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )

    def _store(self, event: evt.Event) -> int:
        time.sleep(self.delay)
        with self._lock:
            status = self.answers.pop(0) if self.answers else self.always
            if status == 0x0000:
                self.got.append(str(event.request.AffectedSOPInstanceUID))
        return status

    def stop(self) -> None:
        self._server.shutdown()
