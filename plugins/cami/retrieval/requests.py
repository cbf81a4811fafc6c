"""What people ask for at the centre: «Запросить из МО» (F-19), and the opening of what is not whole yet."""

import logging
import math
from datetime import timedelta

from cami.access import Action, Identity, allowed
from cami.access.granted import GrantedStudies
from cami.errors import Denied, NotFound
from cami.retrieval.awaiting import Awaiting, Cause
from cami.retrieval.whereabouts import StudyRegister, Whereabouts

log = logging.getLogger(__name__)

_BYTES_IN_MEGABIT = 125_000


class Requests:
    """Finds what somebody may ask for, and asks the proxy for it."""

    def __init__(self, register: StudyRegister, awaiting: Awaiting, granted: GrantedStudies | None = None) -> None:
        self._granted = granted
        self._register = register
        self._awaiting = awaiting

    def request(self, identity: Identity, *, study_id: str = "", study_uid: str = "") -> list[Whereabouts]:
        """Ask for a study by its Orthanc id or Study Instance UID; return what was found.

        Raises
        ------
        cami.errors.Denied
            Not for this role.
        cami.errors.NotFound
            There is no such study, or it is another МО's.
        """
        if not allowed(identity.role, Action.RETRIEVAL_REQUEST, "central"):
            raise Denied("not for this role")
        found = self.found(identity, study_id=study_id, study_uid=study_uid)
        if not found:
            raise NotFound("no such study")
        for study in found:
            number = self._awaiting.begin(study, Cause.REQUEST, waiting=identity.login, asked_by=identity.login)
            if number is not None:
                log.info(
                    "study %s is asked of МО %s by %s: errand %d", study.study_id, study.mo, identity.login, number
                )
        return found

    def opened(self, identity: Identity, study_uid: str) -> list[Whereabouts]:
        """Note that somebody has opened a study in a viewer; return what of it they may see."""
        found = self._readable(identity, study_uid)
        for study in found:
            self._awaiting.begin(study, Cause.VIEWER, waiting=identity.login, asked_by=identity.login)
        return found

    def viewing(self, identity: Identity, study_uid: str) -> bool:
        """Note that a viewer of ours has a study open; say whether somebody waits for more of it."""
        waits = False
        for study in self._readable(identity, study_uid):
            self._awaiting.beat(study, waiting=identity.login)
            waits = waits or not study.whole
        return waits

    def closing(self, identity: Identity, study_uid: str) -> None:
        """Note that a viewer of ours is being closed."""
        for study in self._readable(identity, study_uid):
            self._awaiting.closing(study, waiting=identity.login)

    def _readable(self, identity: Identity, study_uid: str) -> list[Whereabouts]:
        if not allowed(identity.role, Action.STUDIES_READ, "central"):
            return []
        return self.found(identity, study_uid=study_uid)

    def found(self, identity: Identity, *, study_id: str = "", study_uid: str = "") -> list[Whereabouts]:
        """Return the studies of that name that somebody may know of, here or announced: own ones and granted ones.

        The roles of the region reach all; a consultant knows of nothing but what is granted.
        """
        every = self._register.of_uid(study_uid, None) if study_uid else []
        if study_id and not study_uid:
            every = self._register.of_id(study_id, None)
        own = own_lists(identity)
        if own is None:
            return every
        pairs: frozenset[tuple[str, str]] = frozenset()
        if self._granted is not None:
            uids = {study.study_uid for study in every}
            pairs = self._granted.pairs(identity.mo, identity.login, uids)
        return [study for study in every if study.mo == own or (study.study_uid, study.mo) in pairs]


def own_lists(identity: Identity) -> str | None:
    """Return the МО whose studies somebody knows of without a grant; empty for none, None for those of the region."""
    reads = allowed(identity.role, Action.STUDIES_READ, "central")
    if reads and not allowed(identity.role, Action.STUDIES_OWN, "central"):
        return ""
    return identity.mo or None


def eta(size: int, mbit_s: float) -> timedelta:
    """Estimate how long a study takes that goes before all others, in whole minutes.

    Parameters
    ----------
    size
        Bytes to come; compression on the way may make it less.
    mbit_s
        What the line of the МО carries now.
    """
    return timedelta(minutes=max(1, math.ceil(size / (mbit_s * _BYTES_IN_MEGABIT) / 60)))
