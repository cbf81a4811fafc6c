"""Sessions of signed-in browsers: an opaque token in a cookie, its SHA-256 in the table."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, insert, or_, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import account, session
from cami.people.accounts import normal_login
from cami.people.identity import Identity
from cami.people.roles import Role

#: Name of the cookie that carries the token.
COOKIE = "cami_session"
#: A browser that was not used for so long is signed out …
IDLE_LIMIT = timedelta(minutes=30)
#: … and each is after so long: a shift.
ABSOLUTE_LIMIT = timedelta(hours=12)
#: The use of a session is written down at most this often: no write per request.
SEEN_STEP = timedelta(minutes=1)
_LONGEST_TOKEN = 128


class Sessions:
    """The table ``session``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self.generation = 0
        """Grows when this process closes sessions, so that caches of theirs know at once."""

    def open(self, login: str) -> str:
        """Open a session for an account and return its token: 256 random bits."""
        token = secrets.token_urlsafe(32)
        now = self._clock.now()
        with self._engine.begin() as connection:
            connection.execute(
                delete(session).where(
                    or_(session.c.seen_at < now - IDLE_LIMIT, session.c.created_at < now - ABSOLUTE_LIMIT)
                )
            )
            connection.execute(
                insert(session).values(
                    token_hash=_digest(token), login=normal_login(login), created_at=now, seen_at=now
                )
            )
        return token

    def identify(self, token: str) -> Identity | None:
        """Return whose session it is, or None if it is over or its account is switched off."""
        if not token or len(token) > _LONGEST_TOKEN:
            return None
        digest = _digest(token)
        query = (
            select(
                session.c.created_at, session.c.seen_at, account.c.login, account.c.name, account.c.role, account.c.mo
            )
            .join(account, account.c.login == session.c.login)
            .where(session.c.token_hash == digest, account.c.disabled.is_(False))
        )
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        now = self._clock.now()
        if row is None or _over(row.created_at, row.seen_at, now):
            return None
        if now - row.seen_at >= SEEN_STEP:
            with self._engine.begin() as connection:
                connection.execute(update(session).where(session.c.token_hash == digest).values(seen_at=now))
        return Identity(row.login, row.name, Role(row.role), row.mo)

    def close(self, token: str) -> None:
        """Sign one browser out."""
        with self._engine.begin() as connection:
            connection.execute(delete(session).where(session.c.token_hash == _digest(token)))
        self.generation += 1

    def close_all(self, login: str) -> None:
        """Sign an account out everywhere."""
        with self._engine.begin() as connection:
            connection.execute(delete(session).where(session.c.login == normal_login(login)))
        self.generation += 1


def _over(created_at: datetime, seen_at: datetime, now: datetime) -> bool:
    if seen_at > now + SEEN_STEP:  # the clock was set back: nobody knows how old the session is
        return True
    return now - seen_at >= IDLE_LIMIT or now - created_at >= ABSOLUTE_LIMIT


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8")).hexdigest()
