"""Two replicas of the centre on one PostgreSQL: a timer fires once, a notice goes out once, a request is taken once."""

import threading

import pytest
from sqlalchemy import func, select

from cami.consultations.service import Wish
from cami.consultations.states import Command
from cami.consultations.workflow import Taken
from cami.db import open_engine
from cami.db.tables import consultation_event, consultation_notice
from cami.errors import CamiError
from tests.unit.consultations.conftest import CONSULTANT, SECOND, build, sent
from tests.unit.consultations.test_against_a_model import postgres
from tests.unit.consultations.test_dispatch import Letters, mail, mail_server, post

__all__ = ["postgres"]  # a fixture
REQUESTS = 8


@pytest.fixture(scope="module")
def replicas(postgres):
    engines = [postgres, open_engine(postgres.url.render_as_string(hide_password=False))]
    made = [build(engine) for engine in engines]
    yield made
    for each in made:
        each.trail.close()
    engines[1].dispose()


def together(*acts):
    """Do things at once, each in a thread; return what each has returned or raised."""
    gate, found = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place, act):
        gate.wait()
        try:
            found[place] = act()
        except CamiError as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def told(engine, kind):
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).where(consultation_notice.c.kind == kind))


def test_each_timer_fires_once(replicas):
    numbers = [sent(replicas[0]) for _ in range(REQUESTS)]
    for each in replicas:
        each.clock.pass_(hours=2)
    fired = 0
    for _ in range(3):
        fired += sum(together(*(each.deadlines.step for each in replicas)))
    assert fired == 2 * REQUESTS  # the dispatcher is called, the deadline of acceptance has passed
    engine = replicas[0].engine
    assert (told(engine, "escalated"), told(engine, "late")) == (REQUESTS, REQUESTS)
    with engine.connect() as connection:
        rows = connection.execute(
            select(consultation_event.c.number, consultation_event.c.command)
            .where(consultation_event.c.command.in_(["escalated", "late"]))
        ).all()  # fmt: skip
    assert sorted(map(tuple, rows)) == sorted((number, what) for number in numbers for what in ("escalated", "late"))


def test_each_letter_is_sent_once(replicas, tmp_path):
    letters = Letters()
    for _ in range(REQUESTS):
        sent(replicas[0])
    with mail_server(letters, tmp_path, "none") as port:
        posts = [post(each, tmp_path, mail=mail(port)) for each in replicas]
        together(*(each.step for each in posts))
    assert len(letters.kept) >= 2 * REQUESTS
    assert len(set(zip((to for to, _ in letters.kept), letters.subjects(), strict=True))) == len(letters.kept)


def test_one_of_two_takes_a_request(replicas):
    for _ in range(REQUESTS):
        number = sent(replicas[0])

        def take(centre, person, number=number):
            return centre.consultations.do(person, number, Wish(Command.TAKE))

        first, second = together(
            lambda: take(replicas[0], CONSULTANT), lambda: take(replicas[1], SECOND)
        )  # fmt: skip
        lost = [each for each in (first, second) if isinstance(each, CamiError)]
        won = [each for each in (first, second) if not isinstance(each, CamiError)]
        assert (len(won), len(lost)) == (1, 1)
        if isinstance(lost[0], Taken):
            assert lost[0].person == won[0].request.consultant_name
