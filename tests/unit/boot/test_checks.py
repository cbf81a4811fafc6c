"""What keeps `cami.boot` from starting a server."""

import json
import os
from pathlib import Path

import pytest

from cami.boot import checks
from cami.errors import Misconfigured
from cami.orthanc_config import TEMPLATES, render
from cami.region import load_region
from cami.settings import read_settings

REGION = load_region(TEMPLATES / "region.yaml")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("ROLE", "MO", "DATABASE", "SECRETS", "KEYS", "REGION", "QUARANTINE"):
        monkeypatch.delenv(f"CAMI_{name}", raising=False)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A configuration whose files all stand below a folder of the test."""
    files = [tmp_path / name for name in ("python.so", "dicomweb.so", "proxy.py")]
    monkeypatch.setattr("cami.selfcheck.PYTHON_PLUGIN", str(files[0]))
    monkeypatch.setattr("cami.selfcheck.ALLOWED_PLUGINS", (str(files[0]), str(files[1])))
    monkeypatch.setattr("cami.selfcheck.SCRIPTS", {"proxy": str(files[2])})
    configuration = json.loads((TEMPLATES / "base.json").read_text("utf-8"))
    configuration |= {
        "Plugins": [str(files[0]), str(files[1])],
        "DicomModalities": {},
        "StorageDirectory": str(tmp_path / "data" / "orthanc"),
        "Cami": {
            "Role": "proxy",
            "Mo": "42001",
            "CentralUrl": "http://127.0.0.1:1",
            "Region": str(tmp_path / "region.yaml"),
            "Database": f"sqlite:///{tmp_path}/data/cami.sqlite",
            "Quarantine": str(tmp_path / "data" / "quarantine"),
            "Secrets": str(tmp_path / "secrets"),
            "Keys": str(tmp_path / "keys"),
        },
    }
    configuration["Python"]["Path"] = str(files[2])
    (tmp_path / "data").mkdir()
    (tmp_path / "secrets").mkdir()
    for file in [*files, tmp_path / "secrets" / "link.key"]:
        file.touch()
    (tmp_path / "region.yaml").write_bytes((TEMPLATES / "region.yaml").read_bytes())
    return configuration


def test_nothing_to_say(installed):
    assert checks.problems(installed) == []


@pytest.mark.parametrize(
    "file", ["python.so", "dicomweb.so", "proxy.py", "region.yaml", "secrets/link.key"]
)  # fmt: skip
def test_missing_file(installed, tmp_path, file):
    (tmp_path / file).unlink()
    (problem,) = checks.problems(installed)
    assert str(tmp_path / file) in problem
    (tmp_path / file).mkdir()
    assert len(checks.problems(installed)) == 1


def test_data_that_cannot_be_written(installed, tmp_path):
    (tmp_path / "data").rmdir()
    (tmp_path / "data").touch()
    assert checks.problems(installed) == [
        f"{tmp_path}/data is not writable: give it to the user that runs the server (uid {os.getuid()})"
    ]


def test_unsafe_before_missing():
    configuration = render(REGION, "central", http_port=1, dicom_port=2)
    found = checks.problems(configuration | {"WebDavEnabled": True, "DicomAlwaysAllowGet": True})
    assert [line.split('"')[1] for line in found] == ["WebDavEnabled", "DicomAlwaysAllowGet"]


def test_no_section_of_ours():
    assert checks.problems({}) == ['the Orthanc configuration has no "Cami" section: render it with scripts/cami']


def test_role_from_the_environment_is_another_role(monkeypatch):
    monkeypatch.setenv("CAMI_ROLE", "proxy")
    monkeypatch.setenv("CAMI_MO", "42001")
    configuration = render(REGION, "central", http_port=1, dicom_port=2)
    configuration["Cami"]["CentralUrl"] = "http://127.0.0.1:1"
    assert any("Cami.Role" in line for line in checks.problems(configuration))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"A": 1, "A": 2}', '"A" stands there twice'),
        ('{"A": {"WebDavEnabled": false, "WebDavEnabled": true}}', '"WebDavEnabled" stands there twice'),
        ('{"A": 1 /* no */}', "is not the JSON"),
        ("[]", "one JSON object"),
        ("", "is not the JSON"),
    ],
)
def test_configuration_is_read_strictly(tmp_path, content, told):
    path = tmp_path / "orthanc.json"
    path.write_text(content)
    with pytest.raises(Misconfigured, match=told.replace('"', ".")):
        checks.read_configuration(path)


def test_configuration_that_is_not_there(tmp_path):
    with pytest.raises(Misconfigured, match=r"orthanc\.json cannot be read: No such file"):
        checks.read_configuration(tmp_path / "orthanc.json")


def test_host_name_that_needs_dns(tmp_path, monkeypatch):
    monkeypatch.setattr(checks.socket, "gethostname", lambda: "central")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n# 127.0.1.1 central\n127.0.1.1 centrale\n")
    assert "the host name central is not in" in next(checks.warnings(hosts))
    hosts.write_text("127.0.0.1 localhost\n127.0.1.1\tx central # ours\n")
    assert list(checks.warnings(hosts)) == []
    assert list(checks.warnings(Path("/nonexistent")))


def test_registry_is_checked_in_its_own_process(installed, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TEMPLATES.parent / "plugins"))
    settings = read_settings(installed, {})
    checks.check_registry(settings)
    text = settings.region.read_text("utf-8")
    settings.region.write_text(text.replace("aet: CT42001", "aet: MR42001"), "utf-8")
    with pytest.raises(Misconfigured) as caught:
        checks.check_registry(settings)
    title, problem = str(caught.value).splitlines()
    assert title == "the registry is wrong"
    assert problem.startswith(f"{tmp_path}/region.yaml:")
    assert "organizations[0].devices[1].aet" in problem


def test_failed_migration_says_what_happened_in_one_line(installed, tmp_path, monkeypatch):
    package = tmp_path / "modules" / "cami" / "db"
    package.mkdir(parents=True)
    (package / "migrate.py").write_text(
        "import os\n"
        "raise OSError(f\"{os.environ['CAMI_DATABASE'][:9]} is locked\\n(Background on this error at: somewhere)\")\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    with pytest.raises(Misconfigured) as caught:
        checks.migrate(read_settings(installed, {}))
    assert str(caught.value).splitlines() == ["the database could not be migrated", "OSError: sqlite:// is locked"]
