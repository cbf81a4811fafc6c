"""The people of one МО as the centre hands them to that МО's proxy, so that they can sign in there without the line."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from cami.errors import Invalid
from cami.people.roles import Role

#: ASCII only: a login that merely looks like another one must not exist.
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_TEXTS = ("login", "name", "role", "mo", "password_hash", "changed_at", "unlocked_at")
#: People who see images by their МО must have one.
_OF_A_MO = frozenset({Role.CLINICIAN, Role.MO_ADMIN, Role.RADIOLOGIST, Role.TECHNOLOGIST})


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account as it is handed over or imported: never the password, always its hash."""

    login: str
    name: str
    role: str
    mo: str
    password_hash: str
    changed_at: str = ""
    """When the password, the role or the МО last changed at the centre, ISO 8601; empty in an import."""
    must_change: bool = False
    """Whether the password has to be changed at the centre before anything else."""
    unlocked_at: str = ""
    """When an administrator last lifted a lock, ISO 8601."""

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read one account of ``accounts.json`` or of the wire.

        Raises
        ------
        cami.errors.Invalid
            A field is missing, or its value makes no account. The message names the login at most.
        """
        if not isinstance(value, Mapping):
            raise Invalid("an account must be an object")
        fields = {name: value.get(name, "") for name in _TEXTS}
        if not all(isinstance(field, str) for field in fields.values()):
            raise Invalid("the fields of an account must be texts")
        record = cls(**fields, must_change=value.get("must_change") is True)
        record.check()
        return record

    def check(self) -> None:
        """Refuse an account that would weaken the lock.

        Raises
        ------
        cami.errors.Invalid
            The login, the role, the МО or the hash is not acceptable.
        """
        if not is_login(self.login):
            raise Invalid("a login is 1 to 64 of a-z, 0-9, '.', '_', '@', '-'")
        if self.role not in set(Role):
            raise Invalid(f"account {self.login}: no such role")
        if Role(self.role) in _OF_A_MO and not self.mo:
            raise Invalid(f"account {self.login}: this role needs a МО")
        if self.role == Role.REGION_ADMIN and self.mo:
            raise Invalid(f"account {self.login}: the region administrator belongs to no МО")
        if not self.password_hash.startswith("$argon2id$"):
            raise Invalid(f"account {self.login}: password_hash must be argon2id")


@dataclass(frozen=True, slots=True)
class Directory:
    """All enabled accounts of one МО; `version` is a digest of them, equal when nothing changed."""

    version: str
    accounts: tuple[AccountRecord, ...]

    @classmethod
    def of(cls, accounts: Sequence[AccountRecord]) -> Self:
        """Make the directory of `accounts`."""
        ordered = tuple(sorted(accounts, key=lambda account: account.login))
        text = json.dumps([asdict(account) for account in ordered], ensure_ascii=False, sort_keys=True)
        return cls(hashlib.sha256(text.encode("utf-8")).hexdigest(), ordered)

    def to_json(self) -> dict[str, Any]:
        """Return what ``GET /cami/wire/v1/directory`` answers."""
        return {"version": self.version, "accounts": [asdict(account) for account in self.accounts]}

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read what the wire brought.

        Raises
        ------
        cami.errors.Invalid
            It is no directory.
        """
        if not isinstance(value, Mapping) or not isinstance(value.get("accounts"), list):
            raise Invalid("not a directory of accounts")
        return cls.of([AccountRecord.parse(account) for account in value["accounts"]])


def is_login(text: str) -> bool:
    """Say whether `text` can be a login."""
    return _LOGIN.fullmatch(text) is not None


def normal_login(login: str) -> str:
    """Write a login as it stands in the table."""
    return login.strip().lower()
