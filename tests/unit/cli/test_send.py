"""Sending: against a real C-STORE server on the loopback, what goes over the wire is what lies on disk."""

import io
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import MediaStorageDirectoryStorage
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.dsutils import split_dataset
from rich.console import Console

from cami_cli import store
from cami_cli.dicom_folder import DicomFile, scan
from cami_cli.errors import Trouble
from cami_cli.phantoms import write_phantoms
from cami_cli.region_file import Device, DicomAddress, Proxy, parse_region
from cami_cli.send import by_device, describe, send, store_folder
from cami_cli.store import Outcome, Summary, split_by_contexts, store_files

SYNTAXES = [f"1.2.840.10008.1.2.{tail}" for tail in ("1", "4.50", "4.80", "4.90", "5")]


class Archive:
    """A C-STORE server: it keeps the encoded data sets, and answers what it is told to."""

    def __init__(self) -> None:
        self.reset()
        entity = AE(ae_title="PROXY42001")
        entity.require_called_aet = True
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax, SYNTAXES)
        handlers = [
            (evt.EVT_C_STORE, self._keep),
            (evt.EVT_ACCEPTED, self._note),
            (evt.EVT_CONN_OPEN, store.send_at_once),
        ]
        self._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.address = DicomAddress("127.0.0.1", self._server.socket.getsockname()[1], "PROXY42001")

    def reset(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.callers: list[str] = []
        self.answer: Callable[[evt.Event], int] = lambda _: 0

    def _note(self, event: evt.Event) -> None:
        self.callers.append(event.assoc.requestor.ae_title)

    def _keep(self, event: evt.Event) -> int:
        status = self.answer(event)
        if status in (0, 0xB000):
            self.stored[str(event.request.AffectedSOPInstanceUID)] = event.request.DataSet.getvalue()
        return status

    def close(self) -> None:
        self._server.shutdown()


@pytest.fixture(scope="module")
def server() -> Iterator[Archive]:
    running = Archive()
    yield running
    running.close()


@pytest.fixture
def archive(server: Archive) -> Archive:
    server.reset()
    return server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One study of each encoding, and files that are no DICOM images."""
    root = tmp_path_factory.mktemp("images")
    write_phantoms(root, small=True)
    (root / "readme.txt").write_text("no DICOM", encoding="utf-8")
    (root / "42001" / "empty").touch()
    return root


@pytest.fixture
def proxy(archive: Archive) -> Proxy:
    devices = tuple(Device(f"{modality}42001", modality) for modality in ("CT", "MR", "DX", "US"))
    return Proxy("42001", "ГБ № 1", "http://127.0.0.1", archive.address, devices)


def _file(path: Path, sop_class: str = "1.2", syntax: str = "1.2.840.10008.1.2.1") -> DicomFile:
    return DicomFile(path, 10, sop_class, "1.2.3", syntax)


class TestScan:
    def test_counts_what_is_no_dicom(self, folder: Path) -> None:
        found = scan(folder)
        assert sorted(path.name for path in found.skipped) == ["empty", "phantoms.json", "readme.txt"]
        assert len(found.files) == len(list(folder.rglob("*.dcm")))
        assert {file.modality for file in found.files} == {"CT", "MR", "DX", "MG", "US"}
        assert found.size == sum(path.stat().st_size for path in folder.rglob("*.dcm"))

    def test_one_file_is_a_folder_of_one(self, folder: Path) -> None:
        path = next(folder.rglob("*.dcm"))
        assert [file.path for file in scan(path).files] == [path]

    def test_directory_of_a_medium_is_no_image(self, tmp_path: Path, folder: Path) -> None:
        instance = pydicom.dcmread(next(folder.rglob("*.dcm")))
        instance.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
        instance.save_as(tmp_path / "DICOMDIR")
        assert scan(tmp_path).files == ()
        assert len(scan(tmp_path).skipped) == 1

    def test_broken_data_set_is_for_the_archive_to_judge(self, tmp_path: Path, folder: Path) -> None:
        content = next(folder.rglob("*.dcm")).read_bytes()
        (tmp_path / "cut.dcm").write_bytes(content[:700] + b"\xff" * 40)
        (file,) = scan(tmp_path).files
        assert file.sop_class
        assert not file.fault

    def test_incomplete_file_meta_is_a_fault(self, tmp_path: Path) -> None:
        (tmp_path / "bare.dcm").write_bytes(b"\0" * 128 + b"DICM")
        (file,) = scan(tmp_path).files
        assert file.fault == "file meta information is incomplete"


class TestContexts:
    def test_no_run_needs_more_than_an_association_has(self) -> None:
        files = [_file(Path(str(number)), sop_class=f"1.2.{number % 300}") for number in range(900)]
        runs = split_by_contexts(files)
        assert [file for run in runs for file in run] == files
        assert max(len({(file.sop_class, file.transfer_syntax) for file in run}) for run in runs) == 128

    def test_many_files_of_one_kind_share_an_association(self) -> None:
        assert len(split_by_contexts([_file(Path("a"))] * 1000)) == 1

    def test_nothing_needs_no_association(self) -> None:
        assert split_by_contexts([]) == []

    def test_more_kinds_than_contexts_all_arrive(self, archive: Archive, tmp_path: Path, folder: Path) -> None:
        classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
        assert len(classes) > 128
        instance = pydicom.dcmread(next((folder / "42002").glob("MR*/*.dcm")))
        for number, sop_class in enumerate(classes):
            instance.file_meta.MediaStorageSOPClassUID = instance.SOPClassUID = sop_class
            instance.file_meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID = f"1.2.3.{number}"
            instance.save_as(tmp_path / f"{number}.dcm")
        outcomes: list[Outcome] = []
        store_files(scan(tmp_path).files, archive.address, "CT42001", outcomes.append)
        assert [outcome.reason for outcome in outcomes if not outcome.stored] == []
        assert len(archive.stored) == len(classes)
        assert len(archive.callers) == 2


class TestStore:
    def test_every_data_set_arrives_as_it_lies_on_disk(self, archive: Archive, proxy: Proxy, folder: Path) -> None:
        summary = store_folder(folder, proxy)
        assert (summary.refused, summary.warned) == ([], [])
        paths = list(folder.rglob("*.dcm"))
        assert summary.sent == len(archive.stored) == len(paths)
        assert summary.sent_size == sum(path.stat().st_size for path in paths)
        assert summary.skipped == 3
        for path in paths:
            meta, offset = split_dataset(path)
            assert archive.stored[str(meta.MediaStorageSOPInstanceUID)] == path.read_bytes()[offset:]

    def test_each_device_calls_with_its_own_title(self, archive: Archive, proxy: Proxy, folder: Path) -> None:
        store_folder(folder, proxy)
        assert sorted(archive.callers) == ["CT42001", "DX42001", "MR42001", "US42001"]

    def test_title_asked_for_is_used(self, archive: Archive, proxy: Proxy, folder: Path) -> None:
        store_folder(folder, proxy, calling="DX42001")
        assert set(archive.callers) == {"DX42001"}

    def test_modality_without_a_device_calls_from_the_first(self, proxy: Proxy) -> None:
        assert proxy.calling("MG") == proxy.calling("") == "CT42001"

    def test_refusal_is_told_with_its_status(self, archive: Archive, proxy: Proxy, folder: Path) -> None:
        archive.answer = lambda event: 0xC000 if event.assoc.requestor.ae_title == "MR42001" else 0
        summary = store_folder(folder, proxy)
        assert {outcome.reason for outcome in summary.refused} == {"0xC000 Cannot Understand"}
        assert {outcome.file.modality for outcome in summary.refused} == {"MR"}
        assert summary.sent == len(archive.stored) > 0

    def test_warning_counts_as_sent(self, archive: Archive, proxy: Proxy, folder: Path) -> None:
        archive.answer = lambda _: 0xB000
        summary = store_folder(folder / "42002", proxy)
        assert summary.refused == []
        assert len(summary.warned) == summary.sent == len(archive.stored)

    def test_encoding_that_the_archive_does_not_take(self, archive: Archive, tmp_path: Path, folder: Path) -> None:
        instance = pydicom.dcmread(next((folder / "42002").glob("MR*/*.dcm")))
        instance.save_as(tmp_path / "a.dcm")
        instance.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"
        with (tmp_path / "b.dcm").open("wb") as stream:
            pydicom.filewriter.write_file_meta_info(_preamble(stream), instance.file_meta)
            stream.write(b"\0" * 64)
        outcomes: list[Outcome] = []
        store_files(scan(tmp_path).files, archive.address, "CT42001", outcomes.append)
        assert [outcome.stored for outcome in outcomes] == [True, False]
        assert "transfer syntax not accepted" in outcomes[1].reason

    def test_wrong_called_title_is_told(self, archive: Archive, folder: Path) -> None:
        address = DicomAddress("127.0.0.1", archive.address.port, "OTHER")
        outcomes: list[Outcome] = []
        store_files(scan(folder / "42002").files, address, "CT42001", outcomes.append)
        assert {(outcome.stored, outcome.reason) for outcome in outcomes} == {
            (False, "association rejected: called ae title not recognised")
        }

    # pynetdicom leaves the socket of a refused connection to the garbage collector.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
    def test_no_server(self, folder: Path) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = DicomAddress("127.0.0.1", unused.getsockname()[1], "PROXY42001")
        outcomes: list[Outcome] = []
        store_files(scan(folder / "42002").files, address, "CT42001", outcomes.append)
        assert len(outcomes) == len(scan(folder / "42002").files)
        assert {outcome.reason for outcome in outcomes} == {f"no DICOM server answers at 127.0.0.1:{address.port}"}

    def test_object_that_breaks_the_association_stops_no_other(
        self, archive: Archive, proxy: Proxy, folder: Path
    ) -> None:
        paths = sorted((folder / "42002").glob("MR*/*.dcm"))
        poison = pydicom.dcmread(paths[1]).SOPInstanceUID

        def abort(event: evt.Event) -> int:
            if event.request.AffectedSOPInstanceUID == poison:
                event.assoc.abort()
            return 0

        archive.answer = abort
        summary = store_folder(paths[0].parent, proxy)
        assert [outcome.file.path for outcome in summary.refused] == [paths[1]]
        assert "broke the association" in summary.refused[0].reason
        assert summary.sent == len(paths) - 1

    def test_server_that_does_not_answer_is_given_up(
        self, archive: Archive, proxy: Proxy, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store, "_ANSWER_SECONDS", 0.2)
        asked = self.silence(archive, lambda _: True)
        summary = store_folder(next((folder / "42002").glob("MR*")), proxy)
        reasons = [outcome.reason for outcome in summary.refused]
        assert reasons[:3] == [store._SILENCE] * 3
        assert set(reasons[3:]) == {"the server has not answered 3 times in a row"}
        assert (len(asked), summary.sent) == (3, 0)

    @staticmethod
    def silence(archive: Archive, about: Callable[[str], bool]) -> list[str]:
        """Let the server not answer for some objects; return the list of these, which grows."""
        asked: list[str] = []

        def silent(event: evt.Event) -> int:
            uid = str(event.request.AffectedSOPInstanceUID)
            if about(uid):
                asked.append(uid)
                while event.assoc.is_established and event.assoc.dul.is_alive():
                    event.assoc.dul.join(0.05)
            return 0

        archive.answer = silent
        return asked

    def test_object_without_an_answer_stops_no_other(
        self, archive: Archive, proxy: Proxy, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store, "_ANSWER_SECONDS", 0.2)
        paths = sorted((folder / "42002").glob("MR*/*.dcm"))
        unparsable = str(pydicom.dcmread(paths[2]).SOPInstanceUID)
        asked = self.silence(archive, lambda uid: uid == unparsable)
        summary = store_folder(paths[0].parent, proxy)
        assert [outcome.file.path for outcome in summary.refused] == [paths[2]]
        assert (asked, summary.sent) == ([unparsable], len(paths) - 1)

    def test_no_wait_for_nagle(self, archive: Archive, folder: Path) -> None:
        link = store._Link(scan(folder / "42002").files, archive.address, "CT42001")
        association = link._opened()
        assert association is not None
        assert association.dul.socket is not None
        connection = association.dul.socket.socket
        assert connection is not None
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        link.close()


def _preamble(stream: io.BufferedWriter) -> io.BufferedWriter:
    stream.write(b"\0" * 128 + b"DICM")
    return stream


def test_devices_keep_the_order_of_files() -> None:
    files = [DicomFile(Path(str(place)), 1, modality=modality) for place, modality in enumerate(["CT", "MR", "CT"])]
    groups = by_device(files, lambda modality: f"{modality}1")
    assert [(aet, [file.path.name for file in chosen]) for aet, chosen in groups] == [
        ("CT1", ["0", "2"]),
        ("MR1", ["1"]),
    ]


def test_summary_names_reasons_and_files() -> None:
    summary = Summary(sent=3, sent_size=2_000_000, seconds=2, skipped=4)
    for number in range(12):
        summary.add(Outcome(_file(Path(f"/data/{number}.dcm")), stored=False, reason="0xC000 Cannot Understand"))
    lines = describe(summary, Path("/data"))
    assert lines[0].startswith("sent 3 objects, 2 MB in 2.0 s")
    assert "skipped 4 files that are no DICOM images" in lines
    assert "refused 12 objects: 0xC000 Cannot Understand" in lines
    assert "  0.dcm: 0xC000 Cannot Understand" in lines
    assert lines[-1] == "  … and 2 more"


class TestCommand:
    def run(self, folder: Path, state: Path, **arguments: str) -> tuple[int, str]:
        said = io.StringIO()
        code = send(folder, to="42001", state=state, console=Console(file=said, width=200), **arguments)
        return code, said.getvalue()

    @pytest.fixture
    def state(self, archive: Archive, tmp_path: Path) -> Path:
        devices = [{"aet": "CT42001", "modality": "CT"}, {"aet": "MR42001", "modality": "MR"}]
        content = {
            "runtime": "native",
            "orthanc_version": "1.13.0",
            "central": {"url": "http://a", "portal": "http://a/cami/", "dicomweb": "http://a/dicom-web"},
            "proxies": [
                {
                    "mo": "42001",
                    "name": "ГБ № 1",
                    "url": "http://b/",
                    "dicom": {"host": "127.0.0.1", "port": archive.address.port, "aet": "PROXY42001"},
                    "devices": devices,
                }
            ],
            "accounts": [{"login": "rad", "password": "p", "role": "radiologist", "mo": "42001"}],
        }
        (tmp_path / "region.json").write_text(json.dumps(content), encoding="utf-8")
        return tmp_path

    def test_all_sent(self, state: Path, folder: Path, archive: Archive) -> None:
        code, said = self.run(folder, state)
        assert code == 0
        assert f"sent {len(archive.stored)} objects" in said
        assert "\x1b" not in said

    def test_any_refusal_is_an_error(self, state: Path, folder: Path, archive: Archive) -> None:
        archive.answer = lambda event: 0xA700 if event.assoc.requestor.ae_title == "MR42001" else 0
        code, said = self.run(folder, state)
        assert code == 1
        assert "0xA700 Refused: Out of Resources" in said

    @pytest.mark.parametrize("name", ["MR42002", "mr42001"])
    def test_unknown_device_is_told_before_anything_is_sent(
        self, state: Path, folder: Path, archive: Archive, name: str
    ) -> None:
        with pytest.raises(Trouble, match="no device") as trouble:
            self.run(folder, state, calling=name)
        assert "CT42001, MR42001" in trouble.value.remedy
        assert archive.callers == []

    def test_unknown_mo_is_told_with_the_known_ones(self, state: Path, folder: Path) -> None:
        with pytest.raises(Trouble, match="42009") as trouble:
            send(folder, to="42009", state=state)
        assert "42001" in trouble.value.remedy

    def test_no_region(self, tmp_path: Path, folder: Path) -> None:
        with pytest.raises(Trouble, match="no region runs"):
            send(folder, to="42001", state=tmp_path)

    def test_damaged_region_file(self, tmp_path: Path, folder: Path) -> None:
        (tmp_path / "region.json").write_text('{"proxies": 1}', encoding="utf-8")
        with pytest.raises(Trouble, match="cannot be read"):
            send(folder, to="42001", state=tmp_path)

    def test_folder_without_dicom(self, state: Path, tmp_path: Path) -> None:
        with pytest.raises(Trouble, match="no DICOM file"):
            send(tmp_path, to="42001", state=state)

    def test_folder_that_is_not_there(self, state: Path, tmp_path: Path) -> None:
        with pytest.raises(Trouble, match="does not exist"):
            send(tmp_path / "x", to="42001", state=state)

    def test_region_is_read_into_types(self, state: Path) -> None:
        region = parse_region(json.loads((state / "region.json").read_text(encoding="utf-8")))
        assert region.proxy("42001").url == "http://b"
        assert region.account("radiologist", "42001").password == "p"
        with pytest.raises(Trouble, match="no clinician"):
            region.account("clinician", "42001")
