"""Errands at a proxy: fetch them, run them, answer.

At least once: an errand stays open at the centre until the answer has got through, so it may come again after a break
or a crash of either side. Handlers are idempotent, and write down durably what they cannot do at once.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from cami.clock import Clock
from cami.errands.errand import Errand, Kind, Outcome, Report
from cami.errors import CamiError, Denied, Invalid, NotFound, Transient

log = logging.getLogger(__name__)

#: Seconds that the centre may let the call wait for an errand.
WAIT = 20
#: How long an errand that failed is left alone before it is tried again.
PUT_OFF = timedelta(seconds=10)
#: Seconds until a centre is asked again whose release knows no errands.
NO_ERRANDS = 300.0
#: How many may be put off at once; beyond that the centre hands over what it has, and it is passed over here.
_MOST = 100

Handler = Callable[[Errand], Report]


class _PutOff(NamedTuple):
    until: datetime
    study_id: str


class Asking(Protocol):
    """The line to the centre; `cami.delivery.CentralLink` is one."""

    def ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Make a small call, JSON there and back."""
        ...


class Watched(Protocol):
    """Something that this proxy reads by places: the same call that waits for errands is told when there is more."""

    def place(self) -> int:
        """Return how far it has been read."""
        ...

    def news(self) -> None:
        """Hear that there is more; has to return at once."""
        ...


class Runner:
    """Runs the errands of one proxy, one after the other."""

    def __init__(
        self, link: Asking, handlers: Mapping[Kind, Handler], clock: Clock, feeds: Mapping[str, Watched] | None = None
    ) -> None:
        """Make a runner; `handlers` says what this release can do, `feeds` of what it wants to hear while it waits.

        A handler raises `Transient` when it should be tried again later, `NotFound` when the proxy does not know the
        study.
        """
        self._link = link
        self._handlers = {kind.value: handler for kind, handler in handlers.items()}
        self._clock = clock
        self._feeds = dict(feeds or {})
        self._told: dict[str, int] = {}
        self._put_off: dict[int, _PutOff] = {}

    def step(self) -> float:
        """Wait for errands at the centre and run them; return how many seconds to pause.

        Raises
        ------
        cami.errors.Transient
            The line is down.
        """
        now = self._clock.now()
        # Not beyond PUT_OFF from now: a clock that was set back must not put an errand off for a day.
        self._put_off = {number: entry for number, entry in self._put_off.items() if now < entry.until <= now + PUT_OFF}
        put_off = ",".join(str(number) for number in sorted(self._put_off)[:_MOST])
        wait = min(WAIT, int(PUT_OFF.total_seconds())) if self._put_off else WAIT
        at = {name: feed.place() for name, feed in self._feeds.items()}
        # Who was told and has not read yet is not told again: the call would come back at once, over and over.
        places = ",".join(f"{name}:{place}" for name, place in at.items() if self._told.get(name) != place)
        asked = f"/errands?wait={wait}" + (f"&except={put_off}" if put_off else "")
        try:
            answer = self._link.ask("GET", asked + (f"&feeds={places}" if places else ""))
        except NotFound:
            return NO_ERRANDS
        except Denied as error:
            raise Transient(str(error)) from error
        told = answer.get("feeds")
        for name in told if isinstance(told, dict) else ():
            if name in at:
                self._told[name] = at[name]
                self._feeds[name].news()
        for document in _listed(answer):
            self._run(document)
        return float(answer.get("again_after", 0.0))

    def _run(self, document: Mapping[str, Any]) -> None:
        number = int(document["id"])
        if number in self._put_off:
            return
        study_id = str(document.get("study_id", ""))
        if study_id and any(entry.study_id == study_id for entry in self._put_off.values()):
            # What is asked about one study keeps its order: a "lower" must not pass the "raise" before it.
            self._put_off[number] = _PutOff(self._clock.now() + PUT_OFF, study_id)
            return
        try:
            report = self._report(document)
        except CamiError as error:
            log.warning("errand %d is put off: %s", number, error)
            self._put_off[number] = _PutOff(self._clock.now() + PUT_OFF, study_id)
            return
        log.info("errand %d (%s): %s %s", number, document.get("kind"), report.outcome, report.reason)
        try:
            path = f"/errands/{number}"
            self._link.ask("POST", path, {"outcome": report.outcome.value, "reason": report.reason})
        except (NotFound, Denied) as error:
            raise Transient(str(error)) from error

    def _report(self, document: Mapping[str, Any]) -> Report:
        handler = self._handlers.get(str(document.get("kind")))
        if handler is None:
            return Report(Outcome.UNSUPPORTED)
        try:
            return handler(Errand.parse(document))
        except NotFound:
            return Report(Outcome.UNKNOWN)
        except Invalid:
            return Report(Outcome.REFUSED, "invalid")


def _listed(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    errands = answer.get("errands")
    if not isinstance(errands, list) or not all(isinstance(entry, dict) and "id" in entry for entry in errands):
        raise Transient("the centre's answer holds no errands: is something else at its address?")
    return errands
