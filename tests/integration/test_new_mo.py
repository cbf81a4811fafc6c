"""A new МО on real Orthancs: registry, bundle, ``install.sh``, one-time code, images on their way, revoking."""

import json
import os
import subprocess
import tarfile

import pytest
import requests

from cami_cli.dicom_folder import scan
from cami_cli.phantoms import write_phantoms
from cami_cli.ports import choose_free
from cami_cli.region_file import DicomAddress
from cami_cli.store import store_files
from tests.live import ROOT, LiveRegion, cami, wait_until
from tests.registry import Registry

MO = "42003"


class Site:
    """The machine of the МО: another folder and other ports than the centre's."""

    def __init__(self, folder, bundle):
        self.into = folder / "site"
        with tarfile.open(bundle) as tar:
            tar.extractall(folder / "unpacked", filter="data")
        self.script = folder / "unpacked" / f"cami-proxy-{MO}" / "install.sh"
        self.http, self.dicom = choose_free(2)

    def install(self, *arguments, code=""):
        ports = ["--http-port", str(self.http), "--dicom-port", str(self.dicom)]
        command = [self.script, "--into", self.into, "--runtime", "native", "--cami", ROOT, *ports, *arguments]
        return subprocess.run(
            command, input=f"{code}\n", capture_output=True, text=True, check=False, timeout=300, env=os.environ
        )


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    folder = tmp_path_factory.mktemp("region")
    with LiveRegion(folder / "state", Registry(folder / "region.yaml").write()) as live:
        yield live


@pytest.fixture(scope="module")
def added(region, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    common = ["--region", region.registry, "--state", region.state, "--out", out]
    said = cami(
        "mo", "add", MO, "--oid", "1.2.643.5.1.13.13.12.2.42.9903", "--name", "Учебная больница № 3",
        "--device", "CT42003,CT,127.0.0.1,Томограф,3", *common, "--json",
    )  # fmt: skip
    return json.loads(said.stdout), common


@pytest.fixture(scope="module")
def site(added, tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("site"), added[0]["bundle"])
    yield made
    made.install("--stop")


@pytest.mark.timeout(600)
def test_from_the_bundle_to_images_at_the_centre_and_out_again(region, added, site, tmp_path):
    answer, common = added
    wrong = site.install(code="aaaa-aaaa-aaaa-aaaa" + answer["code"][19:])
    assert wrong.returncode == 1, wrong.stdout
    assert "код не подошёл" in wrong.stdout + wrong.stderr

    done = site.install(code=answer["code"])
    assert done.returncode == 0, done.stdout + done.stderr
    for told in ("подпись верна", "подключён к центру", "Тестовый снимок: дошёл до центра", "AE title PROXY42003"):
        assert told in done.stdout
    assert region.studies() == [], "the test image is gone"
    again = site.install()
    assert again.returncode == 0, again.stdout + again.stderr
    assert "уже подключён" in again.stdout

    keys = list((site.into / "data" / "link").iterdir())
    assert [key.name for key in keys] == ["link.pem"]
    assert "PRIVATE KEY" not in "".join(path.read_text("latin-1") for path in site.script.parent.rglob("*.p*"))

    folder = tmp_path / "images"
    write_phantoms(folder, small=True, only=["CT"])
    outcomes = []
    files = scan(next((folder / "42001").iterdir())).files
    store_files(files, DicomAddress("127.0.0.1", site.dicom, "PROXY42003"), "CT42003", outcomes.append)
    assert all(outcome.stored for outcome in outcomes)
    wait_until("the study is confirmed", lambda: any(s["owner"] == MO and s["confirmed_at"] for s in region.studies()))

    fleet = region.session("operator").get(region.central + "/cami/fleet", timeout=30).text
    assert "Учебная больница № 3" in fleet
    figures = region.session("operator").get(region.central + "/cami/metrics", timeout=30).text
    assert f'cami_fleet_silent_seconds{{mo="{MO}"}}' in figures

    listed = cami("mo", "list", "--region", region.registry, "--state", region.state).stdout
    assert f"{MO} " in listed
    assert "joined" in listed
    assert cami("mo", "add", MO, "--oid", "1.2.643.5.1.13.13.12.2.42.9903", "--name", "Учебная больница № 3",
                "--device", "CT42003,CT,127.0.0.1,Томограф,3", *common, "--json").returncode == 0  # fmt: skip

    cami("ca", "revoke", MO, "--reason", "test", "--state", region.state)
    refused = site.install("--test")
    assert refused.returncode == 1
    assert "не признаёт этот PACS Proxy" in refused.stdout
    code = json.loads(cami("mo", "code", MO, "--state", region.state, "--json").stdout)["code"]
    rejoined = site.install("--join", code=code)
    assert rejoined.returncode == 0, rejoined.stdout + rejoined.stderr
    cami("mo", "remove", MO, "--region", region.registry, "--state", region.state)
    assert site.install("--test").returncode == 1
    assert any(study["owner"] == MO for study in region.studies()), "its studies stay"


def test_strangers_are_told_nothing_and_are_slowed_down(region):
    address = region.central + "/cami/join/v1"
    answers = [
        requests.post(address, json={"mo": "42001", "code": "x", "request": "x"}, timeout=10).status_code
        for _ in range(15)
    ]
    assert set(answers) == {400, 503}  # 429, which Orthanc cannot send
    for path in ("/cami/api/proxies", "/cami/fleet"):
        assert requests.get(region.central + path, timeout=10, allow_redirects=False).status_code in (401, 303)
    doctor = region.session("radiologist", "42001")
    assert doctor.get(region.central + "/cami/api/proxies", timeout=10).status_code == 403
    assert doctor.post(region.central + "/cami/api/proxies/restart", json={}, timeout=10).status_code in (403, 400)
