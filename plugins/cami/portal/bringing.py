"""Studies that are somewhere else, as the pages show them: at the МО and not here yet, or let go of here.

They stand in the list of studies as the others do; what differs is what can be done about them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cami.access import Action, Identity, allowed
from cami.access.granted import GrantedStudies
from cami.clock import Clock
from cami.delivery import Timetable
from cami.errors import NotFound
from cami.region import Region
from cami.retrieval import Announcements, Awaiting, Catalogue, Requests, Returns, Standing, StudyRegister, Whereabouts
from cami.retrieval.requests import eta, own_lists

#: Studies that are listed without being here.
MOST = 2000


@dataclass(frozen=True, slots=True)
class Coming:
    """How a study that is not all here stands; counts are images."""

    study_id: str
    state: str
    """One of the keys of `cami.portal.wording.STATES`; empty: what is said of the part that is here."""
    received: int
    expected: int | None
    may_ask: bool
    """Whether a button has any use."""
    nothing_here: bool
    owner: str = ""
    minutes: int = 0
    """How long it takes from the asking, about; 0: nobody can tell."""


class Bringing(Protocol):
    """Shows what is somewhere else, and has it brought."""

    def absent(self, identity: Identity, days: tuple[str, str]) -> list[Any]:
        """List visible studies of which nothing is here, as ``/tools/find`` would, for a span of Study Dates."""
        ...

    def coming(self, identity: Identity, study_ids: Sequence[str]) -> Mapping[str, Coming]:
        """Return how those of these visible studies stand that are not all here."""
        ...

    def bring(self, identity: Identity, study_id: str) -> None:
        """Have a study brought.

        Raises
        ------
        cami.errors.Denied
            Not for this role.
        cami.errors.NotFound
            There is no such study, or it is another МО's.
        """
        ...

    def opening(self, identity: Identity, study_uid: str) -> list[Coming]:
        """Note that somebody opens a study, which has it brought; return what they have to wait for."""
        ...

    def viewing(self, identity: Identity, study_uid: str) -> bool:
        """Note that a viewer has the study open; say whether more of it is waited for."""
        ...

    def closing(self, identity: Identity, study_uid: str) -> None:
        """Note that a viewer of the study is being closed."""
        ...


class BringingToCentre:
    """The centre: studies that proxies have announced."""

    def __init__(
        self,
        *,
        requests: Requests,
        announcements: Announcements,
        register: StudyRegister,
        awaiting: Awaiting,
        region: Region,
        clock: Clock,
        granted: GrantedStudies,
    ) -> None:
        self._granted = granted
        self._requests = requests
        self._announcements = announcements
        self._register = register
        self._awaiting = awaiting
        self._region = region
        self._clock = clock

    def absent(self, identity: Identity, days: tuple[str, str]) -> list[Any]:
        """List what proxies have announced and of which nothing has come."""
        own = own_lists(identity)
        found = [] if own == "" else self._announcements.newest(own, days, MOST)
        if own is not None:
            pairs = self._granted.pairs(identity.mo, identity.login)
            found += [told for told in self._announcements.of_studies(pairs, days) if told.owner != own]
        return [
            told.announcement.columns.as_orthanc(
                told.announcement.study_id, told.announcement.study_uid, told.announcement.instances
            )
            for told in found
        ]

    def coming(self, identity: Identity, study_ids: Sequence[str]) -> Mapping[str, Coming]:
        """Return how those of these studies stand that are not whole."""
        if not study_ids:
            return {}
        here = self._register.of_ids(study_ids)
        places = [place for place in here.values() if not place.whole]
        for study_id in study_ids:
            if study_id not in here:
                places += self._requests.found(identity, study_id=study_id)
        return {coming.study_id: coming for coming in self._shown(identity, places)}

    def bring(self, identity: Identity, study_id: str) -> None:
        """Ask the МО for a study."""
        self._requests.request(identity, study_id=study_id)

    def opening(self, identity: Identity, study_uid: str) -> list[Coming]:
        """Ask the МО for a study that is opened; what has begun to come can be looked at."""
        found = self._requests.opened(identity, study_uid)
        if any(place.received for place in found):
            return []
        self._requests.viewing(identity, study_uid)  # the page that waits asks again, and is a beat each time
        return self._shown(identity, found)

    def viewing(self, identity: Identity, study_uid: str) -> bool:
        """Let the study stay urgent while it is open."""
        return self._requests.viewing(identity, study_uid)

    def closing(self, identity: Identity, study_uid: str) -> None:
        """Let it be urgent no more, unless somebody else waits for it."""
        self._requests.closing(identity, study_uid)

    def _shown(self, identity: Identity, places: Sequence[Whereabouts]) -> list[Coming]:
        awaited = self._awaiting.awaited([place.study_id for place in places])
        may_ask = allowed(identity.role, Action.RETRIEVAL_REQUEST, "central")
        return [
            Coming(
                study_id=place.study_id,
                state="asked" if place.study_id in awaited else "" if place.received else "at_mo",
                received=place.received,
                expected=place.expected,
                may_ask=may_ask and place.study_id not in awaited,
                nothing_here=not place.received,
                owner=place.mo,
                minutes=self._minutes(place),
            )
            for place in places
        ]

    def _minutes(self, place: Whereabouts) -> int:
        try:
            line = self._region.link(place.mo)
        except NotFound:
            return 0
        if not place.to_come:
            return 0
        rate = Timetable(line, self._region.time_zone, self._clock).mbit_s(self._clock.now())
        return int(eta(place.to_come, rate).total_seconds()) // 60


class BringingToProxy:
    """A proxy: studies that were let go of, and that the centre has."""

    def __init__(self, returns: Returns, catalogue: Catalogue, mo: str) -> None:
        self._returns = returns
        self._catalogue = catalogue
        self._mo = mo

    def absent(self, identity: Identity, days: tuple[str, str]) -> list[Any]:
        """List what was let go of."""
        if not self._is_ours(identity):
            return []
        found = self._catalogue.away(days, MOST)
        return [study.columns.as_orthanc(study.study_id, study.study_uid, count) for study, count in found]

    def coming(self, identity: Identity, study_ids: Sequence[str]) -> Mapping[str, Coming]:
        """Return how those of these studies stand of which something was let go of."""
        found = self._returns.standing(study_ids)
        return {each.study_id: self._shown(identity, each) for each in found if each.received < each.total}

    def bring(self, identity: Identity, study_id: str) -> None:
        """Fetch a study from the centre."""
        self._returns.request(identity, study_id=study_id)

    def opening(self, identity: Identity, study_uid: str) -> list[Coming]:
        """Fetch what is not here of a study that is opened."""
        return [self._shown(identity, each) for each in self._returns.opened(identity, study_uid)]

    def viewing(self, identity: Identity, study_uid: str) -> bool:  # noqa: ARG002 - the port's
        """Do nothing: a fetch that was begun is carried out, since the study stays here."""
        return False

    def closing(self, identity: Identity, study_uid: str) -> None:
        """Do nothing, for the same reason."""

    def _is_ours(self, identity: Identity) -> bool:
        return identity.mo == self._mo or allowed(identity.role, Action.ARCHIVE_INSPECT, "proxy")

    def _shown(self, identity: Identity, standing: Standing) -> Coming:
        state = "returning" if standing.under_way else "not_returned" if standing.reason else "away"
        return Coming(
            study_id=standing.study_id,
            state=state,
            received=standing.received,
            expected=standing.total,
            may_ask=not standing.under_way and allowed(identity.role, Action.RETRIEVAL_REQUEST, "proxy"),
            nothing_here=not standing.received,
            owner=self._mo,
        )
