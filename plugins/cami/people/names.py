"""Names of accounts, for pages that show who did something."""

from collections.abc import Collection, Mapping

from sqlalchemy import Engine, select

from cami.db import reading
from cami.db.tables import account

_MOST = 500


class AccountNames:
    """Reads the table ``account``."""

    def __init__(self, engine: Engine) -> None:
        self._reader = reading(engine)

    def __call__(self, logins: Collection[str]) -> Mapping[str, str]:
        """Return the names of those of `logins` that are accounts."""
        query = select(account.c.login, account.c.name).where(account.c.login.in_(sorted(logins)[:_MOST]))
        with self._reader.connect() as connection:
            return {row.login: row.name for row in connection.execute(query)}
