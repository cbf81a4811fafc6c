"""The calls to an OpenID Connect provider: discovery, keys, tokens, and the check of what it says of somebody.

OpenID Connect Core 1.0 §3.1.3.7, Discovery 1.0 and Back-Channel Logout 1.0. Only asymmetric signatures: the client's
secret must not be able to make somebody up.
"""

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import requests

from cami.clock import Clock
from cami.errors import Denied, Transient
from cami.region import Provider

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
#: Clocks differ; so much is forgiven.
_LEEWAY = 60.0
#: What the provider says of itself is asked for again after so long.
_METADATA_FOR = timedelta(hours=1)
#: An unknown key is looked for at most this often: not at every forged token.
_KEYS_PAUSE = timedelta(seconds=10)
_TIMEOUT = (5, 10)
_LARGEST = 1_000_000


#: The event of a logout token (Back-Channel Logout 1.0 §2.4).
_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True, slots=True)
class Departed:
    """Somebody who has signed out at the provider: a subject, one of the subject's sessions there, or both."""

    subject: str
    session: str


class ProviderLine:
    """Speaks with one provider. Thread-safe."""

    def __init__(
        self, provider: Provider, clock: Clock, *, secret: Path | None = None, authorities: Path | None = None
    ) -> None:
        """Make it.

        Parameters
        ----------
        secret
            File of the client's secret, read each time; a client without one proves itself by PKCE alone.
        authorities
            Those whose certificates the provider shows (PEM), instead of the usual ones.
        """
        self._provider = provider
        self._clock = clock
        self._secret = secret
        self._verify: str | bool = str(authorities) if authorities is not None and authorities.exists() else True
        self._lock = threading.Lock()
        self._metadata: Mapping[str, Any] = {}
        self._metadata_at: datetime | None = None
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._keys_at: datetime | None = None

    def endpoint(self, name: str) -> str:
        """Return an address of the provider, or nothing if it has none of that kind.

        Raises
        ------
        cami.errors.Transient
            The provider cannot be reached.
        cami.errors.Denied
            It says that it is another one.
        """
        value = self._discovered().get(name, "")
        return value if isinstance(value, str) else ""

    def claims(self, code: str, verifier: str, nonce: str, return_to: str) -> Mapping[str, Any]:
        """Exchange a code for what the provider says of somebody.

        Raises
        ------
        cami.errors.Denied
            The code is not good, or what came back cannot be believed.
        cami.errors.Transient
            The provider cannot be reached.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": return_to,
            "code_verifier": verifier,
            "client_id": self._provider.client_id,
        }
        secret = self._client_secret()
        known = (self._provider.client_id, secret) if secret else None
        answer = self._ask("POST", self.endpoint("token_endpoint"), data=form, auth=known)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Denied("the provider has sent no ID token")
        claims = self._verified(token, nonce)
        if self._provider.userinfo:
            claims = {**self._userinfo(answer, claims), **claims}
        return claims

    def _client_secret(self) -> str:
        try:
            return self._secret.read_text("utf-8").strip() if self._secret else ""
        except FileNotFoundError:
            return ""

    def _userinfo(self, answer: Mapping[str, Any], claims: Mapping[str, Any]) -> Mapping[str, Any]:
        bearer = {"Authorization": f"Bearer {answer.get('access_token', '')}"}
        told = self._ask("GET", self.endpoint("userinfo_endpoint"), headers=bearer)
        if told.get("sub") != claims["sub"]:  # Core 1.0 §5.3.2: else it may be somebody else's
            raise Denied("the userinfo endpoint speaks of somebody else")
        return told

    def logout(self, token: str) -> Departed:
        """Return who the provider says has signed out there (Back-Channel Logout 1.0 §2.6).

        Raises
        ------
        cami.errors.Denied
            It is no logout token of this provider for us.
        cami.errors.Transient
            Its keys cannot be fetched.
        """
        claims = self._signed(token, ["iss", "aud", "exp", "iat", "jti", "events"])
        events = claims["events"]
        if not isinstance(events, dict) or not isinstance(events.get(_LOGOUT), dict) or "nonce" in claims:
            raise Denied("the token is no logout token")
        departed = Departed(str(claims.get("sub") or ""), str(claims.get("sid") or ""))
        if not (departed.subject or departed.session):
            raise Denied("the logout token says of nobody")
        return departed

    def _verified(self, token: str, nonce: str) -> Mapping[str, Any]:
        claims = self._signed(token, ["iss", "sub", "aud", "exp", "iat"])
        if not claims["sub"]:
            raise Denied("the ID token says of nobody")
        if claims.get("azp", self._provider.client_id) != self._provider.client_id:
            raise Denied("the ID token is for another client")
        if not nonce or claims.get("nonce") != nonce:
            raise Denied("the ID token is not the answer to this sign-in")
        return claims

    def _signed(self, token: str, required: Sequence[str]) -> Mapping[str, Any]:
        """Return what the provider has signed for us, and means now."""
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(str(header.get("kid", "")))
            algorithm = header.get("alg")
            if algorithm not in _ALGORITHMS:  # none, or one in which the client's own secret signs
                raise Denied("the token is signed in a way that proves nothing")
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self._provider.client_id,
                options={
                    "require": list(required), "verify_exp": False, "verify_iat": False, "verify_nbf": False,
                },
            )  # fmt: skip
        except jwt.PyJWTError as error:
            raise Denied(f"the token is not valid: {type(error).__name__}") from error
        now = self._clock.now().timestamp()
        if not float(claims["iat"]) - _LEEWAY <= now < float(claims["exp"]) + _LEEWAY:
            raise Denied("the token is not valid now: check the clocks")
        if str(claims["iss"]).rstrip("/") != self._provider.issuer:
            raise Denied("the token is another provider's")
        return claims

    def _key(self, kid: str) -> jwt.PyJWK:
        """Return the provider's key of that name; one that is new there is fetched (key rotation)."""
        with self._lock:
            found = self._known_key(kid)
            now = self._clock.now()
            if found is None and (self._keys_at is None or not timedelta(0) <= now - self._keys_at < _KEYS_PAUSE):
                self._keys_at = now
                self._keys = self._fetch_keys()
                found = self._known_key(kid)
        if found is None:
            raise Denied("the token is signed with an unknown key")
        return found

    def _known_key(self, kid: str) -> jwt.PyJWK | None:
        if kid:
            return self._keys.get(kid)
        # A provider with one key need not name it (Core 1.0 §10.1).
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    def _fetch_keys(self) -> Mapping[str, jwt.PyJWK]:
        listed = self._ask("GET", self._address("jwks_uri")).get("keys")
        found: dict[str, jwt.PyJWK] = {}
        for number, each in enumerate(listed if isinstance(listed, list) else ()):
            if not isinstance(each, dict) or each.get("kty") == "oct" or each.get("use", "sig") != "sig":
                continue
            try:
                found[str(each.get("kid") or number)] = jwt.PyJWK(each)
            except jwt.PyJWTError:  # of a kind that we do not know: another one will do
                continue
        return found

    def _discovered(self) -> Mapping[str, Any]:
        with self._lock:
            self._discover()
            return self._metadata

    def _address(self, name: str) -> str:
        self._discover()
        return str(self._metadata.get(name, ""))

    def _discover(self) -> None:
        now = self._clock.now()
        if self._metadata_at is not None and timedelta(0) <= now - self._metadata_at < _METADATA_FOR:
            return
        told = self._ask("GET", self._provider.issuer + "/.well-known/openid-configuration")
        if str(told.get("issuer", "")).rstrip("/") != self._provider.issuer:
            raise Denied("the provider says that it is another one: check people.provider.issuer")
        self._metadata, self._metadata_at = told, now

    def _ask(self, method: str, address: str, **options: Any) -> Mapping[str, Any]:
        if not address:
            raise Denied("the provider has no such address")
        try:
            with requests.request(
                method, address, timeout=_TIMEOUT, verify=self._verify, allow_redirects=False, stream=True, **options
            ) as response:
                body = response.raw.read(_LARGEST + 1, decode_content=True)
                status, content = response.status_code, body
        except requests.RequestException as error:
            raise Transient(f"the identity provider cannot be reached: {type(error).__name__}") from error
        if status >= 500:
            raise Transient(f"the identity provider answers {status}")
        if status != 200 or len(content) > _LARGEST:
            raise Denied(f"the identity provider answers {status} {_error_code(content)}".rstrip())
        try:
            document = json.loads(content)
        except ValueError as error:
            raise Denied("the identity provider answers no JSON") from error
        if not isinstance(document, dict):
            raise Denied("the identity provider answers no object")
        return document


def _error_code(content: bytes) -> str:
    """Return the code of an OAuth error (RFC 6749 §5.2), for whoever sets the provider up; no other words of it."""
    found = re.search(rb'"error"\s*:\s*"([a-z_]{1,40})"', content[:2000])
    return found.group(1).decode("ascii") if found else ""
