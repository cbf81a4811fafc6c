"""The password of an account: chosen by its owner, or made up for somebody who will have to change it."""

from typing import Any

from sqlalchemy import Engine, Row, delete, insert, select, update
from sqlalchemy.engine import Connection

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import account, former_password
from cami.people.accounts import Accounts
from cami.people.password_rules import Fault, fault_of, new_password
from cami.people.roles import MACHINES, Role

#: In place of a hash: no password fits.
NO_PASSWORD = "!"  # noqa: S105


class Credentials:
    """Sets passwords. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, accounts: Accounts) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._accounts = accounts
        self._rules = accounts.rules.passwords

    def fault_of(self, login: str, wanted: str) -> Fault | None:
        """Return what is wrong with a password that the owner of an account wants."""
        if (fault := fault_of(wanted, login, self._rules)) is not None:
            return fault
        with self._reader.connect() as connection:
            row = connection.execute(select(account).where(account.c.login == login)).first()
            former = list(
                connection.scalars(
                    select(former_password.c.password_hash)
                    .where(former_password.c.login == login)
                    .order_by(former_password.c.number.desc())
                    .limit(max(0, self._rules.history - 1))
                )
            )
        known = [] if row is None else [row.password_hash, *former]
        return Fault.USED if any(self._accounts.passwords.verify(each, wanted) for each in known) else None

    def choose(self, connection: Connection, login: str, password_hash: str) -> None:
        """Set the password that its owner has chosen."""
        self._set(connection, login, password_hash, must_change=False)

    def hash(self, password: str) -> str:
        """Hash a password; never within a transaction, it takes a while."""
        return self._accounts.passwords.hash(password)

    def temporary(self) -> tuple[str, str]:
        """Return a password to hand to somebody, and its hash."""
        made = new_password()
        return made, self.hash(made)

    def hand_out(self, connection: Connection, login: str, password_hash: str) -> None:
        """Set a password that somebody else has made: its owner has to change it."""
        self._set(connection, login, password_hash, must_change=True)

    def _set(self, connection: Connection, login: str, password_hash: str, *, must_change: bool) -> None:
        row = connection.execute(select(account).where(account.c.login == login)).first()
        if row is None:
            return
        now = self._clock.now()
        if row.password_hash != NO_PASSWORD:
            self._keep(connection, row)
        change = update(account).where(account.c.login == login)
        connection.execute(
            change.values(
                password_hash=password_hash,
                password_at=now,
                changed_at=now,
                must_change=must_change and Role(row.role) not in MACHINES,
                failures=0,
                locked_until=None,
            )
        )
        self._accounts.generation += 1

    def _keep(self, connection: Connection, row: Row[Any]) -> None:
        connection.execute(
            insert(former_password).values(
                login=row.login, password_hash=row.password_hash, replaced_at=self._clock.now()
            )
        )
        kept = (
            select(former_password.c.number)
            .where(former_password.c.login == row.login)
            .order_by(former_password.c.number.desc())
            .offset(max(0, self._rules.history - 1))
        )
        surplus = list(connection.scalars(kept))
        if surplus:
            connection.execute(delete(former_password).where(former_password.c.number.in_(surplus)))
