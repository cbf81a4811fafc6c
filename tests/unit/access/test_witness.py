"""What is read, searched for and refused is on record, once a study and window, before the request goes on."""

import json

import pytest
from sqlalchemy import select, text

from cami.access import CentralSubjects, Recorder, SignIn, SignInRecord, Witness, study_owners
from cami.access.acts import of_archive, of_ours, route_of
from cami.audit import AuditTrail, Kind, Outcome, Record
from cami.audit.caller import Caller, note_caller
from cami.db.tables import audit_record
from cami.errors import Transient
from cami.people import Authenticator
from cami.web import Endpoint, Request, Response, answer_text
from tests.unit.access.conftest import PASSWORD, basic

ROOM = "10.0.0.7"


@pytest.fixture
def trail(engine, clock):
    trail = AuditTrail(engine, clock, "central")
    yield trail
    trail.close()


@pytest.fixture
def subjects(archive, engine, clock):
    return CentralSubjects(archive, study_owners("central", "", engine, clock), engine, clock)


@pytest.fixture
def witness(gate, authenticator, visibility, subjects, trail, clock):  # noqa: PLR0917
    return Witness(
        gate,
        authenticator=authenticator,
        sight=visibility.sight,
        subjects=subjects,
        trail=trail,
        clock=clock,
    )


@pytest.fixture
def recorder(authenticator, subjects, trail, clock):
    return Recorder(authenticator, subjects, trail, clock)


@pytest.fixture
def journal(engine):
    def read():
        with engine.connect() as connection:
            query = select(audit_record.c.content).order_by(audit_record.c.seq)
            return [Record.parse(content).event for content in connection.scalars(query)]

    return read


def ask(witness, path, login="rad1", method="GET", **query):
    return witness.allows(method, path, query, basic(login) if login else {"host": "x"}, ROOM)


def test_a_study_that_is_read_is_one_event_a_window(witness, journal, first, clock):
    study = f"/dicom-web/studies/{first.uid}"
    for path in (f"{study}/metadata", f"{study}/series/1.2.1.1/instances/1.2.1.1.1/frames/1", study):
        assert ask(witness, path)
    assert ask(witness, f"/instances/{first.instance}/tags")
    (event,) = journal()
    assert (event.kind, event.actor, event.role, event.mo) == (Kind.VIEW, "rad1", "radiologist", "42001")
    assert (event.source, event.outcome) == (ROOM, Outcome.SUCCESS)
    assert (event.studies, event.patient, event.owner) == ((first.uid,), first.patient, "42001")
    clock.pass_(minutes=6)
    assert ask(witness, f"{study}/metadata")
    again = journal()[-1]
    assert again.details == {"route": "/dicom-web/studies/{n}/metadata", "more": "2"}


def test_another_person_and_another_address_are_other_events(witness, journal, first):
    path = f"/studies/{first.id}"
    assert ask(witness, path)
    assert ask(witness, path, "clin1")
    assert witness.allows("GET", path, {}, basic("rad1"), "10.0.0.8")
    assert len(journal()) == 3


def test_an_archive_is_an_export(witness, journal, first):
    assert ask(witness, f"/studies/{first.id}/archive")
    assert ask(witness, f"/instances/{first.instance}/file")
    assert ask(witness, f"/studies/{first.id}")
    assert [event.kind for event in journal()] == [Kind.EXPORT, Kind.VIEW]


def test_a_foreign_study_is_a_refusal_that_names_whose_it_is(witness, journal, first, second):
    assert not ask(witness, f"/studies/{second.id}")
    # DICOMweb is let through and finds nothing: on record as what it is.
    assert ask(witness, f"/dicom-web/studies/{second.uid}/metadata")
    by_id, by_uid = journal()
    for event in (by_id, by_uid):
        assert (event.kind, event.outcome, event.actor) == (Kind.REFUSAL, Outcome.FAILURE, "rad1")
        assert (event.studies, event.owner) == ((second.uid,), "42002")


def test_what_does_not_exist_costs_an_event_as_what_is_foreign_does(witness, journal, first):
    absent = "0" * 8 + "-0" * 0 + "-00000000" * 4
    assert not ask(witness, f"/studies/{absent}")
    assert ask(witness, "/dicom-web/studies/9.9.9/metadata")
    assert [(event.kind, event.owner) for event in journal()] == [(Kind.REFUSAL, ""), (Kind.REFUSAL, "")]


@pytest.mark.parametrize("level", ["studies", "series", "instances", "dicom-web"])
def test_the_archive_is_not_asked_about_what_is_refused(witness, journal, second, archive, level):
    """It takes its time to describe what it has: asked, it would betray what is foreign and what does not exist."""
    absent = "-".join(["00000000"] * 5)
    own = {"studies": second.id, "series": second.series, "instances": second.instance, "dicom-web": second.uid}[level]
    asked = []
    for name in ("get", "find", "study_of"):
        setattr(archive, name, lambda *_, name=name: asked.append(name))
    for path in (own, absent) if level != "dicom-web" else (own, "9.9.9"):
        ask(witness, f"/dicom-web/studies/{path}/metadata" if level == "dicom-web" else f"/{level}/{path}")
    assert asked == []
    assert [(event.kind, event.owner) for event in journal()] == [(Kind.REFUSAL, "42002"), (Kind.REFUSAL, "")]


def test_the_same_search_again_is_no_other_event(recorder, journal, clock):
    for _ in range(3):
        call(recorder, handler(), "POST", "/tools/find", body=b'{"Query": {"PatientName": "IVANOV*"}}')
    assert len(journal()) == 1
    clock.pass_(minutes=6)
    call(recorder, handler(), "POST", "/tools/find", body=b'{"Query": {"PatientName": "IVANOV*"}}')
    assert journal()[-1].details["more"] == "2"


def test_searches_are_told_apart_and_their_values_stay_out(witness, journal, first):
    assert ask(witness, "/dicom-web/studies", PatientName="IVANOV*", limit="20")
    assert ask(witness, "/dicom-web/studies", PatientName="IVANOV*", limit="20")
    assert ask(witness, "/dicom-web/studies", PatientID="P1")
    by_name, by_number = journal()
    assert by_name.details == {"route": "/dicom-web/studies", "by": "PatientName,limit"}
    assert by_number.patient
    assert "IVANOV" not in str(journal())


def test_a_strangers_knocking_is_one_event_a_window(witness, journal, first):
    for number in range(5):
        assert not ask(witness, f"/instances/0000000{number}-00000000-00000000-00000000-00000000", login=None)
    (event,) = journal()
    assert (event.kind, event.actor, event.source) == (Kind.REFUSAL, "", ROOM)
    assert event.details == {"route": "/instances/{id}", "method": "GET"}


def test_without_a_journal_nothing_goes_on(witness, engine, first):
    assert ask(witness, "/system")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE audit_record"))
    for path in (f"/studies/{first.id}", "/dicom-web/studies", "/instances/00000000-0-0-0-0/file"):
        with pytest.raises(Transient):
            ask(witness, path)
    assert ask(witness, "/system")


def handler(status=200, **more):
    def answer(request):
        return Response(status, **more)

    return Endpoint("/x", answer)


def call(recorder, endpoint, method, path, login="rad1", body=b"", **headers):  # noqa: PLR0917
    note_caller(Caller(ROOM, method, path))
    try:
        return recorder.around(endpoint).handler(
            Request(method, path, (basic(login) if login else {}) | headers, body=body)
        )
    finally:
        note_caller(Caller())


def test_a_change_is_on_record_before_it_is_made(recorder, journal, first):
    seen = []

    def answer(request):
        seen.extend(journal())
        return answer_text(200, "")

    body = b'{"study_id": "%s", "priority": 1}' % first.id.encode()
    call(recorder, Endpoint("/x", answer), "POST", "/cami/api/delivery/priority", "tech1", body)
    (event,) = journal()
    assert seen == [event]
    assert (event.kind, event.actor, event.studies, event.owner) == (Kind.CHANGE, "tech1", (first.uid,), "42001")
    assert event.details["priority"] == "1"


@pytest.mark.parametrize("study", ["../changes", "", "x?expand", "/", "1" * 9000, "\ud800", "\x00"])
def test_what_a_body_names_is_no_address(recorder, journal, archive, first, study):
    body = json.dumps({"study_id": study, "study_uid": study, "group": study}).encode()
    assert call(recorder, handler(), "POST", "/cami/api/delivery/priority", "tech1", body).status == 200
    (event,) = journal()
    assert event.owner == ""
    assert all(asked.startswith("/studies/0000") for asked in archive.gets)


def test_a_change_that_failed_is_recorded_again(recorder, journal):
    call(recorder, handler(403), "POST", "/cami/api/delivery/resend", "clin1")
    asked, refused = journal()
    assert (asked.kind, asked.outcome) == (Kind.CHANGE, Outcome.SUCCESS)
    assert asked.details["stage"] == "asked"
    assert (refused.kind, refused.outcome, refused.details["status"]) == (Kind.REFUSAL, Outcome.FAILURE, "403")


def test_a_page_says_what_it_shows_and_what_it_refuses(recorder, journal):
    call(recorder, handler(studies=("1.2", "1.3")), "GET", "/cami/patient")
    call(recorder, handler(refused=True), "GET", "/cami/other")
    shown, refused = journal()
    assert shown.studies == ("1.2", "1.3")
    assert (refused.kind, refused.outcome) == (Kind.REFUSAL, Outcome.FAILURE)


def test_what_dicomweb_asks_on_its_way_is_not_recorded_twice(recorder, journal):
    note_caller(Caller(ROOM, "GET", "/dicom-web/studies"))
    recorder.around(handler()).handler(Request("POST", "/tools/find", basic("rad1"), body=b"{}"))
    assert journal() == []
    call(recorder, handler(), "POST", "/tools/find", body=b'{"Query": {"PatientName": "IVANOV*"}}')
    call(recorder, handler(), "POST", "/tools/find", body=b'{"Query": {"PatientName": "PETROV*"}}')
    assert [event.kind for event in journal()] == [Kind.SEARCH, Kind.SEARCH]
    assert "OV" not in str(journal())


def test_a_handler_is_not_asked_while_the_journal_cannot_be_written(recorder, engine):
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE audit_record"))

    def answer(request):
        raise AssertionError

    assert call(recorder, Endpoint("/x", answer), "POST", "/cami/api/retrieval").status == 503
    assert call(recorder, handler(), "GET", "/cami").status == 503
    assert call(recorder, handler(), "GET", "/cami/health").status == 200


def test_signing_in_is_on_record_however_it_ends(engine, accounts, sessions, clock, trail, journal):  # noqa: PLR0917
    note_caller(Caller(ROOM, "POST", "/cami/login"))
    service = SignIn(engine, clock, accounts, sessions, record=SignInRecord(trail, clock))
    service.sign_in("rad1", PASSWORD)
    for _ in range(12):
        service.sign_in("rad1", "wrong")
    service.sign_in("<script>", "wrong")
    note_caller(Caller())
    events = journal()
    assert (events[0].outcome, events[0].actor, events[0].mo) == (Outcome.SUCCESS, "rad1", "42001")
    assert [event.reason for event in events[1:6]] == ["wrong"] * 5
    assert (events[6].reason, events[6].source) == ("locked", ROOM)
    assert (events[7].actor, events[7].reason) == ("", "wrong")
    assert len(events) == 8


def test_a_program_that_sends_its_password_is_one_event_in_a_while(accounts, sessions, clock, trail, journal):
    authenticator = Authenticator(accounts, sessions, clock, None, SignInRecord(trail, clock))
    for _ in range(3):
        assert authenticator.identify(basic("rad1"))
        clock.pass_(minutes=5)
    assert authenticator.identify({"authorization": "Basic cmFkMTp3cm9uZw=="}) is None
    right, wrong = journal()
    assert (right.kind, right.outcome, right.details) == (Kind.SIGN_IN, Outcome.SUCCESS, {"way": "basic"})
    assert (wrong.actor, wrong.outcome, wrong.reason) == ("rad1", Outcome.FAILURE, "wrong")


def test_nobody_comes_in_without_a_record(accounts, sessions, clock, trail, engine):
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE audit_record"))
    record = SignInRecord(trail, clock)
    assert Authenticator(accounts, sessions, clock, None, record).identify(basic("rad1")) is None
    assert SignIn(engine, clock, accounts, sessions, record=record).sign_in("rad1", PASSWORD).reason == "busy"


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/instances/x/frames/1/preview", Kind.VIEW),
        ("GET", "/patients/x", Kind.SEARCH),
        ("GET", "/changes", Kind.VIEW),
        ("DELETE", "/studies/x", Kind.DELETE),
        ("POST", "/studies/x/archive", Kind.EXPORT),
        ("POST", "/tools/create-media", Kind.EXPORT),
        ("POST", "/modalities/PACS/store", Kind.EXPORT),
        ("POST", "/instances", Kind.IMPORT),
        ("POST", "/dicom-web/studies", Kind.IMPORT),
        ("POST", "/studies/x/anonymize", Kind.CREATE),
        ("POST", "/whatever/comes", Kind.CHANGE),
        ("GET", "/system", None),
        ("POST", "/tools/find", None),
    ],
)
def test_what_requests_to_the_archive_mean(method, path, kind):
    act = of_archive(method, path)
    assert (act.kind if act else None) == kind


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/cami/logout", Kind.SIGN_OUT),
        ("POST", "/cami/login", None),
        ("GET", "/cami", Kind.SEARCH),
        ("POST", "/cami/something/new", Kind.CHANGE),
        ("GET", "/cami/something/new", Kind.SEARCH),
        ("DELETE", "/cami/api/thing", Kind.DELETE),
        ("POST", "/cami/wire/v1/instances", None),
        ("GET", "/cami/quarantine/0123456789abcdef/1/held", Kind.VIEW),
        ("GET", "/cami/static/portal-0123456789ab.css", None),
    ],
)
def test_what_requests_to_us_mean(method, path, kind):
    act = of_ours(method, path)
    assert (act.kind if act else None) == kind


def test_an_address_on_record_names_nothing():
    assert route_of("/studies/6816cb19-844d5aee-85245eba-28e841e6-2414fae2/series") == "/studies/{id}/series"
    assert route_of("/dicom-web/studies/1.2.3/series/4.5/instances/6/frames/1,2") == (
        "/dicom-web/studies/{n}/series/{n}/instances/{n}/frames/{n}"
    )
    assert route_of("/IVANOV/Иванов/ivanov1961") == "/{}/{}/{}"
