"""Passwords of programs: what a script or a DICOMweb client sends by HTTP Basic for somebody who has a second factor.

Somebody makes one for each program on the page of the own account, sees it once, and can end it alone. It opens no page
for people and changes no account. 160 random bits need no slow hash.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, func, insert, select, update
from sqlalchemy.engine import Connection

from cami.audit import AuditEvent, AuditTrail, Kind
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import program_password
from cami.errors import Invalid
from cami.people.identity import Identity

#: So that one is known at sight, by us and by those who look for leaked secrets.
PREFIX = "cami-"
LIFETIME = timedelta(days=365)
#: For one account.
MOST = 10
#: Its use is written down at most this often.
_USED_STEP = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ProgramPassword:
    """One of somebody's, without the password."""

    key: str
    """To name it by."""
    name: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


def is_program_password(password: str) -> bool:
    """Say whether a password has the shape of these."""
    return password.startswith(PREFIX) and len(password) == len(PREFIX) + 40


def owner_of(engine: Engine, password: str, now: datetime) -> str | None:
    """Return the login of the account that a program's password opens, and note the use."""
    digest = _digest(password)
    with reading(engine).connect() as connection:
        row = connection.execute(select(program_password).where(program_password.c.password_hash == digest)).first()
    if row is None or now >= row.expires_at:
        return None
    if row.used_at is None or now - row.used_at >= _USED_STEP:
        change = update(program_password).where(program_password.c.password_hash == digest)
        with engine.begin() as connection:
            connection.execute(change.values(used_at=now))
    return str(row.login)


class ProgramPasswords:
    """The table ``program_password``, for the page of the own account. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, trail: AuditTrail | None = None) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._trail = trail

    def of(self, login: str) -> list[ProgramPassword]:
        """Return those of an account, the newest first."""
        query = (
            select(program_password)
            .where(program_password.c.login == login)
            .order_by(program_password.c.created_at.desc())
        )
        with self._reader.connect() as connection:
            return [
                ProgramPassword(row.password_hash[:16], row.name, row.created_at, row.expires_at, row.used_at)
                for row in connection.execute(query)
            ]

    def make(self, identity: Identity, name: str, source: str) -> str:
        """Make one and return it: it is never shown again.

        Raises
        ------
        cami.errors.Invalid
            It has no name, or there are too many.
        """
        name = " ".join(name.split())[:100]
        if not name:
            raise Invalid("name")
        password = PREFIX + secrets.token_hex(20)
        now = self._clock.now()
        mine = select(func.count()).select_from(program_password).where(program_password.c.login == identity.login)
        with self._engine.begin() as connection:
            if connection.execute(mine).scalar_one() >= MOST:
                raise Invalid("too-many")
            connection.execute(
                insert(program_password).values(
                    password_hash=_digest(password),
                    login=identity.login,
                    name=name,
                    created_at=now,
                    expires_at=now + LIFETIME,
                )
            )
            self._note(connection, identity, "program-password-made", source)
        return password

    def end(self, identity: Identity, key: str, source: str) -> None:
        """End one of the own."""
        mine = (program_password.c.login == identity.login) & program_password.c.password_hash.startswith(
            key, autoescape=True
        )
        if len(key) != 16:
            return
        with self._engine.begin() as connection:
            if connection.execute(delete(program_password).where(mine)).rowcount:
                self._note(connection, identity, "program-password-ended", source)

    def _note(self, connection: Connection, identity: Identity, act: str, source: str) -> None:
        if self._trail is not None:
            event = AuditEvent(
                Kind.ADMINISTRATION,
                identity.login,
                identity.role,
                identity.mo,
                source,
                subject=identity.login,
                reason=act,
            )
            self._trail.record_in(connection, event)


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()
