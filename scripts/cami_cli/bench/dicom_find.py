"""C-FIND at a proxy that holds many studies, against stock Orthanc with the same index.

One image is stored; the server is stopped, and the rows of its study are copied in Orthanc's index as often as wanted
under other identifiers (the images themselves are not: C-FIND opens no file). Both then answer the same questions in
turn: stock from all that it holds, ours as the workstation of the МО.
"""

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from cami.archive import orthanc_id
from cami.orthanc_config import render
from cami.region import Workstation, load_region
from cami_cli.answering import healthy
from cami_cli.bench.access_rows import draw_name
from cami_cli.bench.report import Report, Row, compare
from cami_cli.errors import Trouble
from cami_cli.keys import ensure_link_key
from cami_cli.places import HOME
from cami_cli.ports import choose_free
from cami_cli.progress import Progress
from cami_cli.runtime.base import CONFIGURATION, DATA, Server, Suite
from cami_cli.runtime.native import NativeRuntime

_MO, _CALLER = "42001", "WS42001"
_STOCK = ("Orthanc", f"{CONFIGURATION}/orthanc.json")
_REGISTRY = HOME / "orthanc-config" / "region.yaml"
#: What is asked, by name: matching keys of a C-FIND at the study level.
QUESTIONS = {
    "one patient by number": {"PatientID": "P000777"},
    "one study by UID": {"StudyInstanceUID": "1.2.3.777"},
    "names that begin with": {"PatientName": "ИВАН*"},
    "one day": {"StudyDate": "20260316"},
    "by accession number": {"AccessionNumber": "A000777"},
}
_RETURNED = ("PatientName", "PatientID", "StudyDate", "StudyDescription", "ModalitiesInStudy", "StudyInstanceUID")
#: Studies that are copied in one transaction.
_AT_ONCE = 5000
#: Of stock at the same question.
_TARGET = 1.5


def measure(suite: Suite, *, studies: int, repeats: int, steps: Progress) -> Report:
    """Run the benchmark and return its report."""
    work = HOME / "build" / "bench" / "dicom-find"
    shutil.rmtree(work, ignore_errors=True)
    ours, stock = NativeRuntime(suite), NativeRuntime(suite, command=_STOCK)
    for runtime in (ours, stock):
        runtime.prepare(steps)
    ports = choose_free(4)
    proxy, plain = _server(work, f"proxy-{_MO}", ports[:2]), _server(work, "stock", ports[2:])
    _configure(proxy, suite)
    _configure_plain(plain)
    try:
        with steps.step(f"{studies} studies in Orthanc's index"):
            _run(ours, proxy)
            _store(proxy)
            time.sleep(5)  # what follows the change log has seen it
            ours.stop(proxy)
            _multiply(proxy.data / "orthanc" / "index", studies)
            shutil.copytree(proxy.data / "orthanc", plain.data / "orthanc")
        with steps.step("questions in turn"):
            stock.start(plain)
            _run(ours, proxy)
            runs = {name: _ask(proxy, plain, keys, repeats) for name, keys in QUESTIONS.items()}
    finally:
        ours.kill(proxy)
        stock.kill(plain)
    versions = {"Orthanc": ours.orthanc_version(), "suite": suite}
    return Report("dicom-find", versions, [_row(name, run, studies) for name, run in runs.items()], {"ms": runs})


def _row(name: str, run: dict[str, Any], studies: int) -> Row:
    note = f"{run['answers'][0]} answers, stock {run['answers'][1]}; slowest {max(run['ours']):.0f} ms"
    return compare(
        f"C-FIND among {studies}: {name}",
        run["ours"],
        "stock Orthanc",
        run["stock"],
        unit="ms",
        target=_TARGET,
        note=note,
    )


def _ask(proxy: Server, plain: Server, keys: dict[str, str], repeats: int) -> dict[str, Any]:
    run: dict[str, Any] = {"ours": [], "stock": [], "answers": (0, 0)}
    for _ in range(repeats):
        mine, found = _find(proxy.dicom_port, "PROXY42001", keys)
        theirs, stock_found = _find(plain.dicom_port, "STOCK", keys)
        run["ours"].append(mine)
        run["stock"].append(theirs)
        run["answers"] = (found, stock_found)
    run["median"] = (median(run["ours"]), median(run["stock"]))
    return run


def _find(port: int, aet: str, keys: dict[str, str]) -> tuple[float, int]:
    """Ask once, over an association of its own; return milliseconds for the answers and their number."""
    query = Dataset()
    query.SpecificCharacterSet = "ISO_IR 192"
    query.QueryRetrieveLevel = "STUDY"
    for keyword in _RETURNED:
        setattr(query, keyword, "")
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    model = StudyRootQueryRetrieveInformationModelFind
    entity = AE(ae_title=_CALLER)
    entity.add_requested_context(model)
    association = entity.associate("127.0.0.1", port, ae_title=aet)
    if not association.is_established:
        raise Trouble(f"no association with {aet}", "see its log in build/bench/dicom-find")
    began = time.perf_counter()
    found = sum(1 for status, _ in association.send_c_find(query, model) if status.get("Status") == 0xFF00)
    spent = (time.perf_counter() - began) * 1000
    association.release()
    return round(spent, 2), found


def _server(work: Path, name: str, ports: list[int]) -> Server:
    for part in ("etc/secrets", "etc/keys", "data"):
        (work / name / part).mkdir(parents=True)
    return Server(name, work / name / "etc", work / name / "data", work / f"{name}.log", ports[0], ports[1])


def _configure(server: Server, suite: Suite) -> None:
    region = load_region(_REGISTRY)
    station = Workstation(aet=_CALLER, name="АРМ", address="127.0.0.1", services=("find", "store"))
    changed = region.organization(_MO).model_copy(update={"workstations": (station,)})
    region = region.model_copy(update={"organizations": (changed, *region.organizations[1:])})
    configuration = render(
        region, "proxy", mo=_MO, http_port=server.http_port, dicom_port=server.dicom_port,
        central_url="http://127.0.0.1:9", suite=suite,
    )  # fmt: skip
    (server.configuration / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")
    text = _REGISTRY.read_text("utf-8")
    entry = f"    workstations:\n      - {{aet: {_CALLER}, name: АРМ, address: 127.0.0.1, services: [find, store]}}\n"
    text = text.replace('\n  - code: "42002"', f'\n{entry}\n  - code: "42002"', 1)
    (server.configuration / "region.yaml").write_text(text, encoding="utf-8")
    ensure_link_key(server.configuration / "secrets" / "link.key", server.configuration / "keys" / f"{_MO}.pem")


def _configure_plain(server: Server) -> None:
    content = {
        "StorageDirectory": f"{DATA}/orthanc", "IndexDirectory": f"{DATA}/orthanc", "HttpPort": server.http_port,
        "DicomPort": server.dicom_port, "DicomAet": "STOCK", "AuthenticationEnabled": False, "DefaultEncoding": "Utf8",
        "Locale": "C.UTF-8", "DicomAlwaysAllowFind": True, "LimitFindResults": 1000, "Plugins": [],
        "ExtraMainDicomTags": {"Instance": ["ImageType", "SliceThickness"], "Study": ["IssuerOfPatientID"]},
    }  # fmt: skip
    (server.configuration / "orthanc.json").write_text(json.dumps(content), encoding="utf-8")


def _run(runtime: NativeRuntime, server: Server) -> None:
    runtime.start(server)
    end = time.monotonic() + 120
    while not healthy(server):
        if time.monotonic() > end:
            raise Trouble(f"{server.name} does not answer", f"see {server.log}")
        time.sleep(0.2)


def _store(server: Server) -> None:
    dataset = _image()
    entity = AE(ae_title=_CALLER)
    entity.add_requested_context(dataset.SOPClassUID)
    association = entity.associate("127.0.0.1", server.dicom_port, ae_title="PROXY42001")
    if not association.is_established or association.send_c_store(dataset).Status:
        raise Trouble("the proxy takes no image", f"see {server.log}")
    association.release()


def _image() -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality, dataset.SpecificCharacterSet = CTImageStorage, "CT", "ISO_IR 192"
    dataset.StudyDescription, dataset.PatientSex, dataset.StudyTime = "КТ", "F", "101500"
    for (group, element), value in _identity(0).items():
        setattr(dataset, keyword_for_tag(group << 16 | element), value)
    return dataset


@dataclass(frozen=True, slots=True)
class _Template:
    """The rows of the one study: what is copied."""

    columns: list[str]
    """Of ``Resources``."""
    family: list[Any]
    """Patient, study, series, image."""
    own: dict[str, dict[int, list[Any]]]
    """What belongs to each, by table and resource."""

    @classmethod
    def read(cls, database: sqlite3.Connection) -> "_Template":
        columns = [row[1] for row in database.execute("PRAGMA table_info(Resources)")]
        family = database.execute("SELECT * FROM Resources ORDER BY internalId").fetchall()
        own = {
            table: {
                resource[0]: database.execute(f"SELECT * FROM {table} WHERE id=?", (resource[0],)).fetchall()  # noqa: S608 - our own names
                for resource in family
            }
            for table in ("MainDicomTags", "DicomIdentifiers", "Metadata")
        }
        return cls(columns, family, own)

    def copy(self, number: int) -> Iterator[tuple[str, list[Any]]]:
        """Yield them as those of another study, each with its table."""
        values = _identity(number)
        keys = [values[tag] for tag in ((0x10, 0x20), (0x20, 0xD), (0x20, 0xE), (0x8, 0x18))]
        first = max(resource[0] for resource in self.family) + 1 + (number - 1) * len(self.family)
        moved: dict[int, int] = {}
        for place, resource in enumerate(self.family):
            new = dict(zip(self.columns, resource, strict=True))
            moved[new["internalId"]] = new["internalId"] = first + place
            new["publicId"] = orthanc_id(*keys[: new["resourceType"]])
            new["parentId"] = moved.get(new["parentId"])
            yield "Resources", list(new.values())
        for table, rows in self.own.items():
            for resource, row in ((resource, row) for resource, copied in rows.items() for row in copied):
                changed = [moved[resource], *row[1:]]
                if table != "Metadata" and (row[1], row[2]) in values:
                    text = values[row[1], row[2]]
                    changed[3] = text.upper() if table == "DicomIdentifiers" else text
                yield table, changed


def _multiply(index: Path, studies: int) -> None:
    with closing(sqlite3.connect(index)) as database:
        template = _Template.read(database)
        for start in range(1, studies, _AT_ONCE):
            rows: dict[str, list[Any]] = {}
            for number in range(start, min(start + _AT_ONCE, studies)):
                for table, row in template.copy(number):
                    rows.setdefault(table, []).append(row)
            with database:
                for table, added in rows.items():
                    places = ",".join("?" * len(added[0]))
                    database.executemany(f"INSERT INTO {table} VALUES ({places})", added)  # noqa: S608 - our own names


def _identity(number: int) -> dict[tuple[int, int], str]:
    """Return what identifies a study, by group and element: three studies have the same patient's name."""
    study = f"1.2.3.{number}"
    return {
        (0x10, 0x20): f"P{number:06d}",
        (0x10, 0x10): draw_name(str(number // 3)),
        (0x20, 0x0D): study,
        (0x20, 0x0E): f"{study}.1",
        (0x08, 0x18): f"{study}.1.1",
        (0x08, 0x50): f"A{number:06d}",
        (0x08, 0x20): f"2026{number % 12 + 1:02d}{number // 12 % 28 + 1:02d}",
    }
