"""A bundle: the same bytes every time, signed, with nothing secret inside, and a script that any shell reads."""

import hashlib
import json
import subprocess
import tarfile

import pytest

from cami.errors import Invalid
from cami.region import load_region
from cami_cli.mo.bundle import Plan, file_payload, folder_payload, write_bundle
from cami_cli.mo.centre_secrets import prepare_secrets
from cami_cli.mo.signing import Signer
from tests.live import ROOT

REGION = load_region(ROOT / "orthanc-config" / "region.yaml")


@pytest.fixture
def secrets(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    assert prepare_secrets(folder)
    assert not prepare_secrets(folder), "what is there stays"
    return folder


def plan(**more):
    return Plan(**{"region": REGION, "mo": "42001", "central_url": "https://cami.example", "suite": "forky",
                   "version": "1.0"} | more)  # fmt: skip


@pytest.fixture
def unpacked(tmp_path, secrets):
    written = write_bundle(plan(central_ca=b"PEM"), Signer(secrets), tmp_path / "out")
    with tarfile.open(written) as tar:
        tar.extractall(tmp_path / "there", filter="data")
    return tmp_path / "there" / "cami-proxy-42001"


def test_the_same_plan_gives_the_same_bytes(tmp_path, secrets):
    big = tmp_path / "folder"
    (big / "inner").mkdir(parents=True)
    (big / "inner" / "file").write_text("x" * 100_000)
    digests = set()
    for name in ("one", "two"):
        scratch = tmp_path / f"scratch-{name}"
        scratch.mkdir()
        payload = folder_payload("native/root.tar", big, scratch)
        written = write_bundle(plan(payloads=(payload,)), Signer(secrets), tmp_path / name)
        signature = written.with_name(written.name + ".sig")
        digests.add(hashlib.sha256(written.read_bytes() + signature.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_openssl_knows_the_signature_and_finds_a_changed_byte(tmp_path, secrets):
    written = write_bundle(plan(), Signer(secrets), tmp_path / "out")

    def verify():
        signature = written.with_name(written.name + ".sig")
        command = ["openssl", "dgst", "-sha256", "-verify", secrets / "bundle.pub", "-signature", signature, written]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert verify() == 0
    content = bytearray(written.read_bytes())
    content[-1] ^= 1
    written.write_bytes(content)
    assert verify() != 0


def test_nothing_secret_is_inside(unpacked, secrets):
    everything = b"".join(path.read_bytes() for path in unpacked.rglob("*") if path.is_file())
    assert b"PRIVATE KEY" not in everything
    for name in ("operator.token", "authority.key", "bundle.key"):
        assert (secrets / name).read_bytes().strip() not in everything


def test_the_configuration_is_that_of_the_proxy(unpacked):
    configuration = json.loads((unpacked / "config" / "orthanc.json").read_text())
    assert configuration["Cami"]["CentralUrl"] == "https://cami.example"
    assert configuration["Cami"]["CentralCa"] == "/etc/cami/central-ca.pem"
    assert set(configuration["DicomModalities"]) == {"CT42001", "MR42001", "DX42001", "MG42001", "US42001"}
    page = (unpacked / "ИНСТРУКЦИЯ.html").read_text()
    assert "PROXY42001" in page
    assert "CT42001" in page
    assert "http://" not in page.replace("http://127.0.0.1", ""), "nothing is fetched from outside"


@pytest.mark.parametrize("arguments", [["--bogus"], ["--into"]])
def test_a_wrong_call_is_told(unpacked, arguments):
    done = subprocess.run([unpacked / "install.sh", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert arguments[0] in done.stderr


def install(unpacked, into, given=""):
    return subprocess.run(
        [unpacked / "install.sh", "--into", into, "--runtime", "native", "--cami", into / "nowhere"],
        input=given, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_changed_file_stops_the_installation(unpacked, tmp_path):
    (unpacked / "config" / "region.yaml").write_text("name: другой")
    done = install(unpacked, tmp_path / "into")
    assert done.returncode == 1
    assert "файлы комплекта изменены" in done.stderr
    assert not (tmp_path / "into").exists()


def test_a_bundle_of_somebody_else_stops_it(unpacked, tmp_path):
    sums = (unpacked / "SHA256SUMS").read_text()
    (unpacked / "SHA256SUMS").write_text(sums.replace("a", "b", 1))
    done = install(unpacked, tmp_path / "into")
    assert done.returncode == 1
    assert "подпись комплекта неверна" in done.stderr


def test_without_what_to_run_in_it_says_what_to_do(unpacked, tmp_path):
    done = install(unpacked, tmp_path / "into")
    assert done.returncode == 1
    assert "--offline" in done.stderr


def test_help(unpacked):
    done = subprocess.run([unpacked / "install.sh", "--help"], capture_output=True, text=True, check=True)
    assert "--dicom-port" in done.stdout


def test_an_mo_without_a_proxy_has_no_bundle(tmp_path, secrets):
    with pytest.raises(Exception, match="42900"):
        write_bundle(plan(mo="42900"), Signer(secrets), tmp_path)
    with pytest.raises(Invalid):
        write_bundle(plan(central_url=""), Signer(secrets), tmp_path)


def test_a_large_file_keeps_its_bytes(tmp_path, secrets):
    file = tmp_path / "image.tar"
    file.write_bytes(bytes(range(256)) * 10_000)
    written = write_bundle(
        plan(payloads=(file_payload("images/cami-forky.tar", file),)), Signer(secrets), tmp_path / "out"
    )
    with tarfile.open(written) as tar:
        inside = tar.extractfile("cami-proxy-42001/images/cami-forky.tar")
        assert inside.read() == file.read_bytes()
