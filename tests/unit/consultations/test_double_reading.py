"""Double reading, пересмотр and critical findings (F-35…F-37): who sees what when, who decides, who is called."""

import pytest

from cami.consultations.notices import Told
from cami.consultations.readings import readings_of
from cami.consultations.service import Wish
from cami.consultations.states import Command, State
from cami.consultations.terms import MessageKind
from cami.errors import Conflict, Denied, Invalid, NotFound

from .conftest import CONSULTANT, DISPATCHER, DOCTOR, GIVEN, NEIGHBOUR, SECOND, STUDY, open_grants, sent

READ = {"findings": "Очаг.", "conclusion": "Образование.", "pathology": "yes"}


def take(centre, who, number):
    return centre.consultations.do(who, number, Wish(Command.TAKE))


def read(centre, who, number, agreed="", **text):
    """Type and sign."""
    centre.answers.save(who, number, READ | text, None)
    return centre.answers.sign(who, number, version=None, password="ключ", agreed=agreed)


@pytest.fixture
def number(centre):
    return sent(centre, kind="double-reading")


@pytest.fixture
def compared(centre, number):
    """Both have read the same."""
    take(centre, CONSULTANT, number)
    read(centre, CONSULTANT, number, conclusion="Образование слева.")
    take(centre, SECOND, number)
    read(centre, SECOND, number, conclusion="Образование.")
    return number


def seen_by(centre, who, number):
    case = centre.consultations.find(who, number)
    return [reading.text.conclusion for reading in centre.answers.readings(who, case)]


def told(centre, who):
    return [notice.kind for notice in centre.notices.latest(who, 0, 50)]


def test_the_second_reads_without_a_word_of_the_first(centre, number):
    take(centre, CONSULTANT, number)
    centre.consultations.do(CONSULTANT, number, Wish(Command.ASK_MORE, text="Узел слева давно?"))
    centre.consultations.do(DOCTOR, number, Wish(Command.TELL_MORE, text="Операций не было."))
    centre.consultations.within(
        CONSULTANT,
        number,
        lambda connection, case: centre.talk.add(connection, CONSULTANT, case, "Вижу узел.", MessageKind.NOTE),
    )
    case = read(centre, CONSULTANT, number)
    assert (case.request.state, case.request.reading, case.request.consultant) == (State.RECEIVED, 2, "")
    assert open_grants(centre) == {("42900", "", uid) for uid in ("1.2.3", "1.2.4")}
    with pytest.raises(Denied):  # nobody reads twice
        take(centre, CONSULTANT, number)
    with pytest.raises(Invalid):
        centre.consultations.do(DISPATCHER, number, Wish(Command.ASSIGN, to=CONSULTANT.login))
    for moment in ("in the queue", "in work"):
        case = centre.consultations.find(SECOND, number)
        messages, history = centre.consultations.said(SECOND, case)
        assert [message.text for message in messages] == ["Операций не было."], moment
        assert "узел" not in "".join(event.text for event in history).lower()
        assert seen_by(centre, SECOND, number) == []
        if moment == "in the queue":
            take(centre, SECOND, number)
    assert seen_by(centre, CONSULTANT, number) == ["Образование."]
    assert seen_by(centre, DOCTOR, number) == []
    assert centre.answers.versions(number) == []
    with pytest.raises(Conflict):
        centre.consultations.within(
            SECOND,
            number,
            lambda connection, case: centre.talk.attach(
                connection, SECOND, case, name="a.txt", content_type="text/plain", content=b"x"
            ),
        )


def test_where_both_agree_one_conclusion_goes_out(centre, compared):
    case = centre.consultations.find(SECOND, compared)
    assert case.request.state is State.COMPARING
    assert seen_by(centre, SECOND, compared) == ["Образование слева.", "Образование."]
    assert {login for _mo, login, _study in open_grants(centre)} == {SECOND.login}
    with pytest.raises(Invalid, match="agreement"):
        centre.answers.sign(SECOND, compared, version=None, password="ключ")
    with pytest.raises(Invalid, match="other-finding"):  # one of them does not take back what both have found
        read(centre, SECOND, compared, "none", pathology="no")
    done = read(centre, SECOND, compared, "remarks", conclusion="Образование слева.")
    assert (done.request.state, done.request.agreement) == (State.DONE, "remarks")
    assert [version.text.conclusion for version in centre.answers.versions(compared)] == ["Образование слева."]
    assert open_grants(centre) == set()
    assert [kind for kind, _key, _payload in centre.outbox.told].count("report.signed") == 1


def test_where_findings_differ_a_third_decides(centre, number):
    take(centre, CONSULTANT, number)
    read(centre, CONSULTANT, number)
    take(centre, SECOND, number)
    case = read(centre, SECOND, number, pathology="no")
    assert (case.request.state, case.request.reading, case.request.agreement) == (State.RECEIVED, 3, "significant")
    assert Told.NEXT_READER in told(centre, DISPATCHER)
    for reader in (CONSULTANT, SECOND):
        with pytest.raises(Denied):
            take(centre, reader, number)
    centre.consultations.do(DISPATCHER, number, Wish(Command.REDIRECT, mo="42002", text="третий читающий"))
    take(centre, NEIGHBOUR, number)
    assert len(seen_by(centre, NEIGHBOUR, number)) == 2
    with pytest.raises(Invalid, match="upheld"):
        read(centre, NEIGHBOUR, number)
    done = read(centre, NEIGHBOUR, number, "first", conclusion="Прав первый.")
    assert (done.request.state, done.request.upheld, done.request.agreement) == (State.DONE, "first", "significant")
    assert open_grants(centre) == set()


def test_the_second_may_find_that_the_texts_differ(centre, compared):
    with pytest.raises(Invalid):
        centre.consultations.do(SECOND, compared, Wish(Command.DISAGREE))
    case = centre.consultations.do(SECOND, compared, Wish(Command.DISAGREE, text="разные стороны"))
    assert (case.request.reading, case.request.agreement) == (3, "significant")


def test_who_falls_silent_over_the_comparison_leaves_it_to_a_third(centre, compared):
    centre.clock.pass_(minutes=60 * 5)
    centre.deadlines.step()
    case = centre.consultations.find(DOCTOR, compared)
    assert (case.request.state, case.request.reading) == (State.RECEIVED, 3)
    assert len(seen_by(centre, SECOND, compared)) == 2  # what they have read stays theirs to see


def test_a_reading_needs_what_is_compared(centre, number):
    take(centre, CONSULTANT, number)
    with pytest.raises(Invalid, match="pathology-needed"):
        read(centre, CONSULTANT, number, pathology="")


def test_a_critical_reading_is_told_at_once_and_not_to_the_other_reader(centre, number):
    take(centre, CONSULTANT, number)
    case = read(centre, CONSULTANT, number, critical=True)
    assert not case.request.critical  # the row is what the second reader sees
    assert Told.CRITICAL_READING in told(centre, DOCTOR)
    assert Told.CRITICAL_READING not in told(centre, SECOND)
    assert centre.answers.alarm(case).person == CONSULTANT.name


def test_the_dispatcher_is_called_when_no_second_reader_comes(centre, number):
    take(centre, CONSULTANT, number)
    read(centre, CONSULTANT, number)
    assert Told.ESCALATED not in told(centre, DISPATCHER)
    centre.clock.pass_(minutes=31)
    centre.deadlines.step()
    assert Told.ESCALATED in told(centre, DISPATCHER)


def test_a_review_says_how_far_the_answer_holds(centre):
    first = sent(centre)
    take(centre, CONSULTANT, first)
    read(centre, CONSULTANT, first, conclusion="Без патологии.", pathology="no")
    made = centre.consultations.create(DOCTOR, [STUDY], GIVEN | {"kind": "second-opinion"}, based_on=first)
    number = centre.consultations.submit(DOCTOR, made.request.number, None).request.number
    with pytest.raises(NotFound):  # nobody reviews themselves
        take(centre, CONSULTANT, number)
    case = take(centre, SECOND, number)
    assert centre.answers.reviewed(case).text.conclusion == "Без патологии."
    with pytest.raises(NotFound):  # the request behind it stays closed
        centre.consultations.find(SECOND, first)
    with pytest.raises(Invalid, match="agreement"):
        read(centre, SECOND, number)
    done = read(centre, SECOND, number, "significant")
    assert (done.request.state, done.request.agreement) == (State.DONE, "significant")
    assert Told.REVIEWED in told(centre, CONSULTANT)


def test_a_review_needs_something_to_review(centre):
    made = centre.consultations.create(DOCTOR, [STUDY], GIVEN | {"kind": "second-opinion"})
    assert centre.consultations.missing(made) == ["reviewed"]
    made = centre.consultations.save(DOCTOR, made.request.number, {"history": "протокол МО"}, version=None)
    assert centre.consultations.missing(made) == []


def test_a_critical_finding_that_nobody_confirms_calls_again(centre):
    number = sent(centre)
    take(centre, CONSULTANT, number)
    read(centre, CONSULTANT, number, critical=True)
    assert Told.CRITICAL in told(centre, DOCTOR)
    for calls in (1, 2):
        centre.clock.pass_(minutes=31)
        centre.deadlines.step()
        for who in (DOCTOR, DISPATCHER):
            assert told(centre, who).count(Told.UNHEARD) == calls
    with pytest.raises(Invalid):  # who has told whom by telephone is written down
        centre.consultations.do(DISPATCHER, number, Wish(Command.ACKNOWLEDGE))
    case = centre.consultations.do(DISPATCHER, number, Wish(Command.ACKNOWLEDGE, text="дежурный врач Петров"))
    assert case.request.acknowledged_by == DISPATCHER.login
    centre.clock.pass_(minutes=600)
    centre.deadlines.step()
    assert told(centre, DISPATCHER).count(Told.UNHEARD) == 2


def test_readings_are_signed_documents_of_their_own(centre, compared):
    with centre.engine.connect() as connection:
        first, second = readings_of(connection, compared)
    assert (first.place, first.login, second.place, second.login) == (1, CONSULTANT.login, 2, SECOND.login)
