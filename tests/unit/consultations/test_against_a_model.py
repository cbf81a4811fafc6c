"""Random people do random things to requests; the tables are held against what must never happen.

Never: a state that the table does not lead to, a text that somebody has typed and that is gone, a right to see a study
that is open to somebody who does not have the request, or after its end, a word of one reader that the other sees
before both have signed.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select, text

from cami.consultations.readings import readings_of
from cami.consultations.service import Wish
from cami.consultations.states import ENDED, HELD, QUEUED, TRANSITIONS, Command, State
from cami.consultations.terms import Kind, MessageKind
from cami.db import open_engine
from cami.db.migrate import migrate
from cami.db.tables import consultation_event
from cami.errors import CamiError

from .conftest import (
    CONSULTANT,
    DOCTOR,
    GIVEN,
    NEIGHBOUR,
    PEOPLE,
    SECOND,
    STUDY,
    build,
    open_grants,
    people,
)

_WISHES = [
    {"command": Command.OPEN},
    {"command": Command.TAKE},
    {"command": Command.RELEASE, "text": "занят"},
    {"command": Command.ASSIGN, "to": CONSULTANT.login},
    {"command": Command.ASSIGN, "to": SECOND.login},
    {"command": Command.ASSIGN, "to": NEIGHBOUR.login},
    {"command": Command.HAND_OVER, "to": SECOND.login, "text": "смена"},
    {"command": Command.REDIRECT, "mo": "42002", "text": "не наше"},
    {"command": Command.REDIRECT, "mo": "42900", "text": "не наше"},
    {"command": Command.ASK_MORE, "text": "?"},
    {"command": Command.TELL_MORE, "text": "!"},
    {"command": Command.RESUME},
    {"command": Command.REJECT, "reason": "no-data"},
    {"command": Command.CANCEL, "reason": "mistake"},
    {"command": Command.ACKNOWLEDGE},
    {"command": Command.ACKNOWLEDGE, "text": "сказано по телефону"},
    {"command": Command.DISAGREE, "text": "разное"},
    {"command": Command.CONCLUDE},
    {"command": Command.SUBMIT},
]


#: Left to pure chance, so that most requests live on.
_ENDS = {Command.REJECT, Command.CANCEL}


class Requests(RuleBasedStateMachine):
    """Random acts of all people."""

    engine = None

    @initialize()
    def begin(self):
        self.centre = build(self.engine)
        self.numbers = []
        self.typed = {}
        self.states = {}

    @rule(
        urgency=st.sampled_from(["stat", "urgent", "routine"]),
        kind=st.sampled_from(["consultation", "double-reading", "second-opinion"]),
        route=st.sampled_from(["radiology-centre", "dispatcher"]),
    )
    def ask(self, urgency, kind, route):
        if len(self.numbers) < 3:
            kind, route = ("consultation", route) if route == "dispatcher" else (kind, route)
            given = GIVEN | {"urgency": urgency, "route": route, "kind": kind, "history": "протокол МО"}
            done = [number for number in self.numbers if self.state(number) is State.DONE]
            before = done[0] if kind == "second-opinion" and done else None
            case = self.centre.consultations.create(DOCTOR, [STUDY], given, based_on=before)
            number = case.request.number
            self.centre.consultations.submit(DOCTOR, number, case.request.version)
            self.numbers.append(number)
            self.states[number] = self.state(number)

    @rule(which=st.integers(0, 2), choice=st.integers(0, 10_000))
    def go_on(self, which, choice):
        """Somebody does what they may: pure chance would seldom get far."""
        if which >= len(self.numbers):
            return
        number = self.numbers[which]
        possible = []
        for who in PEOPLE:
            try:
                may = self.centre.consultations.may(who, self.centre.consultations.find(who, number))
            except CamiError:
                continue
            possible += [(who, wish) for wish in _WISHES if wish["command"] in may and wish["command"] not in _ENDS]
        if possible:
            self.act(*possible[choice % len(possible)], which)

    @rule(who=st.sampled_from(PEOPLE), which=st.integers(0, 2), wish=st.sampled_from(_WISHES))
    def try_it(self, who, which, wish):
        self.act(who, wish, which)

    def act(self, who, wish, which):
        if which < len(self.numbers):
            number = self.numbers[which]
            try:
                self.centre.consultations.do(who, number, Wish(**wish))
            except CamiError:
                assert self.state(number) is self.states[number]
            else:
                assert (self.states[number], self.state(number)) in {
                    (before, step.to) for (before, _command), step in TRANSITIONS.items()
                }
            self.states[number] = self.state(number)

    @rule(
        who=st.sampled_from([CONSULTANT, SECOND, NEIGHBOUR]), which=st.integers(0, 2), words=st.text("абв ", min_size=1)
    )
    def type(self, who, which, words):
        if which < len(self.numbers):
            has_it = self.case(self.numbers[which]).consultant
            if not words.startswith(" "):  # else somebody tries who may not
                who = next((person for person in PEOPLE if person.login == has_it), who)
            try:
                self.centre.answers.save(
                    who,
                    self.numbers[which],
                    # Every word says whose it is.
                    {
                        "conclusion": f"{words}{who.login}", "critical": "б" in words, "pathology": "yes",
                        "diagnosis": "S06" if "в" in words else "I60",
                    },
                    None,
                )  # fmt: skip
            except CamiError:
                return
            self.typed[self.numbers[which], who.login] = f"{words}{who.login}"

    @rule(
        who=st.sampled_from([CONSULTANT, SECOND, NEIGHBOUR]),
        which=st.integers(0, 2),
        agreed=st.sampled_from(["none", "minor", "significant", "first", ""]),
        try_other=st.booleans(),
    )
    def sign(self, who, which, agreed, try_other):
        if which < len(self.numbers):
            number = self.numbers[which]
            before, case = len(self.centre.answers.versions(number)), self.case(number)
            if not try_other:
                who = next((person for person in PEOPLE if person.login == case.consultant), who)
            read = len(self.readings(number))
            try:
                self.centre.answers.sign(who, number, version=None, password="ключ", why="исправлено", agreed=agreed)
            except CamiError:
                assert len(self.centre.answers.versions(number)) == before
                assert len(self.readings(number)) == read
            else:
                if len(self.readings(number)) > read:
                    words = self.readings(number)[-1].text.conclusion
                    assert len(self.centre.answers.versions(number)) == before  # nobody is answered yet
                else:
                    words = self.centre.answers.versions(number)[0].text.conclusion
                assert words == self.typed[number, who.login]
            assert (self.states[number], self.state(number)) in {
                (one, step.to) for (one, _command), step in TRANSITIONS.items()
            } | {(self.state(number), self.state(number))}
            self.states[number] = self.state(number)

    @rule(
        who=st.sampled_from([CONSULTANT, SECOND, NEIGHBOUR]), which=st.integers(0, 2), words=st.text("где ", min_size=1)
    )
    def say(self, who, which, words):
        """Somebody who may see a request says something."""
        if which < len(self.numbers):
            talk = self.centre.talk
            try:
                self.centre.consultations.within(
                    who,
                    self.numbers[which],
                    lambda connection, case: talk.add(connection, who, case, f"{words}{who.login}", MessageKind.NOTE),
                )
            except CamiError:
                return

    def readings(self, number):
        with self.centre.engine.connect() as connection:
            return readings_of(connection, number)

    @rule(minutes=st.sampled_from([1, 20, 90, 600, 4000]))
    def wait(self, minutes):
        self.centre.clock.pass_(minutes=minutes)
        self.centre.deadlines.step()
        self.states = {number: self.state(number) for number in self.numbers}

    def state(self, number):
        return self.case(number).state

    def case(self, number):
        return self.centre.consultations.find(DOCTOR, number).request

    @invariant()
    def rights_follow_the_state(self):
        for number in getattr(self, "numbers", []):
            request = self.case(number)
            holders = {(mo, login) for mo, login, _study in open_grants(self.centre, number)}
            if request.state in HELD:
                assert {login for _mo, login in holders} == {request.consultant}
            elif request.state in QUEUED:
                assert all(mo and not login for mo, login in holders)
            else:
                assert holders == set()
            assert bool(request.consultant) == (request.state in (*HELD, State.DONE)) or request.state in ENDED

    @invariant()
    def readers_are_blind_until_both_have_signed(self):
        for number in getattr(self, "numbers", []):
            request, signed = self.case(number), self.readings(number)
            if request.kind is not Kind.DOUBLE_READING:
                continue
            assert len({reading.login for reading in signed}) == len(signed) <= 2
            assert (request.reading == 3) <= (len(signed) == 2)
            assert request.consultant not in {reading.login for reading in signed} or request.state in (
                State.COMPARING, State.DONE, *ENDED,
            )  # fmt: skip
            for who in (CONSULTANT, SECOND, NEIGHBOUR):
                try:
                    case = self.centre.consultations.find(who, number)
                except CamiError:
                    continue
                shown = [reading.login for reading in self.centre.answers.readings(who, case)]
                messages, history = self.centre.consultations.said(who, case)
                if len(signed) < 2:
                    assert set(shown) <= {who.login}
                    assert {message.login for message in messages} <= {who.login, DOCTOR.login}
                    assert {event.login for event in history if event.text} <= {who.login, DOCTOR.login, "dispatcher"}
            assert self.centre.answers.readings(DOCTOR, self.centre.consultations.find(DOCTOR, number)) == []
            if request.state is not State.DONE:
                assert self.centre.answers.versions(number) == []

    @invariant()
    def nothing_typed_is_lost(self):
        for (number, login), words in getattr(self, "typed", {}).items():
            assert self.centre.answers.draft(number, login).text.conclusion == words

    @invariant()
    def every_change_is_in_the_history(self):
        for number in getattr(self, "numbers", []):
            with self.centre.engine.connect() as connection:
                newest = connection.scalar(
                    select(func.max(consultation_event.c.id)).where(consultation_event.c.number == number)
                )
            assert self.case(number).last_event == newest

    def teardown(self):
        if hasattr(self, "centre"):
            self.centre.trail.close()


def drive(engine, examples):
    machine = type("Driven", (Requests,), {"engine": engine})
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=examples, stateful_step_count=40, suppress_health_check=list(HealthCheck)),
    )


def test_random_people_on_sqlite(engine):
    drive(engine, 8)


_POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@pytest.fixture(scope="module")
def postgres():
    """A PostgreSQL of a module's own, on a socket in a folder of its own."""
    if _POSTGRES is None:
        pytest.skip("no PostgreSQL on this machine")
    folder = Path(tempfile.mkdtemp(prefix="cami-pg-"))
    as_user = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"
    subprocess.run(
        [*as_user, _POSTGRES / "initdb", "-D", data, "-A", "trust", "-E", "UTF8"], check=True, capture_output=True
    )
    options = f"-c listen_addresses='' -k {folder} -c fsync=off"
    control = [*as_user, _POSTGRES / "pg_ctl", "-D", data, "-w"]
    subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], check=True, capture_output=True)
    try:
        url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
        migrate(url)
        engine = open_engine(url)
        people(engine)
        yield engine
        engine.dispose()
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_random_people_on_postgresql(postgres):
    with postgres.connect() as connection:
        assert "PostgreSQL" in connection.scalar(text("select version()"))
    drive(postgres, 4)
