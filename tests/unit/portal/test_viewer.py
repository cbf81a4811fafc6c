import json
import re

import pytest

from cami.portal import static_files
from cami.portal.viewer import VIEWING
from cami.web import Request
from tests.unit.portal.conftest import COOKIE, get, header, make_portal, settings


@pytest.fixture
def viewer(services, ohif):
    return make_portal(services, settings(ohif=ohif)).viewer


@pytest.mark.parametrize("path", ["/ohif/viewer", "/ohif/notfoundstudy", "/ohif/a/b"])
def test_the_page_is_for_who_is_signed_in(viewer, path):
    page = viewer.answer(get(path, COOKIE))
    assert (page.status, page.content_type) == (200, "text/html; charset=utf-8")
    assert header(page, "Cache-Control") == ["no-store"]
    stranger = viewer.answer(get(path, StudyInstanceUIDs="1.2"))
    assert stranger.status == 303
    assert header(stranger, "Location")[0].startswith("/cami/login?next=%2Fohif%2F")


def test_the_list_of_ohif_is_ours(viewer):
    assert header(viewer.answer(get("/ohif", COOKIE)), "Location") == ["/cami/"]


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, deflate, br", ["br"], b"brotli"),
        ("gzip;q=1.0, br;q=0", ["gzip"], b"gzip"),
        ("identity", [], b"plain"),
        ("", [], b"plain"),
    ],
)
def test_the_best_encoding_is_sent_and_orthanc_will_not_encode_again(viewer, accepted, encoding, body):
    answer = viewer.answer(get("/ohif/build-abc/app.js", {"accept-encoding": accepted}))
    assert (answer.status, answer.body) == (200, body)
    assert header(answer, "Content-Encoding") == encoding
    assert answer.content_type == "Text/javascript; charset=utf-8"
    assert header(answer, "Vary") == ["Accept-Encoding"]
    assert "immutable" in header(answer, "Cache-Control")[0]


def test_who_has_the_file_is_told_so(viewer):
    headers = {"accept-encoding": "br"}
    tag = header(viewer.answer(get("/ohif/build-abc/app.js", headers)), "ETag")[0]
    again = viewer.answer(get("/ohif/build-abc/app.js", {**headers, "if-none-match": f'"x", W/{tag}'}))
    assert (again.status, again.body) == (304, b"")
    assert header(again, "ETag") == [tag]
    other = viewer.answer(get("/ohif/build-abc/app.js", {"accept-encoding": "gzip", "if-none-match": tag}))
    assert other.status == 200


def test_an_old_tab_gets_todays_file_but_must_not_keep_it(viewer):
    answer = viewer.answer(get("/ohif/build-old/app.js"))
    assert (answer.status, header(answer, "Cache-Control")) == (200, ["no-cache"])


@pytest.mark.parametrize(
    "path",
    [
        "/ohif/build-abc/missing.js",
        "/ohif/build-abc/../build.json",
        "/ohif/build-abc/../index.html",
        "/ohif/build-abc//etc/passwd",
        "/ohif/build-abc/deep/../../../secret.js",
        "/ohif/build-abc/link.js",
        "/ohif/build-abc",
        "/ohif/build-abc/deep",
        "/ohif/secret.js",
    ],
)
def test_nothing_outside_the_folder_is_served(viewer, path):
    assert viewer.answer(get(path, COOKIE)).status == 404


def test_wasm_has_its_type(viewer):
    assert viewer.answer(get("/ohif/build-abc/deep/x.wasm")).content_type == "Application/wasm"


def test_the_configuration_is_asked_for_each_time(viewer):
    answer = viewer.answer(get("/ohif/app-config.js"))
    assert header(answer, "Cache-Control") == ["no-cache"]
    assert b"qidoRoot: '/dicom-web'" in answer.body
    tag = header(answer, "ETag")[0]
    assert viewer.answer(get("/ohif/app-config.js", {"if-none-match": tag})).status == 304


def test_where_nothing_was_prepared_people_are_told(services, tmp_path):
    viewer = make_portal(services, settings(ohif=tmp_path)).viewer
    assert "Просмотр снимков недоступен" in viewer.answer(get("/ohif/viewer", COOKIE)).body.decode()


def test_only_workers_may_make_functions_out_of_texts(viewer):
    def policy(path):
        return header(viewer.answer(get(path, COOKIE)), "Content-Security-Policy")[0]

    assert "'unsafe-eval'" in policy("/ohif/build-abc/worker.js")
    for path in ("/ohif/viewer", "/ohif/build-abc/app.js", "/ohif/app-config.js"):
        assert "'unsafe-eval'" not in policy(path)
        assert "'unsafe-inline'" not in policy(path).partition("style-src")[0]


def beat(viewer, said, headers=None):
    here = {**COOKIE, "sec-fetch-site": "same-origin", **(headers or {})}
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return viewer.viewing(Request("POST", VIEWING, headers=here, body=body))


def test_the_page_tells_that_it_is_open(viewer):
    page = viewer.answer(get("/ohif/viewer", COOKIE))
    (script,) = re.findall(rb'<script src="(/cami/static/beat-[^"]+)" async></script></head>', page.body)
    found = re.fullmatch(static_files.ENDPOINT.pattern, script.decode())
    served = static_files.answer(Request("GET", script.decode(), groups=found.groups()))
    assert (served.status, VIEWING.encode() in served.body) == (200, True)


def test_beats_go_on_as_long_as_something_is_to_come(viewer, services):
    services.waited_for = {"1.2"}
    assert json.loads(beat(viewer, {"state": "open", "studies": ["1.1", "1.2"]}).body) == {"again": 20}
    assert services.viewed == [("radiologist-42001", "1.1"), ("radiologist-42001", "1.2")]
    assert json.loads(beat(viewer, {"state": "open", "studies": ["1.1"]}).body) == {"again": 60}
    assert json.loads(beat(viewer, {"state": "closing", "studies": ["1.2"]}).body) == {"again": 0}
    assert services.shut == [("radiologist-42001", "1.2")]


@pytest.mark.parametrize(
    "said", [b"x", [], {}, {"state": "open", "studies": "1.2"}, {"state": "open", "studies": [1, "<"]}]
)
def test_nonsense_is_no_beat(viewer, services, said):
    assert beat(viewer, said).status == 200
    assert services.viewed == []


def test_beats_of_strangers_are_refused(viewer, services):
    said = {"state": "open", "studies": ["1.2"]}
    assert beat(viewer, said, {"cookie": ""}).status == 401
    assert beat(viewer, said, {"sec-fetch-site": "cross-site"}).status == 403
    assert viewer.viewing(get(VIEWING, COOKIE)).status == 405
    assert services.viewed == []
