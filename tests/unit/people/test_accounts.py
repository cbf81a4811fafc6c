import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from cami.db.tables import account
from cami.errors import Invalid
from cami.people import AccountRecord, Accounts, Directory, Identity, Passwords, Reason, Refusal, Role, Sessions
from cami.people.passwords import LONGEST_PASSWORD
from tests.unit.people.conftest import CHEAP, PASSWORD


def row(engine, login):
    with engine.connect() as connection:
        return connection.execute(select(account).where(account.c.login == login)).one()


def disable(engine, login):
    with engine.begin() as connection:
        connection.execute(update(account).where(account.c.login == login).values(disabled=True))


def test_right_password(accounts):
    assert accounts.verify("rad1", PASSWORD) == Identity("rad1", "rad1", Role.RADIOLOGIST, "42001")


def test_login_is_not_case_sensitive_the_password_is(accounts):
    assert accounts.verify(" RAD1 ", PASSWORD) is not None
    assert accounts.verify("rad1", PASSWORD.upper()) is None


def test_password_of_another_keyboard(accounts):
    decomposed = "пароль-Е\u0308ж"
    assert decomposed != PASSWORD
    assert accounts.verify("rad1", decomposed) is not None


@pytest.mark.parametrize("login", ["nobody", "", "rad1\0", "x" * 1000, "рад1", "'; drop table account; --"])
def test_unknown_login_gets_the_words_of_a_wrong_password(accounts, login):
    assert accounts.check(login, PASSWORD) == accounts.check("rad1", "wrong") == Refusal(Reason.WRONG)


def test_unknown_login_costs_a_hash_too(engine, clock, people):
    class Counting(Passwords):
        hashed = 0

        def verify(self, password_hash, password):
            self.hashed += 1
            return super().verify(password_hash, password)

    passwords = Counting(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    accounts = Accounts(engine, clock, passwords=passwords)
    accounts.import_initial(people)
    accounts.check("rad1", "wrong")
    accounts.check("nobody", "wrong")
    assert passwords.hashed == 2


def test_damaged_hash_lets_nobody_in(accounts, engine):
    with engine.begin() as connection:
        connection.execute(update(account).values(password_hash="$argon2id$broken"))
    assert accounts.check("rad1", PASSWORD) == Refusal(Reason.WRONG)


@pytest.mark.parametrize("password", ["x" * (LONGEST_PASSWORD + 1), "\ud800", "\0", ""])
def test_strange_passwords_are_wrong(accounts, password):
    assert accounts.check("rad1", password) == Refusal(Reason.WRONG)


def test_disabled_is_told_only_to_who_knows_the_password(accounts, engine):
    disable(engine, "rad1")
    assert accounts.check("rad1", PASSWORD) == Refusal(Reason.DISABLED)
    assert accounts.check("rad1", "wrong") == Refusal(Reason.WRONG)
    assert accounts.verify("rad1", PASSWORD) is None
    assert accounts.state("rad1") is None


@pytest.mark.parametrize("login", ["rad1", "nobody"])
def test_five_failures_lock_for_a_quarter_of_an_hour(accounts, clock, login):
    for _ in range(5):
        assert accounts.check(login, "wrong") == Refusal(Reason.WRONG)
    assert accounts.check(login, PASSWORD) == Refusal(Reason.LOCKED)
    clock.pass_(minutes=14, seconds=59)
    assert accounts.check(login, PASSWORD) == Refusal(Reason.LOCKED)
    clock.pass_(seconds=1)
    assert accounts.check(login, PASSWORD) != Refusal(Reason.LOCKED)


def test_lock_stays_over_a_restart(accounts, engine, clock):
    for _ in range(5):
        accounts.check("rad1", "wrong")
    assert Accounts(engine, clock, passwords=CHEAP).check("rad1", PASSWORD) == Refusal(Reason.LOCKED)


def test_success_forgives_failures(accounts, engine):
    for _ in range(4):
        accounts.check("rad1", "wrong")
    assert accounts.verify("rad1", PASSWORD)
    assert row(engine, "rad1").failures == 0
    for _ in range(4):
        accounts.check("rad1", "wrong")
    assert accounts.verify("rad1", PASSWORD)


def test_failures_of_one_do_not_lock_another(accounts):
    for _ in range(5):
        accounts.check("rad1", "wrong")
    assert accounts.verify("rad2", PASSWORD)


def test_hash_is_made_anew_when_parameters_change(accounts, engine, clock):
    stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    before = row(engine, "rad1")
    assert Accounts(engine, clock, passwords=stronger, mirror=True).verify("rad1", PASSWORD)
    assert row(engine, "rad1").password_hash == before.password_hash
    assert Accounts(engine, clock, passwords=stronger).verify("rad1", PASSWORD)
    after = row(engine, "rad1")
    assert "t=2" in after.password_hash
    assert after.changed_at == before.changed_at
    assert accounts.verify("rad1", PASSWORD)


def test_default_parameters_are_those_of_rfc_9106():
    assert Passwords().hash("x").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_import_adds_only_what_is_missing(accounts, people, clock):
    changed = [{**people[0], "password_hash": CHEAP.hash("other")}]
    assert accounts.import_initial(changed) == 0
    assert accounts.verify("rad1", PASSWORD)
    assert accounts.import_initial([{**people[0], "login": "rad9"}]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"login": "Rad9"},
        {"login": "rad 9"},
        {"login": ""},
        {"role": "god"},
        {"mo": ""},
        {"role": "region_admin", "mo": "42001"},
        {"password_hash": "secret"},
        {"password_hash": "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA"},
        {"name": None},
    ],
)
def test_import_refuses_what_is_no_account_and_adds_nothing(accounts, people, engine, wrong):
    good = {**people[0], "login": "good"}
    with pytest.raises(Invalid) as error:
        accounts.import_initial([good, {**people[0], "login": "rad9", **wrong}])
    assert "argon2" not in str(error.value) or "$" not in str(error.value)
    assert accounts.state("good") is None


def test_directory_holds_the_people_of_one_mo(accounts, engine):
    disable(engine, "clin1")
    assert [person.login for person in accounts.directory("42001").accounts] == ["adm1", "rad1", "tech1"]
    assert accounts.directory("").accounts == ()
    assert accounts.directory("42099").accounts == ()


def test_directory_version_changes_with_its_content(accounts, engine):
    before = accounts.directory("42001")
    assert accounts.directory("42001").version == before.version
    assert Directory.parse(before.to_json()) == before
    disable(engine, "clin1")
    assert accounts.directory("42001").version != before.version


@pytest.mark.parametrize("value", [None, [], {}, {"accounts": {}}, {"accounts": [{}]}, {"accounts": ["x"]}])
def test_directory_of_nonsense_is_refused(value):
    with pytest.raises(Invalid):
        Directory.parse(value)


class TestAtTheProxy:
    @pytest.fixture
    def proxy(self, tmp_path, clock):
        from cami.db import open_engine
        from cami.db.tables import metadata

        engine = open_engine(f"sqlite:///{tmp_path}/proxy.sqlite")
        metadata.create_all(engine)
        yield engine
        engine.dispose()

    def test_people_sign_in_with_the_password_of_the_centre(self, accounts, proxy, clock):
        mirror = Accounts(proxy, clock, passwords=CHEAP, mirror=True)
        mirror.replace_directory(accounts.directory("42001"))
        assert mirror.verify("rad1", PASSWORD) == accounts.verify("rad1", PASSWORD)
        assert mirror.verify("rad2", PASSWORD) is None
        assert mirror.verify("root", PASSWORD) is None

    def test_who_vanished_is_out_with_his_sessions(self, accounts, engine, proxy, clock):
        mirror, sessions = Accounts(proxy, clock, passwords=CHEAP, mirror=True), Sessions(proxy, clock)
        mirror.replace_directory(accounts.directory("42001"))
        going, staying = sessions.open("rad1"), sessions.open("clin1")
        disable(engine, "rad1")
        mirror.replace_directory(accounts.directory("42001"))
        assert mirror.verify("rad1", PASSWORD) is None
        assert sessions.identify(going) is None
        assert sessions.identify(staying) is not None

    def test_changed_password_signs_out_a_remade_hash_does_not(self, accounts, engine, proxy, clock):
        mirror, sessions = Accounts(proxy, clock, passwords=CHEAP, mirror=True), Sessions(proxy, clock)
        mirror.replace_directory(accounts.directory("42001"))
        token = sessions.open("rad1")
        with engine.begin() as connection:
            connection.execute(update(account).values(password_hash=CHEAP.hash(PASSWORD)))
        mirror.replace_directory(accounts.directory("42001"))
        assert sessions.identify(token) is not None
        clock.pass_(seconds=1)
        with engine.begin() as connection:
            connection.execute(update(account).values(password_hash=CHEAP.hash("new"), changed_at=clock.now()))
        mirror.replace_directory(accounts.directory("42001"))
        assert sessions.identify(token) is None
        assert mirror.verify("rad1", "new")

    def test_the_same_directory_changes_nothing(self, accounts, proxy, clock):
        mirror = Accounts(proxy, clock, passwords=CHEAP, mirror=True)
        mirror.replace_directory(accounts.directory("42001"))
        generation = mirror.generation
        for _ in range(5):
            mirror.check("rad1", "wrong")
        mirror.replace_directory(accounts.directory("42001"))
        assert mirror.generation == generation
        assert mirror.check("rad1", PASSWORD) == Refusal(Reason.LOCKED)


def test_record_is_checked_before_it_is_used():
    with pytest.raises(Invalid, match="needs a МО"):
        AccountRecord("x", "X", "radiologist", "", "$argon2id$x").check()
