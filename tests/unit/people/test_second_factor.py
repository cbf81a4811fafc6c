"""Codes beside the password: RFC 6238, once each, encrypted, and what comes instead of them."""

import base64
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import select, update

from cami.db.tables import account
from cami.errors import Denied, Misconfigured
from cami.people import Client, Reason, Refusal, Step
from cami.people.second_factor import SecondFactor, address_of
from cami.people.vault import Vault, new_key
from tests.unit.people.conftest import PASSWORD, basic

HERE = Client("10.0.0.7")


def code_of(secret, clock, steps=0):
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return TOTP(key, 6, SHA1(), 30).generate(int(clock.now().timestamp()) + 30 * steps).decode()


@pytest.fixture
def enrolled(easy, clock):
    """The administrator of 42001 with a factor in force: (house, secret, recovery codes)."""
    token = easy.sign_in.sign_in("adm1", PASSWORD, HERE).token
    secret = easy.sign_in.enrolment(token)
    codes = easy.sign_in.enrol(token, code_of(secret, clock), HERE)
    easy.sign_in.sign_out(token)
    clock.pass_(seconds=30)
    return easy, secret, codes


def half_way(house):
    done = house.sign_in.sign_in("adm1", PASSWORD, HERE)
    assert done.step is Step.CODE
    return done.token


def test_the_vectors_of_the_rfc(easy, clock):
    # RFC 6238, appendix B, SHA-1, the last six digits.
    with easy.engine.begin() as connection:
        sealed = Vault(b"k" * 32).seal("rad1", b"12345678901234567890")
        connection.execute(
            update(account).where(account.c.login == "rad1").values(totp_secret=sealed, totp_at=clock.now())
        )
    for moment, code in ((59, "287082"), (1111111109, "081804"), (2000000000, "279037"), (20000000000, "353130")):
        clock.time = datetime.fromtimestamp(moment, UTC)
        assert easy.factor.check("rad1", code)


def test_who_must_have_one_sets_it_up_first(strict, clock):
    with strict.engine.begin() as connection:
        connection.execute(update(account).values(must_change=False))
    done = strict.sign_in.sign_in("adm1", PASSWORD, HERE)
    assert done.step is Step.ENROL
    assert strict.sessions.identify(done.token) is None
    assert strict.authenticator.identify(basic("adm1")) is None
    secret = strict.sign_in.enrolment(done.token)
    assert strict.sign_in.enrolment(done.token) == secret
    assert strict.sign_in.enrol(done.token, "000000", HERE) is None
    assert len(strict.sign_in.enrol(done.token, code_of(secret, clock), HERE)) == 10
    assert strict.sessions.identify(done.token).login == "adm1"
    with pytest.raises(Misconfigured):
        strict.factor.secret("adm1")
    assert strict.sign_in.sign_in("rad1", PASSWORD, HERE).step is None


def test_password_and_code_open(enrolled, clock):
    house, secret, _ = enrolled
    token = half_way(house)
    assert house.sessions.identify(token) is None
    assert house.sign_in.show_code(token, code_of(secret, clock), HERE) is None
    assert house.sessions.identify(token).login == "adm1"


def test_a_code_is_good_once(enrolled, clock):
    house, secret, _ = enrolled
    code = code_of(secret, clock)
    assert house.sign_in.show_code(half_way(house), code, HERE) is None
    assert house.sign_in.show_code(half_way(house), code, HERE) == Refusal(Reason.CODE)
    assert house.sign_in.show_code(half_way(house), code_of(secret, clock, -1), HERE) == Refusal(Reason.CODE)
    assert house.sign_in.show_code(half_way(house), code_of(secret, clock, 1), HERE) is None


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, False), (1, True), (2, False)])
def test_a_telephone_may_be_half_a_minute_off(enrolled, clock, steps, taken):
    # One step back was used for the enrolment.
    house, secret, _ = enrolled
    assert (house.sign_in.show_code(half_way(house), code_of(secret, clock, steps), HERE) is None) is taken


def test_guessing_codes_locks_the_account_and_the_right_password_forgives_nothing(enrolled, clock):
    house, secret, _ = enrolled
    for _ in range(4):
        assert house.sign_in.show_code(half_way(house), "000000", HERE) == Refusal(Reason.CODE)
    token = half_way(house)
    assert house.sign_in.show_code(token, "000000", HERE) == Refusal(Reason.LOCKED)
    assert house.sessions.standing(token) is None
    assert house.sign_in.sign_in("adm1", PASSWORD, HERE) == Refusal(Reason.LOCKED)
    clock.pass_(minutes=15)
    assert house.sign_in.show_code(half_way(house), code_of(secret, clock), HERE) is None


def test_a_recovery_code_stands_in_once(enrolled):
    house, _, codes = enrolled
    assert house.sign_in.show_code(half_way(house), codes[0].upper(), HERE) is None
    assert house.factor.codes_left("adm1") == 9
    assert house.sign_in.show_code(half_way(house), codes[0], HERE) == Refusal(Reason.CODE)
    assert house.sign_in.show_code(half_way(house), "abcde-fghjk", HERE) == Refusal(Reason.CODE)


def test_new_recovery_codes_end_the_old_ones(enrolled, clock):
    house, secret, old = enrolled
    token = half_way(house)
    house.sign_in.show_code(token, code_of(secret, clock), HERE)
    clock.pass_(seconds=30)
    fresh = house.sign_in.renew_codes(token, code_of(secret, clock), HERE)
    assert house.sign_in.show_code(half_way(house), old[1], HERE) == Refusal(Reason.CODE)
    assert house.sign_in.show_code(half_way(house), fresh[1], HERE) is None


def test_switching_it_off_takes_a_code(enrolled, clock):
    house, secret, _ = enrolled
    token = half_way(house)
    house.sign_in.show_code(token, code_of(secret, clock), HERE)
    assert not house.sign_in.leave_factor(token, "000000", HERE)
    clock.pass_(seconds=30)
    assert house.sign_in.leave_factor(token, code_of(secret, clock), HERE)
    assert house.sign_in.sign_in("adm1", PASSWORD, HERE).step is None
    assert [each[2] for each in house.recorded() if "factor" in each[2]] == ["factor-on", "factor-off"]


def test_half_a_session_does_nothing_else(enrolled):
    house, *_ = enrolled
    token = half_way(house)
    for act in (
        lambda: house.sign_in.change_password(token, PASSWORD, "Сосна-над-Томью-7", HERE),
        lambda: house.sign_in.enrolment(token),
        lambda: house.sign_in.renew_codes(token, "000000", HERE),
        lambda: house.sign_in.choose_place(token, "42001", HERE),
    ):
        with pytest.raises(Denied):
            act()


def test_basic_takes_a_password_of_the_program_only(enrolled, clock):
    house, *_ = enrolled
    from cami.people.program_passwords import ProgramPasswords

    programs = ProgramPasswords(house.engine, clock, house.trail)
    made = programs.make(house.who("adm1"), " скрипт  отчётов ", "10.0.0.7")
    assert house.authenticator.identify(basic("adm1")) is None
    assert house.authenticator.identify(basic("adm1", made)).login == "adm1"
    assert house.authenticator.identify(basic("rad1", made)) is None
    assert house.sign_in.sign_in("adm1", made, HERE) == Refusal(Reason.WRONG)
    (one,) = programs.of("adm1")
    assert (one.name, one.used_at) == ("скрипт отчётов", clock.now())
    programs.end(house.who("rad1"), one.key, "")
    assert house.authenticator.identify(basic("adm1", made))
    programs.end(house.who("adm1"), one.key, "")
    assert house.authenticator.identify(basic("adm1", made)) is None


def test_a_programs_password_ends_with_its_time_and_its_account(easy, clock):
    from cami.people.program_passwords import ProgramPasswords

    made = ProgramPasswords(easy.engine, clock).make(easy.who("rad1"), "x", "")
    clock.pass_(days=364)
    assert easy.accounts.verify("rad1", made)
    clock.pass_(days=1)
    assert easy.accounts.verify("rad1", made) is None


def test_the_secret_is_encrypted_and_belongs_to_its_account(enrolled):
    house, secret, codes = enrolled
    with house.engine.begin() as connection:
        row = connection.execute(select(account).where(account.c.login == "adm1")).first()
        connection.execute(update(account).where(account.c.login == "rad1").values(
            totp_secret=row.totp_secret, totp_at=row.totp_at
        ))  # fmt: skip
    assert secret not in row.totp_secret
    with pytest.raises(Misconfigured):
        house.factor.check("rad1", "000000")
    other = SecondFactor(house.engine, house.clock, Vault(b"x" * 32))
    with pytest.raises(Misconfigured):
        other.check("adm1", "000000")
    assert not other.check("adm1", codes[2])


def test_key_files(tmp_path):
    assert Vault.read(tmp_path / "people.key") is None
    (tmp_path / "people.key").write_text(new_key())
    assert Vault.read(tmp_path / "people.key").open("a", Vault.read(tmp_path / "people.key").seal("a", b"s")) == b"s"
    for wrong in ("", "eA==", "nonsense"):
        (tmp_path / "people.key").write_text(wrong)
        with pytest.raises(Misconfigured):
            Vault.read(tmp_path / "people.key")


def test_what_the_picture_says():
    told = address_of("ABCD", "adm.42001", "ЦАМИ Кузбасса")
    assert unquote(told) == "otpauth://totp/adm.42001?secret=ABCD&issuer=ЦАМИ Кузбасса"
    assert told.isascii()
