"""Storage commitment: whether a device may delete its copy of an image (PS3.4 annex J).

The answer is looked up, not believed: the file is read from the disk again, since neither the index nor Orthanc's own
commitment notices a file that is damaged or gone. What was evicted here is at the centre, which read it again then.
"""

import logging
import re
from enum import Enum
from typing import Literal

from cami.archive import Archive
from cami.delivery.holdings import Holdings
from cami.delivery.states import State
from cami.errors import NotFound

log = logging.getLogger(__name__)

#: Where an image must be for a device to forget it.
Demand = Literal["local", "central"]

_UID = re.compile(r"[0-9.]{1,64}")
_AT_CENTRE = frozenset({State.CONFIRMED, State.EVICTED})


class Verdict(Enum):
    """What a device is told of one image; all but the first mean that it must keep it."""

    COMMITTED = "committed"
    UNKNOWN = "unknown"
    OTHER_CLASS = "other class"
    """Its SOP Class is not the one that was asked for."""
    DAMAGED = "damaged"
    NOT_YET = "not yet at the centre"
    NOT_KEPT = "rejected by people"


class Commitment:
    """Judges images of this proxy. Thread-safe."""

    def __init__(self, archive: Archive, holdings: Holdings, demand: Demand) -> None:
        self._archive = archive
        self._holdings = holdings
        self._demand = demand

    def judge(self, sop_class_uid: str, sop_instance_uid: str) -> Verdict:
        """Judge one image; when several have its UID here, all of them must be safe."""
        if not _UID.fullmatch(sop_instance_uid):  # in a query of Orthanc, * would stand for any image
            return Verdict.UNKNOWN
        states = self._holdings.states_of_sop(sop_instance_uid)
        here = self._archive.find({"Level": "Instance", "Query": {"SOPInstanceUID": sop_instance_uid}})
        verdicts = [self._judge_here(str(key), sop_class_uid, states.get(str(key))) for key in here]
        # What people rejected leaves this archive, and the centre never gets it.
        verdicts += [Verdict.NOT_KEPT for state in states.values() if state is State.REJECTED]
        verdicts += [Verdict.COMMITTED for key, state in states.items() if state is State.EVICTED and key not in here]
        bad = [verdict for verdict in verdicts if verdict is not Verdict.COMMITTED]
        if not verdicts:
            return Verdict.UNKNOWN
        return bad[0] if bad else Verdict.COMMITTED

    def _judge_here(self, instance_id: str, sop_class_uid: str, state: State | None) -> Verdict:
        try:
            known_class = self._archive.get(f"/instances/{instance_id}/metadata?expand").get("SopClassUid", "")
        except NotFound:
            return Verdict.COMMITTED if state is State.EVICTED else Verdict.UNKNOWN
        if known_class != sop_class_uid:
            return Verdict.OTHER_CLASS
        if self._demand == "central":
            return Verdict.COMMITTED if state in _AT_CENTRE else Verdict.NOT_YET
        found = self._archive.reread(instance_id)
        if found is None:
            return Verdict.UNKNOWN
        if not found.intact:
            log.critical("the stored file of instance %s is damaged or gone", instance_id)
            return Verdict.DAMAGED
        return Verdict.COMMITTED
