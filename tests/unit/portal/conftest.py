"""A portal whose services are plain values: who is signed in, what is visible, how far it has come."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from cami.access import Identity, Reason, Refusal, Role, SignedIn
from cami.people import Standing
from cami.portal.archive_page import ArchivePage
from cami.portal.desk import Desk
from cami.portal.pages import Pages
from cami.portal.session_cookie import SessionCookie
from cami.portal.sign_in import SignInPages
from cami.portal.study_progress import Progress
from cami.portal.viewer import Viewer
from cami.region import load_region
from cami.settings import Settings
from cami.web import Request

DOCTOR = Identity("radiologist-42001", "Смирнова Анна Олеговна", Role.RADIOLOGIST, "42001")
OPERATOR = Identity("operator", "Кузьмин Пётр", Role.OPERATOR, "")
REGION = load_region(Path("orthanc-config/region.yaml"))
COOKIE = {"cookie": "cami_session=right"}


def settings(role: str = "central", ohif: Path = Path("/nowhere"), *, secure: bool = False) -> Settings:
    return Settings(
        role=role, mo="42001" if role == "proxy" else "", region=Path(), database="", quarantine=Path(), secrets=Path(),
        keys=Path(), ohif=ohif, central_url="", cookie_secure=secure,
    )  # fmt: skip


@dataclass
class Services:
    """Stands in for `cami.access`; the cookie ``right`` is the session of `person`."""

    person: Identity = DOCTOR
    studies: list = field(default_factory=list)
    known: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    closed: list = field(default_factory=list)
    indexed: list | None = None
    elsewhere: list = field(default_factory=list)
    coming_in: dict = field(default_factory=dict)
    brought: list = field(default_factory=list)
    viewed: list = field(default_factory=list)
    shut: list = field(default_factory=list)
    waited_for: set = field(default_factory=set)
    refuses: Exception | None = None

    def identify(self, headers):
        return self.person if "cami_session=right" in headers.get("cookie", "") else None

    def sign_in(self, login, password, client):
        return SignedIn("right", self.person) if (login, password) == ("doctor", "ключ 1") else Refusal(Reason.WRONG)

    def sign_out(self, token):
        self.closed.append(token)

    def standing(self, token):
        return Standing(self.person, None, "key", provider=False) if token == "right" else None

    def find(self, identity, query):
        assert identity == self.person
        self.asked.append(query)
        return self.studies

    def newest(self, identity, words, days, limit):
        assert identity == self.person
        self.asked.append((words, days, limit))
        return self.indexed

    def absent(self, identity, days):
        assert identity == self.person
        self.asked.append(days)
        return self.elsewhere

    def coming(self, identity, study_ids):
        return {study_id: self.coming_in[study_id] for study_id in study_ids if study_id in self.coming_in}

    def bring(self, identity, study_id):
        assert identity == self.person
        if self.refuses:
            raise self.refuses
        self.brought.append(study_id)

    def viewing(self, identity, study_uid):
        self.viewed.append((identity.login, study_uid))
        return study_uid in self.waited_for

    def closing(self, identity, study_uid):
        self.shut.append((identity.login, study_uid))

    def opening(self, identity, study_uid):
        assert identity == self.person
        self.brought.append(study_uid)
        return [self.coming_in[study_uid]] if study_uid in self.coming_in else []

    def progress(self, study_ids):
        return {study_id: self.known[study_id] for study_id in study_ids if study_id in self.known}


def make_portal(services, config):
    pages = Pages(config, REGION)
    archive = ArchivePage(pages, services, services, services, config.role)
    sign_in = SignInPages(pages, services, services, cookie=SessionCookie(secure=config.cookie_secure))
    return SimpleNamespace(
        desk=Desk(pages, services, archive), sign_in=sign_in, viewer=Viewer(config.ohif, services, pages, services)
    )


def study(name="ЁЛКИН^Пётр^Ильич", uid="1.2.3", day="20261122", card="К-17", **tags):
    return {
        "ID": f"id-{uid}",
        "Type": "Study",
        "MainDicomTags": {
            "StudyInstanceUID": uid, "StudyDate": day, "StudyTime": "030500.123", "StudyDescription": "ОГК", **tags,
        },
        "PatientMainDicomTags": {
            "PatientName": name, "PatientBirthDate": "19570308", "PatientSex": "M", "PatientID": card,
        },
        "RequestedTags": {"ModalitiesInStudy": "CT\\SR", "NumberOfStudyRelatedInstances": "7"},
    }  # fmt: skip


@pytest.fixture
def services():
    return Services()


@pytest.fixture
def portal(services):
    return make_portal(services, settings())


@pytest.fixture
def proxy(services):
    return make_portal(services, settings("proxy"))


@pytest.fixture
def ohif(tmp_path):
    folder = tmp_path / "ohif"
    (folder / "assets/deep").mkdir(parents=True)
    (folder / "index.html").write_text("<head></head><div id='root'></div>", "utf-8")
    build = {"version": "1", "recipe": "abc", "base": "/ohif/build-abc/", "workers": ["worker.js"]}
    (folder / "build.json").write_text(json.dumps(build))
    (folder / "assets/worker.js").write_bytes(b"decode()")
    (folder / "assets/app.js").write_bytes(b"plain")
    (folder / "assets/app.js.br").write_bytes(b"brotli")
    (folder / "assets/app.js.gz").write_bytes(b"gzip")
    (folder / "assets/deep/x.wasm").write_bytes(b"wasm")
    (tmp_path / "secret.js").write_text("no", "utf-8")
    (folder / "assets/link.js").symlink_to(tmp_path / "secret.js")
    return folder


def get(path, headers=None, **query):
    return Request("GET", path, headers or {}, query)


def post(path, headers=None, body=""):
    ours = {"sec-fetch-site": "same-origin", "host": "cami.example"}
    return Request("POST", path, {**ours, **(headers or {})}, body=body.encode())


def header(response, name):
    return [value for key, value in response.headers if key == name]


def progress(state="receiving", received=180, expected=600, owner="42001"):
    return Progress(owner, received, expected, state)
