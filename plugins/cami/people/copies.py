"""The people of a МО at its proxy: copied from the centre, taken over as a whole, and not believed for ever.

Who was dismissed while the line is down could sign in at the proxy until it is back. So a copy has an age after which
nobody signs in by it any more (`copied_accounts_hours`); there is no shared account for that case, since accounts are
personal (приказ ФСТЭК № 21, ИАФ.1): whoever runs the proxy may set a longer age in its registry, and answers for it.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, delete, insert, select, update
from sqlalchemy.engine import Connection

from cami.clock import Clock, iso
from cami.db import reading
from cami.db.tables import account, account_place, accounts_copy, session
from cami.people.directory import AccountRecord, Directory

#: The moment is written down at most this often.
_STEP = timedelta(minutes=1)


class Copies:
    """When this proxy last had the accounts from the centre: the table ``accounts_copy``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, oldest: timedelta) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._oldest = oldest
        self._lock = threading.Lock()
        self._fetched_at: datetime | None = None
        self._written_at: datetime | None = None

    def fetched(self) -> None:
        """Note that the centre has just answered with the accounts, or that they are as they were."""
        now = self._clock.now()
        with self._lock:
            self._fetched_at = now
            if self._written_at is not None and timedelta(0) <= now - self._written_at < _STEP:
                return
            with self._engine.begin() as connection:
                connection.execute(delete(accounts_copy))
                connection.execute(insert(accounts_copy).values(number=1, fetched_at=now))
            self._written_at = now

    def too_old(self) -> bool:
        """Say whether the copy is older than it may be. Of before there were ages, the copy has the age of now."""
        with self._lock:
            if self._fetched_at is None:
                with self._reader.connect() as connection:
                    self._fetched_at = connection.execute(select(accounts_copy.c.fetched_at)).scalar()
            return self._fetched_at is not None and self._clock.now() - self._fetched_at > self._oldest


def directory_of(connection: Connection, mo: str, must_change: Callable[[Row[Any]], bool]) -> Directory:
    """Return the people of a МО for its proxy, each in the role that they have there.

    Nobody whom an identity provider vouches for: they have no password, and a proxy cannot ask the provider.
    """
    if not mo:
        return Directory.of([])
    enabled = (account.c.disabled.is_(False)) & (account.c.issuer.is_(None))
    own = connection.execute(select(account).where(account.c.mo == mo, enabled)).all()
    placed = connection.execute(
        select(account, account_place.c.role.label("role_there"))
        .join(account_place, account_place.c.login == account.c.login)
        .where(account_place.c.mo == mo, account.c.mo != mo, enabled)
    ).all()
    found = [(row, row.role) for row in own] + [(row, row.role_there) for row in placed]
    return Directory.of(
        [
            AccountRecord(
                row.login,
                row.name,
                role,
                mo,
                row.password_hash,
                iso(row.changed_at),
                must_change=must_change(row),
                unlocked_at=iso(row.unlocked_at) if row.unlocked_at else "",
            )
            for row, role in found
        ]
    )


def replace_accounts(connection: Connection, directory: Directory, now: datetime) -> bool:
    """Make the accounts those of `directory`; who vanished or changed is signed out. Say whether anything changed."""
    present = {row.login: row for row in connection.execute(select(account))}
    coming = {record.login: record for record in directory.accounts}
    gone = present.keys() - coming.keys()
    for login in gone:
        _forget_sessions(connection, login)
        connection.execute(delete(account).where(account.c.login == login))
    changed = [record for login, record in coming.items() if _differs(present.get(login), record)]
    for record in changed:
        _put(connection, present.get(record.login), record, now)
    return bool(changed or gone)


def _values(record: AccountRecord) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": record.name,
        "role": record.role,
        "mo": record.mo,
        "password_hash": record.password_hash,
        "disabled": False,
        "must_change": record.must_change,
    }
    if record.changed_at:
        values["changed_at"] = datetime.fromisoformat(record.changed_at)
    if record.unlocked_at:
        values["unlocked_at"] = datetime.fromisoformat(record.unlocked_at)
    return values


def _differs(row: Row[Any] | None, record: AccountRecord) -> bool:
    return row is None or any(getattr(row, name) != value for name, value in _values(record).items())


def _put(connection: Connection, row: Row[Any] | None, record: AccountRecord, now: datetime) -> None:
    values = _values(record)
    if row is None:
        connection.execute(insert(account).values(login=record.login, **({"changed_at": now, "failures": 0} | values)))
        return
    # A hash may be made anew with other parameters (same password): that alone signs nobody out.
    weighty = ("role", "mo", "changed_at", "disabled", "must_change")
    if any(getattr(row, name) != values[name] for name in weighty if name in values):
        _forget_sessions(connection, row.login)
        values |= {"failures": 0, "locked_until": None}
    elif record.unlocked_at and row.unlocked_at != values["unlocked_at"]:
        values |= {"failures": 0, "locked_until": None}
    connection.execute(update(account).where(account.c.login == row.login).values(**values))


def _forget_sessions(connection: Connection, login: str) -> None:
    connection.execute(delete(session).where(session.c.login == login))
