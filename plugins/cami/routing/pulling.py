"""At a proxy: reads the centre's rules down the line, tells it what holds here, and tries its drafts.

Each reading says which version holds here; the answer has another one, or drafts to try on the last studies
(`cami.routing.central`).
"""

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from cami.errors import CamiError, Denied, Invalid, NotFound, Transient
from cami.routing.dry_run import MOST_STUDIES, DryRun
from cami.routing.from_centre import RulesFromCentre
from cami.routing.reading import InvalidRules
from cami.routing.views import problems_json, run_json

log = logging.getLogger(__name__)

#: Path under ``/cami/wire/v1``.
PATH = "/rules"


class Asked(Protocol):
    """The line to the centre, `cami.delivery.CentralLink`."""

    def ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Make a small call, JSON there and back."""
        ...


class RulesPulling:
    """Reads the centre's rules down the line, and tries its drafts."""

    def __init__(self, link: Asked, rules: RulesFromCentre, dry_run: DryRun) -> None:
        self._link = link
        self._rules = rules
        self._dry_run = dry_run
        self._place = 0
        self.wake: Callable[[], None] = lambda: None

    def place(self) -> int:
        """Return how far the centre has been heard; 0 since this server has started, so it is asked once."""
        return self._place

    def news(self) -> None:
        """Hear that there is more."""
        self.wake()

    def step(self) -> bool:
        """Tell the centre what holds here, and take what is new; say whether its release knows rules at all.

        Raises
        ------
        cami.errors.Transient
            The line is down.
        """
        try:
            answer = self._told()
            if isinstance(new := answer.get("rules"), dict):
                self._rules.take(new)
                answer = self._told()  # at once: people at the centre wait for it
        except NotFound:
            return False
        except (Denied, Invalid) as error:
            raise Transient(str(error)) from error
        for trial in _trials(answer):
            self._try(trial)
        self._place = int(answer.get("place", 0))
        return True

    def _told(self) -> dict[str, Any]:
        latest, force = self._rules.latest(), self._rules.in_force()
        standing: dict[str, Any] = {"version": force.version, "trouble": force.trouble[:2000]}
        if latest is not None:
            standing["made_at"] = latest.made_at.isoformat()
        return self._link.ask("POST", PATH, standing)

    def _try(self, trial: Mapping[str, Any]) -> None:
        outcome: dict[str, Any]
        try:
            studies = min(max(int(trial["studies"]), 1), MOST_STUDIES)
            outcome = run_json(self._dry_run.run(self._rules.draft(str(trial["content"])), studies))
        except InvalidRules as error:
            outcome = problems_json(error)
        except CamiError as error:
            log.warning("a trial of the centre's rules was broken off: %s", type(error).__name__)
            outcome = {"trouble": "unavailable"}
        try:
            self._link.ask("POST", f"{PATH}/trials/{int(trial['number'])}", outcome)
        except (NotFound, Denied, Invalid) as error:
            log.info("the centre does not wait for the outcome of a trial any more: %s", error)


def _trials(answer: Mapping[str, Any]) -> Collection[Mapping[str, Any]]:
    found = answer.get("trials")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
