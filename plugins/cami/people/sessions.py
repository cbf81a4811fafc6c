"""Sessions of signed-in browsers: an opaque token in a cookie, its SHA-256 in the table.

A session begins when the password was right, and is good for nothing until every `Step` is done that its account asks
for: the code of the second factor, a new password, the choice of a place.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, delete, exists, insert, or_, select, update
from sqlalchemy.engine import Connection

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import account, account_place, session
from cami.people.accounts import Accounts
from cami.people.directory import normal_login
from cami.people.identity import Identity
from cami.people.roles import Role

#: Name of the cookie that carries the token.
COOKIE = "cami_session"
#: The use of a session is written down at most this often: no write per request.
SEEN_STEP = timedelta(minutes=1)
_LONGEST_TOKEN = 128
_KEY = 16


class Step(StrEnum):
    """What somebody has to do before anything else opens."""

    CODE = "code"
    """Show the second factor."""
    PASSWORD = "password"  # noqa: S105 - a step
    """Choose a new password."""
    ENROL = "enrol"
    """Set up a second factor."""
    PLACE = "place"
    """Choose in which МО to work."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A session that is not over."""

    identity: Identity
    step: Step | None
    """What has to be done first; None: nothing, the session is good."""
    key: str
    """Names the session in lists; opens nothing."""
    provider: bool
    """Whether an identity provider has vouched."""


@dataclass(frozen=True, slots=True)
class Browser:
    """A session in a list."""

    key: str
    created_at: datetime
    seen_at: datetime
    address: str
    browser: str


class Sessions:
    """The table ``session``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, accounts: Accounts | None = None) -> None:
        """Make it; the rules are those of `accounts`."""
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._accounts = accounts or Accounts(engine, clock)
        rules = self._accounts.rules.sessions
        self._idle = timedelta(minutes=rules.idle_minutes)
        self._absolute = timedelta(hours=rules.hours)
        self._parallel = rules.parallel
        self.on_close: Callable[[str], None] = lambda _: None
        """Hears which token is signed out: it may be of somebody whom the МИС has sent."""
        self.generation = 0
        """Grows when this process closes sessions, so that caches of theirs know at once."""

    def open(self, login: str, *, address: str = "", browser: str = "", provider: bool = False) -> str:
        """Open a session for an account and return its token: 256 random bits."""
        token = secrets.token_urlsafe(32)
        now = self._clock.now()
        with self._engine.begin() as connection:
            connection.execute(
                delete(session).where(
                    or_(session.c.seen_at < now - self._idle, session.c.created_at < now - self._absolute)
                )
            )
            connection.execute(
                insert(session).values(
                    token_hash=_digest(token),
                    login=normal_login(login),
                    created_at=now,
                    seen_at=now,
                    address=address[:64],
                    browser=browser[:200],
                    factor=provider,
                    provider=provider,
                )
            )
        self.settle(token)
        return token

    def identify(self, token: str, *, touch: bool = True) -> Identity | None:
        """Return whose session it is, or None if it is over, is not good yet, or its account is switched off."""
        standing = self.standing(token, touch=touch)
        return standing.identity if standing is not None and standing.step is None else None

    def standing(self, token: str, *, touch: bool = True) -> Standing | None:
        """Return how a session stands, or None if it is over.

        Parameters
        ----------
        touch
            Whether somebody uses it: what a page asks for by itself keeps no session alive.
        """
        if not token or len(token) > _LONGEST_TOKEN:
            return None
        digest = _digest(token)
        with self._reader.connect() as connection:
            row: Row[Any] | None = connection.execute(_QUERY.where(session.c.token_hash == digest)).first()
        now = self._clock.now()
        if row is None or self._over(row.created_at, row.seen_at, now):
            return None
        identity = _identity(row)
        if identity is None:
            return None
        if touch and now - row.seen_at >= SEEN_STEP:
            with self._engine.begin() as connection:
                connection.execute(update(session).where(session.c.token_hash == digest).values(seen_at=now))
        return Standing(identity, self._step(row), digest[:_KEY], row.provider)

    def factor_shown(self, token: str) -> None:
        """Note that the second factor was shown in a session."""
        self._set(token, factor=True)

    def choose(self, token: str, mo: str) -> bool:
        """Work in another of the account's places from now on; False if it has none there."""
        standing = self.standing(token)
        row = None if standing is None else self._accounts.row(standing.identity.login)
        if row is None:
            return False
        if mo != row.mo:
            query = select(account_place.c.mo).where(account_place.c.login == row.login, account_place.c.mo == mo)
            with self._reader.connect() as connection:
                if connection.execute(query).first() is None:
                    return False
        self._set(token, mo=mo)
        return True

    def settle(self, token: str) -> None:
        """Once a session is good, end the least recently used of its account beyond those that it may have."""
        standing = self.standing(token)
        if standing is None or standing.step is not None:
            return
        query = (
            select(session.c.token_hash)
            .where(session.c.login == standing.identity.login, session.c.token_hash != _digest(token))
            .order_by(session.c.seen_at.desc(), session.c.created_at.desc())
            .offset(self._parallel - 1)
        )
        with self._engine.begin() as connection:
            surplus = list(connection.scalars(query))
            if surplus:
                connection.execute(delete(session).where(session.c.token_hash.in_(surplus)))
        if surplus:
            self.generation += 1

    def of(self, login: str) -> list[Browser]:
        """Return the sessions of an account that are not over, the last used first."""
        query = select(session).where(session.c.login == normal_login(login)).order_by(session.c.seen_at.desc())
        now = self._clock.now()
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return [
            Browser(row.token_hash[:_KEY], row.created_at, row.seen_at, row.address, row.browser)
            for row in rows
            if not self._over(row.created_at, row.seen_at, now)
        ]

    def close(self, token: str) -> None:
        """Sign one browser out."""
        with self._engine.begin() as connection:
            connection.execute(delete(session).where(session.c.token_hash == _digest(token)))
        self.on_close(token)
        self.generation += 1

    def close_one(self, login: str, key: str) -> None:
        """Sign a browser of an account out, by its name in the list."""
        if len(key) != _KEY:
            return
        mine = (session.c.login == normal_login(login)) & session.c.token_hash.startswith(key, autoescape=True)
        with self._engine.begin() as connection:
            connection.execute(delete(session).where(mine))
        self.generation += 1

    def close_all(self, login: str) -> None:
        """Sign an account out everywhere."""
        with self._engine.begin() as connection:
            self.close_in(connection, login)

    def close_in(self, connection: Connection, login: str, but: str = "") -> None:
        """Sign an account out everywhere, in the caller's transaction; not in the session with the token `but`."""
        mine = session.c.login == normal_login(login)
        if but:
            mine &= session.c.token_hash != _digest(but)
        connection.execute(delete(session).where(mine))
        self.generation += 1

    def note_provider_session(self, token: str, there: str) -> None:
        """Note with which session at the provider (a digest) a session here began."""
        self._set(token, provider_session=there)

    def close_provided_in(self, connection: Connection, login: str | None, there: str | None) -> list[str]:
        """End sessions that an identity provider has vouched for, in the caller's transaction; return whose.

        Parameters
        ----------
        login
            Of this account; None: of any.
        there
            Those that began with this session at the provider; None: all. Of which it is not known, with their account.
        """
        meant: ColumnElement[bool] = session.c.provider.is_(True)
        if login is not None:
            meant &= session.c.login == normal_login(login)
        if there is not None:
            known = session.c.provider_session == there
            meant &= known if login is None else known | session.c.provider_session.is_(None)
        elif login is None:
            return []
        ended = list(connection.scalars(select(session.c.login).where(meant)))
        connection.execute(delete(session).where(meant))
        self.generation += 1
        return ended

    def _set(self, token: str, **values: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(session).where(session.c.token_hash == _digest(token)).values(**values))
        self.generation += 1

    def _over(self, created_at: datetime, seen_at: datetime, now: datetime) -> bool:
        if seen_at > now + SEEN_STEP:  # the clock was set back: nobody knows how old the session is
            return True
        return now - seen_at >= self._idle or now - created_at >= self._absolute

    def _step(self, row: Row[Any]) -> Step | None:
        if row.totp_at is not None and not row.factor:
            return Step.CODE
        if not row.provider and self._accounts.must_change(row):
            return Step.PASSWORD
        if row.totp_at is None and not row.provider and self._accounts.needs_factor(row):
            return Step.ENROL
        return Step.PLACE if row.has_places and row.chosen is None else None


_QUERY: Select[Any] = (
    select(
        session.c.created_at,
        session.c.seen_at,
        session.c.factor,
        session.c.provider,
        session.c.mo.label("chosen"),
        account.c.login,
        account.c.name,
        account.c.role,
        account.c.mo,
        account.c.must_change,
        account.c.password_at,
        account.c.changed_at,
        account.c.totp_at,
        account.c.issuer,
        account_place.c.role.label("role_there"),
        exists().where(account_place.c.login == account.c.login).correlate(account).label("has_places"),
    )
    .join(account, account.c.login == session.c.login)
    .outerjoin(account_place, (account_place.c.login == account.c.login) & (account_place.c.mo == session.c.mo))
    .where(account.c.disabled.is_(False))
)


def _identity(row: Row[Any]) -> Identity | None:
    """Return who somebody is at the chosen place; None if that place was taken away."""
    if row.chosen is None or row.chosen == row.mo:
        return Identity(row.login, row.name, Role(row.role), row.mo)
    return None if row.role_there is None else Identity(row.login, row.name, Role(row.role_there), row.chosen)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8")).hexdigest()
