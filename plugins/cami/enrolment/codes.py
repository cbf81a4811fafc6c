"""The code that a proxy joins with: written on paper, typed once.

Its first half is the secret (79 bits), of which the centre keeps a digest. Its second half is the beginning of the
SHA-256 of the file ``bundle.pub``, with which installation bundles are signed: so whoever types the code also says
which bundle is the right one, and a bundle of somebody else is not begun with (`scripts/cami mo bundle`).
"""

import hashlib
import re
import secrets

#: Letters and digits that nobody mistakes for one another, on paper or by ear.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
SECRET_LENGTH = FINGERPRINT_LENGTH = 16
_GROUP = 4
_SECRET = re.compile(f"[{ALPHABET}]{{{SECRET_LENGTH}}}")


def new_secret() -> str:
    """Return a fresh secret half."""
    return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))


def fingerprint(public_key: bytes) -> str:
    """Return the second half for the file ``bundle.pub``."""
    return hashlib.sha256(public_key).hexdigest()[:FINGERPRINT_LENGTH]


def written(secret: str, signer: str) -> str:
    """Return the code as people read it: ``kxmp-7rwd-…``."""
    whole = secret + signer
    return "-".join(whole[place : place + _GROUP] for place in range(0, len(whole), _GROUP))


def secret_of(code: str) -> str:
    """Return the secret half of what somebody typed, or nothing if it cannot be one."""
    plain = re.sub(r"[\s-]", "", code).lower()[:SECRET_LENGTH]
    return plain if _SECRET.fullmatch(plain) else ""


def digest(secret: str) -> str:
    """Return what the centre keeps of a secret. It is random and long enough: no slow hash is needed."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()
