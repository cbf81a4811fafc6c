"""TLS to the centre: stunnel as it is rendered, real certificates, workstations that speak TLS."""

import ssl
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pynetdicom.sop_class import Verification

from cami_cli.runtime.host_tools import find_tool, require_tools, tool_environment
from tests.integration.dicom.stations import Refused, Station
from tests.live import cami


def certificate(folder, name):
    """Write a certificate signed by itself, and its key; return its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(pem + private)
    (folder / f"{name}.crt").write_bytes(pem)
    return path


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    """``secrets/dicom`` of the centre, and the stations' own certificates."""
    folder = tmp_path_factory.mktemp("dicom")
    certificate(folder, "centre")
    for mo in ("42001", "42002"):
        certificate(folder, f"station-{mo}")
        (folder / f"{mo}.ca.pem").write_bytes((folder / f"station-{mo}.crt").read_bytes())
    certificate(folder, "stranger")
    return folder


@pytest.fixture(scope="module")
def terminator(region, secrets, ports):
    """Stunnel, with the configuration that the command line prints."""
    require_tools(("stunnel4",))
    port = str(region.about["central"]["dicom"]["port"])
    text = cami(
        "config", "dicom-tls", "--region", region.registry, "--dicom-port", port, "--folder", secrets,
        "--accept", "127.0.0.1",
    ).stdout  # fmt: skip
    path = secrets / "stunnel.conf"
    path.write_text(text)
    log = (secrets / "stunnel.log").open("wb")
    process = subprocess.Popen([find_tool("stunnel4"), path], stdout=log, stderr=log, env=tool_environment())
    time.sleep(1)
    assert process.poll() is None, (secrets / "stunnel.log").read_text()
    yield {mo: ports[f"TLS{mo}"] for mo in ("42001", "42002")}
    process.terminate()
    process.wait(10)
    log.close()


def station(region, terminator, secrets, *, aet, port_of, shows):
    context = ssl.create_default_context(cafile=secrets / "centre.crt")
    context.check_hostname = False
    if shows:
        context.load_cert_chain(secrets / f"{shows}.pem")
    called = {"host": "127.0.0.1", "port": terminator[port_of], "aet": region.about["central"]["dicom"]["aet"]}
    return Station(aet, called, tls=context)


def test_the_own_certificate_opens_the_own_mo(region, terminator, secrets, ours, theirs):
    caller = station(region, terminator, secrets, aet="FAR42001", port_of="42001", shows="station-42001")
    status, studies = caller.find("STUDY", StudyInstanceUID="", PatientID="SHARED-1")
    assert (status, [study.StudyInstanceUID for study in studies]) == (0x0000, [ours.uid])
    assert caller.find("STUDY", StudyInstanceUID=theirs.uid) == (0x0000, [])


def test_images_are_sent_to_who_asked_through_the_terminator(region, terminator, secrets, ours, screen):
    caller = station(region, terminator, secrets, aet="FAR42001", port_of="42001", shows="station-42001")
    last, _ = caller.move("FAR42001", "STUDY", StudyInstanceUID=ours.uid)
    assert (last.Status, screen.taken()) == (0x0000, ours.images)


@pytest.mark.parametrize(
    "attempt",
    [
        ("FAR42001", "42002", "station-42002"),  # another МО's certificate with a stolen AE title
        ("FAR42001", "42001", "station-42002"),  # at the port of the one, with the certificate of the other
        ("FAR42002", "42001", "station-42001"),
        ("FAR42001", "42001", "stranger"),
        ("FAR42001", "42001", ""),
        ("NOBODY", "42001", "station-42001"),
        ("WS42001", "42001", "station-42001"),
    ],
)
def test_no_other_certificate_and_no_other_title(region, terminator, secrets, attempt):
    aet, port_of, shows = attempt
    caller = station(region, terminator, secrets, aet=aet, port_of=port_of, shows=shows)
    with pytest.raises((Refused, OSError)):
        caller.associate(Verification)


def test_plain_dicom_opens_nothing(region, terminator):
    called = {"host": "127.0.0.1", "port": terminator["42001"], "aet": "CAMI"}
    with pytest.raises(Refused):
        Station("FAR42001", called).associate(Verification)


def test_dcmtk_speaks_to_it_as_well(terminator, secrets, ours, tool):
    options = [
        "-v",
        "-S",
        "-aet",
        "FAR42001",
        "-aec",
        "CAMI",
        "-k",
        "QueryRetrieveLevel=STUDY",
        "-k",
        "StudyInstanceUID",
    ]
    key, crt = secrets / "station.key", secrets / "station-42001.crt"
    key.write_bytes((secrets / "station-42001.pem").read_bytes())
    tls = ["+tls", str(key), str(crt), "+cf", str(secrets / "centre.crt")]
    done = tool(["findscu", *tls, *options, "127.0.0.1", str(terminator["42001"])], binds=[secrets])
    assert ours.uid in done.stdout + done.stderr
