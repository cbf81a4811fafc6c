"""Who may share what with whom, and take it back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cami.access import Cause, NewGrant
from cami.errors import Denied, Invalid, NotFound
from cami.sharing import Wish
from tests.unit.sharing.conftest import ADM1, ADM2, CLIN1, CONS, OPER, RAD1, RAD2, ROOM, TECH1


@pytest.fixture
def wish(first, clock):
    return Wish(first.uid, "42002", "", "на консультацию", clock.now() + timedelta(days=3))


@pytest.mark.parametrize("person", [RAD1, CLIN1, ADM1], ids=lambda person: person.login)
def test_the_owners_doctors_and_administrator_share(desk, owners, first, wish, person):
    assert owners.visible(RAD2, [first.id]) == frozenset()
    desk.share(person, ROOM, wish)
    assert owners.visible(RAD2, [first.id]) == {first.id}
    assert owners.visible(CONS, [first.id]) == frozenset()


@pytest.mark.parametrize("person", [TECH1, OPER, CONS], ids=lambda person: person.login)
def test_others_do_not(desk, wish, person):
    with pytest.raises(Denied):
        desk.share(person, ROOM, wish)


def test_a_foreign_study_is_answered_as_one_that_is_not_there(desk, wish, second):
    for uid in (second.uid, "9.9.9"):
        with pytest.raises(NotFound, match="no such study"):
            desk.share(RAD1, ROOM, replace(wish, study_uid=uid))


def test_what_was_granted_cannot_be_passed_on(desk, wish):
    desk.share(RAD1, ROOM, wish)
    with pytest.raises(NotFound):
        desk.share(RAD2, ROOM, replace(wish, mo="42003"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"mo": ""},
        {"login": "rad2"},
        {"mo": "42001"},
        {"mo": "49999"},
        {"mo": "", "login": "nobody"},
        {"reason": " х "},
        {"reason": "х" * 501},
    ],
    ids=["to nobody", "to both", "to itself", "to no МО", "to no person", "no reason", "a letter as reason"],
)
def test_a_wish_that_will_not_do_is_refused(desk, wish, wrong):
    with pytest.raises(Invalid):
        desk.share(RAD1, ROOM, replace(wish, **wrong))


def test_a_share_ends_within_a_year(desk, wish, clock):
    for until in (clock.now(), clock.now() + timedelta(days=367)):
        with pytest.raises(Invalid):
            desk.share(RAD1, ROOM, replace(wish, until=until))


def test_a_share_with_a_person_is_hers_alone(desk, owners, wish, first):
    desk.share(RAD1, ROOM, replace(wish, mo="", login="cons"))
    assert owners.visible(CONS, [first.id]) == {first.id}
    assert owners.visible(RAD2, [first.id]) == frozenset()


def test_the_owner_takes_it_back_and_nobody_else_knows_of_it(desk, owners, wish, first):
    number = desk.share(RAD1, ROOM, wish)
    for person in (RAD2, ADM2, CONS):
        with pytest.raises(NotFound):
            desk.end(person, ROOM, number, "не нужно больше")
    with pytest.raises(Invalid):
        desk.end(CLIN1, ROOM, number, "")
    desk.end(CLIN1, ROOM, number, "не нужно больше")
    assert owners.visible(RAD2, [first.id]) == frozenset()


def test_a_consultation_ends_with_the_consultation(desk, book, engine, first):
    with engine.begin() as connection:
        number = book.give(
            connection, NewGrant(first.uid, "42001", "42002", cause=Cause.CONSULTATION, reference="7", by="rad1")
        )
    with pytest.raises(Denied):
        desk.end(ADM1, ROOM, number, "не нужно больше")


def test_lists_say_who_gave_what_and_what_holds(desk, wish, clock):
    number = desk.share(RAD1, ROOM, wish)
    (given,) = desk.register.given("42001", holding=True).grants
    (received,) = desk.register.received("42002", "rad2", holding=True).grants
    assert given == received
    assert (given.number, given.given_by, given.reason, given.until) == (number, "rad1", wish.reason, wish.until)
    assert desk.register.received("42900", "cons", holding=True).total == 0
    clock.pass_(days=4)
    assert desk.register.given("42001", holding=True).total == 0
    assert desk.register.given("42001", holding=False).total == 1
    assert not desk.register.one(number).holds
