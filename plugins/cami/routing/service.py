"""All that people can see of routing and do with it at a proxy, for the JSON interface and for the page."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cami.errors import CamiError, NotFound
from cami.region import Destination
from cami.routing.dry_run import DryRun, Run
from cami.routing.forwardings import Forwardings, Totals
from cami.routing.from_centre import CentralVersion, RulesFromCentre
from cami.routing.outcomes import Refused, Unavailable
from cami.routing.rules import RuleSet
from cami.routing.shares import Notices
from cami.routing.together import joined
from cami.routing.versions import InForce, Version, Versions
from cami.routing.ways import Ways

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DestinationView:
    """A destination and how it is with it."""

    name: str
    title: str
    """Empty: the registry does not know it (any more)."""
    kind: str
    """``dicom``, ``dicomweb`` or empty."""
    address: str
    totals: Totals | None
    """None: nothing was ever to be sent there."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The rules in force and their destinations."""

    version: int
    latest: Version | None
    rules: RuleSet
    trouble: str
    centre: InForce
    """The rules that the centre has made, of them those that are for this МО."""
    centre_latest: CentralVersion | None
    destinations: Sequence[DestinationView]
    notices: Mapping[str, int]
    """Code of an МО → studies that the centre has not yet been told to share with it."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """Whether a destination answers."""

    answers: bool
    code: str = ""
    detail: str = ""


class RoutingService:
    """The services of routing, together."""

    def __init__(
        self,
        *,
        versions: Versions,
        centre: RulesFromCentre,
        forwardings: Forwardings,
        notices: Notices,
        dry_run: DryRun,
        destinations: Sequence[Destination],
        ways: Ways,
    ) -> None:
        self._versions = versions
        self._centre = centre
        self._forwardings = forwardings
        self._notices = notices
        self._dry_run = dry_run
        self._destinations = {destination.name: destination for destination in destinations}
        self._ways = ways

    def overview(self) -> Overview:
        """Return the rules in force and how it is with their destinations."""
        force, totals = self._versions.in_force(), self._forwardings.totals()
        views = [
            DestinationView(name, known.title, *_address(known), totals.pop(name, None))
            for name, known in self._destinations.items()
        ]
        views += [DestinationView(name, "", "", "", left) for name, left in sorted(totals.items())]
        latest = self._versions.latest()
        return Overview(
            force.version,
            latest,
            force.rules,
            force.trouble,
            self._centre.in_force(),
            self._centre.latest(),
            views,
            self._notices.waiting(),
        )

    def history(self) -> Sequence[Version]:
        """Return all versions of the rules, the last one first."""
        return self._versions.history()

    def history_of_centre(self) -> Sequence[CentralVersion]:
        """Return the versions of the centre's rules that have come here, the last one first."""
        return self._centre.history()

    def version(self, number: int) -> tuple[Version, Sequence[str]]:
        """Return a version and what it changed.

        Raises
        ------
        cami.errors.NotFound
            There is none.
        """
        return self._versions.get(number), self._versions.changes(number)

    def apply(self, content: str, *, base: int, why: str, who: str) -> int:
        """Put rules into force; raises what `cami.routing.versions.Versions.add` does."""
        number = self._versions.add(content, base=base, why=why, who=who)
        log.warning("routing rules version %d, by %s", number, who)
        return number

    def restore(self, number: int, *, base: int, why: str, who: str) -> int:
        """Put an earlier version into force again; raises what `cami.routing.versions.Versions.restore` does."""
        new = self._versions.restore(number, base=base, why=why, who=who)
        log.warning("routing rules version %d, which is version %d again, by %s", new, number, who)
        return new

    def try_out(self, content: str | None, studies: int) -> Run:
        """Tell what rules would have done with the last studies, beside those of the centre.

        Parameters
        ----------
        content
            A draft; None: the rules in force.
        studies
            How many at most.

        Raises
        ------
        cami.routing.reading.InvalidRules
            The draft is wrong.
        """
        rules = self._versions.in_force().rules if content is None else self._versions.draft(content)
        return self._dry_run.run(joined(self._centre.in_force().rules, rules), studies)

    def resend(self, name: str, who: str) -> int:
        """Try all that has failed or waits for a destination now; return how many images had failed.

        Raises
        ------
        cami.errors.NotFound
            There is no such destination.
        """
        self._known(name)
        failed = self._forwardings.resend(name)
        log.warning("%d images are sent to %s again, by %s", failed, name, who)
        return failed

    def cancel(self, name: str, who: str) -> int:
        """Call off all that waits or has failed for a destination; return how many images.

        Raises
        ------
        cami.errors.NotFound
            There is no such destination.
        """
        if name not in self._destinations and name not in self._forwardings.totals():
            raise NotFound(f"there is no destination {name}")
        called_off = self._forwardings.cancel(name)
        log.warning("%d images need not go to %s any more, by %s", called_off, name, who)
        return called_off

    def greet(self, name: str) -> Greeting:
        """See whether a destination answers: C-ECHO, or a search.

        Raises
        ------
        cami.errors.NotFound
            There is no such destination.
        """
        destination = self._known(name)
        try:
            way = self._ways.way(destination)
            try:
                way.greet()
            finally:
                way.close()
        except (Unavailable, Refused) as error:
            return Greeting(answers=False, code=error.code, detail=error.detail)
        except CamiError:
            return Greeting(answers=False, code="misconfigured")
        return Greeting(answers=True)

    def _known(self, name: str) -> Destination:
        if name not in self._destinations:
            raise NotFound(f"there is no destination {name}")
        return self._destinations[name]


def _address(destination: Destination) -> tuple[str, str]:
    if destination.dicom is not None:
        return "dicom", f"{destination.dicom.aet}@{destination.dicom.host}:{destination.dicom.port}"
    return "dicomweb", destination.dicomweb.url if destination.dicomweb is not None else ""
