"""The way of a request: who may do what, what it grants, what is told, what is kept."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cami.consultations.drafts import Incomplete
from cami.consultations.notices import Told
from cami.consultations.service import Wish
from cami.consultations.states import Command, State, markdown
from cami.consultations.workflow import Taken
from cami.errors import Conflict, Denied, Invalid, NotFound
from cami.region.consultations import Approval

from .conftest import (
    COLLEAGUE,
    CONSULTANT,
    DISPATCHER,
    DOCTOR,
    EARLIER,
    GIVEN,
    NEIGHBOUR,
    OPERATOR,
    SECOND,
    STUDY,
    THEIRS,
    build,
    open_grants,
    rules,
    sent,
)  # fmt: skip


def do(centre, identity, number, command, **more):
    return centre.consultations.do(identity, number, Wish(Command(command), **more))


def kinds(centre, identity):
    return [notice.kind for notice in centre.notices.latest(identity, 0, 50)]


def test_the_table_in_the_documents_is_made_from_the_code():
    text = Path("docs/architecture.md").read_text("utf-8")
    shown = text.partition("<!-- consultation states -->\n")[2].partition("\n<!-- /consultation states -->")[0]
    assert shown == markdown(), f"put this into docs/architecture.md:\n{markdown()}"


def test_the_whole_way_from_the_question_to_the_answer(centre):
    number = sent(centre)
    assert open_grants(centre, number) == {("42900", "", STUDY), ("42900", "", EARLIER)}
    assert kinds(centre, CONSULTANT) == [Told.SENT]
    assert do(centre, CONSULTANT, number, "open").request.state is State.RECEIVED
    taken = do(centre, CONSULTANT, number, "take")
    assert taken.request.state is State.IN_WORK
    assert taken.request.to_mo == "42900"
    assert open_grants(centre, number) == {("", "con.42900", STUDY), ("", "con.42900", EARLIER)}
    centre.answers.save(CONSULTANT, number, {"conclusion": "Кровоизлияния нет"}, 0)
    do(centre, CONSULTANT, number, "ask-more", text="Была ли травма?")
    do(centre, COLLEAGUE, number, "tell-more", text="Нет")
    done = centre.answers.sign(CONSULTANT, number, version=None, password="ключ")
    assert done.request.state is State.DONE
    assert open_grants(centre) == set()
    assert centre.answers.document(number, 1)[0] == "%PDF-1:Кровоизлияния нет".encode()
    assert kinds(centre, DOCTOR) == [Told.DONE, Told.INFO_REQUESTED, Told.TAKEN]
    assert [message.text for message in centre.talk.messages(number)] == ["Была ли травма?", "Нет"]
    assert [event.command for event in centre.talk.history(number)] == [
        "create", "send", "open", "take", "ask-more", "tell-more", "sign",
    ]  # fmt: skip
    assert [payload["state"] for kind, _, payload in centre.outbox.told if kind == "consultation.state"][-1] == "done"


def test_who_takes_it_second_is_told_who_has_it(centre):
    number = sent(centre)
    do(centre, CONSULTANT, number, "take")
    with pytest.raises(Taken) as lost:
        do(centre, SECOND, number, "take")
    assert lost.value.person == "Мнениев Б. Я."
    assert centre.consultations.find(DOCTOR, number).request.consultant == "con.42900"


def test_a_decision_on_an_older_version_changes_nothing(centre):
    number = sent(centre)
    old = centre.consultations.find(DISPATCHER, number).request.version
    do(centre, CONSULTANT, number, "open")
    with pytest.raises(Conflict):
        do(centre, DISPATCHER, number, "reject", version=old, reason="duplicate")
    assert centre.consultations.find(DOCTOR, number).request.state is State.RECEIVED


@pytest.mark.parametrize("stranger", [NEIGHBOUR, OPERATOR])
def test_a_request_does_not_exist_for_strangers(centre, stranger):
    number = sent(centre)
    for command in Command:
        with pytest.raises((NotFound, Invalid)):
            do(centre, stranger, number, command)
    with pytest.raises(NotFound):
        centre.consultations.find(stranger, number)


def test_a_draft_is_its_authors_alone(centre):
    case = centre.consultations.create(DOCTOR, [STUDY], {})
    for other in (COLLEAGUE, CONSULTANT, DISPATCHER):
        with pytest.raises(NotFound):
            centre.consultations.find(other, case.request.number)


def test_colleagues_see_nothing_of_what_somebody_has(centre):
    number = sent(centre)
    do(centre, CONSULTANT, number, "take")
    with pytest.raises(NotFound):
        centre.consultations.find(SECOND, number)


def test_another_organizations_study_cannot_be_asked_about(centre):
    with pytest.raises(NotFound):
        centre.consultations.create(DOCTOR, [THEIRS], {})
    with pytest.raises(NotFound):
        centre.consultations.create(DOCTOR, [STUDY, THEIRS], {})
    with pytest.raises(Denied):
        centre.consultations.create(DISPATCHER, [STUDY], {})


def test_what_is_missing_is_said_at_once(centre):
    case = centre.consultations.create(DOCTOR, [STUDY], {"urgency": "urgent"})
    with pytest.raises(Incomplete) as told:
        centre.consultations.submit(DOCTOR, case.request.number, None)
    assert told.value.codes == ("question", "profile", "consent")


def test_only_routes_that_fit_are_offered_and_taken(centre):
    case = centre.consultations.create(DOCTOR, [STUDY], GIVEN | {"profile": "oncology"})
    assert [name for name, _ in centre.consultations.offered(case)] == ["specialists", "dispatcher"]
    with pytest.raises(Incomplete) as told:
        centre.consultations.submit(DOCTOR, case.request.number, None)
    assert told.value.codes == ("route-profile",)


def test_a_limit_of_a_day_holds_but_for_emergencies(centre):
    for _ in range(2):
        sent(centre, route="neighbour")
    with pytest.raises(Incomplete) as told:
        sent(centre, route="neighbour")
    assert told.value.codes == ("route-limit",)
    assert sent(centre, route="neighbour", urgency="stat")


def test_approval_comes_first_where_the_organization_wants_it(engine):
    region = rules(approval=(Approval(mo="42001", by=("rad.42001",)),))
    centre = build(engine, region)
    number = sent(centre)
    assert open_grants(centre) == set()
    assert kinds(centre, COLLEAGUE) == [Told.APPROVAL]
    with pytest.raises(NotFound):
        centre.consultations.find(CONSULTANT, number)
    with pytest.raises(Denied):
        do(centre, DOCTOR, number, "approve")
    do(centre, COLLEAGUE, number, "approve")
    assert open_grants(centre) == {("42900", "", STUDY), ("42900", "", EARLIER)}
    urgent = sent(centre, urgency="stat")
    assert centre.consultations.find(DOCTOR, urgent).request.state is State.SENT
    centre.trail.close()


def test_the_dispatcher_assigns_redirects_and_the_rights_follow(centre):
    number = sent(centre, route="dispatcher")
    assert open_grants(centre, number) == set()
    do(centre, DISPATCHER, number, "assign", to="con2.42900")
    assert {login for _, login, _ in open_grants(centre, number)} == {"con2.42900"}
    with pytest.raises(Denied):
        do(centre, SECOND, number, "redirect", mo="42002", text="не к нам")
    do(centre, DISPATCHER, number, "redirect", mo="42002", text="к соседям")
    assert {mo for mo, _, _ in open_grants(centre, number)} == {"42002"}
    with pytest.raises(NotFound):
        centre.consultations.find(SECOND, number)
    do(centre, NEIGHBOUR, number, "take")
    assert centre.consultations.find(NEIGHBOUR, number).request.to_mo == "42002"
    with pytest.raises(Invalid):
        do(centre, DISPATCHER, number, "assign", to="doc.42001")


def test_handing_over_moves_the_rights_and_keeps_both_texts(centre):
    number = sent(centre)
    do(centre, CONSULTANT, number, "take")
    centre.answers.save(CONSULTANT, number, {"findings": "Начало"}, 0)
    do(centre, CONSULTANT, number, "hand-over", to="con2.42900", text="конец смены")
    with pytest.raises(NotFound):
        centre.answers.save(CONSULTANT, number, {"findings": "Дальше"}, 1)
    do(centre, SECOND, number, "take")
    centre.answers.save(SECOND, number, {"conclusion": "Норма"}, 0)
    assert centre.answers.draft(number, "con.42900").text.findings == "Начало"
    assert {login for _, login, _ in open_grants(centre, number)} == {"con2.42900"}


def test_a_newer_text_is_not_overwritten_by_an_older_window(centre):
    number = sent(centre)
    do(centre, CONSULTANT, number, "take")
    centre.answers.save(CONSULTANT, number, {"findings": "Первое окно"}, 0)
    with pytest.raises(Conflict):
        centre.answers.save(CONSULTANT, number, {"findings": "Второе окно"}, 0)
    assert centre.answers.draft(number, "con.42900").text.findings == "Первое окно"


def test_nothing_is_signed_without_a_conclusion_or_with_another_password(centre):
    number = sent(centre)
    do(centre, CONSULTANT, number, "take")
    with pytest.raises(Invalid, match="conclusion"):
        centre.answers.sign(CONSULTANT, number, version=None, password="ключ")
    centre.answers.save(CONSULTANT, number, {"conclusion": "Норма"}, 0)
    with pytest.raises(Invalid, match="password"):
        centre.answers.sign(CONSULTANT, number, version=None, password="не тот")
    assert centre.answers.versions(number) == []


def test_a_correction_is_a_new_version_with_its_reason(centre):
    number = sent(centre)
    do(centre, CONSULTANT, number, "take")
    centre.answers.save(CONSULTANT, number, {"conclusion": "Норма"}, 0)
    centre.answers.sign(CONSULTANT, number, version=None, password="ключ")
    centre.answers.save(CONSULTANT, number, {"conclusion": "Очаг в S6"}, 1)
    with pytest.raises(Invalid, match="why"):
        centre.answers.sign(CONSULTANT, number, version=None, password="ключ")
    centre.answers.sign(CONSULTANT, number, version=None, password="ключ", why="пропущен очаг")
    newest, first = centre.answers.versions(number)
    assert (newest.version, newest.why, newest.text.conclusion) == (2, "пропущен очаг", "Очаг в S6")
    assert first.text.conclusion == "Норма"
    assert open_grants(centre) == set()


def test_a_critical_finding_waits_until_the_organization_knows_of_it(centre):
    number = sent(centre)
    do(centre, CONSULTANT, number, "take")
    centre.answers.save(CONSULTANT, number, {"conclusion": "Разрыв аневризмы", "critical": True}, 0)
    centre.answers.sign(CONSULTANT, number, version=None, password="ключ")
    assert kinds(centre, DOCTOR)[0] is Told.CRITICAL
    case = centre.consultations.find(DOCTOR, number)
    assert Command.ACKNOWLEDGE in centre.consultations.may(DOCTOR, case)
    known = do(centre, COLLEAGUE, number, "acknowledge")
    assert known.request.acknowledged_by == "rad.42001"
    assert Command.ACKNOWLEDGE not in centre.consultations.may(DOCTOR, known)


@pytest.mark.parametrize(("command", "who", "reason"), [("reject", CONSULTANT, ""), ("cancel", DOCTOR, "nonsense")])
def test_an_end_without_an_answer_needs_a_reason(centre, command, who, reason):
    number = sent(centre)
    with pytest.raises(Invalid):
        do(centre, who, number, command, reason=reason)
    with pytest.raises(Invalid):
        do(centre, who, number, command, reason="other")
    ended = do(centre, who, number, command, reason="other", text="по телефону решили")
    assert ended.request.reason_text == "по телефону решили"
    assert open_grants(centre) == set()


def test_the_clock_stands_while_the_consultant_waits(centre):
    number = sent(centre)
    do(centre, CONSULTANT, number, "take")
    due = centre.consultations.find(DOCTOR, number).request.answer_by
    do(centre, CONSULTANT, number, "ask-more", text="?")
    centre.clock.pass_(hours=30)
    assert centre.deadlines.step() == 0
    given = do(centre, DOCTOR, number, "tell-more", text="!")
    assert (given.request.answer_by - due).total_seconds() == 30 * 3600
    assert not given.request.late


def test_the_dispatcher_is_called_and_what_is_late_is_flagged_once(centre):
    number = sent(centre, urgency="stat")
    centre.clock.pass_(minutes=11)
    assert centre.deadlines.step() == 1
    assert kinds(centre, DISPATCHER)[0] is Told.ESCALATED
    centre.clock.pass_(minutes=5)
    assert centre.deadlines.step() == 1
    assert centre.deadlines.step() == 0
    request = centre.consultations.find(DISPATCHER, number).request
    assert (request.escalated, request.late, request.state) == (True, True, State.SENT)


def test_two_replicas_fire_a_timer_once(centre):
    sent(centre, urgency="stat")
    other = build(centre.engine)
    other.clock.time = centre.clock.time
    centre.clock.pass_(minutes=11)
    other.clock.pass_(minutes=11)
    assert (other.deadlines.step(), centre.deadlines.step()) == (1, 0)
    assert kinds(centre, DISPATCHER).count(Told.ESCALATED) == 1
    other.trail.close()


def test_a_consultant_who_disappears_loses_the_request_and_keeps_the_text(centre):
    number = sent(centre, urgency="stat")
    do(centre, CONSULTANT, number, "take")
    centre.answers.save(CONSULTANT, number, {"findings": "Пол-описания"}, 0)
    centre.clock.pass_(minutes=20)
    centre.consultations.keep_alive(CONSULTANT, centre.consultations.find(CONSULTANT, number))
    centre.clock.pass_(minutes=20)
    assert centre.deadlines.step() == 0
    centre.clock.pass_(minutes=15)
    assert centre.deadlines.step() == 1
    request = centre.consultations.find(SECOND, number).request
    assert (request.state, request.consultant) == (State.RECEIVED, "")
    assert {mo for mo, _, _ in open_grants(centre, number)} == {"42900"}
    do(centre, CONSULTANT, number, "take")
    assert centre.answers.draft(number, "con.42900").text.findings == "Пол-описания"


def test_working_days_end_where_the_organization_works(centre):
    friday = datetime(2026, 12, 4, 9, 0, tzinfo=UTC)  # 16:00 in Novokuznetsk
    centre.clock.time = friday
    number = sent(centre, urgency="routine")
    request = centre.consultations.find(DOCTOR, number).request
    assert request.accept_by == datetime(2026, 12, 7, 9, 0, tzinfo=UTC)
    assert request.answer_by == datetime(2026, 12, 9, 9, 0, tzinfo=UTC)
    centre.clock.time = datetime(2026, 12, 31, 20, 0, tzinfo=UTC)  # the 1st of January, 03:00
    holiday = centre.consultations.find(DOCTOR, sent(centre, urgency="routine")).request
    assert holiday.accept_by == datetime(2027, 1, 12, 1, 0, tzinfo=UTC)


def test_files_are_of_few_kinds_and_come_back_as_they_were(centre):
    number = sent(centre)

    def attach(identity, **more):
        given = {"name": "выписка.pdf", "content_type": "application/pdf", "content": b"%PDF-1.7 x"} | more
        return centre.consultations.within(
            identity, number, lambda connection, case: centre.talk.attach(connection, identity, case, **given)
        )

    which = attach(DOCTOR)
    assert centre.talk.file(number, which)[1] == b"%PDF-1.7 x"
    with pytest.raises(Invalid):
        attach(DOCTOR, content=b"MZ")
    with pytest.raises(Invalid):
        attach(DOCTOR, content_type="text/html", content=b"<script>")
    with pytest.raises(NotFound):
        attach(NEIGHBOUR)


def test_a_council_reads_together_and_one_signs(centre):
    number = sent(centre, kind="council")
    do(centre, CONSULTANT, number, "take")
    with pytest.raises(NotFound):
        centre.council.opine(SECOND, number, "рано")
    centre.council.invite(CONSULTANT, number, "con2.42900")
    assert {login for _, login, _ in open_grants(centre, number)} == {"con.42900", "con2.42900"}
    centre.council.opine(SECOND, number, "Согласна")
    with pytest.raises(Denied):
        centre.answers.save(SECOND, number, {"conclusion": "Своё"}, 0)
    with pytest.raises(Invalid):
        centre.council.invite(CONSULTANT, number, "doc.42001")
    centre.answers.save(CONSULTANT, number, {"conclusion": "Общее"}, 0)
    centre.answers.sign(CONSULTANT, number, version=None, password="ключ")
    assert open_grants(centre) == set()
    assert [(message.kind, message.text) for message in centre.talk.messages(number)] == [("opinion", "Согласна")]
    with pytest.raises(Conflict):
        centre.council.opine(SECOND, number, "поздно")


def test_only_a_council_invites(centre):
    number = sent(centre)
    do(centre, CONSULTANT, number, "take")
    with pytest.raises(Denied):
        centre.council.invite(CONSULTANT, number, "con2.42900")


def test_a_redirected_council_calls_its_own(centre):
    number = sent(centre, kind="council")
    do(centre, CONSULTANT, number, "take")
    centre.council.invite(CONSULTANT, number, "con2.42900")
    do(centre, DISPATCHER, number, "redirect", mo="42002", text="к соседям")
    do(centre, NEIGHBOUR, number, "take")
    assert {login for _, login, _ in open_grants(centre, number)} == {"rad.42002"}
