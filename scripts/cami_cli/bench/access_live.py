"""The same archive served by stock Orthanc with its DICOMweb plugin, and by our centre, over HTTP.

Stock Orthanc is filled with some images, stopped, its index is filled up with rows like those that it has written, and
its data are copied for the centre, whose database is told which МО each study belongs to and has the rows that it would
have made of them. The centre itself finds that its index is in step. Stock shows everything to everybody; ours shows
the doctor his МО's hundredth.
"""

import io
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pydicom
import requests
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from cami.index.source import Kept
from cami.orthanc_config import render
from cami.region import load_region
from cami_cli.answering import healthy, http, tail
from cami_cli.bench.access_archive import MOS, drawn, replicate
from cami_cli.bench.access_asking import Service, prepare_asking
from cami_cli.bench.access_centre import fill_centre
from cami_cli.bench.cpu import seconds_of
from cami_cli.errors import Trouble
from cami_cli.keys import ensure_passwords, write_accounts
from cami_cli.places import HOME
from cami_cli.ports import choose_free
from cami_cli.progress import Progress
from cami_cli.runtime import processes
from cami_cli.runtime.base import CONFIGURATION, DATA, Server, Suite
from cami_cli.runtime.native import NativeRuntime
from cami_cli.servers import url

MO = "42001"
#: So many studies are stored by HTTP; the rest are rows that are copied (`cami_cli.bench.access_archive`).
STORED = 300
_NAMES = ("stock", "central", "asking")
_SECONDS = 180.0
#: In production studies come one by one: matching them with orders and telling the МИС is not what is measured here.
_NEWS_SECONDS = 1200.0
_RESTING = 0.25
_STOCK = ("Orthanc", f"{CONFIGURATION}/orthanc.json")
_REGISTRY = HOME / "orthanc-config" / "region.yaml"


@dataclass(frozen=True, slots=True)
class Place:
    """One server, and who asks there."""

    name: str
    url: str
    auth: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Ends:
    """The servers, answering."""

    stock: Callable[[str], int]
    """GET below ``/dicom-web`` and return how many were found."""
    ours: Callable[[str], int]
    patient: str
    """Card number of a patient of the doctor's."""
    places: Mapping[str, Place]
    """``stock``, ``ours``, and ``asking`` if it was wanted: stock that asks a web service about each resource."""


@contextmanager
def both(suite: Suite, studies: int, steps: Progress, *, asking: bool = False) -> Iterator[Ends]:
    """Run stock Orthanc and our centre on the same studies; `asking`: a third that asks a service, too."""
    work = HOME / "build" / "bench" / "access"
    shutil.rmtree(work, ignore_errors=True)
    stock_runtime, our_runtime = NativeRuntime(suite, command=_STOCK), NativeRuntime(suite)
    for runtime in (stock_runtime, our_runtime):
        runtime.prepare(steps)
    ports = choose_free(7)
    stock, ours, third = (_server(work, name, ports[2 * at : 2 * at + 2]) for at, name in enumerate(_NAMES))
    (stock.configuration / "orthanc.json").write_text(json.dumps(_plain(stock)), encoding="utf-8")
    login = _configure(ours, suite)
    service = Service(ports[6]) if asking else None
    try:
        with steps.step(f"{studies} studies for stock Orthanc"):
            stock_runtime.start(stock)
            _until(lambda: _answers(stock), "stock Orthanc", stock)
            stored = min(studies, STORED)
            _fill(stock, stored)
            model = _model(stock)
            stock_runtime.stop(stock)
            replicate(stock.data / "orthanc" / "index", stored, studies)
        with steps.step("the same archive for our centre, until its index is fresh"):
            kept = _main_tags(our_runtime, ours, login("region_admin", ""))
            shutil.copytree(stock.data / "orthanc", ours.data / "orthanc", dirs_exist_ok=True)
            fill_centre(ours.data, studies, kept, model, [MO, *(f"{43000 + number}" for number in range(1, MOS))])
            if service is not None:
                shutil.copytree(stock.data / "orthanc", third.data / "orthanc")
                service.start()
                prepare_asking(third, _plain(third), ports[6])
                stock_runtime.start(third)
            stock_runtime.start(stock)
            our_runtime.start(ours)
            _until(lambda: _answers(stock), "stock Orthanc", stock)
            _until(lambda: healthy(ours), "our centre", ours)
            _until(lambda: _fresh(ours, login("region_admin", ""), studies), "the study index", ours)
            _until(lambda: _rests(ours), "what our centre does with studies that are new to it", ours, _NEWS_SECONDS)
        places = {
            "stock": Place("stock Orthanc", url(stock)),
            "ours": Place("ours", url(ours), login("radiologist", MO)),
        }
        if service is not None:
            _until(lambda: _answers(third), "stock Orthanc that asks", third)
            places["asking"] = Place("stock that asks a service", url(third))
        with http() as plain, http() as doctor:
            doctor.auth = login("radiologist", MO)
            yield Ends(_asker(plain, stock), _asker(doctor, ours), drawn(0).patient_id, places)
    finally:
        for runtime, server in ((stock_runtime, stock), (our_runtime, ours), (stock_runtime, third)):
            runtime.kill(server)
        if service is not None:
            service.stop()


def _model(server: Server) -> Mapping[str, Any]:
    """Return what Orthanc says of the first study and its series, for the rows of our index."""
    found: dict[str, Any] = {}
    with http() as client:
        tags = client.get(f"{url(server)}/system", timeout=30).json()["MainDicomTags"]
        for level in ("Study", "Series"):
            levels = ("Study", "Patient") if level == "Study" else ("Series",)
            named = ";".join(tags[each] for each in levels)
            body: dict[str, Any] = {
                "Level": level,
                "Query": {},
                "ParentStudy": drawn(0).ids[1],
                "Full": True,
                "ResponseContent": ["Children", "Metadata", "Parent", "RequestedTags"],
                "RequestedTags": sorted(set(named.split(";"))),
            }
            found[level] = client.post(f"{url(server)}/tools/find", json=body, timeout=30).json()[0]
    return found


def _main_tags(runtime: NativeRuntime, server: Server, admin: tuple[str, str]) -> Kept:
    """Start our centre once, empty, to see by which tags it makes its index; this makes its database too."""
    runtime.start(server)
    try:
        _until(lambda: healthy(server), "our centre", server)
        with http() as client:
            main = client.get(f"{url(server)}/system", auth=admin, timeout=30).json()["MainDicomTags"]
    finally:
        runtime.stop(server)
    study, patient, series = (frozenset(main[level].split(";")) for level in ("Study", "Patient", "Series"))
    shutil.rmtree(server.data / "orthanc")
    return Kept(study, patient, series)


def _asker(client: requests.Session, server: Server) -> Callable[[str], int]:
    def ask(search: str) -> int:
        answer = client.get(f"{url(server)}/dicom-web/{search}", timeout=60)
        if answer.status_code != HTTPStatus.OK:
            raise Trouble(f"{server.name} answered {answer.status_code} to QIDO-RS", f"see {server.log}")
        return len(answer.json())

    return ask


def _server(work: Path, name: str, ports: list[int]) -> Server:
    for part in ("etc/secrets", "etc/keys", "data"):
        (work / name / part).mkdir(parents=True)
    return Server(name, work / name / "etc", work / name / "data", work / f"{name}.log", ports[0], ports[1])


def _plain(server: Server) -> dict[str, Any]:
    """Configure stock Orthanc; it keeps the main tags that ours keeps.

    The centre gets what stock has written: had it other main tags, its core would open the file of each resource that
    it describes, to look for those that its index lacks, which it never does with what it has stored itself.
    """
    ours = json.loads((HOME / "orthanc-config" / "base.json").read_text("utf-8"))
    return {
        "ExtraMainDicomTags": ours["ExtraMainDicomTags"],
        "StorageDirectory": f"{DATA}/orthanc",
        "IndexDirectory": f"{DATA}/orthanc",
        "HttpPort": server.http_port,
        "DicomPort": server.dicom_port,
        "AuthenticationEnabled": False,
        "KeepAlive": True,
        "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
    }


def _configure(server: Server, suite: Suite) -> Callable[[str, str], tuple[str, str]]:
    """Configure the centre; return what tells the login and password of somebody."""
    region = load_region(_REGISTRY)
    passwords = ensure_passwords(region, {})
    configuration = render(
        region, "central", mo="", http_port=server.http_port, dicom_port=server.dicom_port, central_url="", suite=suite
    )
    # One account asks as fast as the machine answers: without the limit of an account, which is what is not measured.
    configuration["Cami"]["RequestsPerSecond"] = 0
    (server.configuration / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")
    shutil.copy(_REGISTRY, server.configuration / "region.yaml")
    write_accounts(server.configuration / "secrets" / "accounts.json", region, passwords)

    def login(role: str, mo: str) -> tuple[str, str]:
        found = next(account for account in region.accounts if (account.role, account.mo) == (role, mo))
        return found.login, passwords[found.login]

    return login


def _fill(server: Server, studies: int) -> None:
    with http() as client, ThreadPoolExecutor(4) as threads:

        def store(number: int) -> None:
            answer = client.post(f"{url(server)}/instances", data=_image(number), timeout=60)
            if answer.status_code != HTTPStatus.OK:
                raise Trouble(f"stock Orthanc answered {answer.status_code} to an image", f"see {server.log}")

        list(threads.map(store, range(studies)))


def _image(number: int) -> bytes:
    """Make one image of a study of its own; three studies have the same patient."""
    study = drawn(number)
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study.study_uid, study.series_uid
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(study.sop_uid)
    dataset.SpecificCharacterSet, dataset.Modality = "ISO_IR 192", "CT"
    dataset.PatientID, dataset.PatientName = study.patient_id, study.name
    dataset.PatientBirthDate, dataset.PatientSex, dataset.AccessionNumber = "19700101", "F", study.accession
    dataset.StudyDate, dataset.StudyTime = study.date, study.time
    dataset.Rows = dataset.Columns = 256
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelData = bytes(256 * 256 * 2)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _answers(server: Server) -> bool:
    try:
        with http() as client:
            return client.get(f"{url(server)}/system", timeout=5).status_code == HTTPStatus.OK
    except requests.RequestException:
        return False


def _fresh(server: Server, admin: tuple[str, str], studies: int) -> bool:
    with http() as client:
        found: Mapping[str, Any] = client.get(f"{url(server)}/cami/api/index", auth=admin, timeout=10).json()
    return bool(found["state"] == "fresh" and found["studies"] == studies)


def _rests(server: Server) -> bool:
    """Say whether a server that nobody asks anything uses little of a processor, but for what it always does."""
    mark = processes.read_mark(server.log.with_suffix(".pid"))
    if mark is None:
        return False
    before = seconds_of(mark.pid)
    time.sleep(3)
    return seconds_of(mark.pid) - before < 3 * _RESTING


def _until(ready: Callable[[], bool], what: str, server: Server, seconds: float = _SECONDS) -> None:
    limit = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > limit:
            raise Trouble(f"{what} was not ready within {seconds:.0f} s", f"the end of its log:\n{tail(server.log)}")
        time.sleep(0.2)
