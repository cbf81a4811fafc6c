"""The recipe on a tiny OHIF; the real one is built, and looked at in a browser, by tests/browser."""

import io
import json
import tarfile

import brotli
import pytest

from cami_cli import npm, ohif, ohif_recipe
from cami_cli.errors import Trouble
from cami_cli.progress import Progress

INDEX = (
    '<html><head><script defer src="/app.bundle.0123456789abcdef.js"></script><link href="/app.bundle.css" '
    'rel="stylesheet"></head><body><script>inline()</script><div id="react-portal"></div><div id="root"></div></body>'
)
BASE = "/ohif/build-x/"


def test_texts_are_changed_as_often_as_expected(tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.js").write_text('__webpack_require__.p = "/";', "utf-8")
    (tmp_path / "app.css").write_text("src: url(/a.woff2);" * 5, "utf-8")
    ohif_recipe.apply(ohif_recipe.RELOCATION, tmp_path, BASE)
    assert (tmp_path / "3.js").read_text("utf-8") == '__webpack_require__.p = "/ohif/build-x/";'
    assert (tmp_path / "app.css").read_text("utf-8").count("url(/ohif/build-x/a.woff2)") == 5


@pytest.mark.parametrize("times", [0, 7, 9])
def test_an_ohif_that_has_changed_is_refused(tmp_path, times):
    (tmp_path / "a.js").write_text('__webpack_require__.p = "/";' * times, "utf-8")
    with pytest.raises(Trouble, match=f"found {times} times instead of 8"):
        ohif_recipe.apply(ohif_recipe.RELOCATION[:1], tmp_path, BASE)


def test_our_index_page_has_no_inline_script_and_nothing_foreign():
    page = ohif_recipe.index_page(INDEX, BASE)
    assert f'<script defer src="{BASE}app.bundle.0123456789abcdef.js"></script>' in page
    assert "inline" not in page
    assert "http" not in page


def test_an_index_page_that_has_changed_is_refused():
    with pytest.raises(Trouble, match="index page"):
        ohif_recipe.index_page(INDEX.replace("root", "app"), BASE)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("app.bundle.1.js", True), ("assets/images/CT-Bone.png", True), ("assets/favicon.ico", True),
        ("sw.js", False), ("ort/ort.min.js", False), ("oidc-client.min.js", False), ("assets/mstile-70x70.png", False),
    ],
)  # fmt: skip
def test_what_is_left_out(name, kept):
    assert ohif_recipe.kept(name) is kept


def test_the_start_script_carries_every_russian_text():
    dictionary = ohif_recipe.read_dictionary()
    script = ohif_recipe.start_script(dictionary)
    assert "Лёгкие" in script
    assert "__" not in script
    for entry in dictionary["literals"]:
        assert entry["russian"] in script
        assert "window.camiText(" in entry["new"]


def test_an_ohif_without_workers_is_refused(tmp_path):
    (tmp_path / "app.bundle.1.js").write_text('__webpack_require__.p = "/";', "utf-8")
    with pytest.raises(Trouble, match="no workers"):
        ohif_recipe.worker_scripts(tmp_path)


def tiny_package(path, *more):
    files = {
        "package/LICENSE": "MIT",
        "package/dist/index.html": INDEX,
        "package/dist/app.bundle.0123456789abcdef.js": "var answer = 42;\n" * 200,
        "package/dist/sw.js": "x",
        "package/dist/8097.bundle.1.js": '__webpack_require__.p = "/";',
        **dict.fromkeys(more, "x"),
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


def prepared(tmp_path, monkeypatch, archive):
    package = npm.Pinned("@ohif/app", "3.13.2", npm.integrity_of(archive))
    monkeypatch.setattr(ohif, "PACKAGE", package)
    monkeypatch.setattr(ohif, "MINIFIERS", {})
    monkeypatch.setattr(ohif_recipe, "RELOCATION", ())
    monkeypatch.setattr(ohif_recipe, "RUSSIAN", ())
    monkeypatch.setattr(ohif_recipe, "literal_patches", lambda _dictionary: [])
    (tmp_path / "npm").mkdir(exist_ok=True)
    archive.rename(tmp_path / "npm" / package.file_name)
    return ohif.prepare(tmp_path, Progress(io.StringIO()))


def test_a_package_that_reaches_out_of_its_folder_leaves_nothing(tmp_path, monkeypatch):
    archive = tmp_path / "tiny.tgz"
    tiny_package(archive, "package/dist/../../../evil.js")
    monkeypatch.setattr(npm, "client", lambda: pytest.fail("everything was there: no network"))
    with pytest.raises(Trouble, match="not a plain file"):
        prepared(tmp_path, monkeypatch, archive)
    assert [path.name for path in (tmp_path / "ohif").iterdir()] == []


def test_a_prepared_folder_serves(tmp_path, monkeypatch):
    archive = tmp_path / "tiny.tgz"
    tiny_package(archive)
    folder = prepared(tmp_path, monkeypatch, archive)
    build = json.loads((folder / "build.json").read_text("utf-8"))
    assert folder.name == f"3.13.2-{build['recipe']}"
    assert build["base"] == f"/ohif/build-{build['recipe']}/"
    assert build["workers"] == ["8097.bundle.1.js"]
    names = {path.name for path in (folder / "assets").iterdir()}
    assert {"app.bundle.0123456789abcdef.js", "app.bundle.0123456789abcdef.js.br", "LICENSE.txt"} <= names
    assert "index.html" not in names
    assert "sw.js" not in names
    packed = (folder / "assets/app.bundle.0123456789abcdef.js.br").read_bytes()
    assert brotli.decompress(packed) == b"var answer = 42;\n" * 200
    (tmp_path / "npm" / "ohif-app-3.13.2.tgz").unlink()
    assert ohif.prepare(tmp_path, Progress(io.StringIO())) == folder


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path, monkeypatch):
    def pack(package, folder):
        (folder / package.file_name).write_bytes(b"something else")

    monkeypatch.setattr(npm, "_pack", pack)
    with pytest.raises(Trouble, match="SHA-512 differs"):
        npm.fetch(npm.Pinned("@ohif/app", "3.13.2", "sha512-AAAA"), tmp_path)
    assert list(tmp_path.iterdir()) == []
