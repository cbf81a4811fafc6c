"""Sessions of doctors whom the МИС has sent: no account, no МО; they see what is granted to their login alone."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, insert, or_, select, update

from cami.access import Identity, Role
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import mis_guest

#: As long as the sessions of people: unused, and at all.
IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
#: The use of a session is written down at most this often.
_SEEN_STEP = timedelta(minutes=1)


class Guests:
    """The table ``mis_guest``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def open(self, connection: Connection, login: str, name: str) -> str:
        """Open a session in the caller's transaction; return its token: 256 random bits."""
        token, now = secrets.token_urlsafe(32), self._clock.now()
        over = or_(mis_guest.c.seen_at < now - IDLE, mis_guest.c.created_at < now - ABSOLUTE)
        connection.execute(delete(mis_guest).where(over))
        connection.execute(
            insert(mis_guest).values(token_hash=_digest(token), login=login, name=name, created_at=now, seen_at=now)
        )
        return token

    def identify(self, token: str) -> Identity | None:
        """Return whose session it is, or None if it is over."""
        mine = mis_guest.c.token_hash == _digest(token)
        with self._reader.connect() as connection:
            row = connection.execute(select(mis_guest).where(mine)).first()
        now = self._clock.now()
        if row is None or _over(row.created_at, row.seen_at, now):
            return None
        if now - row.seen_at >= _SEEN_STEP:
            with self._engine.begin() as connection:
                connection.execute(update(mis_guest).where(mine).values(seen_at=now))
        return Identity(row.login, row.name, Role.GUEST, "")

    def close(self, token: str) -> None:
        """End a session: somebody signs out."""
        with self._engine.begin() as connection:
            connection.execute(delete(mis_guest).where(mis_guest.c.token_hash == _digest(token)))


def _over(created_at: datetime, seen_at: datetime, now: datetime) -> bool:
    # A clock that was set back tells nobody how old the session is.
    return now - seen_at >= IDLE or now - created_at >= ABSOLUTE or seen_at > now + _SEEN_STEP


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
