"""The pulse of open pages: it moves for whom something happens, and for nobody else."""

from cami.consultations.beats import Beats
from cami.consultations.service import Wish
from cami.consultations.states import Command
from tests.unit.consultations.conftest import CONSULTANT, DISPATCHER, DOCTOR, NEIGHBOUR, OPERATOR, SECOND, sent

EVERYBODY = (DOCTOR, NEIGHBOUR, CONSULTANT, SECOND, DISPATCHER, OPERATOR)


def moved(beats, before):
    """Return whose beat is another than it was."""
    return {person.login for person in EVERYBODY if beats.of(person) != before[person.login]}


def test_a_beat_moves_for_those_whose_desks_have_changed(centre):
    beats = Beats(centre.engine, hold=0)
    before = {person.login: beats.of(person) for person in EVERYBODY}
    number = sent(centre)
    assert moved(beats, before) == {DOCTOR.login, CONSULTANT.login, SECOND.login, DISPATCHER.login}

    before = {person.login: beats.of(person) for person in EVERYBODY}
    centre.consultations.do(CONSULTANT, number, Wish(Command.TAKE))
    # It leaves the queue of the colleague, who is told nothing; the asker is.
    assert moved(beats, before) == {DOCTOR.login, CONSULTANT.login, SECOND.login, DISPATCHER.login}
    assert beats.of(DOCTOR).notice > before[DOCTOR.login].notice
    assert beats.of(SECOND).notice == before[SECOND.login].notice

    before = {person.login: beats.of(person) for person in EVERYBODY}
    assert moved(beats, before) == set()


def test_processes_agree(centre):
    numbers = [sent(centre) for _ in range(3)]
    early = Beats(centre.engine, hold=0)
    for person in EVERYBODY:
        early.of(person)
    centre.consultations.do(SECOND, numbers[0], Wish(Command.TAKE))
    late = Beats(centre.engine, hold=0)
    assert {person.login: early.of(person) for person in EVERYBODY} == {
        person.login: late.of(person) for person in EVERYBODY
    }


def test_for_a_moment_it_answers_from_what_it_knows(centre):
    now = [0.0]
    beats = Beats(centre.engine, hold=0.2, now=lambda: now[0])
    before = beats.of(DISPATCHER)
    sent(centre)
    assert beats.of(DISPATCHER) == before
    now[0] = 0.2
    assert beats.of(DISPATCHER) != before
