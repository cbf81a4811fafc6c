"""What people ask for at the centre: «Запросить из МО» (F-19), and the opening of what is not whole yet."""

import logging
import math
from datetime import timedelta

from cami.access import Action, Identity, allowed
from cami.errors import Denied, NotFound
from cami.retrieval.awaiting import Awaiting, Cause
from cami.retrieval.whereabouts import StudyRegister, Whereabouts

log = logging.getLogger(__name__)

_BYTES_IN_MEGABIT = 125_000


class Requests:
    """Finds what somebody may ask for, and asks the proxy for it."""

    def __init__(self, register: StudyRegister, awaiting: Awaiting) -> None:
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
        found = self._found(identity, study_id=study_id, study_uid=study_uid)
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
        if not allowed(identity.role, Action.STUDIES_READ, "central"):
            return []
        found = self._found(identity, study_uid=study_uid)
        for study in found:
            self._awaiting.begin(study, Cause.VIEWER, waiting=identity.login, asked_by=identity.login)
        return found

    def _found(self, identity: Identity, *, study_id: str = "", study_uid: str = "") -> list[Whereabouts]:
        """Return studies of the person's own МО; the roles of the region reach all. Without grants nothing else."""
        mo = identity.mo or None
        if study_uid:
            return self._register.of_uid(study_uid, mo)
        return self._register.of_id(study_id, mo) if study_id else []


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
