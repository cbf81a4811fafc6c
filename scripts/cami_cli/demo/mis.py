"""The МИС in the demonstration: an order, the device's worklist, its images, one click, a question, the signed answer.

The simulated МИС runs as it does by itself, ``scripts/cami mis simulate``; everything goes through its pages and hook.
"""

import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pydicom
import requests
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from cami_cli.api_client import ApiClient
from cami_cli.demo.checks import Check
from cami_cli.demo.screenshot import painted
from cami_cli.demo.stage import Stage
from cami_cli.errors import Trouble
from cami_cli.phantoms import WrittenStudy
from cami_cli.places import HOME
from cami_cli.ports import choose_free
from cami_cli.region_file import Proxy, Region
from cami_cli.send import store_folder
from cami_cli.state import StateFolder

_Found = TypeVar("_Found")
#: Seconds that one step may take.
_PATIENCE = 90.0
_CARD = "4512207"
_QUESTION = "Имеется ли панкреонекроз?"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the device finds on its worklist."""

    accession: str
    study_uid: str
    patient_id: str
    patient_name: str
    birth_date: str
    sex: str
    seconds: float
    """After the order."""


class SimulatedMis:
    """``scripts/cami mis simulate`` for one region, until it is ended."""

    def __init__(self, state: StateFolder) -> None:
        self.url = f"http://127.0.0.1:{choose_free(1)[0]}"
        command = [str(HOME / "scripts" / "cami"), "mis", "simulate", "--state", str(state.folder)]
        self._process = subprocess.Popen(
            [*command, "--port", self.url.rpartition(":")[2]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=HOME,
        )  # fmt: skip

    def end(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def get(self, path: str) -> Any:
        """Ask for JSON."""
        return requests.get(self.url + path, timeout=10).json()

    def post(self, path: str, **form: str) -> requests.Response:
        """Send a form, as a browser does; redirects are left to the caller."""
        return requests.post(self.url + path, data=form, timeout=60, allow_redirects=False)

    def ready(self) -> bool:
        """Say whether it answers and is told of what happens."""
        if self._process.poll() is not None:
            raise Trouble("the simulated МИС does not start", "try: scripts/cami mis simulate --state DIR")
        try:
            return bool(self.get("/api/health")["subscribed"])
        except requests.RequestException:
            return False

    def order(self) -> Mapping[str, Any]:
        """Return the newest order as the МИС sees it now."""
        return dict(self.get("/api/orders")[0])


class Journey:
    """One patient's way through the МИС, the device, the archive and the consultant."""

    def __init__(self, region: Region, study: tuple[Path, WrittenStudy], mis: SimulatedMis, stage: Stage) -> None:
        """Prepare it with images of `study`, which lies in the folder given with it."""
        self._region = region
        self._source, self._like = study
        self._mis = mis
        self._stage = stage

    def run(self) -> Check:
        """Go all of it; return whether every step was seen, and how long it took.

        Raises
        ------
        Trouble
            A step did not come.
        """
        title = "order → worklist → images → «доступны» → «Снимки» → question → signed report, all in the МИС"
        began = time.monotonic()
        _until("the simulated МИС answers", self._mis.ready)
        self._order()
        found = self._worklist()
        self._images(found)
        seen = self._click()
        self._consultation()
        detail = f"{time.monotonic() - began:.0f} s; on the worklist after {found.seconds:.1f} s; {seen}"
        return Check(title, passed=True, detail=detail)

    def _order(self) -> None:
        done = self._mis.post(
            f"/patients/{_CARD}/orders", modality=self._like.modality, reason="Исключить панкреонекроз"
        )
        if done.status_code != 303:
            raise Trouble("ЦАМИ did not take the order", "see the log of the centre")
        order = self._mis.order()
        self._stage.say(
            f"МИС: order {order['number']} for card {_CARD}; ЦАМИ gave accession number {order['accession']}"
        )

    def _worklist(self) -> Entry:
        began = time.monotonic()
        accession = self._mis.order()["accession"]
        found = _until("the order is on the worklist of the device", lambda: self._asked(accession, began), pause=0.2)
        self._stage.say(
            f"device {self._aet()}: found it on its worklist (C-FIND) {found.seconds:.1f} s after the order"
        )
        return found

    def _aet(self) -> str:
        return f"{self._like.modality}{self._like.mo}"

    def _asked(self, accession: str, began: float) -> Entry | None:
        """Ask the worklist as the device does."""
        dicom = self._region.proxy(self._like.mo).dicom
        query = Dataset()
        query.SpecificCharacterSet = "ISO_IR 192"
        query.AccessionNumber = accession
        for name in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID"):
            setattr(query, name, "")
        step = Dataset()
        step.Modality = step.ScheduledStationAETitle = ""
        query.ScheduledProcedureStepSequence = [step]
        entity = AE(ae_title=self._aet())
        entity.add_requested_context(ModalityWorklistInformationFind)
        association = entity.associate(dicom.host, dicom.port, ae_title=dicom.aet)
        if not association.is_established:
            return None
        try:
            answers = association.send_c_find(query, ModalityWorklistInformationFind)
            found = [answer for _, answer in answers if answer is not None]
        finally:
            association.release()
        if not found:
            return None
        answer = found[0]
        return Entry(
            accession, str(answer.StudyInstanceUID), str(answer.PatientID), str(answer.PatientName),
            str(answer.PatientBirthDate), str(answer.PatientSex), time.monotonic() - began,
        )  # fmt: skip

    def _images(self, entry: Entry) -> None:
        images = store_for_order(self._region.proxy(self._like.mo), self._source, entry)
        began = time.monotonic()
        _until("the images are available in the МИС", lambda: self._mis.order()["study_status"] == "available")
        took = time.monotonic() - began
        self._stage.say(f"МИС: {images} images of the order are «доступны» {took:.1f} s after the device stored them")

    def _click(self) -> str:
        """Press «Снимки», follow as a browser does, and see the viewer with these images."""
        order = self._mis.order()
        address = self._launch(order["number"])
        browser = requests.Session()
        browser.trust_env = False
        opened = browser.get(address, timeout=30, allow_redirects=False)
        viewer = opened.headers.get("Location", "")
        uid = re.search(r"StudyInstanceUIDs=([0-9.]+)", viewer)
        central = self._region.central_url
        page = browser.get(central + viewer, timeout=30)
        series = browser.get(f"{central}/dicom-web/studies/{uid[1] if uid else 'none'}/series", timeout=30)
        stranger = requests.get(f"{central}/dicom-web/studies/{uid[1] if uid else 'none'}/series", timeout=30)
        if page.status_code != 200 or series.status_code != 200 or stranger.status_code not in (401, 403, 404):
            raise Trouble("the click «Снимки» does not open the viewer", "see the log of the centre")
        seen = painted(self._launch(order["number"]), HOME / "build" / "screenshots" / "demo-mis-ohif.png")
        self._stage.say(f"МИС: one click «Снимки» opens OHIF with them, no password; {seen}")
        return seen

    def _launch(self, number: str) -> str:
        done = self._mis.post(f"/orders/{number}/images")
        if done.status_code != 303:
            raise Trouble("the МИС got no address for «Снимки»", "see the log of the centre")
        return str(done.headers["Location"])

    def _consultation(self) -> None:
        """Ask the consulting centre in the МИС; its consultant takes the request and signs; the report comes back."""
        order = self._mis.order()
        if self._mis.post(f"/orders/{order['number']}/consultation", question=_QUESTION).status_code != 303:
            raise Trouble("ЦАМИ did not take the request for a consultation", "see the log of the centre")
        account = next(each for each in self._region.accounts if each.role == "consultant")
        with ApiClient(self._region.central_url, account) as consultant:
            listed = json.loads(consultant.ask("/cami/api/consultations?view=queue").text)["requests"]
            request = next((each for each in listed if each["question"] == _QUESTION), None)
            if request is None:
                raise Trouble("the consultant does not see the request", "see the log of the centre")
            address = f"/cami/api/consultations/{request['number']}"
            _done(consultant.ask(address + "/take", body={"version": request["version"]}))
            revision = json.loads(consultant.ask(address + "/answer").text).get("revision", 0)
            text = {"findings": "Поджелудочная железа увеличена.", "conclusion": "Признаков панкреонекроза нет."}
            _done(consultant.put(address + "/answer", {**text, "revision": revision}))
            _done(consultant.ask(address + "/answer/sign", body={"password": account.password}))
        _until("the report is in the МИС", self._has_report)
        state = self._mis.get("/api/consultations")[0]["words"]
        self._stage.say(f"МИС: the consultation is «{state}», its report (PDF) is on the patient's card")

    def _has_report(self) -> bool:
        page = requests.get(f"{self._mis.url}/patients/{_CARD}", timeout=10).text
        document = re.search(r'href="(/documents/[^"]+)"', page)
        if document is None or self._mis.get("/api/consultations")[0]["status"] != "completed":
            return False
        return requests.get(self._mis.url + document[1], timeout=10).content.startswith(b"%PDF")


def _done(answer: requests.Response) -> None:
    if answer.status_code != 200:
        raise Trouble(f"the consultant's act answered {answer.status_code}", "see the log of the centre")


def store_for_order(proxy: Proxy, source: Path, entry: Entry) -> int:
    """Store the images in `source` as the device does that has taken `entry` off its worklist; return how many.

    Raises
    ------
    Trouble
        The proxy refused one.
    """
    with TemporaryDirectory(prefix="cami-mis-") as folder:
        images = _for_order(source, Path(folder), entry)
        summary = store_folder(Path(folder), proxy)
    if summary.refused:
        raise Trouble(f"the proxy refused an image: {summary.refused[0].reason}", "see the log of the proxy")
    return images


def _for_order(source: Path, folder: Path, entry: Entry, most: int = 20) -> int:
    """Write images as a device makes them that has taken `entry` off its worklist; return how many."""
    files = sorted(source.glob("*.dcm"))[:most]
    series = generate_uid()
    for number, file in enumerate(files):
        dataset = pydicom.dcmread(file)
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.AccessionNumber, dataset.StudyInstanceUID = entry.accession, entry.study_uid
        dataset.PatientID, dataset.PatientName = entry.patient_id, entry.patient_name
        dataset.PatientBirthDate, dataset.PatientSex = entry.birth_date, entry.sex
        dataset.StudyDate = dataset.SeriesDate = time.strftime("%Y%m%d")
        dataset.SeriesInstanceUID = series
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(folder / f"{number:03}.dcm")
    return len(files)


def _until(what: str, look: Callable[[], _Found | None], *, pause: float = 0.5) -> _Found:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(pause)
    raise Trouble(f"within {_PATIENCE:.0f} s: {what}: no", "see the logs of the servers in the state folder")
