"""Errands: asked for at the centre, run at the proxy at least once, answered."""

import threading
import time

import pytest
from sqlalchemy import insert

from cami.db.tables import errand
from cami.delivery.order import Priority
from cami.errands import DONE, Bell, Errand, Kind, Outcome, Pending, Report, Runner, Study
from cami.errors import Invalid, NotFound, Transient
from tests.unit.errands.conftest import Line, call

STUDY = Study("a-study", "1.2.3")
POLL = "/cami/wire/v1/errands"


def ask(centre, mo="42001", kind=Kind.RAISE, study=STUDY, **more):
    return centre.book.ask(mo, kind, study=study, **{"asked_by": "rad.42001", "cause": "viewer", **more})


class Proxy:
    """A runner whose handler does what a test says."""

    def __init__(self, centre, *verdicts, mo="42001", handlers=None):
        self.line = Line(centre.endpoints, mo)
        self.line.wait = 0
        self.centre = centre
        self.seen = []
        self.verdicts = list(verdicts)
        self.handlers = {Kind.RAISE: self.run, Kind.SEND: self.run} if handlers is None else handlers
        self.restart()

    def restart(self):
        self.runner = Runner(self, self.handlers, self.centre.clock)

    def ask(self, method, path, document=None):
        return self.line.ask(method, path.replace("wait=20", "wait=0").replace("wait=10", "wait=0"), document)

    def run(self, wanted):
        self.seen.append(wanted)
        verdict = self.verdicts.pop(0) if self.verdicts else DONE
        if isinstance(verdict, Exception):
            raise verdict
        return verdict


def test_an_errand_is_run_and_its_outcome_noted(centre):
    number = ask(centre, details={"to": "42002"})
    proxy = Proxy(centre)
    assert proxy.runner.step() == 0
    assert proxy.seen == [Errand(number, "raise", STUDY, Priority.AWAITED, "viewer", {"to": "42002"})]
    entry = centre.book.entry(number)
    assert (entry.outcome, entry.reason, entry.asked_by, entry.mo) == ("done", "", "rad.42001", "42001")
    assert entry.taken_at == entry.done_at == centre.clock.now()
    proxy.runner.step()
    assert len(proxy.seen) == 1


def test_another_mos_proxy_gets_none_of_it(centre):
    number = ask(centre)
    proxy = Proxy(centre, mo="42002")
    proxy.runner.step()
    assert proxy.seen == []
    answers = {
        call(centre.endpoints, "POST", f"{POLL}/{which}", "42002", {"outcome": "done"}) for which in (number, 999)
    }
    assert len(answers) == 1, "an errand of another МО and one that does not exist are answered alike"
    assert answers.pop()[0] == 404
    assert centre.book.entry(number).done_at is None


def test_strangers_are_refused(centre):
    ask(centre)
    for method, path in (("GET", POLL), ("POST", POLL + "/1")):
        assert call(centre.endpoints, method, path, "nobody")[0] == 401


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_broken_line_loses_no_errand(centre, how, which):
    number = ask(centre)
    proxy = Proxy(centre)
    proxy.line.cut = ["", how] if which else [how]
    with pytest.raises(Transient):
        proxy.runner.step()
    proxy.restart()
    proxy.runner.step()
    assert proxy.seen
    assert centre.book.entry(number).outcome == "done"


def test_what_is_asked_twice_is_one_errand_while_it_is_open(centre):
    first = ask(centre)
    assert ask(centre, asked_by="doc.42001") == first
    assert ask(centre, mo="42002") != first
    assert ask(centre, study=Study("b-study")) != first
    assert ask(centre) == first
    assert ask(centre, priority=Priority.EMERGENCY) != first
    Proxy(centre).runner.step()
    assert ask(centre) > first


def test_a_raise_after_a_lower_is_a_new_one(centre):
    """With the line down all three wait; swallowed by the first, the last would leave the study lowered."""
    numbers = [ask(centre), ask(centre, kind=Kind.LOWER), ask(centre)]
    assert numbers == sorted(set(numbers))


def test_outcomes(centre):
    numbers = [ask(centre, study=Study(str(number))) for number in range(4)]
    numbers.append(ask(centre, kind=Kind.LOWER))
    refused = Report(Outcome.REFUSED, "quarantined")
    Proxy(centre, NotFound("no"), refused, Invalid("no"), DONE).runner.step()
    ends = [(entry.outcome, entry.reason) for entry in map(centre.book.entry, numbers)]
    assert ends == [
        ("unknown", ""),
        ("refused", "quarantined"),
        ("refused", "invalid"),
        ("done", ""),
        ("unsupported", ""),
    ]


def test_an_errand_of_a_newer_centre_stops_no_other(centre):
    with centre.engine.begin() as connection:
        common = {"mo": "42001", "cause": "x", "asked_by": "x", "asked_at": centre.clock.now()}
        connection.execute(insert(errand).values(kind="brew", priority=2, **common))
    last = ask(centre)
    Proxy(centre).runner.step()
    assert [entry.outcome for entry in centre.book.history("42001", 9)] == ["done", "unsupported"]
    assert centre.book.entry(last).outcome == "done"


def test_a_failing_errand_waits_and_lets_others_pass(centre):
    failing, other, after = ask(centre), ask(centre, study=Study("b-study")), ask(centre, kind=Kind.SEND)
    proxy = Proxy(centre, Transient("database is locked"))
    proxy.runner.step()
    assert centre.book.entry(failing).done_at is None
    assert centre.book.entry(other).outcome == "done"
    assert centre.book.entry(after).done_at is None, "of one study the order is kept"
    proxy.runner.step()
    assert f"except={failing},{after}" in proxy.line.calls[-1][1]
    assert len(proxy.seen) == 2
    centre.clock.pass_(seconds=11)
    proxy.runner.step()
    assert [wanted.number for wanted in proxy.seen] == [failing, other, failing, after]
    assert centre.book.entry(after).outcome == "done"


def test_a_clock_set_back_does_not_put_off_for_longer(centre):
    failing = ask(centre)
    proxy = Proxy(centre, Transient("no"))
    proxy.runner.step()
    centre.clock.pass_(days=-3)
    proxy.runner.step()
    assert centre.book.entry(failing).outcome == "done"


def test_the_first_answer_counts(centre):
    number = ask(centre)
    path = f"{POLL}/{number}"
    assert call(centre.endpoints, "POST", path, "42001", {"outcome": "refused", "reason": "x"})[0] == 200
    assert call(centre.endpoints, "POST", path, "42001", {"outcome": "done"})[0] == 200
    assert centre.book.entry(number).outcome == "refused"


@pytest.mark.parametrize(
    "document", [None, [], {}, {"outcome": "fine"}, {"outcome": "done", "reason": "Иванов"}, {"outcome": {}}, 7]
)
def test_answers_that_are_none_are_refused(centre, document):
    number = ask(centre)
    assert call(centre.endpoints, "POST", f"{POLL}/{number}", "42001", document)[0] == 400
    assert centre.book.entry(number).done_at is None


@pytest.mark.parametrize("query", ["wait=x", "wait=-1", "wait=1e9", "except=1;2", "except=a", "wait=٣"])
def test_questions_that_are_none_are_refused(centre, query):
    assert call(centre.endpoints, "GET", f"{POLL}?{query}", "42001")[0] == 400


def test_the_newest_of_each_study(centre):
    for number in (1, 1, 2):
        ask(centre, kind=Kind.SEND, study=Study(f"s{number}"))
        centre.clock.pass_(seconds=1)
        Proxy(centre).runner.step()
    latest = centre.book.latest(Kind.SEND, ["s1", "s2", "s3"])
    assert {key: entry.errand.number for key, entry in latest.items()} == {"s1": 2, "s2": 3}
    assert centre.book.latest(Kind.RAISE, ["s1"]) == {}


def test_old_ends_are_forgotten_and_open_errands_never(centre):
    ask(centre)
    Proxy(centre).runner.step()
    still = ask(centre, kind=Kind.LOWER)
    centre.clock.pass_(days=400)
    assert centre.book.tidy() == 1
    assert [entry.errand.number for entry in centre.book.history(None, 9)] == [still]


class Caller:
    """A proxy's call that waits, in a thread of its own."""

    def __init__(self, centre, mo="42001", wait=20):
        self.begin = time.monotonic()
        self.answer = None
        self._thread = threading.Thread(target=self._call, args=(centre, mo, wait), daemon=True)
        self._thread.start()

    def _call(self, centre, mo, wait):
        self.answer = call(centre.endpoints, "GET", f"{POLL}?wait={wait}", mo)[1]
        self.took = time.monotonic() - self.begin

    def join(self):
        self._thread.join(15)
        assert self.answer is not None, "it still waits"
        return self.answer["errands"]


def until(holds):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_waiting_call_is_answered_at_once(centre):
    mine, other = Caller(centre), Caller(centre, "42002")
    until(lambda: centre.bell.waiting == 2)
    number = ask(centre)
    assert [entry["id"] for entry in mine.join()] == [number]
    assert mine.took < 10
    assert other.answer is None
    centre.bell.close()
    assert other.join() == []


def test_an_errand_from_another_replica_is_found_by_looking(centre):
    caller = Caller(centre)
    until(lambda: centre.bell.waiting == 1)
    with centre.engine.begin() as connection:
        connection.execute(
            insert(errand).values(
                mo="42001", kind="raise", priority=1, cause="x", asked_by="x", asked_at=centre.clock.now()
            )
        )
    assert len(caller.join()) == 1


def test_there_are_only_so_many_places(centre):
    callers = [Caller(centre), Caller(centre, "42002")]
    until(lambda: centre.bell.waiting == 2)
    status, answer = call(centre.endpoints, "GET", f"{POLL}?wait=20", "42001")
    assert (status, answer) == (200, {"errands": [], "again_after": 2.0})
    number = ask(centre)
    assert [entry["id"] for entry in callers[0].join()] == [number], "what is there is told without a place"
    centre.bell.close()
    callers[1].join()
    assert centre.bell.waiting == 0
    assert Proxy(centre).runner.step() == 0


def test_a_wait_that_is_over_is_answered_with_nothing(centre):
    caller = Caller(centre, wait=1)
    assert caller.join() == []
    assert 0.9 < caller.took < 10


class Clockwork:
    def __init__(self):
        self.time = 0.0

    def __call__(self):
        self.time += 0.3
        return self.time


def test_all_who_wait_share_one_look():
    looks = []

    def look():
        looks.append(1)
        return {"42001": Pending(1, 5)}

    clock = Clockwork()
    bell = Bell(look, 9, now=clock)
    ticket = bell.ticket("42001")
    assert bell.wait("42001", ticket, 30)
    assert bell.ticket("42001") == ticket + 1
    # Nothing new: the wait goes to its end, with at most one look a second.
    looks.clear()
    begin = clock.time
    assert bell.wait("42001", bell.ticket("42001"), 4)
    assert 4 <= clock.time - begin < 6
    assert 1 <= len(looks) <= 5


def test_a_look_that_fails_frees_the_place():
    def look():
        raise Transient("database is locked")

    bell = Bell(look, 1, now=Clockwork())
    for _ in range(2):
        with pytest.raises(Transient):
            bell.wait("42001", bell.ticket("42001"), 60)
    assert bell.waiting == 0
