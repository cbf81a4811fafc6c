"""Notices on their way out, to a real mail server and a real listener: once each, later when these are away."""

import asyncio
import datetime as dt
import json
import ssl
import threading
from contextlib import contextmanager
from email import message_from_string, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from cami.consultations.dispatch import Post
from cami.consultations.service import Wish
from cami.consultations.states import Command
from cami.db.tables import consultation_notice
from cami.region.consultations import Consultations, Mail, Webhook
from tests.unit.consultations.conftest import CONSULTANT, PATIENT, sent

TO = {"dispatcher": ("duty@example.ru",), "42900": ("ct@example.ru", "ct2@example.ru")}


class Letters:
    """A mail box; `away` refuses what comes."""

    def __init__(self):
        self.kept, self.away, self.users = [], False, []

    async def handle_DATA(self, _server, session, envelope):  # noqa: N802 - as aiosmtpd calls it
        if self.away:
            return "451 later"
        self.users.append(getattr(session.auth_data, "login", b"").decode())
        self.kept.append((tuple(envelope.rcpt_tos), envelope.content.decode()))
        return "250 OK"

    def subjects(self):
        return [str(message_from_string(text, policy=policy.default)["Subject"]).strip() for _to, text in self.kept]


def certificate(folder):
    """A certificate of 127.0.0.1 that is its own authority; return certificate and key as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    folder.joinpath("smtp.ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    folder.joinpath("key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return folder / "smtp.ca.pem", folder / "key.pem"


@contextmanager
def mail_server(letters, folder, security):
    context = None
    if security != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate(folder))

    def known(_server, _session, _envelope, _mechanism, data):
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"cami", b"parol")
        return AuthResult(success=right, auth_data=data)

    loop = asyncio.new_event_loop()

    def spoken():
        starttls = context if security == "starttls" else None
        return SMTP(
            letters, loop=loop, hostname="localhost", tls_context=starttls, require_starttls=starttls is not None,
            authenticator=known, auth_required=security == "starttls", auth_require_tls=security == "starttls",
        )  # fmt: skip

    implicit = context if security == "tls" else None
    server = loop.run_until_complete(loop.create_server(spoken, "127.0.0.1", 0, ssl=implicit))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()


@contextmanager
def listener(statuses):
    """An HTTP server that keeps what it is told; its statuses are taken one by one, then 200."""
    told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = statuses.pop(0) if statuses else 200
            if status == 200:
                told.append((self.headers.get("Authorization"), json.loads(body)))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", told
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def secrets(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    folder.joinpath("smtp.password").write_text("parol\n")
    folder.joinpath("webhook.token").write_text("hook-key\n")
    return folder


def mail(port, security="none", **more):
    login = "cami" if security != "none" else ""
    return Mail(host="localhost", port=port, sender="cami@example.ru", login=login, security=security, to=TO, **more)


def post(centre, secrets, **rules):
    return Post(centre.engine, centre.clock, Consultations(**rules), secrets)


def open_rows(centre):
    with centre.engine.connect() as connection:
        rows = connection.execute(select(consultation_notice).where(consultation_notice.c.mailed_at.is_(None)))
        return [SimpleNamespace(**row._mapping) for row in rows]


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_letters_reach_a_mail_server(centre, secrets, security):
    letters, number = Letters(), sent(centre)
    with mail_server(letters, secrets, security) as port:
        post(centre, secrets, mail=mail(port, security)).step()
    assert sorted(to for to, _ in letters.kept) == [("ct@example.ru", "ct2@example.ru"), ("duty@example.ru",)]
    assert set(letters.subjects()) == {f"ЦАМИ: Неотложная: новая заявка на консультацию, № {number}"}
    assert letters.users == ["" if security == "none" else "cami"] * 2
    family = PATIENT.patient_name.split("^")[0]
    assert not [text for _to, text in letters.kept if family in text or PATIENT.patient_id in text]
    assert open_rows(centre) == []


def test_a_wrong_certificate_gets_neither_letter_nor_password(centre, secrets):
    letters = Letters()
    sent(centre)
    with mail_server(letters, secrets, "starttls") as port:
        secrets.joinpath("smtp.ca.pem").unlink()
        post(centre, secrets, mail=mail(port, "starttls")).step()
    assert letters.kept == []
    assert len(open_rows(centre)) == 2


def test_what_was_away_is_told_later_and_the_other_not_twice(centre, secrets):
    letters, number = Letters(), sent(centre)
    letters.away = True
    with mail_server(letters, secrets, "none") as port, listener([500]) as (url, told):
        out = post(centre, secrets, mail=mail(port), webhook=Webhook(url=url))
        out.step()
        assert letters.kept == []
        assert [document["mo"] for _token, document in told] == [""]  # the first was refused
        assert out.step() is False
        assert len(told) == 1  # not before its time
        letters.away = False
        centre.clock.pass_(minutes=1)
        out.step()
    assert len(letters.kept) == 2
    assert len(told) == 2
    assert {token for token, _ in told} == {"Bearer hook-key"}
    assert {document["number"] for _, document in told} == {number}
    assert {frozenset(document) for _, document in told} == {
        frozenset(("id", "number", "kind", "urgency", "at", "login", "mo", "role"))
    }
    assert open_rows(centre) == []


def test_a_webhook_that_points_elsewhere_is_not_followed(centre, secrets):
    sent(centre)
    with listener([302, 302]) as (url, told):
        post(centre, secrets, webhook=Webhook(url=url)).step()
    assert told == []
    assert len(open_rows(centre)) == 2


def test_routine_notices_come_together_at_their_time(centre, secrets):
    letters = Letters()
    numbers = [sent(centre, urgency="routine") for _ in range(3)]
    urgent = sent(centre)
    with mail_server(letters, secrets, "none") as port, listener([]) as (url, told):
        out = post(centre, secrets, mail=mail(port, digest=("08:00", "13:00")), webhook=Webhook(url=url))
        out.step()
        assert len(told) == 8  # the webhook hears at once
        assert {f"№ {urgent}" in subject for subject in letters.subjects()} == {True}
        letters.kept.clear()
        centre.consultations.do(CONSULTANT, numbers[0], Wish(Command.TAKE))
        out.step()
        assert letters.kept == []
        centre.clock.pass_(hours=24)
        out.step()
        out.step()
    assert sorted(letters.subjects()) == ["ЦАМИ: плановые заявки, событий: 3"] * 2
    assert len(told) == 9
    assert open_rows(centre) == []


def test_two_replicas_send_a_notice_once(centre, secrets):
    letters = Letters()
    for _ in range(5):
        sent(centre)
    with mail_server(letters, secrets, "none") as port:
        replicas = [post(centre, secrets, mail=mail(port)) for _ in range(2)]
        threads = [threading.Thread(target=each.step) for each in replicas]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(letters.kept) == 10


def test_secrets_that_cannot_be_written_stop_nothing_else(centre, secrets):
    letters = Letters()
    sent(centre)
    for name in ("smtp.password", "webhook.token"):
        secrets.joinpath(name).write_text("пароль")
    with mail_server(letters, secrets, "starttls") as port, listener([]) as (url, told):
        post(centre, secrets, mail=mail(port, "starttls"), webhook=Webhook(url=url)).step()
    assert (letters.kept, told) == ([], [])
    assert {row.attempts for row in open_rows(centre)} == {1}


def test_a_password_is_never_sent_in_the_clear():
    with pytest.raises(ValueError, match="in the clear"):
        Mail(host="localhost", sender="cami@example.ru", login="cami", security="none")
