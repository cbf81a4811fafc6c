"""Codes of an authenticator app beside the password: TOTP (RFC 6238, SHA-1, 30 s, 6 digits, as all apps know it).

The secret is encrypted in the database and never leaves the centre: a proxy, which stands inside its МО's network, asks
for the password alone. Each code is good once (RFC 6238 §5.2), one step early or late is forgiven, wrong ones count
towards the lock of the account. Recovery codes stand in for a lost telephone, each once.
"""

import base64
import hmac
import secrets
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import Engine, delete, func, insert, or_, select, update
from sqlalchemy.engine import Connection

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import account, recovery_code
from cami.errors import Misconfigured
from cami.people.vault import Vault

STEP = 30
DIGITS = 6
#: Steps by which a telephone's clock may be off.
DRIFT = 1
RECOVERY_CODES = 10
_SECRET_BYTES = 20
#: Letters and digits that nobody mistakes for one another.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


class SecondFactor:
    """The second factors of accounts. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, vault: Vault | None) -> None:
        """Make it; without a `vault` there can be none."""
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._vault = vault

    @property
    def possible(self) -> bool:
        """Whether this server has a key to encrypt secrets with."""
        return self._vault is not None

    def secret(self, login: str) -> str:
        """Return the secret that waits to be confirmed, in Base32 for the app; make one if there is none.

        Only of an account whose factor is not in force: one that is, is never shown again.
        """
        vault = self._require()
        with self._engine.begin() as connection:
            row = connection.execute(
                select(account.c.totp_secret).where(account.c.login == login, account.c.totp_at.is_(None))
            ).first()
            if row is None:
                raise Misconfigured("the second factor is in force")
            if row.totp_secret:
                return _base32(vault.open(login, row.totp_secret))
            fresh = secrets.token_bytes(_SECRET_BYTES)
            change = update(account).where(account.c.login == login, account.c.totp_at.is_(None))
            connection.execute(change.values(totp_secret=vault.seal(login, fresh), totp_step=None))
        return _base32(fresh)

    def confirm(self, connection: Connection, login: str, code: str) -> list[str] | None:
        """Put the factor in force if the code is right, and return recovery codes, which are never shown again."""
        vault = self._require()
        row = connection.execute(select(account).where(account.c.login == login)).first()
        if row is None or row.totp_at is not None or not row.totp_secret:
            return None
        step = self._step_of(vault.open(login, row.totp_secret), code)
        if step is None:
            return None
        change = update(account).where(account.c.login == login)
        connection.execute(change.values(totp_at=self._clock.now(), totp_step=step))
        return self._new_codes(connection, login)

    def check(self, login: str, code: str) -> bool:
        """Say whether a code is right and was not used before; it cannot be used again."""
        vault = self._require()
        typed = _plain(code)
        with self._engine.begin() as connection:
            row = connection.execute(select(account).where(account.c.login == login)).first()
            if row is None or row.totp_at is None or not row.totp_secret:
                return False
            if not typed.isdigit():
                return self._use_recovery(connection, login, vault.mark(login, typed))
            step = self._step_of(vault.open(login, row.totp_secret), typed)
            if step is None:
                return False
            change = update(account).where(
                account.c.login == login, or_(account.c.totp_step.is_(None), account.c.totp_step < step)
            )
            return connection.execute(change.values(totp_step=step)).rowcount == 1

    def renew_codes(self, connection: Connection, login: str) -> list[str]:
        """Replace all recovery codes by new ones."""
        return self._new_codes(connection, login)

    def codes_left(self, login: str) -> int:
        """Return how many recovery codes are unused."""
        query = (
            select(func.count())
            .select_from(recovery_code)
            .where(recovery_code.c.login == login, recovery_code.c.used_at.is_(None))
        )
        with self._reader.connect() as connection:
            return int(connection.execute(query).scalar_one())

    @staticmethod
    def switch_off(connection: Connection, login: str) -> None:
        """Forget the secret and the recovery codes."""
        change = update(account).where(account.c.login == login)
        connection.execute(change.values(totp_secret=None, totp_at=None, totp_step=None))
        connection.execute(delete(recovery_code).where(recovery_code.c.login == login))

    def _require(self) -> Vault:
        if self._vault is None:
            raise Misconfigured("there is no people.key: second factors cannot be kept")
        return self._vault

    def _step_of(self, secret: bytes, code: str) -> int | None:
        typed = _plain(code)
        if len(typed) != DIGITS or not typed.isascii() or not typed.isdigit():
            return None
        # RFC 4226 §4 R6 asks for 128 bits; ours have 160.
        app = TOTP(secret, DIGITS, SHA1(), STEP)  # noqa: S303 - what RFC 6238 and every app use; an HMAC
        now = int(self._clock.now().timestamp()) // STEP
        found = None
        for step in range(now - DRIFT, now + DRIFT + 1):
            if hmac.compare_digest(app.generate(step * STEP), typed.encode("ascii")):
                found = step
        return found

    def _use_recovery(self, connection: Connection, login: str, mark: str) -> bool:
        change = update(recovery_code).where(
            recovery_code.c.code_hash == mark, recovery_code.c.login == login, recovery_code.c.used_at.is_(None)
        )
        return connection.execute(change.values(used_at=self._clock.now())).rowcount == 1

    def _new_codes(self, connection: Connection, login: str) -> list[str]:
        vault = self._require()
        codes = ["-".join(_random(5) for _ in range(2)) for _ in range(RECOVERY_CODES)]
        connection.execute(delete(recovery_code).where(recovery_code.c.login == login))
        connection.execute(
            insert(recovery_code), [{"code_hash": vault.mark(login, _plain(code)), "login": login} for code in codes]
        )
        return codes


def address_of(secret: str, login: str, issuer: str) -> str:
    """Return what the QR code says to the app (the "Key Uri Format" that all of them read)."""
    # The issuer stands in its parameter alone: once more in the label would make the picture twice as fine.
    return f"otpauth://totp/{quote(login)}?{urlencode({'secret': secret, 'issuer': issuer}, quote_via=quote)}"


def in_groups(secret: str) -> Sequence[str]:
    """Return a secret in groups of four, to be typed."""
    return [secret[at : at + 4] for at in range(0, len(secret), 4)]


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()


def _base32(secret: bytes) -> str:
    return base64.b32encode(secret).decode("ascii").rstrip("=")


def _random(length: int) -> str:
    # A letter comes first, so that no recovery code looks like the six digits of an app.
    return secrets.choice(_ALPHABET[:23]) + "".join(secrets.choice(_ALPHABET) for _ in range(length - 1))
