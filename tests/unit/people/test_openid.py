"""An identity provider that lies, is away, changes its keys: what is believed, and what is made of it."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from sqlalchemy import select, update

from cami.db.tables import account, provider_visit
from cami.errors import Denied
from cami.people import Client, Place, Reason, Refusal, Role, SignedIn, Step
from cami.people.claims import read_claims
from cami.people.openid import Confirmed, OpenId
from cami.people.provider_line import ProviderLine
from cami.region import Provider

HERE = Client("10.0.0.7")
BACK = "https://cami.example/cami/login/provider/return"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public(key, kid):
    return json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "alg": "RS256", "use": "sig"}


class Liar(BaseHTTPRequestHandler):
    """Answers what the test has written into `server.says`."""

    def do_GET(self):
        self.answer()

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        form = parse_qs(self.rfile.read(length).decode())
        self.server.asked.append({name: values[0] for name, values in form.items()})
        self.answer()

    def answer(self):
        says = self.server.says[self.path]
        status, body = says if isinstance(says, tuple) else (200, says)
        if callable(body):
            body = body()
        content = json.dumps(body).encode() if not isinstance(body, bytes) else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def liar():
    server = HTTPServer(("127.0.0.1", 0), Liar)
    server.asked = []
    url = f"http://127.0.0.1:{server.server_port}"
    server.url = url
    server.says = {
        "/.well-known/openid-configuration": {
            "issuer": url, "authorization_endpoint": f"{url}/go", "token_endpoint": f"{url}/token",
            "jwks_uri": f"{url}/keys", "userinfo_endpoint": f"{url}/me", "end_session_endpoint": f"{url}/out",
        },
        "/keys": {"keys": [public(RSA, "one"), {"kty": "oct", "kid": "hmac", "k": "c2VjcmV0"}, {"kty": "new"}]},
    }  # fmt: skip
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def provider_of(url, **more):
    return Provider.model_validate(
        {
            "title": "Войти", "issuer": url, "client_id": "cami",
            "roles": [
                {"claim": "groups", "value": "rad-42001", "role": "radiologist", "mo": "42001"},
                {"claim": "groups", "value": "doc", "role": "clinician", "mo_claim": "org.mo"},
                {"claim": "groups", "value": "aud", "role": "auditor"},
                {"claim": "groups", "value": "op", "role": "operator"},
            ],
        } | more
    )  # fmt: skip


@pytest.fixture
def openid(liar, easy, clock):
    clock.time = clock.time.fromtimestamp(time.time(), clock.time.tzinfo)
    provider = provider_of(liar.url)
    return OpenId(
        easy.engine, clock, provider, ProviderLine(provider, clock), accounts=easy.accounts, sessions=easy.sessions,
        sign_in=easy.sign_in, organizations=frozenset({"42001", "42002"}), trail=easy.trail,
    )  # fmt: skip


def depart(openid):
    departure = openid.depart(BACK, "/cami/account")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(departure.address).query).items()}
    return departure, asked


def claims_of(liar, clock, asked, **changed):
    now = clock.now().timestamp()
    claims = {
        "iss": liar.url, "sub": "S-1", "aud": "cami", "iat": now, "exp": now + 300, "nonce": asked["nonce"],
        "preferred_username": "New.Rad", "name": "Новая  Врач", "groups": ["rad-42001"],
    }  # fmt: skip
    return {name: value for name, value in (claims | changed).items() if value is not None}


def arrive(liar, openid, clock, *, key=RSA, kid="one", algorithm="RS256", state=None, browser=None, **changed):
    departure, asked = depart(openid)
    token = jwt.encode(claims_of(liar, clock, asked, **changed), key, algorithm=algorithm, headers={"kid": kid})
    liar.says["/token"] = {"id_token": token, "access_token": "x", "token_type": "Bearer"}
    return openid.arrive(state or asked["state"], "code", browser or departure.browser, HERE)


def test_somebody_comes_in(liar, openid, easy, clock):
    arrival = arrive(liar, openid, clock)
    assert isinstance(arrival.outcome, SignedIn)
    assert arrival.next == "/cami/account"
    who = easy.sessions.identify(arrival.outcome.token)
    assert (who.login, who.name, who.role, who.mo) == ("new.rad", "Новая Врач", Role.RADIOLOGIST, "42001")
    assert easy.accounts.verify("new.rad", "!") is None
    assert "new.rad" not in {each.login for each in easy.accounts.directory("42001").accounts}
    (sent,) = liar.asked
    assert (sent["code"], sent["redirect_uri"], len(sent["code_verifier"]) > 42) == ("code", BACK, True)


def test_what_is_asked_of_the_provider(liar, openid, easy):
    departure, asked = depart(openid)
    assert departure.address.startswith(f"{liar.url}/go?")
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    with easy.engine.connect() as connection:
        row = connection.execute(select(provider_visit)).one()
    assert asked["state"] not in str(row)
    assert departure.browser not in str(row)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": ["cami", "another"], "azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1_700_000_000},
        {"iat": 4_000_000_000},
        {"sub": ""},
        {"exp": None},
        {"key": OTHER},
        {"key": "secret-secret-secret-secret-secret-secret", "algorithm": "HS256", "kid": "hmac"},
        {"key": "x" * 64, "algorithm": "HS256"},
        {"key": ed25519.Ed25519PrivateKey.generate(), "algorithm": "EdDSA"},
        {"key": None, "algorithm": "none"},
        {"kid": "unknown"},
        {"state": "another"},
        {"browser": "another"},
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_not_believed(liar, openid, easy, clock, changed):
    assert arrive(liar, openid, clock, **changed).outcome == Refusal(Reason.PROVIDER)
    assert easy.accounts.row("new.rad") is None


def test_clocks_may_differ_by_a_minute(liar, openid, clock):
    now = clock.now().timestamp()
    assert isinstance(arrive(liar, openid, clock, iat=now + 50, exp=now + 100).outcome, SignedIn)
    assert isinstance(arrive(liar, openid, clock, iat=now - 300, exp=now - 50).outcome, SignedIn)


def test_an_answer_is_good_once_and_for_ten_minutes(liar, openid, clock):
    departure, asked = depart(openid)
    token = jwt.encode(claims_of(liar, clock, asked), RSA, algorithm="RS256", headers={"kid": "one"})
    liar.says["/token"] = {"id_token": token}
    assert isinstance(openid.arrive(asked["state"], "code", departure.browser, HERE).outcome, SignedIn)
    assert openid.arrive(asked["state"], "code", departure.browser, HERE).outcome == Refusal(Reason.PROVIDER)
    departure, asked = depart(openid)
    clock.pass_(minutes=10)
    assert openid.arrive(asked["state"], "code", departure.browser, HERE).outcome == Refusal(Reason.PROVIDER)


def test_a_new_key_is_fetched_and_not_at_every_forgery(liar, openid, clock):
    assert isinstance(arrive(liar, openid, clock).outcome, SignedIn)
    fetched = []

    def keys():
        fetched.append(1)
        return {"keys": [public(OTHER, "two")]}

    liar.says["/keys"] = keys
    clock.pass_(seconds=10)
    assert isinstance(arrive(liar, openid, clock, key=OTHER, kid="two").outcome, SignedIn)
    for _ in range(5):
        assert arrive(liar, openid, clock, kid="three").outcome == Refusal(Reason.PROVIDER)
    assert len(fetched) == 1


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/token", (400, {"error": "invalid_grant"})),
        ("/token", (500, {})),
        ("/token", (302, {})),
        ("/token", (200, b"no json")),
        ("/token", (200, [])),
        ("/token", (200, {"access_token": "x"})),
        ("/token", (200, {"id_token": "x.y.z"})),
        ("/token", (200, b"x" * 1_000_001)),
        ("/keys", (500, {})),
    ],
)
def test_a_broken_provider_lets_nobody_in(liar, openid, clock, path, answer):
    departure, asked = depart(openid)
    token = jwt.encode(claims_of(liar, clock, asked), RSA, algorithm="RS256", headers={"kid": "one"})
    liar.says["/token"] = {"id_token": token}
    liar.says[path] = answer
    assert openid.arrive(asked["state"], "code", departure.browser, HERE).outcome == Refusal(Reason.PROVIDER)


def test_a_provider_that_says_it_is_another_is_not_gone_to(liar, openid):
    from cami.errors import Denied

    liar.says["/.well-known/openid-configuration"]["issuer"] = "https://evil.example"
    with pytest.raises(Denied):
        openid.depart(BACK, "/cami/")


def test_userinfo_must_speak_of_the_same(liar, easy, clock):
    clock.time = clock.time.fromtimestamp(time.time(), clock.time.tzinfo)
    provider = provider_of(liar.url, userinfo=True)
    line = ProviderLine(provider, clock)
    from cami.errors import Denied

    token = jwt.encode(claims_of(liar, clock, {"nonce": "n"}), RSA, algorithm="RS256", headers={"kid": "one"})
    liar.says["/token"] = {"id_token": token, "access_token": "x"}
    liar.says["/me"] = {"sub": "S-1", "department": "R", "groups": ["evil"]}
    claims = line.claims("code", "verifier", "n", BACK)
    assert (claims["department"], claims["groups"]) == ("R", ["rad-42001"])
    liar.says["/me"] = {"sub": "S-2"}
    with pytest.raises(Denied):
        line.claims("code", "verifier", "n", BACK)


def test_a_login_that_is_somebody_elses_is_not_taken_over(liar, openid, easy, clock):
    before = easy.accounts.row("rad1")
    assert arrive(liar, openid, clock, preferred_username="rad1").outcome == Refusal(Reason.NOT_MAPPED)
    assert easy.accounts.row("rad1") == before
    assert isinstance(arrive(liar, openid, clock).outcome, SignedIn)
    assert arrive(liar, openid, clock, sub="S-2").outcome == Refusal(Reason.NOT_MAPPED)


def test_role_and_mo_follow_the_provider(liar, openid, easy, clock):
    token = arrive(liar, openid, clock).outcome.token
    both = arrive(liar, openid, clock, groups=["rad-42001", "doc"], org={"mo": "42002"}).outcome
    assert both.step is Step.PLACE
    assert easy.sessions.identify(token) is None
    assert easy.accounts.places("new.rad") == [Place("42001", Role.RADIOLOGIST), Place("42002", Role.CLINICIAN)]
    assert arrive(liar, openid, clock, groups=["doc"], org={"mo": "42002"}).outcome.identity.mo == "42002"
    assert arrive(liar, openid, clock, groups=[]).outcome == Refusal(Reason.NOT_MAPPED)


def test_a_blocked_account_stays_out(liar, openid, easy, clock):
    arrive(liar, openid, clock)
    with easy.engine.begin() as connection:
        connection.execute(update(account).where(account.c.login == "new.rad").values(disabled=True))
    assert arrive(liar, openid, clock).outcome == Refusal(Reason.DISABLED)


def test_no_password_and_no_second_factor_is_asked_of_who_comes_through_a_provider(liar, openid, easy, clock):
    token = arrive(liar, openid, clock).outcome.token
    from cami.errors import Denied

    with pytest.raises(Denied):
        easy.sign_in.change_password(token, "!", "Сосна-над-Томью-7", HERE)
    with pytest.raises(Denied):
        easy.sign_in.enrolment(token)
    with pytest.raises(Denied):
        easy.administration.reset_password(easy.who("root"), "new.rad")


@pytest.mark.parametrize(
    ("claims", "places"),
    [
        ({"groups": "rad-42001"}, [("42001", "radiologist")]),
        ({"groups": ["rad-42001", "x"]}, [("42001", "radiologist")]),
        ({"groups": ["doc"], "org": {"mo": ["42001", "42002"]}}, [("42001", "clinician"), ("42002", "clinician")]),
        ({"groups": ["doc"], "org.mo": "42002"}, [("42002", "clinician")]),
        ({"groups": ["rad-42001", "doc"], "org": {"mo": "42001"}}, [("42001", "radiologist")]),  # the first that fits
        ({"groups": ["op"]}, [("", "operator")]),
        ({"groups": ["doc"], "org": {"mo": "99999"}}, None),
        ({"groups": ["doc"]}, None),
        ({"groups": ["aud", "rad-42001"]}, None),  # they exclude each other
        ({"groups": ["aud", "op"]}, None),
        ({"groups": {"rad-42001": True}}, None),
        ({"groups": True}, None),
        ({}, None),
    ],
)
def test_claims(claims, places):
    known = read_claims(
        provider_of("https://idp.example"),
        {"sub": "1", "preferred_username": "x"} | claims,
        frozenset({"42001", "42002"}),
    )
    assert (known and [(each.mo, each.role) for each in known.places]) == places


@pytest.mark.parametrize("login", ["", "Ж", "a b", None, ["x"], "x" * 65])
def test_a_claim_that_is_no_login_is_nobody(login):
    claims = {"sub": "1", "preferred_username": login, "groups": ["op"]}
    assert read_claims(provider_of("https://idp.example"), claims, frozenset()) is None


def logout_token(liar, clock, *, key=RSA, kid="one", algorithm="RS256", **changed):
    now = clock.now().timestamp()
    claims = {
        "iss": liar.url, "aud": "cami", "iat": now, "exp": now + 120, "jti": "J-1", "sub": "S-1",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    } | changed  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid, "typ": "logout+jwt"})


def test_who_signs_out_at_the_provider_is_signed_out_here(liar, openid, easy, clock):
    one, two = (arrive(liar, openid, clock).outcome.token for _ in range(2))
    other = arrive(liar, openid, clock, sub="S-2", preferred_username="other").outcome.token
    assert openid.signed_out(logout_token(liar, clock)) == 2
    assert [easy.sessions.identify(token) for token in (one, two)] == [None, None]
    assert easy.sessions.identify(other) is not None
    assert openid.signed_out(logout_token(liar, clock)) == 0
    assert openid.signed_out(logout_token(liar, clock, sub="S-9")) == 0


@pytest.mark.parametrize("sub", ["S-1", None])
def test_one_session_at_the_provider_ends_those_that_began_with_it(liar, openid, easy, clock, sub):
    one = arrive(liar, openid, clock, sid="A").outcome.token
    two = arrive(liar, openid, clock, sid="B").outcome.token
    assert openid.signed_out(logout_token(liar, clock, sub=sub, sid="A")) == 1
    assert easy.sessions.identify(one) is None
    assert easy.sessions.identify(two) is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"}, {"aud": "other"}, {"exp": 1}, {"iat": None}, {"jti": None}, {"nonce": "x"},
        {"events": None}, {"events": {}}, {"events": "http://schemas.openid.net/event/backchannel-logout"},
        {"sub": None}, {"key": OTHER}, {"key": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI=", "algorithm": "HS256"},
        {"kid": "nobody"},
    ],
)  # fmt: skip
def test_what_is_no_word_of_the_provider_signs_nobody_out(liar, openid, easy, clock, changed):
    token = arrive(liar, openid, clock).outcome.token
    with pytest.raises(Denied):
        openid.signed_out(logout_token(liar, clock, **changed))
    for other in ("", "a.b.c", liar.says["/token"]["id_token"]):  # an ID token is no logout token
        with pytest.raises(Denied):
            openid.signed_out(other)
    assert easy.sessions.identify(token) is not None


def confirm(liar, openid, clock, login="new.rad", **changed):
    """Have the provider ask somebody once more, to sign."""
    departure = openid.depart(BACK, "/cami/consultations/7", again=login)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(departure.address).query).items()}
    assert (asked["prompt"], asked["max_age"]) == ("login", "60")
    given = {"auth_time": clock.now().timestamp()} | changed
    token = jwt.encode(claims_of(liar, clock, asked, **given), RSA, algorithm="RS256", headers={"kid": "one"})
    liar.says["/token"] = {"id_token": token, "access_token": "x", "token_type": "Bearer"}
    return departure, openid.arrive(asked["state"], "code", departure.browser, HERE)


def test_who_signs_is_asked_once_more(liar, openid, easy, clock):
    arrive(liar, openid, clock)
    departure, arrival = confirm(liar, openid, clock)
    assert arrival.outcome == Confirmed("new.rad", departure.visit)
    assert arrival.next == "/cami/consultations/7"
    assert openid.vouches_for("new.rad")
    again = openid.arrive(departure.visit, "code", departure.browser, HERE)
    assert again.outcome == Refusal(Reason.PROVIDER)  # good once


@pytest.mark.parametrize(
    "changed",
    [
        {"auth_time": None},  # a provider that does not say when it has asked
        {"auth_time": 1_700_000_000},  # its old session was enough for it
        {"auth_time": "now"},
        {"preferred_username": "Other.Rad", "sub": "S-2"},  # somebody else sat down there
        {"sub": "S-2"},
        {"groups": ["kitchen"]},
    ],
)
def test_nobody_else_and_no_old_sign_in_signs(liar, openid, clock, changed):
    arrive(liar, openid, clock)
    _departure, arrival = confirm(liar, openid, clock, **changed)
    assert isinstance(arrival.outcome, Refusal)


def test_an_account_with_a_password_here_is_not_the_providers(openid, easy):
    login = next(iter(easy.accounts.directory("42001").accounts)).login
    assert not openid.vouches_for(login)
