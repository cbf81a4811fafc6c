"""The listener over real sockets: many messages, halves, silence, strangers, TLS with certificates of clients."""

import hashlib
import ipaddress
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cami.hl7v2.framing import framed
from cami.hl7v2.listener import CannotListen, Listener
from cami.region import Listen
from cami_cli.hl7.client import MllpClient, Tls


class Echo:
    """Takes messages and answers with their length."""

    def __init__(self):
        self.got = []
        self.origins = []
        self.known = True

    def take(self, data, origin):
        self.got.append(data)
        self.origins.append(origin)
        return [framed(b"%d" % len(data))]


class Running:
    def __init__(self, folder, **rules):
        self.echo = Echo()
        settings = {"tls": False, "port": 1, **rules}
        listen = Listen(**settings).model_copy(update={"port": 0})
        self.listener = Listener(listen, self.echo.take, lambda _origin: self.echo.known, lambda: b"TOO LONG", folder)
        self.listener.step()
        self.port = self.listener.port
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ended:
            self.listener.step()

    def connect(self, tls=None):
        return MllpClient("127.0.0.1", self.port, tls, seconds=20)

    def close(self):
        self._ended = True
        self._thread.join(10)
        self.listener.stop()


@pytest.fixture
def running(tmp_path):
    opened = []

    def run(**rules):
        opened.append(Running(tmp_path, **rules))
        return opened[-1]

    yield run
    for each in opened:
        each.close()


def test_many_messages_on_one_connection(running):
    made = running()
    with made.connect() as line:
        line.raw(framed(b"one") + framed(b"three") + framed(b"sev")[:2])
        assert [line.answer(), line.answer()] == [b"3", b"5"]
        line.raw(framed(b"sev")[2:])
        assert line.answer() == b"3"
    assert made.echo.got == [b"one", b"three", b"sev"]


def test_half_a_message_is_nothing(running):
    made = running(half_seconds=1)
    with made.connect() as line:
        line.raw(framed(b"half")[:3])
        with pytest.raises(ConnectionError):
            line.answer()
    with made.connect() as line:
        line.raw(framed(b"whole"))
        assert line.answer() == b"5"
    assert made.echo.got == [b"whole"]


def test_what_is_no_mllp_or_too_long_ends_the_connection(running):
    made = running(longest_kib=16)
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x0b" + b"x" * 20_000):
        with made.connect() as line:
            line.raw(data)
            assert line._socket.recv(100) == b"TOO LONG"
    assert made.echo.got == []


def refused(made, message, tls=None):
    """Say whether a connection ends without an answer."""
    try:
        with made.connect(tls) as line:
            line.raw(framed(message))
            line.answer()
    except (ssl.SSLError, ConnectionError):
        return True
    return False


def test_strangers_and_too_many_are_turned_away(running):
    made = running(connections=1)
    with made.connect() as first:
        first.raw(framed(b"a"))
        first.answer()
        assert refused(made, b"b")
    made.echo.known = False
    assert refused(made, b"c")
    assert made.echo.got == [b"a"]


def test_a_port_that_is_taken_is_told(running, tmp_path):
    made = running()
    rules = Listen(tls=False, port=made.port)
    with pytest.raises(CannotListen, match="in use"):
        Listener(rules, made.echo.take, lambda _: True, bytes, tmp_path).step()


def certificate(folder, name, signer=None):
    """Make a certificate; return the file with its key, and what signs others."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by, issuer = signer or (key, subject)
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(by, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM) + encoded)
    return path, (key, subject), hashlib.sha256(built.public_bytes(serialization.Encoding.DER)).hexdigest()


def test_tls_with_a_certificate_of_the_client(running, tmp_path):
    authority, signer, _ = certificate(tmp_path, "authority")
    certificate(tmp_path, "server", signer)
    shown, _, fingerprint = certificate(tmp_path, "client", signer)
    (tmp_path / "clients.ca.pem").write_bytes(authority.read_bytes())
    made = running(tls=True, client_certificates=True)
    with made.connect(Tls(authority, shown)) as line:
        line.raw(framed(b"one"))
        assert line.answer() == b"3"
    assert made.echo.origins[0].certificate == fingerprint
    # TLS 1.3 tells a client without a certificate with the first answer.
    assert refused(made, b"two", Tls(authority))
    assert made.echo.got == [b"one"]
