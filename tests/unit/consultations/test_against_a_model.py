"""Random people do random things to requests; the tables are held against what must never happen.

Never: a state that the table does not lead to, a text that somebody has typed and that is gone, a right to see a study
that is open to somebody who does not have the request, or after its end.
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

from cami.consultations.service import Wish
from cami.consultations.states import ENDED, HELD, QUEUED, TRANSITIONS, Command, State
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
        route=st.sampled_from(["radiology-centre", "dispatcher"]),
    )
    def ask(self, urgency, route):
        if len(self.numbers) < 3:
            case = self.centre.consultations.create(DOCTOR, [STUDY], GIVEN | {"urgency": urgency, "route": route})
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
                    who, self.numbers[which], {"conclusion": words, "critical": "б" in words}, None
                )
            except CamiError:
                return
            self.typed[self.numbers[which], who.login] = words

    @rule(who=st.sampled_from([CONSULTANT, SECOND, NEIGHBOUR]), which=st.integers(0, 2))
    def sign(self, who, which):
        if which < len(self.numbers):
            number = self.numbers[which]
            before = len(self.centre.answers.versions(number))
            try:
                self.centre.answers.sign(who, number, version=None, password="ключ", why="исправлено")
            except CamiError:
                assert len(self.centre.answers.versions(number)) == before
            else:
                assert self.centre.answers.versions(number)[0].text.conclusion == self.typed[number, who.login]
            self.states[number] = self.state(number)

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
        settings=settings(
            max_examples=examples, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
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
