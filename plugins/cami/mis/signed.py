"""What a МИС has signed with a key of its own: assertions of who it is (RFC 7523), links that open images.

Its public keys are a JWK Set (RFC 7517) at the centre, ``keys/<client>.jwks.json``, two while they change; the file
is read again when it changes. What is signed names who it is for, ends soon, and is used once.
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from sqlalchemy import Connection, Engine, delete, insert, select

from cami.access import Role
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import account, mis_signed_once

log = logging.getLogger(__name__)

#: SMART Backend Services asks for RS384 and ES384; domain.md I11 for RS256 and ES256. No secret shared by both sides.
ALGORITHMS = ("RS384", "ES384", "RS256", "ES256", "PS256", "PS384")
#: Clocks may differ by so much.
LEEWAY = timedelta(seconds=30)
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST = 8000


class ClientKeys:
    """The public keys of clients. Thread-safe: what is replaced is replaced as a whole."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, tuple[int, list[jwt.PyJWK]]] = {}

    def of(self, client: str) -> Sequence[jwt.PyJWK]:
        """Return the keys of a client; none if it has none, or its file is no JWK Set."""
        if self._folder is None or not _CLIENT.fullmatch(client):
            return ()
        path = self._folder / f"{client}.jwks.json"
        try:
            changed_at = path.stat().st_mtime_ns
            before = self._known.get(client)
            if before is None or before[0] != changed_at:
                keys = [key for key in jwt.PyJWKSet.from_dict(json.loads(path.read_text("utf-8"))).keys if _public(key)]
                before = self._known[client] = (changed_at, keys)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError, AttributeError, jwt.PyJWTError) as error:
            log.warning("the keys of a client cannot be read: %s", type(error).__name__)
            return ()
        return before[1]


class Signed:
    """Checks what clients have signed, and that it is used once. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, keys: ClientKeys) -> None:
        self._reader = reading(engine)
        self._clock = clock
        self._keys = keys

    def claims(self, token: str, audience: str, longest: timedelta) -> Mapping[str, Any] | None:
        """Return the claims of what a client has signed for `audience`; None if it is not good, whatever the reason."""
        if not token or len(token) > _LONGEST:
            return None
        try:
            header = jwt.get_unverified_header(token)
            client = str(jwt.decode(token, options={"verify_signature": False}).get("iss", ""))
            found = self._decoded(token, self._of(client, str(header.get("kid", ""))), audience)
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        if found is None or not self._timely(found, longest) or not self._enabled(client):
            return None
        return found

    def use(self, connection: Connection, claims: Mapping[str, Any]) -> None:
        """Note that it is used, in the caller's transaction.

        Raises
        ------
        sqlalchemy.exc.IntegrityError
            It was used before.
        """
        now = self._clock.now()
        ends = datetime.fromtimestamp(int(claims["exp"]), UTC) + 2 * LEEWAY
        connection.execute(delete(mis_signed_once).where(mis_signed_once.c.expires_at < now))
        values = {"client": str(claims["iss"])[:64], "jti": str(claims["jti"]), "expires_at": ends}
        connection.execute(insert(mis_signed_once).values(**values))

    def _of(self, client: str, kid: str) -> list[jwt.PyJWK]:
        keys = self._keys.of(client)
        return [key for key in keys if not kid or key.key_id == kid]

    def _decoded(self, token: str, keys: Sequence[jwt.PyJWK], audience: str) -> Mapping[str, Any] | None:
        for key in keys:
            try:
                found: Mapping[str, Any] = jwt.decode(
                    token,
                    key.key,
                    algorithms=[each for each in ALGORITHMS if each[:2] in _families(key)],
                    audience=audience,
                    options={"require": ["iss", "aud", "exp", "jti"], "verify_exp": False, "verify_iat": False},
                )
            except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError, jwt.InvalidKeyError):
                continue
            return found
        return None

    def _timely(self, claims: Mapping[str, Any], longest: timedelta) -> bool:
        now = self._clock.now().timestamp()
        leeway = LEEWAY.total_seconds()
        ends = float(claims["exp"])
        begins = float(claims.get("iat", ends - longest.total_seconds()))
        jti = claims["jti"]
        good_number = isinstance(jti, str) and 0 < len(jti) <= 128
        in_time = begins - leeway <= now <= ends + leeway
        return (
            good_number
            and in_time
            and ends - begins <= longest.total_seconds()
            and ends - now <= longest.total_seconds() + leeway
        )

    def _enabled(self, client: str) -> bool:
        here = (account.c.login == client, account.c.disabled.is_(False), account.c.role == Role.MIS.value)
        with self._reader.connect() as connection:
            return connection.scalar(select(account.c.login).where(*here)) is not None


def _families(key: jwt.PyJWK) -> tuple[str, ...]:
    return ("ES",) if key.key_type == "EC" else ("RS", "PS")


def _public(key: jwt.PyJWK) -> bool:
    """Say whether it is a public key of a kind that we take; a private one does not belong here."""
    return key.key_type in ("RSA", "EC") and not hasattr(key.key, "private_bytes")
