"""OAuth 2 client credentials (RFC 6749 §4.4): a client id and secret become a bearer token that soon ends.

The client is an account of the role ``mis``; its secret is that account's password and is kept as an argon2 hash only.
Tokens are random, their SHA-256 is in the database: every replica knows them, and an account that is switched off
ends them at once.
"""

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import parse_qs, unquote_plus

from sqlalchemy import Engine, bindparam, delete, insert, select

from cami.access import Identity, Refusal, Role
from cami.clock import Clock
from cami.db import Quick, UtcDateTime, reading
from cami.db.tables import account, mis_token
from cami.errors import Transient
from cami.web import Endpoint, Request, Response

#: How long a token is good for.
LIFE = timedelta(minutes=10)
_LONGEST_BODY = 20_000
TOKEN_PATH = "/cami/oauth/token"  # noqa: S105 - an address
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

#: Checks a login and a password, as `cami.access.Accounts.check`.
Check = Callable[[str, str], Identity | Refusal]


class Tokens:
    """The table ``mis_token``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._client = Quick(
            reading(engine),
            select(mis_token.c.client)
            .join(account, account.c.login == mis_token.c.client)
            .where(
                mis_token.c.token_hash == bindparam("token_hash"),
                mis_token.c.expires_at > bindparam("now", type_=UtcDateTime()),
                account.c.disabled.is_(False),
                account.c.role == Role.MIS.value,
            ),
        )

    def issue(self, client: str) -> str:
        """Return a new token of 256 random bits; forget those that are over."""
        token, now = secrets.token_urlsafe(32), self._clock.now()
        with self._engine.begin() as connection:
            connection.execute(delete(mis_token).where(mis_token.c.expires_at < now))
            connection.execute(
                insert(mis_token).values(token_hash=_digest(token), client=client, expires_at=now + LIFE)
            )
        return token

    def client_of(self, headers: Mapping[str, str]) -> str | None:
        """Return whose bearer token a request carries; None if it has none that holds."""
        scheme, _, token = headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > 200:
            return None
        found = self._client.value({"token_hash": _digest(token.strip()), "now": self._clock.now()})
        return None if found is None else str(found)


def token_endpoint(
    tokens: Tokens, check: Check, granted_to: Callable[[str], None], asserted: Callable[[str], str | None]
) -> Endpoint:
    """Return ``/cami/oauth/token``.

    Parameters
    ----------
    granted_to
        Hears which client is alive.
    asserted
        Returns the client that has signed an assertion (``private_key_jwt``, RFC 7523), None if it is not good.
    """

    def _client(request: Request, form: Mapping[str, str]) -> str | None:
        if form.get("client_assertion_type") == ASSERTION_TYPE:
            return asserted(form.get("client_assertion", ""))
        client, secret = _credentials(request.headers, form)
        found = check(client, secret) if client and secret else None
        return found.login if isinstance(found, Identity) and found.role is Role.MIS else None

    def answer(request: Request) -> Response:
        if request.method != "POST" or len(request.body) > _LONGEST_BODY:
            return _error("invalid_request", 400)
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            return _error("unsupported_grant_type", 400)
        try:
            login = _client(request, form)
        except Transient:
            return _error("temporarily_unavailable", 503)
        if login is None:
            return _error("invalid_client", 401)
        granted_to(login)
        granted = {
            "access_token": tokens.issue(login),
            "token_type": "Bearer",
            "expires_in": int(LIFE.total_seconds()),
            "scope": "system/*.cruds",
        }
        return _json(granted, 200)

    return Endpoint(TOKEN_PATH, answer)


def _credentials(headers: Mapping[str, str], form: Mapping[str, str]) -> tuple[str, str]:
    """Return id and secret by HTTP Basic (RFC 6749 §2.3.1) or out of the form."""
    scheme, _, encoded = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    client, _, secret = text.partition(":")
    return unquote_plus(client), unquote_plus(secret)


def _error(code: str, status: int) -> Response:
    return _json({"error": code}, status)


def _json(value: Mapping[str, object], status: int) -> Response:
    headers = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]
    if status == 401:
        headers.append(("WWW-Authenticate", 'Basic realm="CAMI"'))
    return Response(status, json.dumps(value).encode(), "application/json; charset=utf-8", headers)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
