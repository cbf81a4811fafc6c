"""Secrets of a development region, made once and kept in its state folder: link keys, passwords, their hashes."""

import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from cami.region import Account, Region

#: Letters and digits that nobody mistakes for one another, on paper or by ear.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"

#: The account of the medical information system; its password is the client's secret.
MIS = Account(login="mis", name="МИАС «КУЗДРАВ»", role="mis")


def write_private(file: Path, content: str | bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    data = content.encode() if isinstance(content, str) else content
    handle, part = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(part).replace(file)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def new_password() -> str:
    """Return a random password of 79 bits, in groups that can be read out: ``kxmp-7rwd-hn4c-t9qs``."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


def ensure_link_key(private: Path, public: Path) -> None:
    """Make the Ed25519 key with which a proxy signs its tokens, and give the centre its public half."""
    if private.exists():
        key = load_pem_private_key(private.read_bytes(), None)
    else:
        key = Ed25519PrivateKey.generate()
        write_private(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_private(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def ensure_monitor_token(file: Path) -> None:
    """Make the token with which a monitoring system reads the figures of a server; one that is there stays."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(32) + "\n")


def ensure_people_key(file: Path) -> None:
    """Make the key that second factors are encrypted with; one that is there stays, or they could not be read."""
    if not file.exists():
        from cami.people.vault import new_key  # noqa: PLC0415 - brings the database library with it

        write_private(file, new_key())


def all_accounts(region: Region) -> list[Account]:
    """Return the region's people and its one machine, the MIS."""
    own = [account for account in region.accounts if account.role == MIS.role]
    return [*region.accounts, *([] if own else [MIS])]


def ensure_passwords(region: Region, kept: Mapping[str, str]) -> dict[str, str]:
    """Return the kept passwords, and a new one for each account that has none.

    Those of accounts that have left the registry stay: the centre knows them still if they come back.
    """
    return {**{account.login: new_password() for account in all_accounts(region)}, **kept}


def write_accounts(file: Path, region: Region, passwords: Mapping[str, str]) -> None:
    """Write ``accounts.json`` for the centre: hashes, never passwords. A hash that is there stays."""
    from cami.people.passwords import hash_password  # noqa: PLC0415 - brings the database library with it

    accounts = all_accounts(region)
    hashes: dict[str, str] = {}
    if file.exists():
        hashes = {entry["login"]: entry["password_hash"] for entry in json.loads(file.read_text("utf-8"))}
    lacking = [account.login for account in accounts if account.login not in hashes]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # argon2 is slow on purpose, and lets other threads run
        hashes |= zip(lacking, pool.map(lambda login: hash_password(passwords[login]), lacking), strict=True)
    entries: list[dict[str, Any]] = [
        {
            "login": account.login,
            "name": account.name,
            "role": account.role,
            "mo": account.mo,
            "password_hash": hashes[account.login],
        }
        for account in accounts
    ]
    write_private(file, json.dumps(entries, ensure_ascii=False, indent=1))
