"""What a centre must have among its secrets to let proxies join; made once, kept for good."""

import os
from pathlib import Path

from cami.clock import SystemClock
from cami.enrolment.authority import make_authority
from cami.enrolment.desk import OPERATOR_TOKEN
from cami_cli.keys import write_private
from cami_cli.mo.signing import ensure_signer


def prepare_secrets(secrets: Path) -> bool:
    """Make authority, key for bundles and operator's token among a centre's secrets; True if any was missing."""
    made = make_authority(secrets, SystemClock().now(), write_owned)
    made = ensure_signer(secrets, write_owned) or made
    token = secrets / OPERATOR_TOKEN
    if not token.exists():
        write_owned(token, f"{os.urandom(32).hex()}\n".encode())
        made = True
    return made


def write_owned(file: Path, content: bytes) -> None:
    """Write a file that belongs to who has its folder: root may write for the user that the centre runs as."""
    write_private(file, content)
    if os.geteuid() == 0:
        there = file.parent.stat()
        os.chown(file, there.st_uid, there.st_gid)
