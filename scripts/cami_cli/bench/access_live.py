"""The same archive served by stock Orthanc with its DICOMweb plugin, and by our centre: QIDO-RS over HTTP.

Stock Orthanc is filled with tiny images, stopped, and its data are copied for the centre, whose database is told which
МО each study belongs to. The centre builds its study index itself. Stock shows everything to everybody; ours shows the
doctor his МО's hundredth.
"""

import io
import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pydicom
import requests
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from cami.archive import orthanc_id
from cami.db.migrate import migrate
from cami.orthanc_config import render
from cami.region import load_region
from cami_cli.answering import healthy, http, tail
from cami_cli.bench.access_rows import draw_name
from cami_cli.errors import Trouble
from cami_cli.keys import ensure_passwords, write_accounts
from cami_cli.places import HOME
from cami_cli.ports import choose_free
from cami_cli.progress import Progress
from cami_cli.runtime.base import CONFIGURATION, DATA, Server, Suite
from cami_cli.runtime.native import NativeRuntime
from cami_cli.servers import url

MO = "42001"
_MOS = 100
_SECONDS = 90.0
_STOCK = ("Orthanc", f"{CONFIGURATION}/orthanc.json")
_REGISTRY = HOME / "orthanc-config" / "region.yaml"


@dataclass(frozen=True, slots=True)
class Ends:
    """Both servers, answering."""

    stock: Callable[[str], int]
    """GET below ``/dicom-web`` and return how many were found."""
    ours: Callable[[str], int]
    patient: str
    """Card number of a patient of the doctor's."""


@contextmanager
def both(suite: Suite, studies: int, steps: Progress) -> Iterator[Ends]:
    """Run stock Orthanc and our centre on the same studies."""
    work = HOME / "build" / "bench" / "access"
    shutil.rmtree(work, ignore_errors=True)
    stock_runtime, our_runtime = NativeRuntime(suite, command=_STOCK), NativeRuntime(suite)
    for runtime in (stock_runtime, our_runtime):
        runtime.prepare(steps)
    ports = choose_free(4)
    stock, ours = _server(work, "stock", ports[:2]), _server(work, "central", ports[2:])
    (stock.configuration / "orthanc.json").write_text(json.dumps(_plain(stock)), encoding="utf-8")
    login = _configure(ours, suite)
    try:
        with steps.step(f"{studies} studies into stock Orthanc"):
            stock_runtime.start(stock)
            _until(lambda: _answers(stock), "stock Orthanc", stock)
            _fill(stock, studies)
            stock_runtime.stop(stock)
        with steps.step("the same archive for our centre, until its index is fresh"):
            shutil.copytree(stock.data / "orthanc", ours.data / "orthanc")
            _claim(ours, studies)
            stock_runtime.start(stock)
            our_runtime.start(ours)
            _until(lambda: _answers(stock), "stock Orthanc", stock)
            _until(lambda: healthy(ours), "our centre", ours)
            _until(lambda: _fresh(ours, login("region_admin", ""), studies), "the study index", ours)
        with http() as plain, http() as doctor:
            doctor.auth = login("radiologist", MO)
            yield Ends(_asker(plain, stock), _asker(doctor, ours), f"P{0:06d}")
    finally:
        for runtime, server in ((stock_runtime, stock), (our_runtime, ours)):
            runtime.kill(server)


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
    return {
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
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.StudyInstanceUID = _study_uid(number)
    dataset.SeriesInstanceUID, dataset.SOPInstanceUID = f"{_study_uid(number)}.1", f"{_study_uid(number)}.1.1"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SpecificCharacterSet, dataset.Modality = "ISO_IR 192", "CT"
    dataset.PatientID, dataset.PatientName = _patient(number), draw_name(_patient(number))
    dataset.PatientBirthDate, dataset.PatientSex, dataset.AccessionNumber = "19700101", "F", f"A{number}"
    dataset.StudyDate, dataset.StudyTime = f"2026{1 + number % 12:02d}{1 + number % 28:02d}", f"{number % 86400:06d}"
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _study_uid(number: int) -> str:
    return f"1.2.826.0.1.3680043.99.{number}"


def _patient(number: int) -> str:
    return f"P{number // _MOS // 3 * _MOS + number % _MOS:06d}"


def _claim(server: Server, studies: int) -> None:
    """Say whose the studies are, as if their proxies had sent them."""
    file = server.data / "cami.sqlite"
    migrate(f"sqlite:///{file}")
    now = "2026-11-01 00:00:00.000000"
    mos = [MO, *(f"{43000 + number}" for number in range(1, _MOS))]
    with closing(sqlite3.connect(file)) as database, database:
        rows = [(_study_uid(number), mos[number % _MOS], now) for number in range(studies)]
        database.executemany("INSERT INTO study_claim (study_uid, owner, claimed_at) VALUES (?, ?, ?)", rows)
        database.executemany(
            "INSERT INTO study (study_id, study_uid, owner, claimed_at, labelled) VALUES (?, ?, ?, ?, 1)",
            [(orthanc_id(_patient(number), row[0]), *row) for number, row in enumerate(rows)],
        )


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


def _until(ready: Callable[[], bool], what: str, server: Server) -> None:
    limit = time.monotonic() + _SECONDS
    while not ready():
        if time.monotonic() > limit:
            raise Trouble(f"{what} was not ready within {_SECONDS:.0f} s", f"the end of its log:\n{tail(server.log)}")
        time.sleep(0.2)
