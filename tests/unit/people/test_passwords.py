"""Which passwords may be chosen, and when one has to be."""

import pytest
from sqlalchemy import update

from cami.db.tables import account
from cami.people import Client, Reason, Refusal, Step
from cami.people.password_rules import Fault, fault_of, new_password
from cami.region import PasswordRules
from tests.unit.people.conftest import PASSWORD, basic

RULES = PasswordRules()
GOOD = "Сосна-над-Томью-7"
HERE = Client("10.0.0.7", "Firefox 132, Linux")


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        (GOOD, None),
        ("kxmp-7rwd-hn4c-t9qs", None),
        ("Ab1-Ab1-Ab", Fault.SHORT),
        ("соснанадтомью", Fault.CLASSES),
        ("Password-2026", Fault.COMMON),
        ("Пароль-20262026", Fault.COMMON),
        ("Qwertyuiop12", Fault.COMMON),
        ("йцукенгшщзХ1", Fault.COMMON),
        ("Doc.42001-new", Fault.COMMON),
        ("Aa1-Aa1-Aa1-Aa1-", Fault.COMMON),
        ("x" * 1025, Fault.LONG),
    ],
)
def test_rules(password, fault):
    assert fault_of(password, "doc.42001", RULES) == fault


def test_made_up_passwords_fit_the_rules():
    made = [new_password() for _ in range(100)]
    assert len(set(made)) == 100
    assert {fault_of(password, "doc.42001", RULES) for password in made} == {None}


def signed_in(house, login="rad1", password=PASSWORD):
    return house.sign_in.sign_in(login, password, HERE)


def test_a_first_password_opens_nothing_until_it_is_changed(strict):
    done = signed_in(strict)
    assert done.step is Step.PASSWORD
    assert strict.sessions.identify(done.token) is None
    assert strict.authenticator.identify({"cookie": f"cami_session={done.token}"}) is None
    assert strict.authenticator.identify(basic("rad1")) is None
    assert strict.sign_in.change_password(done.token, PASSWORD, GOOD, HERE) is None
    assert strict.step(done.token) is None
    assert strict.authenticator.identify(basic("rad1", GOOD)).login == "rad1"
    assert strict.authenticator.identify(basic("rad1")) is None


@pytest.mark.parametrize(
    ("present", "wanted", "said"),
    [("wrong", GOOD, Reason.WRONG), (PASSWORD, "short", Fault.SHORT), (PASSWORD, PASSWORD, Fault.SHORT)],
)
def test_what_is_not_taken(strict, present, wanted, said):
    done = signed_in(strict)
    assert strict.sign_in.change_password(done.token, present, wanted, HERE) == said
    assert strict.step(done.token) is Step.PASSWORD


def test_the_last_ones_do_not_come_again(easy):
    token = signed_in(easy).token
    chosen = [f"Сосна-над-Томью-{number}" for number in range(6)]
    present = PASSWORD
    for password in chosen:
        assert easy.sign_in.change_password(token, present, password, HERE) is None
        present = password
    for password in chosen[-5:]:
        assert easy.sign_in.change_password(token, present, password, HERE) == Fault.USED
    assert easy.sign_in.change_password(token, present, chosen[0], HERE) is None


def test_a_change_ends_the_other_sessions(easy):
    mine, other = signed_in(easy).token, signed_in(easy).token
    assert easy.sign_in.change_password(mine, PASSWORD, GOOD, HERE) is None
    assert easy.sessions.identify(mine)
    assert easy.sessions.identify(other) is None
    assert ("rad1", "rad1", "password-changed", "success") in easy.recorded()


def test_guessing_the_present_password_locks(easy):
    token = signed_in(easy).token
    for _ in range(5):
        assert easy.sign_in.change_password(token, "wrong", GOOD, HERE) == Reason.WRONG
    assert easy.sign_in.change_password(token, PASSWORD, GOOD, HERE) == Reason.LOCKED
    assert easy.sessions.standing(token) is None


def test_a_password_ages(easy, clock):
    clock.pass_(days=89)
    assert signed_in(easy).step is None
    assert easy.authenticator.identify(basic("rad1"))
    clock.pass_(days=1)
    assert signed_in(easy).step is Step.PASSWORD
    assert easy.authenticator.identify(basic("rad1")) is None
    assert easy.accounts.verify("mis", PASSWORD).login == "mis"


def test_at_a_proxy_a_password_that_must_be_changed_is_not_enough(strict, tmp_path, clock):
    from cami.people import Accounts
    from tests.unit.people.conftest import CHEAP

    proxy = Accounts(strict.engine, clock, passwords=CHEAP, mirror=True, rules=strict.rules)
    assert proxy.check("rad1", PASSWORD) == Refusal(Reason.CHANGE_AT_CENTRE)
    with strict.engine.begin() as connection:
        connection.execute(update(account).values(must_change=False))
    assert proxy.check("rad1", PASSWORD).login == "rad1"


def test_what_was_typed_instead_of_a_login_is_not_written_down(strict):
    strict.sign_in.sign_in("Моя-тайна-1", "x", HERE)
    strict.sign_in.sign_in("rad1", "x", HERE)
    assert strict.recorded() == [("", "", "wrong", "failure"), ("rad1", "rad1", "wrong", "failure")]
