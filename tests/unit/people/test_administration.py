"""Who looks after whose accounts, and what comes of it."""

import pytest
from sqlalchemy import select, update

from cami.db.tables import account
from cami.errors import Conflict, Denied, Invalid, NotFound
from cami.people import Client, Place, Reason, Refusal, Role, Step
from cami.people.oversight import roles_for
from tests.unit.people.conftest import PASSWORD, basic

HERE = Client("10.0.0.7")
CLINICIAN = Place("42001", Role.CLINICIAN)


@pytest.fixture
def chief(easy):
    """The administrator of 42001."""
    return easy.who("adm1")


@pytest.fixture
def root(easy):
    return easy.who("root")


@pytest.fixture
def auditor(easy):
    return easy.who("aud")


def test_each_sees_those_they_look_after(easy, chief, root, auditor):
    service = easy.administration
    assert {person.login for person in service.people(chief)} == {"rad1", "clin1", "tech1", "adm1"}
    assert {person.login for person in service.people(auditor)} == {"aud"}
    everybody = {person.login: person.editable for person in service.people(root)}
    assert len(everybody) == 12
    assert [login for login, editable in everybody.items() if not editable] == ["aud"]
    assert service.people(easy.who("rad1")) == service.people(easy.who("oper")) == []


def test_a_new_clinician_signs_in_after_changing_the_password(easy, chief):
    first = easy.administration.create(chief, " New.Doc ", "Новиков  Пётр", CLINICIAN, "10.0.0.7")
    done = easy.sign_in.sign_in("new.doc", first, HERE)
    assert (done.identity.name, done.identity.mo, done.step) == ("Новиков Пётр", "42001", Step.PASSWORD)
    assert easy.sign_in.change_password(done.token, first, "Сосна-над-Томью-7", HERE) is None
    assert easy.sessions.identify(done.token).role is Role.CLINICIAN
    assert ("adm1", "new.doc", "created", "success") in easy.recorded()


@pytest.mark.parametrize(
    ("login", "name", "place", "error"),
    [
        ("Ж", "Имя", CLINICIAN, Invalid),
        ("", "Имя", CLINICIAN, Invalid),
        ("new", " ", CLINICIAN, Invalid),
        ("rad1", "Имя", CLINICIAN, Conflict),
        ("new", "Имя", Place("42002", Role.CLINICIAN), Invalid),
        ("new", "Имя", Place("", Role.CLINICIAN), Invalid),
        ("new", "Имя", Place("", Role.OPERATOR), Invalid),
        ("new", "Имя", Place("", Role.REGION_ADMIN), Invalid),
        ("new", "Имя", Place("", Role.AUDITOR), Invalid),
        ("new", "Имя", Place("", Role.MIS), Invalid),
        ("new", "Имя", Place("", Role.GUEST), Invalid),
    ],
)
def test_what_the_administrator_of_a_mo_cannot_make(easy, login, name, place, error):
    with pytest.raises(error):
        easy.administration.create(easy.who("adm1"), login, name, place)
    assert easy.recorded() == []


ACTS = [
    lambda service, who, login: service.rename(who, login, "Имя"),
    lambda service, who, login: service.set_role(who, login, CLINICIAN),
    lambda service, who, login: service.block(who, login),
    lambda service, who, login: service.unblock(who, login),
    lambda service, who, login: service.unlock(who, login),
    lambda service, who, login: service.reset_password(who, login),
    lambda service, who, login: service.end_sessions(who, login),
    lambda service, who, login: service.factor_off(who, login),
]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    ("actor", "login", "error"),
    [
        ("adm1", "rad2", NotFound),  # another МО's
        ("adm1", "root", NotFound),
        ("adm1", "nobody", NotFound),
        ("adm1", "adm1", Denied),  # oneself
        ("root", "root", Denied),
        ("root", "aud", (Denied, Invalid)),  # the auditor is independent
        ("aud", "root", NotFound),
        ("aud", "rad1", NotFound),
        ("aud", "aud", (Denied, Invalid)),
        ("rad1", "clin1", (NotFound, Invalid)),
        ("oper", "rad1", (NotFound, Invalid)),
    ],
)
def test_what_is_not_theirs_is_not_touched(easy, act, actor, login, error):
    with easy.engine.connect() as connection:
        before = connection.execute(select(account)).all()
    with pytest.raises((error, Invalid) if not isinstance(error, tuple) else error):
        act(easy.administration, easy.who(actor), login)
    with easy.engine.connect() as connection:
        assert connection.execute(select(account)).all() == before
    assert easy.recorded() == []


def test_roles_that_exclude_each_other_are_never_given_together(easy, root, auditor):
    service = easy.administration
    assert not {Role.AUDITOR, Role.MIS, Role.MONITOR, Role.GUEST} & set(roles_for(root))
    assert roles_for(auditor) == [Role.AUDITOR]
    with pytest.raises(Invalid):
        service.create(root, "second.aud", "Имя", Place("", Role.AUDITOR))
    with pytest.raises(Invalid):
        service.set_role(root, "oper", Place("", Role.AUDITOR))
    with pytest.raises(Invalid):
        service.create(auditor, "second.root", "Имя", Place("", Role.REGION_ADMIN))
    service.create(auditor, "second.aud", "Имя", Place("", Role.AUDITOR))
    with pytest.raises((Denied, Invalid)):
        service.add_place(root, "second.aud", CLINICIAN)
    with pytest.raises((Denied, Invalid)):
        service.add_place(auditor, "second.aud", CLINICIAN)


def test_blocking_holds_at_once_and_ends(easy, chief):
    token = easy.sign_in.sign_in("rad1", PASSWORD, HERE).token
    assert easy.authenticator.identify({"cookie": f"cami_session={token}"})
    assert easy.authenticator.identify(basic("rad1"))
    easy.administration.block(chief, "rad1")
    assert easy.authenticator.identify({"cookie": f"cami_session={token}"}) is None
    assert easy.authenticator.identify(basic("rad1")) is None
    assert easy.sign_in.sign_in("rad1", PASSWORD, HERE) == Refusal(Reason.DISABLED)
    easy.administration.unblock(chief, "rad1")
    assert easy.sign_in.sign_in("rad1", PASSWORD, HERE).step is None


def test_a_reset_password_has_to_be_changed(easy, chief):
    token = easy.sign_in.sign_in("rad1", PASSWORD, HERE).token
    made = easy.administration.reset_password(chief, "rad1")
    assert easy.sessions.identify(token) is None
    assert easy.sign_in.sign_in("rad1", PASSWORD, HERE) == Refusal(Reason.WRONG)
    assert easy.sign_in.sign_in("rad1", made, HERE).step is Step.PASSWORD
    assert easy.authenticator.identify(basic("rad1", made)) is None


def test_a_lock_is_lifted_without_signing_anybody_out(easy, chief):
    token = easy.sign_in.sign_in("rad1", PASSWORD, HERE).token
    for _ in range(5):
        easy.accounts.check("rad1", "wrong")
    assert easy.administration.person(chief, "rad1").locked
    easy.administration.unlock(chief, "rad1")
    assert not easy.administration.person(chief, "rad1").locked
    assert easy.sessions.identify(token)


class TestSeveralPlaces:
    @pytest.fixture
    def both(self, easy):
        """rad1 works at 42002 too, as a consultant would at 42900."""
        easy.administration.add_place(easy.who("root"), "rad1", Place("42002", Role.CLINICIAN))
        return easy

    def test_one_chooses_after_the_password_and_switches_later(self, both):
        done = both.sign_in.sign_in("rad1", PASSWORD, HERE)
        assert done.step is Step.PLACE
        assert both.sessions.identify(done.token) is None
        with pytest.raises(Invalid):
            both.sign_in.choose_place(done.token, "42900", HERE)
        both.sign_in.choose_place(done.token, "42002", HERE)
        there = both.sessions.identify(done.token)
        assert (there.role, there.mo) == (Role.CLINICIAN, "42002")
        both.sign_in.choose_place(done.token, "42001", HERE)
        assert both.sessions.identify(done.token).role is Role.RADIOLOGIST

    def test_a_place_that_is_taken_away_ends_its_sessions(self, both):
        token = both.sign_in.sign_in("rad1", PASSWORD, HERE).token
        both.sign_in.choose_place(token, "42002", HERE)
        both.administration.remove_place(both.who("root"), "rad1", "42002")
        assert both.sessions.identify(token) is None
        assert both.sign_in.sign_in("rad1", PASSWORD, HERE).step is None

    def test_each_proxy_gets_the_role_that_somebody_has_there(self, both):
        here = {each.login: each.role for each in both.accounts.directory("42001").accounts}
        there = {each.login: (each.role, each.mo) for each in both.accounts.directory("42002").accounts}
        assert here["rad1"] == "radiologist"
        assert there["rad1"] == ("clinician", "42002")

    def test_a_mo_takes_somebody_in_and_gives_away_nothing(self, easy, people):
        easy.accounts.import_initial([{**people[3], "login": "adm2", "mo": "42002"}])
        other = easy.who("adm2")
        service = easy.administration
        with pytest.raises(NotFound):
            service.person(other, "rad1")
        service.add_place(other, "rad1", Place("42002", Role.CONSULTANT))
        person = service.person(other, "rad1")
        assert not person.editable
        with pytest.raises(Denied):
            service.reset_password(other, "rad1")
        with pytest.raises(Denied):
            service.remove_place(easy.who("adm1"), "rad1", "42002")
        service.remove_place(other, "rad1", "42002")
        for login in ("root", "oper", "aud", "mis", "nobody"):
            with pytest.raises((NotFound, Denied, Conflict)):
                service.add_place(other, login, Place("42002", Role.CLINICIAN))

    def test_not_twice_in_one_mo(self, both):
        with pytest.raises(Conflict):
            both.administration.add_place(both.who("root"), "rad1", Place("42002", Role.TECHNOLOGIST))
        with pytest.raises(Conflict):
            both.administration.set_role(both.who("root"), "rad1", Place("42002", Role.TECHNOLOGIST))


class TestSessions:
    def test_own_sessions_are_listed_and_ended(self, easy, clock):
        first = easy.sign_in.sign_in("rad1", PASSWORD, Client("10.0.0.7", "Firefox 132, Linux")).token
        clock.pass_(minutes=1)
        second = easy.sign_in.sign_in("rad1", PASSWORD, Client("10.0.0.8", "Chrome 131, Windows")).token
        theirs = easy.sign_in.sign_in("rad2", PASSWORD, HERE).token
        found = easy.sessions.of("rad1")
        assert [(each.address, each.browser) for each in found] == [
            ("10.0.0.8", "Chrome 131, Windows"),
            ("10.0.0.7", "Firefox 132, Linux"),
        ]
        easy.sign_in.end_session(easy.who("rad1"), found[1].key, HERE)
        assert easy.sessions.identify(first) is None
        easy.sign_in.end_session(easy.who("rad1"), easy.sessions.of("rad2")[0].key, HERE)
        easy.sign_in.end_session(easy.who("rad1"), "%" * 16, HERE)
        assert easy.sessions.identify(theirs)
        easy.sign_in.sign_out_everywhere(easy.who("rad1"), HERE)
        assert easy.sessions.identify(second) is None

    def test_two_at_a_time(self, easy, clock):
        tokens = []
        for _ in range(3):
            tokens.append(easy.sign_in.sign_in("rad1", PASSWORD, HERE).token)
            clock.pass_(minutes=1)
        assert [bool(easy.sessions.identify(token)) for token in tokens] == [False, True, True]

    def test_half_a_session_pushes_nobody_out(self, easy, clock):
        token = easy.sign_in.sign_in("adm1", PASSWORD, HERE).token
        with easy.engine.begin() as connection:
            connection.execute(update(account).where(account.c.login == "adm1").values(must_change=True))
        for _ in range(3):
            clock.pass_(minutes=1)
            assert easy.sign_in.sign_in("adm1", PASSWORD, HERE).step is Step.PASSWORD
        assert easy.sessions.standing(token) is not None

    def test_what_a_page_asks_for_by_itself_keeps_nobody_signed_in(self, easy, clock):
        token = easy.sign_in.sign_in("rad1", PASSWORD, HERE).token
        headers = {"cookie": f"cami_session={token}", "x-cami-live": "1"}
        for _ in range(14):
            clock.pass_(minutes=1)
            assert easy.authenticator.identify(headers)
        clock.pass_(minutes=1)
        assert easy.authenticator.identify(headers) is None

    def test_what_looks_first_without_touching_hides_no_use(self, easy, clock):
        token = easy.sign_in.sign_in("rad1", PASSWORD, HERE).token
        headers = {"cookie": f"cami_session={token}"}
        for _ in range(20):
            clock.pass_(minutes=1)
            assert easy.authenticator.remembered(headers)
            assert easy.authenticator.identify(headers)

    def test_sessions_survive_a_restart(self, easy, clock, engine):
        from cami.people import Sessions

        token = easy.sign_in.sign_in("rad1", PASSWORD, HERE).token
        assert Sessions(engine, clock, easy.accounts).identify(token).login == "rad1"
