import hashlib

import pytest
from sqlalchemy import select, update

from cami.db.tables import account, session
from cami.people import COOKIE, Authenticator, Reason, Refusal, Sessions, SignedIn, SignIn
from tests.unit.people.conftest import PASSWORD, basic


def cookie(token):
    return {"host": "cami", "cookie": f"theme=dark; {COOKIE}={token}; other=1"}


def rows(engine):
    with engine.connect() as connection:
        return connection.execute(select(session)).all()


def test_only_the_digest_is_kept(sessions, engine):
    token = sessions.open("rad1")
    assert len(token) >= 43
    assert rows(engine)[0].token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(rows(engine))
    assert sessions.open("rad1") != token


def test_idle_limit(sessions, clock):
    token = sessions.open("rad1")
    clock.pass_(minutes=14)
    assert sessions.identify(token).login == "rad1"
    clock.pass_(minutes=14)
    assert sessions.identify(token)
    clock.pass_(minutes=15)
    assert sessions.identify(token) is None


def test_absolute_limit(sessions, clock):
    token = sessions.open("rad1")
    for _ in range(12 * 60 // 10 - 1):
        clock.pass_(minutes=10)
        assert sessions.identify(token)
    clock.pass_(minutes=10)
    assert sessions.identify(token) is None


def test_use_is_written_at_most_once_a_minute(sessions, engine, clock):
    token = sessions.open("rad1")
    opened = clock.now()
    clock.pass_(seconds=59)
    sessions.identify(token)
    assert rows(engine)[0].seen_at == opened
    clock.pass_(seconds=1)
    sessions.identify(token)
    assert rows(engine)[0].seen_at == clock.now()


@pytest.mark.parametrize("token", ["", "x", "x" * 10_000, "\0", "ключ"])
def test_other_tokens_are_nobody(sessions, token):
    sessions.open("rad1")
    assert sessions.identify(token) is None


def test_a_digest_out_of_the_table_is_no_token(sessions, engine):
    sessions.open("rad1")
    assert sessions.identify(rows(engine)[0].token_hash) is None


def test_a_disabled_account_has_no_session(sessions, engine):
    token, other = sessions.open("rad1"), sessions.open("rad2")
    with engine.begin() as connection:
        connection.execute(update(account).where(account.c.login == "rad1").values(disabled=True))
    assert sessions.identify(token) is None
    assert sessions.identify(other)


def test_clock_set_back_ends_sessions(sessions, clock):
    token = sessions.open("rad1")
    clock.pass_(hours=-1)
    assert sessions.identify(token) is None


def test_dead_sessions_are_swept(sessions, engine, clock):
    sessions.open("rad1")
    clock.pass_(hours=1)
    sessions.open("rad2")
    assert [row.login for row in rows(engine)] == ["rad2"]


def test_close_all(sessions):
    one, two, other = sessions.open("rad1"), sessions.open("rad1"), sessions.open("rad2")
    sessions.close_all("RAD1")
    assert sessions.identify(one) is sessions.identify(two) is None
    assert sessions.identify(other)


class TestAuthenticator:
    def test_stranger(self, authenticator):
        assert authenticator.identify({}) is None
        assert authenticator.identify({"host": "cami"}) is None

    @pytest.mark.parametrize(
        "value",
        ["", "Basic", "Basic !!!", "Basic cmFkMQ==", "Basic /////w==", "Bearer cmFkMTp4", "Basic OnBhc3M=", "basic"],
    )
    def test_bad_credentials(self, authenticator, value):
        assert authenticator.identify({"authorization": value}) is None

    def test_cookie(self, authenticator, sessions):
        assert authenticator.identify(cookie(sessions.open("rad1"))).login == "rad1"
        assert authenticator.identify(cookie("forged")) is None

    def test_cookie_comes_before_basic_and_a_dead_one_does_not_hide_it(self, authenticator, sessions):
        token = sessions.open("rad1")
        both = basic("rad2") | cookie(token)
        assert authenticator.identify(both).login == "rad1"
        sessions.close(token)
        assert authenticator.identify(both).login == "rad2"

    def test_sign_out_holds_at_once(self, authenticator, sessions):
        token = sessions.open("rad1")
        assert authenticator.identify(cookie(token))
        sessions.close(token)
        assert authenticator.identify(cookie(token)) is None

    def test_sign_out_in_another_process_holds_after_two_seconds(self, authenticator, sessions, engine, clock):
        token = sessions.open("rad1")
        assert authenticator.identify(cookie(token))
        Sessions(engine, clock).close(token)
        clock.pass_(seconds=2)
        assert authenticator.identify(cookie(token)) is None

    def test_a_password_is_hashed_once_a_minute(self, accounts, authenticator, clock, monkeypatch):
        checks = []
        verify = accounts.check_program
        monkeypatch.setattr(accounts, "check_program", lambda *given: checks.append(1) or verify(*given))
        for _ in range(30):
            assert authenticator.identify(basic("rad1")).login == "rad1"
            clock.pass_(seconds=1)
        assert len(checks) == 1
        clock.pass_(seconds=31)
        assert authenticator.identify(basic("rad1"))
        assert len(checks) == 2

    def test_wrong_passwords_are_not_remembered_and_lock(self, authenticator, accounts):
        for _ in range(10):
            assert authenticator.identify(basic("rad1", "wrong")) is None
        assert accounts.check("rad1", PASSWORD) == Refusal(Reason.LOCKED)

    def test_a_remembered_password_is_no_other(self, authenticator):
        assert authenticator.identify(basic("rad1"))
        assert authenticator.identify(basic("rad1", PASSWORD + "x")) is None
        assert authenticator.identify(basic("rad", "1" + PASSWORD)) is None

    @pytest.mark.parametrize(
        "change", [{"disabled": True}, {"role": "auditor"}, {"mo": "42002"}, {"password_hash": "$argon2id$other"}]
    )
    def test_a_changed_account_is_noticed_in_two_seconds(self, authenticator, engine, clock, change):
        before = authenticator.identify(basic("rad1"))
        clock.pass_(seconds=1)
        with engine.begin() as connection:
            connection.execute(
                update(account).where(account.c.login == "rad1").values(changed_at=clock.now(), **change)
            )
        clock.pass_(seconds=2)
        assert authenticator.identify(basic("rad1")) != before

    def test_a_removed_account_is_out_at_once_in_this_process(self, authenticator, accounts, sessions):
        from cami.people import Directory

        token = sessions.open("rad1")
        assert authenticator.identify(basic("rad1"))
        assert authenticator.identify(cookie(token))
        accounts.replace_directory(Directory.of([]))
        assert authenticator.identify(basic("rad1")) is None
        assert authenticator.identify(cookie(token)) is None

    def test_memory_is_bounded(self, authenticator, sessions, monkeypatch):
        monkeypatch.setattr("cami.people.authenticator._REMEMBERED", 3)
        tokens = [sessions.open("rad1") for _ in range(6)]
        assert all(authenticator.identify(cookie(token)) for token in tokens + tokens)
        assert len(authenticator._known) == 3

    def test_many_threads_hash_once(self, accounts, sessions, clock, monkeypatch):
        from concurrent.futures import ThreadPoolExecutor

        authenticator = Authenticator(accounts, sessions, clock)
        checks = []
        verify = accounts.check_program
        monkeypatch.setattr(accounts, "check_program", lambda *given: checks.append(1) or verify(*given))
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: authenticator.identify(basic("rad1")), range(64)))
        assert {answer.login for answer in answers} == {"rad1"}
        assert len(checks) == 1


class TestSignIn:
    def test_in_and_out(self, engine, clock, accounts, sessions):
        sign_in = SignIn(engine, clock, accounts, sessions)
        done = sign_in.sign_in("Rad1", PASSWORD)
        assert isinstance(done, SignedIn)
        assert sessions.identify(done.token) == done.identity
        sign_in.sign_out(done.token)
        assert sessions.identify(done.token) is None

    def test_refusals(self, accounts, sessions, engine, clock):
        sign_in = SignIn(engine, clock, accounts, sessions)
        assert sign_in.sign_in("rad1", "wrong") == sign_in.sign_in("nobody", "x") == Refusal(Reason.WRONG)
        assert rows(engine) == []

    def test_a_flood_is_told_to_wait(self, engine, clock, accounts, sessions, monkeypatch):
        from cami.errors import Transient

        def full(*_):
            raise Transient("too many")

        monkeypatch.setattr(accounts, "check", full)
        assert SignIn(engine, clock, accounts, sessions).sign_in("rad1", PASSWORD) == Refusal(Reason.BUSY)
