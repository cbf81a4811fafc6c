"""TLS between proxy and centre, both ends known by certificates, over real sockets."""

import ipaddress
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cami.delivery.pace import Pace
from cami.delivery.right_of_way import Passage
from cami.delivery.transport import Certificates, Transport
from cami.errors import Misconfigured, Transient

from .test_transport import ANSWER, read_request


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Signs certificates into a folder."""

    def __init__(self, folder, title):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.title = title
        self.file = self._write(title, self._certificate(title, self.key.public_key(), ca=True))

    def issue(self, title):
        key = ec.generate_private_key(ec.SECP256R1())
        secret = self.folder / f"{title}.key"
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return self._write(title, self._certificate(title, key.public_key(), ca=False)), secret

    def _certificate(self, title, public, *, ca):
        now = datetime.now(UTC)
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        return (
            x509.CertificateBuilder()
            .subject_name(name(title))
            .issuer_name(name(self.title))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(here, critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def _write(self, title, certificate):
        path = self.folder / f"{title}.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        return path


@pytest.fixture(scope="module")
def region_ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("region"), "region")


@pytest.fixture(scope="module")
def other_ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("other"), "other")


@pytest.fixture
def centre(region_ca):
    """A reverse proxy that asks callers for a certificate of the region; yields its address and what it was sent."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=region_ca.file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*region_ca.issue("centre"))
    listener, received = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with plain, context.wrap_socket(plain, server_side=True) as connection:
                    received.append(read_request(connection)[1])
                    connection.sendall(ANSWER)
            except OSError:
                continue  # refused; what that means to the caller is what is tested

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}/x", received
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def ask(url, certificates):
    transport = Transport(Pace(), certificates=certificates)
    try:
        return transport.request("POST", url, {}, b"image", Passage(urgent=False)).text
    finally:
        transport._drop()


def test_both_ends_know_each_other(centre, region_ca):
    url, received = centre
    assert ask(url, Certificates(region_ca.file, *region_ca.issue("proxy-42001"))) == "ok"
    assert received == [b"image"]


def test_nothing_is_sent_to_a_centre_that_the_authorities_do_not_know(centre, region_ca, other_ca):
    url, received = centre
    own = region_ca.issue("proxy-42001")
    for authorities in (other_ca.file, None):
        with pytest.raises(Transient, match="SSLError"):
            ask(url, Certificates(authorities, *own))
    assert received == []


def test_a_proxy_without_a_certificate_of_the_region_is_not_let_in(centre, region_ca, other_ca):
    url, received = centre
    for own in ((), other_ca.issue("proxy-42001")):
        with pytest.raises(Transient):
            ask(url, Certificates(region_ca.file, *own))
    assert received == []


def test_certificates_that_cannot_be_used_are_told_at_once(tmp_path, region_ca, other_ca):
    certificate, _ = region_ca.issue("proxy-42001")
    _, foreign_key = other_ca.issue("proxy-42001")
    (tmp_path / "noise.pem").write_text("noise")
    for wrong in (
        (tmp_path / "absent.pem",),
        (tmp_path / "noise.pem",),
        (None, certificate, tmp_path / "absent.key"),
        (None, certificate, foreign_key),
    ):
        with pytest.raises(Misconfigured, match="certificates of the line"):
            Certificates(*wrong)
