"""People on a real region: first passwords, second factors, blocks, an identity provider, keys that change."""

import re
import shutil
import socket
import subprocess
import sys
import time
from urllib.parse import urljoin

import pytest
import requests
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests import provider
from tests.live import ROOT, LiveRegion, cami, wait_until
from tests.registry import Registry

pytestmark = pytest.mark.timeout(400)

MO = "42001"
GATEWAY = "gateway-" + "t" * 40
GOOD = "Сосна-над-Томью-7"
GROUPS = [
    ("cami-admin", "region_admin", ""),
    ("cami-auditor", "auditor", ""),
    ("cami-radiologist-42001", "radiologist", "42001"),
    ("cami-clinician-42002", "clinician", "42002"),
]


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class IdentityProvider:
    """Canaille in a process of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self, portal):
        """Start it with a new key."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self.folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        arguments = [str(self.port), self.folder / "key.pem", f"{portal}/cami/login/provider/return"]
        self.process = subprocess.Popen([sys.executable, "-m", "tests.provider", *arguments], cwd=ROOT)
        wait_until("the provider answers", self.answers, 60)

    def answers(self):
        try:
            return requests.get(f"{self.url}/.well-known/openid-configuration", timeout=5).ok
        except requests.RequestException:
            return False

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def idp(tmp_path_factory):
    made = IdentityProvider(tmp_path_factory.mktemp("provider"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def region(tmp_path_factory, idp):
    registry = Registry(tmp_path_factory.mktemp("registry") / "region.yaml")
    registry.content["people"]["provider"] = {
        "title": "Войти через МИАС", "issuer": idp.url, "client_id": provider.CLIENT, "login_claim": "sub",
        "scope": "openid profile groups",
        "roles": [
            {"claim": "groups", "value": group, "role": role} | ({"mo": mo} if mo else {}) for group, role, mo in GROUPS
        ],
    }  # fmt: skip
    with LiveRegion(tmp_path_factory.mktemp("region"), registry.write()) as live:
        secrets = live.state / "servers" / "central" / "config" / "secrets"
        (secrets / "provider.secret").write_text(provider.SECRET)
        (secrets / "gateway.token").write_text(GATEWAY)
        idp.start(live.central)
        yield live


class Browser:
    """Somebody who fills in forms; cookies are kept."""

    def __init__(self, host, address=""):
        self.host = host
        self.session = requests.Session()
        self.session.headers.update({"Origin": host, "User-Agent": "Firefox/132.0"})
        if address:
            self.session.headers.update({"X-Real-IP": address, "X-Cami-Gateway": GATEWAY})

    def post(self, path, **form):
        return self.session.post(self.host + path, data=form, timeout=30)

    def get(self, path, **options):
        return self.session.get(self.host + path, timeout=30, **options)

    def sign_in(self, login, password):
        return self.post("/cami/login", login=login, password=password)

    def who(self):
        return self.get("/cami/whoami").json()


@pytest.fixture
def chief(region):
    """The administrator of 42001."""
    return region.session("mo_admin", MO)


def make(region, chief, login, role="clinician"):
    asked = {"login": login, "name": "Новиков Пётр", "role": role}
    answer = chief.post(f"{region.central}/cami/api/people", json=asked, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["password"]


def basic(server, login, password):
    known = (login.encode(), password.encode())  # requests would write them in Latin-1
    return requests.get(f"{server}/cami/whoami", auth=known, timeout=30).json()["login"] == login


def act(region, chief, login, **asked):
    answer = chief.post(f"{region.central}/cami/api/people/{login}", json=asked, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_new_clinician_from_first_password_to_dismissal(region, chief):
    proxy = region.proxy(MO)["url"]
    first = make(region, chief, "new.doc")
    assert not basic(region.central, "new.doc", first)
    wait_until(
        "the proxy knows the account",
        lambda: "центральном портале" in Browser(proxy).sign_in("new.doc", first).text,
        20,
    )

    browser = Browser(region.central)
    assert "Смена пароля" in browser.sign_in("new.doc", first).text
    for path in ("/cami/", "/cami/account", "/ohif/", "/dicom-web/studies", "/system", "/tools/find"):
        answer = browser.get(path, allow_redirects=False)
        assert answer.status_code in (303, 403), path
    done = browser.post("/cami/login/step", step="password", present=first, wanted=GOOD, again=GOOD)
    assert "Исследования" in done.text
    assert browser.who()["login"] == "new.doc"
    assert basic(region.central, "new.doc", GOOD)
    assert not basic(region.central, "new.doc", first)
    changed = time.monotonic()
    wait_until("the new password holds at the proxy", lambda: basic(proxy, "new.doc", GOOD), 20)
    assert time.monotonic() - changed < 15

    act(region, chief, "new.doc", act="block")
    assert browser.who()["login"] is None
    assert not basic(region.central, "new.doc", GOOD)
    blocked = time.monotonic()
    wait_until("out at the proxy", lambda: not basic(proxy, "new.doc", GOOD), 20)
    assert time.monotonic() - blocked < 15


def test_a_second_factor(region, chief):
    from tests.unit.people.test_second_factor import code_of

    class Now:
        def now(self):
            from datetime import UTC, datetime

            return datetime.now(UTC)

    browser = Browser(region.central)
    browser.sign_in("two.steps", make(region, chief, "two.steps"))
    first = act(region, chief, "two.steps", act="reset-password")["password"]
    browser.sign_in("two.steps", first)
    browser.post("/cami/login/step", step="password", present=first, wanted=GOOD, again=GOOD)
    page = browser.get("/cami/account/factor").text
    secret = re.search(r'class="secret">([A-Z2-7 ]+)<', page).group(1).replace(" ", "")
    code = code_of(secret, Now())
    assert "Резервные коды" in browser.post("/cami/account/factor", code=code).text
    assert not basic(region.central, "two.steps", GOOD)

    again = Browser(region.central)
    assert "Код из приложения" in again.sign_in("two.steps", GOOD).text
    assert again.who()["login"] is None
    assert "не подошёл" in again.post("/cami/login/step", step="code", code=code).text
    later = code_of(secret, Now(), 1)
    assert "Исследования" in again.post("/cami/login/step", step="code", code=later).text
    assert again.who()["login"] == "two.steps"

    made = re.search("cami-[0-9a-f]{40}", again.post("/cami/account", act="program", name="скрипт").text).group()
    question = requests.get(f"{region.central}/dicom-web/studies?limit=1", auth=("two.steps", made), timeout=30)
    assert question.status_code == 200
    act(region, chief, "two.steps", act="factor-off")
    assert again.who()["login"] is None
    assert basic(region.central, "two.steps", GOOD)


def test_sign_out_everywhere_and_sessions_over_a_restart(region):
    login, password = region.session("radiologist", MO).auth
    one, two = Browser(region.central, "10.7.0.1"), Browser(region.central, "10.7.0.2")
    one.sign_in(login, password)
    two.sign_in(login, password)
    page = one.get("/cami/account").text
    assert "10.7.0.1" in page
    assert "10.7.0.2" in page
    region.server("stop", "central")
    region.server("start", "central")
    assert one.who()["login"] == two.who()["login"] == login
    one.post("/cami/account", act="everywhere")
    assert one.who()["login"] is two.who()["login"] is None


def test_guessing_is_counted_by_address(region):
    login, password = region.session("radiologist", MO).auth
    for number in range(30):
        Browser(region.central, "10.6.6.6").sign_in(f"nobody{number}", "x")
    assert "С этого адреса" in Browser(region.central, "10.6.6.6").sign_in(login, password).text
    assert "С этого адреса" not in Browser(region.central, "10.6.6.7").sign_in(login, password).text


def through(region, idp, login, password=provider.PASSWORD, browser=None):
    """Sign in at the provider as a person does, and come back."""
    browser = browser or Browser(region.central)
    there = requests.Session()
    answer = browser.get("/cami/login/provider", allow_redirects=False)
    assert answer.headers["Location"].startswith(idp.url)
    page = there.get(answer.headers["Location"], timeout=30)
    page = there.post(page.url, data={"login": login}, timeout=30)
    answer = there.post(page.url, data={"password": password}, timeout=30, allow_redirects=False)
    while not answer.headers["Location"].startswith(region.central):
        answer = there.get(urljoin(answer.url, answer.headers["Location"]), timeout=30, allow_redirects=False)
    back = answer.headers["Location"].removeprefix(region.central)
    return browser, back, browser.get(back)


class TestProvider:
    def test_somebody_comes_in_with_role_and_mo(self, region, idp):
        browser, back, page = through(region, idp, "rad.oidc")
        assert "Исследования" in page.text
        assert browser.who() == {"login": "rad.oidc", "name": "Снимкова Ольга", "role": "radiologist", "mo": MO}
        assert browser.get("/dicom-web/studies?limit=1").status_code == 200
        # What brought them in is good once, and in their browser only.
        assert "не удалось" in browser.get(back).text or browser.who()["login"]
        assert "не удалось" in Browser(region.central).get(back).text
        assert "Пароли для программ" not in browser.get("/cami/account").text

    def test_somebody_of_two_mo_chooses(self, region, idp):
        browser, _, page = through(region, idp, "both.oidc")
        assert "Где вы сейчас работаете" in page.text
        assert browser.who()["login"] is None
        browser.post("/cami/login/step", step="place", mo="42002")
        assert (browser.who()["role"], browser.who()["mo"]) == ("clinician", "42002")

    @pytest.mark.parametrize("login", ["cook.oidc", "root.oidc", "rad.42001"])
    def test_who_is_nobody_here_stays_outside(self, region, idp, login):
        # No group of ours; roles that exclude each other; a login that is somebody else's here.
        browser, _, page = through(region, idp, login)
        assert "доступа к архиву снимков у вас нет" in page.text
        assert browser.who()["login"] is None

    def test_a_block_holds_against_the_provider_too(self, region, idp, chief):
        browser, *_ = through(region, idp, "rad.oidc")
        act(region, chief, "rad.oidc", act="block")
        assert browser.who()["login"] is None
        _, _, page = through(region, idp, "rad.oidc")
        assert "отключена" in page.text
        act(region, chief, "rad.oidc", act="unblock")

    def test_signing_out_leads_to_the_provider(self, region, idp):
        browser, *_ = through(region, idp, "rad.oidc")
        assert "Выйти и там" in browser.post("/cami/logout").text
        assert browser.who()["login"] is None
        answer = browser.get("/cami/login/provider/out", allow_redirects=False)
        assert answer.headers["Location"].startswith(f"{idp.url}/oauth/end_session?")

    def test_the_provider_changes_its_key(self, region, idp):
        through(region, idp, "rad.oidc")
        idp.stop()
        idp.start(region.central)
        time.sleep(10)  # unknown keys are looked for every ten seconds
        browser, *_ = through(region, idp, "rad.oidc")
        assert browser.who()["login"] == "rad.oidc"

    def test_a_provider_that_is_away_is_no_way_in(self, region, idp):
        idp.stop()
        answer = Browser(region.central).get("/cami/login/provider/return?state=x&code=y")
        assert "не удалось" in answer.text
        idp.start(region.central)

    def test_another_browser_cannot_be_signed_in_by_a_link(self, region, idp):
        # The last one: a code that nobody takes confuses the provider that keeps its codes in memory.
        victim = Browser(region.central)
        mallory = Browser(region.central)
        answer = mallory.get("/cami/login/provider", allow_redirects=False)
        there = requests.Session()
        page = there.get(answer.headers["Location"], timeout=30)
        page = there.post(page.url, data={"login": "rad.oidc"}, timeout=30)
        answer = there.post(page.url, data={"password": provider.PASSWORD}, timeout=30, allow_redirects=False)
        answer = there.get(urljoin(answer.url, answer.headers["Location"]), timeout=30, allow_redirects=False)
        victim.get(answer.headers["Location"].removeprefix(region.central))
        assert victim.who()["login"] is None


def test_a_proxys_key_changes_while_it_delivers(region, phantoms, tmp_path):
    state = region.state
    before = cami("key", "list", "--state", state).stdout
    files = sorted((phantoms / MO).rglob("*.dcm"))[:12]
    (tmp_path / "first").mkdir()
    for number, file in enumerate(files):
        shutil.copy(file, tmp_path / "first" / f"{number}.dcm")
    region.send(tmp_path / "first", MO)
    said = cami("key", "rotate", MO, "--state", state).stdout
    assert "signs with" in said
    refused = cami("key", "rotate", MO, "--state", state, check=False)
    assert "two keys already" in refused.stdout + refused.stderr
    region.settle(MO, len(files))
    cami("key", "retire", MO, "--state", state)
    after = cami("key", "list", "--state", state).stdout
    assert before != after
    assert after.count(",") == 0
    log = (state / "servers" / f"proxy-{MO}" / "server.log").read_text()
    assert "not in the registry" not in log


def test_the_secret_of_the_mis_changes_without_a_gap(region):
    old = region.about["mis"]["client_secret"]
    said = cami("key", "rotate", "mis", "--state", region.state).stdout
    new = re.search(r"mis: (\S+)", said).group(1)
    assert basic(region.central, "mis", old)
    assert basic(region.central, "mis", new)
    cami("key", "retire", "mis", "--state", region.state)
    assert basic(region.central, "mis", new)
    wait_until("the old one ends", lambda: not basic(region.central, "mis", old), 65)


def test_who_may_manage_whom(region, chief):
    central = region.central
    doctor, auditor = region.session("radiologist", MO), region.session("auditor")
    assert doctor.get(f"{central}/cami/api/people", timeout=30).status_code == 403
    assert requests.get(f"{central}/cami/api/people", timeout=30).status_code in (401, 403)
    mine = {each["login"] for each in chief.get(f"{central}/cami/api/people", timeout=30).json()["people"]}
    assert "rad.42001" in mine
    assert not any(login.endswith("42002") for login in mine)
    assert chief.get(f"{central}/cami/api/people/rad.42002", timeout=30).status_code == 404
    root = region.session("region_admin")
    asked = {"act": "reset-password"}
    assert root.post(f"{central}/cami/api/people/auditor", json=asked, timeout=30).status_code == 403
    asked = {"act": "role", "role": "auditor"}
    assert root.post(f"{central}/cami/api/people/operator", json=asked, timeout=30).status_code == 400
    assert [each["login"] for each in auditor.get(f"{central}/cami/api/people", timeout=30).json()["people"]] == [
        "auditor"
    ]
    assert yaml.safe_load(chief.get(f"{central}/cami/api/sessions", timeout=30).text) == {"sessions": []}
