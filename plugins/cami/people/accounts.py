"""Accounts of people and machines: who may sign in, with which password."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Row, case, delete, insert, select, update
from sqlalchemy.engine import Connection

from cami.clock import Clock, iso
from cami.db import reading
from cami.db.tables import account, session
from cami.people.directory import AccountRecord, Directory, is_login
from cami.people.identity import Identity
from cami.people.passwords import Passwords
from cami.people.roles import Role

#: So many wrong passwords in a row lock an account (приказ ФСТЭК № 21, УПД.6) …
FAILURES_TO_LOCK = 10
#: … for so long.
LOCK_TIME = timedelta(minutes=5)
_UNKNOWN_LOGINS_WATCHED = 10_000


class Reason(StrEnum):
    """Why somebody was not let in."""

    BUSY = "busy"
    """Too many people are signing in at this moment."""
    DISABLED = "disabled"
    """The password is right, the account is switched off."""
    LOCKED = "locked"
    """Too many wrong passwords in a row."""
    WRONG = "wrong"
    """Login or password, nobody says which."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Somebody was not let in."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class AccountState:
    """An enabled account, and when it last changed."""

    identity: Identity
    changed_at: datetime


class Accounts:
    """The table ``account``. Thread-safe.

    Parameters
    ----------
    mirror
        True at a proxy: accounts are the centre's (`replace_directory`), and nothing here changes a password hash.
    """

    def __init__(
        self, engine: Engine, clock: Clock, *, passwords: Passwords | None = None, mirror: bool = False
    ) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._passwords = passwords or Passwords()
        self._mirror = mirror
        self._unknown = _UnknownLogins()
        self.generation = 0
        """Grows when this process changes accounts, so that caches of theirs know at once."""

    def import_initial(self, accounts: Iterable[Mapping[str, Any]]) -> int:
        """Add the accounts whose logins are not there yet; return how many were added.

        Raises
        ------
        cami.errors.Invalid
            One of them is not acceptable; none is added.
        """
        records = [AccountRecord.parse(value) for value in accounts]
        added = 0
        with self._engine.begin() as connection:
            known = set(connection.scalars(select(account.c.login)))
            for record in records:
                if record.login not in known:
                    _insert(connection, record, self._clock.now())
                    known.add(record.login)
                    added += 1
        return added

    def verify(self, login: str, password: str) -> Identity | None:
        """Return who it is, or None."""
        outcome = self.check(login, password)
        return outcome if isinstance(outcome, Identity) else None

    def check(self, login: str, password: str) -> Identity | Refusal:
        """Return who it is, or why not; nothing tells an unknown login from a wrong password.

        Raises
        ------
        cami.errors.Transient
            Too many passwords are being checked.
        """
        login = normal_login(login)
        now = self._clock.now()
        row = self._row(login)
        if row is None:
            if self._unknown.locked(login, now):
                return Refusal(Reason.LOCKED)
            self._passwords.verify_nobody(password)
            self._unknown.failed(login, now)
            return Refusal(Reason.WRONG)
        if row.locked_until is not None and now < row.locked_until:
            return Refusal(Reason.LOCKED)
        if not self._passwords.verify(row.password_hash, password):
            self._failed(login, now)
            return Refusal(Reason.WRONG)
        self._succeeded(row, password)
        if row.disabled:
            return Refusal(Reason.DISABLED)
        return _identity(row)

    def state(self, login: str) -> AccountState | None:
        """Return an enabled account as it is now, or None if there is none."""
        row = self._row(normal_login(login))
        if row is None or row.disabled:
            return None
        return AccountState(_identity(row), row.changed_at)

    def directory(self, mo: str) -> Directory:
        """Return the people of a МО for its proxy. People of the region (no МО) are never handed out."""
        if not mo:
            return Directory.of([])
        query = select(account).where(account.c.mo == mo, account.c.disabled.is_(False))
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return Directory.of(
            [
                AccountRecord(row.login, row.name, row.role, row.mo, row.password_hash, iso(row.changed_at))
                for row in rows
            ]
        )

    def replace_directory(self, directory: Directory) -> None:
        """Make this server's accounts those of `directory`; who vanished or changed is signed out."""
        with self._engine.begin() as connection:
            present = {row.login: row for row in connection.execute(select(account))}
            coming = {record.login: record for record in directory.accounts}
            for login in present.keys() - coming.keys():
                _forget_sessions(connection, login)
                connection.execute(delete(account).where(account.c.login == login))
            changed = [record for login, record in coming.items() if _differs(present.get(login), record)]
            for record in changed:
                _put(connection, present.get(record.login), record, self._clock.now())
        if changed or present.keys() - coming.keys():
            self.generation += 1

    def _row(self, login: str) -> Row[Any] | None:
        if not is_login(login):
            return None
        with self._reader.connect() as connection:
            return connection.execute(select(account).where(account.c.login == login)).first()

    def _failed(self, login: str, now: datetime) -> None:
        last = account.c.failures + 1 >= FAILURES_TO_LOCK
        change = update(account).where(account.c.login == login)
        with self._engine.begin() as connection:
            connection.execute(
                change.values(
                    locked_until=case((last, now + LOCK_TIME), else_=account.c.locked_until),
                    failures=case((last, 0), else_=account.c.failures + 1),
                )
            )

    def _succeeded(self, row: Row[Any], password: str) -> None:
        # Only a password that was right is here, so a new hash of it takes nothing from anybody.
        values: dict[str, Any] = {}
        if row.failures or row.locked_until is not None:
            values.update(failures=0, locked_until=None)
        if not self._mirror and self._passwords.outdated(row.password_hash):
            values["password_hash"] = self._passwords.hash(password)
        if values:
            change = update(account).where(account.c.login == row.login, account.c.password_hash == row.password_hash)
            with self._engine.begin() as connection:
                connection.execute(change.values(**values))


class _UnknownLogins:
    """Counts wrong passwords of logins that do not exist, so that their lock tells nothing either."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, tuple[int, datetime | None]] = OrderedDict()

    def locked(self, login: str, now: datetime) -> bool:
        with self._lock:
            _, until = self._seen.get(login[:64], (0, None))
        return until is not None and now < until

    def failed(self, login: str, now: datetime) -> None:
        key = login[:64]
        with self._lock:
            failures, until = self._seen.pop(key, (0, None))
            failures += 1
            if failures >= FAILURES_TO_LOCK:
                failures, until = 0, now + LOCK_TIME
            self._seen[key] = (failures, until)
            if len(self._seen) > _UNKNOWN_LOGINS_WATCHED:
                self._seen.popitem(last=False)


def normal_login(login: str) -> str:
    """Write a login as it stands in the table."""
    return login.strip().lower()


def _identity(row: Row[Any]) -> Identity:
    return Identity(row.login, row.name, Role(row.role), row.mo)


def _values(record: AccountRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "role": record.role,
        "mo": record.mo,
        "password_hash": record.password_hash,
        "disabled": False,
    } | ({"changed_at": datetime.fromisoformat(record.changed_at)} if record.changed_at else {})


def _insert(connection: Connection, record: AccountRecord, now: datetime) -> None:
    values = {"changed_at": now, "failures": 0} | _values(record)
    connection.execute(insert(account).values(login=record.login, **values))


def _differs(row: Row[Any] | None, record: AccountRecord) -> bool:
    return row is None or any(getattr(row, name) != value for name, value in _values(record).items())


def _put(connection: Connection, row: Row[Any] | None, record: AccountRecord, now: datetime) -> None:
    if row is None:
        _insert(connection, record, now)
        return
    values = _values(record)
    # A hash may be made anew with other parameters (same password): that alone signs nobody out.
    if any(getattr(row, name) != values[name] for name in ("role", "mo", "changed_at", "disabled") if name in values):
        _forget_sessions(connection, row.login)
        values |= {"failures": 0, "locked_until": None}
    connection.execute(update(account).where(account.c.login == row.login).values(**values))


def _forget_sessions(connection: Connection, login: str) -> None:
    connection.execute(delete(session).where(session.c.login == login))
