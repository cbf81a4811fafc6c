"""The demonstration: what it computes, and that its checks see what goes wrong."""

import base64
import io
import json
import re
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pydicom
import pytest
from pydicom.uid import JPEGLSLossless
from rich.console import Console

from cami_cli import region as regions
from cami_cli.api_client import ApiClient, Archived, Delivered, orthanc_id
from cami_cli.demo import Plan, guide, outage, table
from cami_cli.demo.checks import (
    Check,
    check_answers,
    check_delivery,
    check_names,
    check_outage,
    check_pixels,
    check_shared_patient,
    check_sight,
)
from cami_cli.demo.stage import Stage, Studies
from cami_cli.demo.witness import Witness, same_pixels, sample
from cami_cli.errors import Trouble
from cami_cli.phantoms import WrittenStudy, write_phantoms
from cami_cli.region_file import Account, Device, DicomAddress, Proxy, Region
from cami_cli.state import StateFolder

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _written(mo: str = "42001", uid: str = "1.2", instances: int = 3) -> WrittenStudy:
    return WrittenStudy(mo, "CT", "КТ", uid, "70012345618", "Иванов^Иван", True, f"{mo}/CT", instances, 1000)


def _delivered(uid: str = "1.2", instances: int = 3, confirmed: int = 3) -> Delivered:
    return Delivered(
        study_uid=uid,
        modality="CT",
        description="КТ",
        instances=instances,
        stored=0,
        confirmed=confirmed,
        quarantined=0,
        first_received_at=NOON,
        first_stored_at=NOON + timedelta(seconds=1.5),
        confirmed_at=NOON + timedelta(seconds=9) if confirmed == instances else None,
    )


def _archived(uid: str = "1.2", owner: str = "42001", instances: int = 3) -> Archived:
    return Archived(f"id-{uid}", uid, owner, "CT", "КТ", instances, NOON)


class TestTable:
    def test_joins_by_study_and_computes_times(self) -> None:
        (row,) = table.rows([_written()], {"42001": [_delivered()]}, [_archived()])
        assert (row.sent, row.at_proxy, row.at_centre, row.owner) == (3, 3, 3, "42001")
        assert (row.first_image, row.complete) == (1.5, 9.0)

    def test_what_has_not_come_is_empty(self) -> None:
        (row,) = table.rows([_written()], {"42001": []}, [])
        assert (row.at_proxy, row.at_centre, row.owner, row.first_image, row.complete) == (0, 0, "", None, None)

    def test_a_study_of_the_same_uid_at_another_proxy_does_not_count(self) -> None:
        (row,) = table.rows([_written()], {"42001": [], "42002": [_delivered()]}, [])
        assert row.at_proxy == 0

    def test_is_ordered_by_mo(self) -> None:
        found = table.rows([_written("42002", "1"), _written("42001", "2"), _written("42002", "3")], {}, [])
        assert [row.mo for row in found] == ["42001", "42002", "42002"]

    def test_is_drawn_without_control_characters(self) -> None:
        said = io.StringIO()
        stage = Stage(Console(file=said, width=80))
        rows = table.rows([_written()], {"42001": [_delivered()]}, [_archived(instances=2)])
        stage.show(table.draw(rows, {"42001": "ГБ № 1"}))
        assert "\x1b" not in said.getvalue()
        line = next(line for line in said.getvalue().splitlines() if "CT КТ" in line)
        assert re.findall(r"[\w.]+", line) == ["CT", "КТ", "42001", "3", "2", "3", "1.5", "s", "9.0", "s"]
        assert "МО 42001 ГБ № 1" in said.getvalue()


class TestChecks:
    def rows(self, delivered: Delivered, archived: Archived | None) -> list[table.Row]:
        return table.rows([_written()], {"42001": [delivered]}, [archived] if archived else [])

    def test_delivery_passes(self) -> None:
        assert check_delivery(self.rows(_delivered(), _archived())).passed

    @pytest.mark.parametrize(
        ("delivered", "archived"),
        [
            (_delivered(), None),
            (_delivered(), _archived(instances=2)),
            (_delivered(), _archived(instances=4)),
            (_delivered(instances=2, confirmed=2), _archived()),
            (_delivered(confirmed=2), _archived()),
            (_delivered(), _archived(owner="42002")),
        ],
        ids=["absent", "too few", "too many", "few at proxy", "not confirmed", "wrong owner"],
    )
    def test_delivery_fails(self, delivered: Delivered, archived: Archived | None) -> None:
        assert not check_delivery(self.rows(delivered, archived)).passed

    @pytest.mark.parametrize(("seen", "passed"), [("ab", True), ("a", False), ("abc", False), ("", False)])
    def test_sight_is_exact(self, seen: str, passed: bool) -> None:
        assert check_sight("x", {"QIDO-RS": "ab", "find": seen}, "ab").passed is passed

    def test_sight_names_the_way_that_leaks(self) -> None:
        assert check_sight("x", {"QIDO-RS": "ab", "find": "abc"}, "ab").detail == "find: 0 missing, 1 of others"

    @pytest.mark.parametrize(("seen", "passed"), [("a", True), ("ab", False), ("", False)])
    def test_shared_patient(self, seen: str, passed: bool) -> None:
        assert check_shared_patient({"1": seen, "2": "b"}, {"1": "a", "2": "b"}).passed is passed

    @pytest.mark.parametrize(("status", "passed"), [(403, True), (404, True), (200, False), (500, False), (401, False)])
    def test_answers(self, status: int, passed: bool) -> None:
        check = check_answers("x", {"a": 403, "b": status}, {403, 404})
        assert check.passed is passed
        if not passed:
            assert check.detail == f"b answered {status}"

    def test_pixels(self) -> None:
        assert check_pixels({"a": True}).passed
        assert check_pixels({"a": True, "b": False}) == Check(
            "every pixel at the centre is what the devices sent", False, "b"
        )

    @pytest.mark.parametrize(
        "check",
        [
            check_delivery([]),
            check_sight("x", {}, "a"),
            check_sight("x", {"QIDO-RS": ""}, ""),
            check_shared_patient({"1": "a"}, {"1": "a"}),
            check_shared_patient({"1": "", "2": "b"}, {"1": "", "2": "b"}),
            check_answers("x", {}, {403}),
            check_pixels({}),
            check_names({}, 1),
            check_names({"a": True}, 0),
        ],
    )
    def test_nothing_looked_at_is_a_failure(self, check: Check) -> None:
        assert not check.passed
        assert check.detail == "nothing was there to be checked"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[WrittenStudy]]:
    folder = tmp_path_factory.mktemp("images")
    return folder, write_phantoms(folder, small=True, only=["CT", "DX", "US"])


class TestPixels:
    @pytest.fixture
    def path(self, images: tuple[Path, list[WrittenStudy]]) -> Path:
        folder, studies = images
        return next((folder / studies[0].folder).glob("*.dcm"))

    def test_same_pixels_under_another_header(self, path: Path) -> None:
        other = pydicom.dcmread(path)
        other.InstitutionName = "elsewhere"
        stored = io.BytesIO()
        other.save_as(stored)
        assert same_pixels(path, stored.getvalue())

    def test_one_other_byte(self, path: Path) -> None:
        other = pydicom.dcmread(path)
        other.PixelData = bytes([other.PixelData[0] ^ 1]) + other.PixelData[1:]
        stored = io.BytesIO()
        other.save_as(stored)
        assert not same_pixels(path, stored.getvalue())

    def test_same_values_in_another_encoding(self, path: Path) -> None:
        other = pydicom.dcmread(path)
        other.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
        stored = io.BytesIO()
        other.save_as(stored)
        assert not same_pixels(path, stored.getvalue())

    def test_jpeg_ls_of_the_same_image(self, path: Path) -> None:
        other = pydicom.dcmread(path)
        other.compress(JPEGLSLossless, generate_instance_uid=False)
        stored = io.BytesIO()
        other.save_as(stored)
        assert same_pixels(path, stored.getvalue())

    def test_jpeg_ls_of_another_image(self, path: Path) -> None:
        other = pydicom.dcmread(path)
        other.PixelData = bytes([other.PixelData[0] ^ 1]) + other.PixelData[1:]
        other.compress(JPEGLSLossless, generate_instance_uid=False)
        stored = io.BytesIO()
        other.save_as(stored)
        assert not same_pixels(path, stored.getvalue())

    def test_what_cannot_be_decoded_is_not_called_the_same(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        other = pydicom.dcmread(path)
        other.compress(JPEGLSLossless, generate_instance_uid=False)
        stored = io.BytesIO()
        other.save_as(stored)
        monkeypatch.setattr("cami_cli.demo.witness.JPEGLSLosslessDecoder", SimpleNamespace(is_available=False))
        assert same_pixels(path, stored.getvalue()) is None
        assert not check_pixels({"all": None}).passed
        assert check_pixels({"one": None, "other": True}).passed
        assert not check_pixels({"one": None, "other": False}).passed

    def test_nothing(self, path: Path) -> None:
        assert not same_pixels(path, None)


def test_orthanc_id_is_orthancs() -> None:
    # As Orthanc 1.13.0 answered for this study.
    uid = "2.25.162070977247981768640475170095675799471"
    assert orthanc_id("70012345618", uid) == "73e9ec2a-1f32dd92-7d10645b-bfd0b7ca-58642b19"


class Centre:
    """A small centre with two МО, and their proxies, which scope as they should, or do not (`leak`)."""

    def __init__(self, folder: Path, studies: Sequence[WrittenStudy]) -> None:
        self.leak = ""
        self.requests: list[tuple[str, str]] = []
        self._folder = folder
        self._studies = studies
        self._owner_of = {
            address.path: study.mo
            for study in studies
            for part in sample(folder, study)
            for address in part.addresses()
        }
        self._files = {part.instance_id: part.path for study in studies for part in sample(folder, study)}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, body = outer.answer(self.headers.get("Authorization", ""), self.path, query.decode())
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, authorization: str, path: str, query: str) -> tuple[int, bytes]:
        login = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")[0]
        mo = login.removeprefix("rad.")
        self.requests.append((login, path))
        if not login:
            return (200, b"{}") if self.leak == "anonymous" else (401, b"")
        if path.startswith("/proxy-"):
            if path[7:12] != mo:
                return 403, b""
            path = path[12:]
        found = self._search(mo, path.partition("?")[0], path + query)
        return self._resource(mo, path) if found is None else (200, json.dumps(found).encode())

    def _search(self, mo: str, plain: str, query: str) -> object:
        if plain == "/cami/api/delivery":
            return {"studies": [self._progress(study) for study in self._studies if study.mo == mo]}
        own = [study for study in self._studies if study.mo == mo or self.leak == "search"]
        if asked := re.search(r'PatientID(?:=|": ")(\d+)', query):
            own = [study for study in own if study.patient_id == asked[1]]
        answers: dict[str, object] = {
            "/dicom-web/studies": [
                {
                    "0020000D": {"Value": [study.study_uid]},
                    "00100010": {"Value": [{"Alphabetic": self._name(study)}]},
                }
                for study in own
            ],
            "/tools/find": [{"MainDicomTags": {"StudyInstanceUID": study.study_uid}} for study in own],
            "/cami/api/studies": {"studies": [self._archived(study) for study in own]},
        }
        return answers.get(plain)

    def _resource(self, mo: str, path: str) -> tuple[int, bytes]:
        file = self._files.get(path.removeprefix("/instances/").removesuffix("/file"))
        owner = self._owner_of.get(path) or (file.relative_to(self._folder).parts[0] if file else None)
        if owner is None or (owner != mo and self.leak != "address"):
            return 404, b""
        content = file.read_bytes() if file and path.endswith("/file") else b"{}"
        return 200, content[:-2] + b"xx" if self.leak == "pixels" else content

    def _name(self, study: WrittenStudy) -> str:
        wrong = self.leak == "letters" and not study.text_is_right
        return study.patient_name.encode("cp1251").decode("latin_1") if wrong else study.patient_name

    @staticmethod
    def _progress(study: WrittenStudy) -> dict[str, object]:
        times = dict.fromkeys(("first_received_at", "first_stored_at", "confirmed_at"), "2026-11-22T12:00:00.000Z")
        counts = {"instances": study.instances, "stored": 0, "confirmed": study.instances, "quarantined": 0}
        return {"study_uid": study.study_uid, "modality": "CT", "description": "", **counts, **times}

    @staticmethod
    def _archived(study: WrittenStudy) -> dict[str, object]:
        found = {"study_id": "x", "study_uid": study.study_uid, "owner": study.mo, "modality": "CT"}
        return found | {"description": "", "instances": study.instances, "confirmed_at": None}


@pytest.fixture
def centre(images: tuple[Path, list[WrittenStudy]]) -> Iterator[Centre]:
    running = Centre(*images)
    yield running
    running.close()


@pytest.fixture
def region(centre: Centre) -> Region:
    def proxy(mo: str) -> Proxy:
        return Proxy(mo, mo, f"{centre.url}/proxy-{mo}", DicomAddress("127.0.0.1", 1, "P"), (Device("CT", "CT"),))

    return Region(
        runtime="native",
        orthanc_version="1.13.0",
        central_url=centre.url,
        portal_url=f"{centre.url}/cami/",
        dicomweb_url=f"{centre.url}/dicom-web",
        proxies=(proxy("42001"), proxy("42002")),
        accounts=(
            Account("rad.42001", "пароль", "radiologist", "42001"),
            Account("rad.42002", "p", "radiologist", "42002"),
        ),
    )


class TestWitness:
    def failed(self, region: Region, images: tuple[Path, list[WrittenStudy]]) -> set[str]:
        folder, studies = images
        delivered = {
            mo: [_delivered(s.study_uid, s.instances, s.instances) for s in studies if s.mo == mo]
            for mo in ("42001", "42002")
        }
        archived = [_archived(study.study_uid, study.mo, study.instances) for study in studies]
        rows = table.rows(studies, delivered, archived)
        checks = list(Witness(region, folder, studies).checks(rows))
        assert len(checks) == 13
        return {check.title for check in checks if not check.passed}

    def test_a_centre_that_scopes_passes(
        self, centre: Centre, region: Region, images: tuple[Path, list[WrittenStudy]]
    ) -> None:
        assert self.failed(region, images) == set()
        assert {login for login, _ in centre.requests} == {"", "rad.42001", "rad.42002"}

    def test_search_that_shows_other_studies(
        self, centre: Centre, region: Region, images: tuple[Path, list[WrittenStudy]]
    ) -> None:
        centre.leak = "search"
        failed = self.failed(region, images)
        assert {f"the doctor of {mo} sees exactly the studies of the own МО" for mo in ("42001", "42002")} <= failed
        assert "a patient of both МО: each finds its own study alone" in failed

    def test_address_that_is_open_to_others(
        self, centre: Centre, region: Region, images: tuple[Path, list[WrittenStudy]]
    ) -> None:
        centre.leak = "address"
        failed = self.failed(region, images)
        assert {
            f"the doctor of {mo} opens no study of another МО by direct address" for mo in ("42001", "42002")
        } <= failed

    def test_server_that_is_open_to_strangers(
        self, centre: Centre, region: Region, images: tuple[Path, list[WrittenStudy]]
    ) -> None:
        centre.leak = "anonymous"
        assert "somebody without an account gets nothing, anywhere" in self.failed(region, images)

    def test_changed_pixels(self, centre: Centre, region: Region, images: tuple[Path, list[WrittenStudy]]) -> None:
        centre.leak = "pixels"
        title = "every pixel at the centre is what the devices sent"
        assert title in self.failed(region, images)

    def test_names_of_devices_that_declare_nonsense(
        self, centre: Centre, region: Region, images: tuple[Path, list[WrittenStudy]]
    ) -> None:
        centre.leak = "letters"
        title = "names are readable at the centre, whatever character set the device declares"
        assert self.failed(region, images) == {title}


class TestClient:
    def test_password_beyond_latin_goes_as_utf8(self, centre: Centre, region: Region) -> None:
        with ApiClient(centre.url, region.accounts[0]) as client:
            client.status("/x")
        assert centre.requests == [("rad.42001", "/x")]

    def test_refusal_names_the_address_but_no_query(self, centre: Centre) -> None:
        with ApiClient(centre.url) as client, pytest.raises(Trouble, match="answered 401") as trouble:
            client.qido_studies("?PatientID=70012345618")
        assert "70012345618" not in str(trouble.value)

    def test_no_server(self) -> None:
        with ApiClient("http://127.0.0.1:9") as client, pytest.raises(Trouble, match="does not answer"):
            client.status("/")


class TestStage:
    def test_plain_lines_where_there_is_no_terminal(self) -> None:
        said = io.StringIO()
        stage = Stage(Console(file=said))
        stage.step("one [bold]thing[/bold]")
        stage.check(Check("a", True, "b [red]"))
        stage.step("two")
        stage.check(Check("c", False))
        assert said.getvalue().split("\n") == [
            "", "1. one [bold]thing[/bold]", "   ✓ a: b [red]", "", "2. two", "   ✗ c", "",
        ]  # fmt: skip

    def test_studies_are_told_at_landmarks_only(self) -> None:
        said = io.StringIO()
        with Studies(Stage(Console(file=said)), [("k", "CT", 100)]) as shown:
            shown.update("k", sent=0, arrived=0, confirmed=False)
            for sent, arrived in ((5, 0), (10, 1), (60, 30), (61, 31), (100, 100)):
                shown.update("k", sent=sent, arrived=arrived, confirmed=False)
            shown.update("k", sent=100, arrived=100, confirmed=True)
            shown.update("k", sent=100, arrived=100, confirmed=True)
        assert said.getvalue().splitlines() == [
            "   CT: sent 5, at the centre 0 of 100",
            "   CT: sent 60, at the centre 30 of 100",
            "   CT: sent 100, at the centre 100 of 100",
            "   CT: sent 100, at the centre 100 of 100, confirmed",
        ]


class TestOutage:
    def test_all_of_it_once_is_what_counts(self) -> None:
        assert check_outage(["a", "b"], ["b", "a"], longest=2, confirmed=2).passed

    @pytest.mark.parametrize(
        ("there", "confirmed", "longest", "words"),
        [
            (["a"], 1, 1, "1 lost; 1 of 2 confirmed"),
            (["a", "b", "b"], 2, 1, "1 twice"),
            (["a", "b", "c"], 2, 1, "1 that nobody sent"),
            (["a", "b"], 2, 0, "nothing was there"),
        ],
    )
    def test_anything_else_fails(self, there: list[str], confirmed: int, longest: int, words: str) -> None:
        check = check_outage(["a", "b"], there, longest=longest, confirmed=confirmed)
        assert not check.passed
        assert words in check.detail

    def test_copies_are_a_study_of_their_own(self, tmp_path: Path) -> None:
        study, *_ = write_phantoms(tmp_path / "ph", small=True, only=["MR"])
        source, folder = tmp_path / "ph" / study.folder, tmp_path / "copies"
        folder.mkdir()
        study_uid, sent = outage.copies(source, folder, study.instances + 3)
        read = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
        assert {str(dataset.StudyInstanceUID) for dataset in read} == {study_uid}
        assert study_uid != study.study_uid
        assert [str(dataset.SOPInstanceUID) for dataset in read] == sent
        assert len(set(sent)) == study.instances + 3
        assert all(dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID for dataset in read)
        assert read[0].PixelData == pydicom.dcmread(min(source.glob("*.dcm"))).PixelData

    def test_the_picture(self) -> None:
        look = outage.Look(NOON, 40, 20, "THE LINE IS CUT")
        assert look.bar() == f"12:00:00  {'█' * 20}{' ' * 20}  40 wait,  20 arrived  THE LINE IS CUT"
        assert outage.sparkline([0, 10, 70, 70, 0]) == "▁▂██▁"
        assert outage.sparkline([0, 0]) == "▁▁"


class TestState:
    def plan(self, tmp_path: Path, **arguments: object) -> Plan:
        return Plan(regions.Wish(tmp_path / "region.yaml"), tmp_path / "home", **arguments)

    def test_fresh_state_is_emptied_first(self, tmp_path: Path) -> None:
        plan = self.plan(tmp_path)
        (tmp_path / "home" / "demo").mkdir(parents=True)
        (tmp_path / "home" / "demo" / "old").touch()
        with guide._state(plan) as state:
            assert state.folder == tmp_path / "home" / "demo"
            assert not (state.folder / "old").exists()

    def test_one_demonstration_at_a_time(self, tmp_path: Path) -> None:
        plan = self.plan(tmp_path)
        with guide._state(plan), pytest.raises(Trouble, match="another demonstration"), guide._state(plan):
            pass

    def test_state_asked_for_is_left_alone(self, tmp_path: Path) -> None:
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "precious").touch()
        plan = self.plan(tmp_path, state=mine)
        with guide._state(plan) as state:
            guide._end(plan, Stage(Console(file=io.StringIO())), None, state)
        assert (mine / "precious").exists()

    @pytest.mark.parametrize("keep", [True, False])
    def test_fresh_state_goes_at_the_end_unless_kept(self, tmp_path: Path, keep: bool) -> None:
        plan = self.plan(tmp_path, keep=keep)
        with guide._state(plan) as state:
            state.folder.mkdir()
            guide._end(plan, Stage(Console(file=io.StringIO())), None, state)
            assert state.folder.exists() is keep

    def test_a_region_that_does_not_come_up_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(state: StateFolder, *_: object) -> None:
            state.folder.mkdir(parents=True)
            raise Trouble("no", "do")

        monkeypatch.setattr(regions, "bring_up", refuse)
        monkeypatch.setattr(guide.signal, "signal", lambda *_: None)
        with pytest.raises(Trouble, match="no"):
            guide.run(self.plan(tmp_path), Stage(Console(file=io.StringIO())))
        assert not (tmp_path / "home" / "demo").exists()
