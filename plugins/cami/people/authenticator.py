"""From the headers of a request to the person behind it."""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cami.clock import Clock
from cami.errors import Transient
from cami.people.accounts import Accounts
from cami.people.directory import normal_login
from cami.people.guessing import AddressLimit
from cami.people.identity import Identity
from cami.people.monitor import MonitorToken
from cami.people.program_passwords import is_program_password
from cami.people.refusals import Reason
from cami.people.sessions import COOKIE, Sessions
from cami.people.signing import SignInRecord
from cami.web import Request, source_of

#: A password that was right is not hashed again for so long (argon2 costs 50 ms and more on purpose).
BASIC_TTL = timedelta(seconds=60)
#: What is remembered is compared with the database this often: a disabled account is out after so long.
RECHECK = timedelta(seconds=2)
#: Our script sends it with what a page asks for by itself: that keeps no session alive.
LIVE_HEADER = "x-cami-live"
_REMEMBERED = 1024
_STRIPES = 16


@dataclass(frozen=True, slots=True)
class _Known:
    identity: Identity
    changed_at: datetime | None
    """Of the account, for Basic; a session has none."""
    expires: datetime
    checked: datetime
    generation: tuple[int, int]
    touched: bool = True
    """Whether the use of the session was noted."""


class Authenticator:
    """Identifies the sender of a request. Thread-safe.

    By the session cookie, else by HTTP Basic (RFC 7617, UTF-8), else by the token of the monitoring system.

    Right answers are remembered shortly, keyed by an HMAC with a key of this process; wrong ones never.
    """

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        clock: Clock,
        monitor: MonitorToken | None = None,
        record: SignInRecord | None = None,
        *,
        limit: AddressLimit | None = None,
    ) -> None:
        """Make it; `record` writes down how passwords were tried."""
        self._record = record
        self._monitor = monitor
        self._limit = limit or AddressLimit(accounts.rules.lock.address_failures)
        self._accounts = accounts
        self._sessions = sessions
        self._clock = clock
        self.guests: Callable[[str], Identity | None] = lambda _: None
        """Finds whose session a token is that has no account here: somebody whom the МИС has sent."""
        self._key = secrets.token_bytes(32)
        self._last: dict[int, tuple[Mapping[str, str], Identity | None]] = {}  # by thread
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        # Many requests with the same password come at once: one hashes it, the others wait for that one.
        self._stripes = tuple(threading.Lock() for _ in range(_STRIPES))

    def identify(self, headers: Mapping[str, str]) -> Identity | None:
        """Return who sent a request with these headers (names in lower case), or None."""
        identity = self._identify(headers)
        self._last[threading.get_ident()] = headers, identity
        return identity

    def identified(self, headers: Mapping[str, str]) -> Identity | None:
        """Return what `identify` has just said of these headers in this thread; else what is known without hashing."""
        last = self._last.get(threading.get_ident())
        return last[1] if last is not None and last[0] is headers else self.remembered(headers)

    def _identify(self, headers: Mapping[str, str]) -> Identity | None:
        token = session_token(headers)
        if token:
            identity = self._by_token(token, touch=LIVE_HEADER not in headers)
            if identity is not None:
                return identity
        authorization = headers.get("authorization", "")
        credentials = _basic(authorization)
        if credentials:
            return self._by_password(*credentials, source_of(headers))
        return self._monitor.identify(authorization) if self._monitor else None

    def remembered(self, headers: Mapping[str, str]) -> Identity | None:
        """Return who sent a request as far as that is known without hashing a password, or None."""
        token = session_token(headers)
        if token and (identity := self._by_token(token, touch=False)) is not None:
            return identity
        authorization = headers.get("authorization", "")
        credentials = _basic(authorization)
        if credentials:
            login, password = credentials
            return self._recall_password(self._digest("basic", normal_login(login), password), login)
        return self._monitor.identify(authorization) if self._monitor else None

    def _by_token(self, token: str, *, touch: bool) -> Identity | None:
        key = self._digest("session", token)
        known = self._recall(key)
        if known is not None and self._fresh(known) and (known.touched or not touch):
            return known.identity
        generation = self._generation()
        identity = self._sessions.identify(token, touch=touch) or self.guests(token)
        if identity is None:
            self._forget(key)
            return None
        now = self._clock.now()
        self._remember(key, _Known(identity, None, now + RECHECK, now, generation, touch))
        return identity

    def _by_password(self, login: str, password: str, source: str) -> Identity | None:
        if is_program_password(password):  # needs no slow hash, so there is nothing to remember
            return self._checked(login, password, source)
        key = self._digest("basic", normal_login(login), password)
        identity = self._recall_password(key, login)
        if identity is not None:
            return identity
        with self._stripes[key[0] % _STRIPES]:
            identity = self._recall_password(key, login)
            if identity is not None:
                return identity
            return self._verify_password(key, login, password, source)

    def _checked(self, login: str, password: str, source: str) -> Identity | None:
        if self._limit.reached(source, self._clock.now()):
            return None
        try:
            outcome = self._accounts.check_program(login, password)
            if self._record:
                self._record.note(login, outcome, "basic", program=True)
        except Transient:
            return None
        if isinstance(outcome, Identity):
            return outcome
        if outcome.reason in (Reason.WRONG, Reason.LOCKED):
            self._limit.failed(source, self._clock.now())
        return None

    def _verify_password(self, key: bytes, login: str, password: str, source: str) -> Identity | None:
        generation = self._generation()
        before = self._accounts.state(login)
        identity = self._checked(login, password, source)
        if identity is None or before is None:
            return None
        now = self._clock.now()
        self._remember(key, _Known(identity, before.changed_at, now + BASIC_TTL, now, generation))
        return identity

    def _recall_password(self, key: bytes, login: str) -> Identity | None:
        known = self._recall(key)
        if known is None:
            return None
        if self._fresh(known):
            return known.identity
        generation = self._generation()
        state = self._accounts.state(login)
        if state is None or (state.identity, state.changed_at) != (known.identity, known.changed_at):
            self._forget(key)
            return None
        self._remember(key, replace(known, checked=self._clock.now(), generation=generation))
        return known.identity

    def _generation(self) -> tuple[int, int]:
        return self._accounts.generation, self._sessions.generation

    def _fresh(self, known: _Known) -> bool:
        age = self._clock.now() - known.checked
        return timedelta(0) <= age < RECHECK and known.generation == self._generation()

    def _recall(self, key: bytes) -> _Known | None:
        with self._lock:
            known = self._known.get(key)
            if known is None:
                return None
            if self._clock.now() >= known.expires:
                del self._known[key]
                return None
            self._known.move_to_end(key)
            return known

    def _remember(self, key: bytes, known: _Known) -> None:
        with self._lock:
            self._known[key] = known
            self._known.move_to_end(key)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def _forget(self, key: bytes) -> None:
        with self._lock:
            self._known.pop(key, None)

    def _digest(self, *parts: str) -> bytes:
        # Lengths go in, so that login "a" with password "bc" is not login "ab" with password "c".
        message = b"".join(len(part).to_bytes(4, "big") + part.encode("utf-8", "surrogatepass") for part in parts)
        return hmac.new(self._key, message, hashlib.sha256).digest()


def session_token(headers: Mapping[str, str]) -> str | None:
    """Return the session token that the request carries, valid or not."""
    return Request("GET", "/", headers).cookie(COOKIE)


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        login, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (login, password) if login and colon else None


def by_program(headers: Mapping[str, str]) -> bool:
    """Say whether a request comes from a program with a password of its own, which shows no second factor."""
    credentials = _basic(headers.get("authorization", ""))
    return credentials is not None and is_program_password(credentials[1])
