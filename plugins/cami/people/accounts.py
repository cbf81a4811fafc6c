"""Accounts of people and machines: who may sign in, with which password."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, case, insert, or_, select, update
from sqlalchemy.engine import Connection

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import account, account_place
from cami.people.copies import Copies, directory_of, replace_accounts
from cami.people.directory import AccountRecord, Directory, is_login, normal_login
from cami.people.guessing import UnknownLogins
from cami.people.identity import Identity
from cami.people.machines import MachineSecrets
from cami.people.passwords import Passwords
from cami.people.places import Place, places_in
from cami.people.program_passwords import is_program_password, owner_of
from cami.people.refusals import Reason, Refusal
from cami.people.roles import MACHINES, Role
from cami.region import PasswordRules, People, SecondFactor, SessionRules

#: Where no region says otherwise, nothing is demanded that somebody would have to do first.
_NO_RULES = People(
    passwords=PasswordRules(change_first=False, max_age_days=0),
    second_factor=SecondFactor(required=()),
    sessions=SessionRules(parallel=100),
)


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
    machines
        Secrets of machines that are kept in a file, so that they can be changed without a gap.
    copies
        At a proxy: how old the copy of the accounts may be.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        *,
        passwords: Passwords | None = None,
        mirror: bool = False,
        rules: People = _NO_RULES,
        machines: MachineSecrets | None = None,
        copies: Copies | None = None,
    ) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self.passwords = passwords or Passwords()
        self.mirror = mirror
        self.rules = rules
        self._machines = machines
        self._copies = copies
        self._lock_time = timedelta(minutes=rules.lock.minutes)
        self._unknown = UnknownLogins(rules.lock.failures, self._lock_time)
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
        change = self.rules.passwords.change_first
        with self._engine.begin() as connection:
            known = set(connection.scalars(select(account.c.login)))
            for record in records:
                if record.login not in known:
                    machine = Role(record.role) in MACHINES
                    insert_record(connection, record, self._clock.now(), must_change=change and not machine)
                    known.add(record.login)
                    added += 1
        return added

    def verify(self, login: str, password: str) -> Identity | None:
        """Return whose login and password a program has sent (HTTP Basic), or None."""
        outcome = self.check_program(login, password)
        return outcome if isinstance(outcome, Identity) else None

    def check_program(self, login: str, password: str) -> Identity | Refusal:
        """Return whose login and password a program has sent (HTTP Basic), or why it is not let in.

        Accounts that have a second factor, or have to have one, are open to programs by a password of their own only
        (`cami.people.program_passwords`); those whose password must be changed first are not at all.
        """
        login = normal_login(login)
        if is_program_password(password):
            return self._of_program(login, password)
        outcome = self.check(login, password)
        row = self._row(login)
        if isinstance(outcome, Refusal) or row is None:
            return outcome
        alone = row.totp_at is None and not self.needs_factor(row) and not self.must_change(row)
        return outcome if alone else Refusal(Reason.NOT_ENOUGH)

    def check(self, login: str, password: str) -> Identity | Refusal:
        """Return whose password it is, or why not; nothing tells an unknown login from a wrong password.

        Raises
        ------
        cami.errors.Transient
            Too many passwords are being checked.
        """
        login = normal_login(login)
        if self._copies is not None and self._copies.too_old():
            return Refusal(Reason.OLD_COPY)
        row = self._row(login)
        if row is None:
            return Refusal(self._unknown_login(login, password))
        reason = self._judge(row, password)
        return identity_of(row) if reason is None else Refusal(reason)

    def must_change(self, row: Row[Any]) -> bool:
        """Say whether the password of an account must be changed before anything else."""
        if self.mirror or row.issuer is not None or Role(row.role) in MACHINES:
            return bool(row.must_change)
        days = self.rules.passwords.max_age_days
        aged = days and self._clock.now() - (row.password_at or row.changed_at) >= timedelta(days=days)
        return bool(row.must_change or aged)

    def needs_factor(self, row: Row[Any]) -> bool:
        """Say whether an account must have a second factor; never at a proxy, and not where a provider vouches."""
        required = self.rules.second_factor.required
        if self.mirror or not required or row.issuer is not None:
            return False
        if row.role in required:
            return True
        query = select(account_place.c.role).where(
            account_place.c.login == row.login, account_place.c.role.in_(required)
        )
        with self._reader.connect() as connection:
            return connection.execute(query).first() is not None

    def state(self, login: str) -> AccountState | None:
        """Return an enabled account as it is now, or None if there is none."""
        row = self._row(normal_login(login))
        if row is None or row.disabled:
            return None
        return AccountState(identity_of(row), row.changed_at)

    def row(self, login: str) -> Row[Any] | None:
        """Return the row of an account."""
        return self._row(normal_login(login))

    def places(self, login: str) -> list[Place]:
        """Return all places of an account, its own first."""
        with self._reader.connect() as connection:
            return places_in(connection, normal_login(login))

    def locked(self, login: str) -> bool:
        """Say whether an account is locked at this moment."""
        row = self._row(normal_login(login))
        return row is not None and row.locked_until is not None and self._clock.now() < row.locked_until

    def directory(self, mo: str) -> Directory:
        """Return the people of a МО for its proxy. People of the region (no МО) are never handed out."""
        with self._reader.connect() as connection:
            return directory_of(connection, mo, self.must_change)

    def replace_directory(self, directory: Directory) -> None:
        """Make this server's accounts those of `directory`; who vanished or changed is signed out."""
        with self._engine.begin() as connection:
            if replace_accounts(connection, directory, self._clock.now()):
                self.generation += 1

    def failed(self, login: str) -> None:
        """Count a wrong password or code of an account."""
        last = account.c.failures + 1 >= self.rules.lock.failures
        change = update(account).where(account.c.login == login)
        with self._engine.begin() as connection:
            connection.execute(
                change.values(
                    locked_until=case((last, self._clock.now() + self._lock_time), else_=account.c.locked_until),
                    failures=case((last, 0), else_=account.c.failures + 1),
                )
            )

    def forgive(self, connection: Connection, login: str) -> None:
        """Forget the wrong passwords and codes of an account."""
        change = update(account).where(
            account.c.login == login, or_(account.c.failures > 0, account.c.locked_until.is_not(None))
        )
        connection.execute(change.values(failures=0, locked_until=None))

    def _row(self, login: str) -> Row[Any] | None:
        if not is_login(login):
            return None
        with self._reader.connect() as connection:
            return connection.execute(select(account).where(account.c.login == login)).first()

    def _unknown_login(self, login: str, password: str) -> Reason:
        now = self._clock.now()
        if self._unknown.locked(login, now):
            return Reason.LOCKED
        self.passwords.verify_nobody(password)
        self._unknown.failed(login, now)
        return Reason.WRONG

    def _judge(self, row: Row[Any], password: str) -> Reason | None:
        if row.locked_until is not None and self._clock.now() < row.locked_until:
            return Reason.LOCKED
        if not self._right(row, password):
            self.failed(row.login)
            return Reason.WRONG
        self._succeeded(row, password)
        if row.disabled:
            return Reason.DISABLED
        return Reason.CHANGE_AT_CENTRE if self.mirror and row.must_change else None

    def _of_program(self, login: str, password: str) -> Identity | Refusal:
        if self._copies is not None and self._copies.too_old():
            return Refusal(Reason.OLD_COPY)
        row = self._row(login)
        owner = owner_of(self._engine, password, self._clock.now())
        wrong = row is None or row.disabled or owner != row.login
        return Refusal(Reason.WRONG) if row is None or wrong else identity_of(row)

    def _kept(self, row: Row[Any]) -> tuple[str, ...]:
        return self._machines.hashes(row.login) if self._machines and Role(row.role) in MACHINES else ()

    def _right(self, row: Row[Any], password: str) -> bool:
        if row.issuer is not None:  # it has no password, which the time of the answer must not tell
            self.passwords.verify_nobody(password)
            return False
        return any(self.passwords.verify(known, password) for known in self._kept(row) or [row.password_hash])

    def _succeeded(self, row: Row[Any], password: str) -> None:
        # Only a password that was right is here, so a new hash of it takes nothing from anybody. Failures of who has
        # a second factor are forgiven when its code is right: a known password must not open the way to guessing it.
        forgive = row.totp_at is None and (row.failures or row.locked_until is not None)
        outdated = not self.mirror and not self._kept(row) and self.passwords.outdated(row.password_hash)
        if not forgive and not outdated:
            return
        fresh = self.passwords.hash(password) if outdated else ""
        with self._engine.begin() as connection:
            if forgive:
                self.forgive(connection, row.login)
            if fresh:
                change = update(account).where(
                    account.c.login == row.login, account.c.password_hash == row.password_hash
                )
                connection.execute(change.values(password_hash=fresh))


def identity_of(row: Row[Any]) -> Identity:
    """Return who an account is, at its own place."""
    return Identity(row.login, row.name, Role(row.role), row.mo)


def insert_record(connection: Connection, record: AccountRecord, now: datetime, *, must_change: bool) -> None:
    """Add an account."""
    connection.execute(
        insert(account).values(
            login=record.login,
            name=record.name,
            role=record.role,
            mo=record.mo,
            password_hash=record.password_hash,
            disabled=False,
            failures=0,
            changed_at=datetime.fromisoformat(record.changed_at) if record.changed_at else now,
            password_at=now,
            must_change=must_change,
        )
    )
