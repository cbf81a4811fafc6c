"""A real nginx, with the configuration of production, before a real region: TLS, limits, headers, certificates."""

import contextlib
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
import time
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from cami_cli.gateway import Gateway, ensure_token, write_configuration
from cami_cli.ports import choose_free
from cami_cli.runtime.host_tools import find_tool, require_tools, tool_environment
from tests.live import LiveRegion, wait_until
from tests.registry import Registry


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def certificate(folder, name, *, authority=None, extension="subjectAltName=DNS:localhost"):
    """Make a key and a certificate; an authority of its own without one."""
    key, pem, request = folder / f"{name}.key", folder / f"{name}.pem", folder / f"{name}.csr"
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key]
    if authority is None:
        openssl("req", "-x509", *new, "-out", pem, "-days", "2")
        return pem, key
    openssl("req", *new, "-out", request)
    (folder / "extension").write_text(extension)
    issuer = ["-CA", authority[0], "-CAkey", authority[1], "-CAcreateserial"]
    openssl("x509", "-req", "-in", request, *issuer, "-days", "2", "-extfile", folder / "extension", "-out", pem)
    return pem, key


class From(HTTPAdapter):
    """Sends from an address of this machine's loopback."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *arguments, **more):
        super().init_poolmanager(*arguments, source_address=(self.address, 0), **more)


class Front:
    """nginx, running."""

    def __init__(self, region, folder):
        self.region, self.folder = region, folder
        self.authority = certificate(folder, "authority")
        self.client = certificate(folder, "proxy-42001", authority=self.authority)
        server = certificate(folder, "localhost", authority=self.authority)
        self.tls, self.plain = choose_free(2)
        self.secrets = region.state / "servers" / "central" / "config" / "secrets"
        state = folder / "state"
        state.mkdir()
        gateway = Gateway(
            "localhost",
            *server,
            region.central.removeprefix("http://"),
            ensure_token(self.secrets),
            state,
            f"127.0.0.1:{self.tls}",
            f"127.0.0.1:{self.plain}",
            self.authority[0],
            access_log=str(folder / "access.log"),
            error_log=str(folder / "error.log"),
        )
        write_configuration(gateway, folder / "nginx.conf")
        self.url = f"https://localhost:{self.tls}"

    def __enter__(self):
        require_tools(["nginx"])
        command = [find_tool("nginx"), "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder), "-e", "stderr"]
        if os.geteuid() == 0:  # else its workers would be nobody, who may not enter this folder
            command += ["-g", "user root;"]
        self.process = subprocess.Popen(command, env=tool_environment(), stderr=subprocess.PIPE)
        wait_until("nginx listens", self._listens, 15)
        return self

    def _listens(self):
        assert self.process.poll() is None, self.process.stderr.read()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.tls), 1):
            return True
        return False

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(15)
        self.process.stderr.close()

    def session(self, address="127.0.0.1", *, certified=False, like=None):
        made = requests.Session()
        made.mount("https://", From(address))
        made.mount("http://", From(address))
        made.trust_env = False  # the environment may name another store of authorities
        made.verify = str(self.authority[0])
        if certified:
            made.cert = tuple(map(str, self.client))
        if like is not None:
            made.auth = like.auth
        return made


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    folder = tmp_path_factory.mktemp("region")
    with LiveRegion(folder / "state", Registry(folder / "region.yaml").write()) as live:
        yield live


@pytest.fixture(scope="module")
def front(region, tmp_path_factory):
    with Front(region, tmp_path_factory.mktemp("front")) as running:
        yield running


@pytest.fixture(scope="module")
def doctor(region):
    return region.session("radiologist", "42001")


def test_https_and_http_2_with_what_browsers_hold_safe(front, doctor):
    context = ssl.create_default_context(cafile=front.authority[0])
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", front.tls), 5) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        assert (tls.selected_alpn_protocol(), tls.version()) == ("h2", "TLSv1.3")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", front.tls), 5) as raw, pytest.raises(ssl.SSLError):
        old.wrap_socket(raw)
    plain = requests.get(f"http://localhost:{front.plain}/cami/?x=1", allow_redirects=False, timeout=10)
    assert (plain.status_code, plain.headers["Location"]) == (308, f"{front.url}/cami/?x=1")


def test_the_cores_own_answers_get_headers_too(front, doctor):
    person = front.session(like=doctor)
    for path in ("/system", "/dicom-web/studies", "/studies"):
        answer = person.get(front.url + path, timeout=30)
        assert answer.status_code == 200, (path, answer.status_code)
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "no-store" in answer.headers["Cache-Control"]
        assert "Server" not in answer.headers or "/" not in answer.headers["Server"]
    page = person.get(front.url + "/cami/login", timeout=30)
    assert page.headers["Content-Security-Policy"].count("default-src") == 1
    assert "style-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert person.get(front.url + "/app/explorer.html", timeout=30).headers["Content-Security-Policy"]
    for method in ("TRACE", "PROPFIND", "OPTIONS", "PATCH"):
        assert person.request(method, front.url + "/system", timeout=10).status_code == 405


def last_source(region, login):
    database = region.state / "servers" / "central" / "data" / "cami.sqlite"
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        row = connection.execute(
            "SELECT source FROM audit_record WHERE server = 'central' AND actor = ? ORDER BY seq DESC LIMIT 1", (login,)
        ).fetchone()
    return row[0] if row else None


def test_the_journal_has_the_clients_own_address(front, region, doctor):
    lies = {"X-Real-IP": "10.9.9.9", "X-Forwarded-For": "10.9.9.9", "X-Cami-Source": "10.9.9.9", "X-Cami-Gateway": "x"}
    nothing = "/studies/0123abcd-0123abcd-0123abcd-0123abcd-0123abc"
    assert front.session("127.0.0.9", like=doctor).get(front.url + nothing + "1", headers=lies).status_code == 403
    assert last_source(region, doctor.auth[0]) == "127.0.0.9"
    direct = front.session(like=doctor)
    assert direct.get(region.central + nothing + "2", headers=lies).status_code == 403
    assert last_source(region, doctor.auth[0]) == "127.0.0.1"


def test_bodies_have_limits(front, doctor):
    person = front.session(like=doctor)
    assert person.post(front.url + "/tools/find", data=b"x" * (33 << 20), timeout=60).status_code == 413
    assert person.post(front.url + "/cami/login", data=b"x" * (17 << 10), timeout=60).status_code == 413
    # What nginx lets through the plugin refuses by its own table.
    assert person.post(front.url + "/tools/find", data=b"x" * (1 << 20), timeout=60).status_code == 403
    chunked = person.post(front.url + "/tools/find", data=iter([b'{"Level":"Study",', b'"Query":{}}']), timeout=60)
    assert (chunked.status_code, chunked.json()) == (200, [])  # nginx tells its length


def test_sign_in_is_limited_by_address(front, region):
    person = front.session("127.0.0.20")
    form = {"login": "nobody", "password": ""}
    statuses = [
        person.post(front.url + "/cami/login", data=form, headers={"Origin": front.url}, timeout=30).status_code
        for _ in range(160)
    ]
    assert statuses[:100] == [200] * 100
    assert statuses.count(429) > 10
    again = person.post(front.url + "/cami/login", data=form, timeout=30)
    assert (again.status_code, "Подождите" in again.text, again.headers["Retry-After"]) == (429, True, "10")
    other = front.session("127.0.0.21")
    assert (
        other.post(front.url + "/cami/login", data=form, headers={"Origin": front.url}, timeout=30).status_code == 200
    )


def test_no_path_and_no_argument_is_in_the_gateways_logs(front, doctor):
    front.session(like=doctor).get(front.url + "/dicom-web/studies?PatientName=SECRETNAME*", timeout=30)
    text = "".join((front.folder / name).read_text() for name in ("access.log", "error.log"))
    assert "GET 200" in text
    assert "SECRETNAME" not in text
    assert "dicom-web" not in text


def test_a_proxy_is_bound_to_its_certificate(front, region):
    """Last: the centre is started anew."""
    keys = region.state / "servers" / "central" / "config" / "keys"
    region.server("stop", "central")
    shutil.copy(front.client[0], keys / "42001.crt")
    region.server("start", "central")

    from cami.clock import SystemClock
    from cami.delivery import TokenIssuer

    issuer = TokenIssuer("42001", region.state / "servers/proxy-42001/config/secrets/link.key", SystemClock())

    def ping(session, url, **more):
        return session.get(url + "/cami/wire/v1/ping", headers={"X-Cami-Token": issuer.issue(), **more}, timeout=30)

    pem = Path(front.client[0]).read_text().replace("\n", "%0A").replace(" ", "%20")
    forged = {"X-Client-Cert": pem, "X-Client-Cert-Verify": "SUCCESS"}
    assert ping(front.session(certified=True), front.url).json() == {"mo": "42001"}
    assert ping(front.session(), front.url).status_code == 401
    assert ping(front.session(), front.url, **forged).status_code == 401
    assert ping(front.session(), region.central, **forged).status_code == 401
    secret = {"X-Cami-Gateway": ensure_token(front.secrets)}
    assert (
        ping(front.session(), region.central, **forged, **secret).status_code == 200
    )  # who has the token is the gateway


def test_when_the_archive_is_away_people_are_told(front, region):
    region.server("stop", "central")
    try:
        answer = front.session().get(front.url + "/cami/", timeout=30)
        assert (answer.status_code, "не отвечает" in answer.text) == (503, True)
        assert answer.headers["Strict-Transport-Security"]
    finally:
        region.server("start", "central")
    began = time.monotonic()
    wait_until("it answers again", lambda: front.session().get(front.url + "/cami/health", timeout=30).ok, 30)
    assert time.monotonic() - began < 30
