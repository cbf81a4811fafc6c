"""The sign-in service against a real OpenID Connect provider, without Orthanc; its key changes in between."""

import time
from urllib.parse import parse_qs, urljoin, urlsplit

import jwt
import pytest
import requests
from joserfc.jwk import RSAKey

from cami.clock import SystemClock
from cami.people import Client, Reason, Refusal, Step
from cami.people.openid import Confirmed, OpenId
from cami.people.provider_line import ProviderLine
from cami.region import Provider
from tests import provider
from tests.integration.test_people import GROUPS, IdentityProvider
from tests.unit.people.conftest import clock, easy, empty_database, engine, password_hash, people  # noqa: F401

# ruff: noqa: F811 - fixtures by name
pytestmark = pytest.mark.timeout(300)
PORTAL = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def idp(tmp_path_factory):
    made = IdentityProvider(tmp_path_factory.mktemp("provider"))
    made.start(PORTAL)
    yield made
    made.stop()


@pytest.fixture
def openid(idp, easy, tmp_path):
    (tmp_path / "provider.secret").write_text(provider.SECRET)
    asked = {
        "title": "Войти", "issuer": idp.url, "client_id": provider.CLIENT, "login_claim": "sub",
        "scope": "openid profile groups",
        "roles": [{"claim": "groups", "value": group, "role": role, "mo": mo} for group, role, mo in GROUPS],
    }  # fmt: skip
    known, now = Provider.model_validate(asked), SystemClock()
    line = ProviderLine(known, now, secret=tmp_path / "provider.secret")
    return OpenId(
        easy.engine, now, known, line, accounts=easy.accounts, sessions=easy.sessions, sign_in=easy.sign_in,
        organizations=frozenset({"42001", "42002"}), trail=easy.trail,
    )  # fmt: skip


def through(openid, login, there=None, **more):
    """Sign in at the provider as a person does, and come back."""
    departure = openid.depart(f"{PORTAL}/cami/login/provider/return", "/cami/", **more)
    there = there or requests.Session()
    page = there.get(departure.address, timeout=30)
    if 'name="login"' in page.text:
        page = there.post(page.url, data={"login": login}, timeout=30)
    answer = there.post(page.url, data={"password": provider.PASSWORD}, timeout=30, allow_redirects=False)
    while not answer.headers["Location"].startswith(f"{PORTAL}/"):
        answer = there.get(urljoin(answer.url, answer.headers["Location"]), timeout=30, allow_redirects=False)
    back = parse_qs(urlsplit(answer.headers["Location"]).query)
    return openid.arrive(back["state"][0], back["code"][0], departure.browser, Client("10.0.0.7")).outcome


def test_role_and_mo_by_its_claims_also_after_its_key_has_changed(openid, idp):
    one = through(openid, "rad.oidc")
    assert (one.identity.name, one.identity.role, one.identity.mo) == ("Снимкова Ольга", "radiologist", "42001")
    assert through(openid, "both.oidc").step is Step.PLACE
    for nobody in ("cook.oidc", "root.oidc"):  # no group of ours; roles that exclude each other
        assert through(openid, nobody) == Refusal(Reason.NOT_MAPPED)
    idp.stop()
    idp.start(PORTAL)
    openid._line._keys_at = None  # unknown keys are looked for every ten seconds
    assert through(openid, "rad.oidc").identity.login == "rad.oidc"
    assert openid.farewell(f"{PORTAL}/cami/login").startswith(f"{idp.url}/oauth/end_session?")


def test_its_own_key_signs_people_out(openid, idp, easy):
    """Canaille sends no logout tokens: one is made as Back-Channel Logout 1.0 says, signed by its present key."""
    one = through(openid, "rad.oidc")
    pem = (idp.folder / "key.pem").read_text()
    key = RSAKey.import_key(pem)
    key.ensure_kid()
    now = time.time()
    claims = {
        "iss": idp.url, "aud": provider.CLIENT, "iat": now, "exp": now + 120, "jti": "1", "sub": "rad.oidc",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }  # fmt: skip
    token = jwt.encode(claims, pem, algorithm="RS256", headers={"kid": key.kid, "typ": "logout+jwt"})
    assert openid.signed_out(token) >= 1
    assert easy.sessions.identify(one.token) is None


def test_to_sign_the_provider_asks_again_whatever_session_it_has(openid, idp):
    there = requests.Session()
    assert through(openid, "rad.oidc", there).identity.login == "rad.oidc"
    confirmed = through(openid, "rad.oidc", there, again="rad.oidc")
    assert isinstance(confirmed, Confirmed)
    assert confirmed.login == "rad.oidc"
    assert through(openid, "both.oidc", requests.Session(), again="rad.oidc") == Refusal(Reason.PROVIDER)
