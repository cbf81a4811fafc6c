"""Secrets of a development region: made once, private, and such that the servers accept them."""

import json
import re
import stat

import pytest

from cami.clock import SystemClock
from cami.delivery.tokens import TokenIssuer, TokenVerifier, read_public_keys
from cami.people.passwords import Passwords
from cami_cli import keys

pytestmark = pytest.mark.usefixtures("quick_hashes")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_password_is_long_readable_and_never_the_same():
    made = {keys.new_password() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"[a-hj-km-np-z2-9]{4}(-[a-hj-km-np-z2-9]{4}){3}", password) for password in made)


def test_the_key_pair_signs_what_the_centre_accepts_and_stays_the_same(tmp_path):
    private, public = tmp_path / "link.key", tmp_path / "keys" / "42001.pem"
    public.parent.mkdir()
    keys.ensure_link_key(private, public)
    first = private.read_bytes()
    public.unlink()
    keys.ensure_link_key(private, public)
    assert private.read_bytes() == first
    token = TokenIssuer("42001", private, SystemClock()).issue()
    assert TokenVerifier(read_public_keys(public.parent), SystemClock()).verify(token) == "42001"
    assert mode(private) == mode(public) == 0o600


def test_accounts_hold_hashes_of_the_passwords_and_no_password(tmp_path, region):
    passwords = keys.ensure_passwords(region, {})
    file = tmp_path / "accounts.json"
    keys.write_accounts(file, region, passwords)
    entries = {entry["login"]: entry for entry in json.loads(file.read_text())}
    assert set(entries) == {"rad.42001", "operator", "mis"}
    assert entries["mis"]["role"] == "mis"
    assert (entries["rad.42001"]["role"], entries["rad.42001"]["mo"]) == ("radiologist", "42001")
    for login, password in passwords.items():
        assert Passwords().verify(entries[login]["password_hash"], password)
        assert password not in file.read_text()
    assert mode(file) == 0o600


def test_a_hash_that_is_there_stays(tmp_path, region):
    file = tmp_path / "accounts.json"
    keys.write_accounts(file, region, keys.ensure_passwords(region, {}))
    before = file.read_text()
    keys.write_accounts(file, region, {})
    assert file.read_text() == before


def test_kept_passwords_stay_and_only_missing_ones_are_made(region):
    made = keys.ensure_passwords(region, {"rad.42001": "kept", "gone.42001": "kept too"})
    assert made["rad.42001"] == "kept"
    assert made["gone.42001"] == "kept too"
    assert len(made["operator"]) == len(made["mis"]) == 19


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "secret"
    keys.write_private(file, "old")
    monkeypatch.setattr(keys.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError, match="no"):
        keys.write_private(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
