"""C-MOVE carried out: which images a caller may have sent, one after the other, and what it is told of them.

What stock Orthanc leaves to a plugin (1.12.7 and 1.13.0, ``MoveScp.cpp``): the number of sub-operations is asked once,
each of them ends in success or failure, and **the first failure ends the whole retrieve** with status B000 and one
failure counted, whatever is still to come. So what can be sent is sent first: an image that fails is put aside, and a
success is told only when the next one is certain or there is none. The last answer then says B000, and the number of
completed sub-operations is exact; of failures it counts one, however many there were. When nothing can be sent at all,
or there is nothing to send (of which Orthanc would say "one completed"), the request itself fails (C000).
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cami.errors import Denied, Invalid, Transient
from cami.query_retrieve.keys import Level
from cami.query_retrieve.nodes import Caller, Target
from cami.query_retrieve.ports import Elsewhere, Finder, Nowhere
from cami.query_retrieve.retrieval_request import RetrieveRequest

log = logging.getLogger(__name__)

#: Images of one request: more are no retrieve but a copy of the archive.
MOST_INSTANCES = 20_000
#: Failures in a row after which the target counts as gone, so that a dead one does not hold a DICOM thread.
_PATIENCE = 3


#: Seconds that an image which is brought may keep the caller waiting: no answer goes out meanwhile.
_ON_ITS_WAY = 60.0

Wait = Callable[[str, float], bool]
"""Waits until an image is here, for so many seconds at most; False if it has not come."""


class Unreachable(Transient):
    """The target does not answer, or does not let us in."""


class Sender(Protocol):
    """Sends images to one target, over associations that stay open between them."""

    def send(self, instance_id: str) -> bool:
        """Send one image; False if the target does not take it, or it is gone.

        Raises
        ------
        Unreachable
            There is no association.
        """
        ...

    def close(self) -> None:
        """End the association."""
        ...


@dataclass(frozen=True, slots=True)
class Planned:
    """An image to be sent."""

    instance_id: str
    study_uid: str
    here: bool = True
    """Whether it is in this archive now; if not, it is on its way."""


class Move:
    """One retrieve. For one thread."""

    def __init__(self, caller: Caller, target: Target, images: Sequence[Planned], sender: Sender, wait: Wait) -> None:
        """Make it.

        Parameters
        ----------
        wait
            Waits for an image that is away. After one that did not come the others are only looked for.
        """
        self.caller = caller
        self.target = target
        self.studies = tuple(dict.fromkeys(image.study_uid for image in images))
        self.size = len(images)
        self.completed = 0
        self.failed = 0
        self._todo = deque(images)
        self._sender = sender
        self._wait = wait
        self._in_hand = False
        self._troubles = 0
        self._patience = _ON_ITS_WAY

    def begin(self) -> None:
        """Send the first image that can be sent.

        Raises
        ------
        Unreachable
            None can.
        """
        self._in_hand = self._send_next()
        if not self._in_hand:
            self.close()
            raise Unreachable("nothing-could-be-sent")

    def step(self) -> bool:
        """Do one sub-operation; False if the retrieve ends here with failures."""
        if not self._in_hand:
            return False
        self._in_hand = self._send_next()
        return self._in_hand or not self.failed

    def close(self) -> None:
        """End the association with the target."""
        self._sender.close()

    def _send_next(self) -> bool:
        """Send images until one has arrived; False if none is left."""
        while self._todo:
            image = self._todo.popleft()
            if self._send(image):
                self.completed += 1
                self._troubles = 0
                return True
            self.failed += 1
        return False

    def _send(self, image: Planned) -> bool:
        if self._troubles >= _PATIENCE:
            return False
        try:
            return self._is_here(image) and self._sender.send(image.instance_id)
        except Unreachable:
            self._troubles += 1
            return False

    def _is_here(self, image: Planned) -> bool:
        if image.here or self._wait(image.instance_id, self._patience):
            return True
        self._patience = 0.0
        return False


class Moves:
    """Plans retrieves: what a caller may have, and that it may have it sent there. Thread-safe."""

    def __init__(
        self,
        finder: Finder,
        make_sender: Callable[[Caller, Target, int], Sender],
        elsewhere: Elsewhere | None = None,
        wait: Wait = lambda _instance_id, _seconds: False,
    ) -> None:
        """Make it.

        Parameters
        ----------
        make_sender
            For a caller, a target and the Message ID of the request (PS3.7 9.3.1: Move Originator).
        wait
            Waits for an image that is brought; see `Move`.
        """
        self._finder = finder
        self._make_sender = make_sender
        self._elsewhere = elsewhere or Nowhere()
        self._wait = wait

    def plan(self, caller: Caller, request: RetrieveRequest, message: int = 0) -> Move:
        """Return what is to be sent; nothing of it has been.

        A study that the caller may not see is as one that is not there.

        Raises
        ------
        cami.errors.Denied
            The target is none of the caller's.
        cami.errors.Invalid
            There is nothing to send, or more than is sent at once.
        """
        target = caller.targets.get(request.target)
        if target is None:
            raise Denied("other-target")
        images = self._here(caller, request)
        away = self._away(caller, request, {image.instance_id for image in images})
        if not images and not away:
            raise Invalid("nothing-there")
        if len(images) + len(away) > MOST_INSTANCES:
            raise Invalid("too-many-images")
        return Move(caller, target, [*images, *away], self._make_sender(caller, target, message), self._wait)

    def _here(self, caller: Caller, request: RetrieveRequest) -> list[Planned]:
        query = {
            "PatientID": request.patient_id,
            "StudyInstanceUID": "\\".join(request.study_uids),
            "SeriesInstanceUID": "\\".join(request.series_uids),
            "SOPInstanceUID": "\\".join(request.sop_uids),
        }
        if request.level is Level.PATIENT:
            return self._of_patient(caller, request)
        if request.level in (Level.STUDY, Level.SERIES):
            del query["SOPInstanceUID"]
        if request.level is Level.STUDY:
            del query["SeriesInstanceUID"]
        return self._images(caller, {name: value for name, value in query.items() if value})

    def _of_patient(self, caller: Caller, request: RetrieveRequest) -> list[Planned]:
        """Find the images of a patient by the studies: Orthanc's own patient mixes МО (design §3)."""
        asked = {
            "Level": "Study",
            "Query": {"PatientID": request.patient_id},
            "Short": True,
            "ResponseContent": ["RequestedTags"],
            "RequestedTags": ["PatientID", "StudyInstanceUID"],
        }
        tags = [answer.get("RequestedTags", {}) for answer in self._finder.find(caller.identity, asked)]
        # Exactly this number: the archive finds it in any case.
        own = [tag for tag in tags if str(tag.get("0010,0020", "")).strip() == request.patient_id]
        uids = dict.fromkeys(str(tag.get("0020,000d", "")) for tag in own)
        images: list[Planned] = []
        for uid in filter(None, uids):
            images += self._images(caller, {"StudyInstanceUID": uid, "PatientID": request.patient_id})
            if len(images) > MOST_INSTANCES:
                break
        return images

    def _images(self, caller: Caller, query: dict[str, str]) -> list[Planned]:
        asked = {
            "Level": "Instance",
            "Query": query,
            "Limit": MOST_INSTANCES + 1,
            "Short": True,
            "ResponseContent": ["RequestedTags"],
            "RequestedTags": ["InstanceNumber", "SeriesInstanceUID", "StudyInstanceUID"],
        }
        found = sorted(self._finder.find(caller.identity, asked), key=_place)
        return [Planned(str(answer["ID"]), _tag(answer, "0020,000d")) for answer in found]

    def _away(self, caller: Caller, request: RetrieveRequest, here: set[str]) -> list[Planned]:
        """Have brought what is not here, and return it in the order in which it comes."""
        uids = request.study_uids
        if request.level is Level.PATIENT:
            uids = self._elsewhere.studies_of(request.patient_id)
        planned: list[Planned] = []
        wanted: dict[str, None] = {}
        for uid in uids:
            found = self._elsewhere.instances(
                uid,
                series_uids=request.series_uids if request.level in (Level.SERIES, Level.IMAGE) else (),
                sop_uids=request.sop_uids if request.level is Level.IMAGE else (),
            )
            for image in found:
                if image.instance_id not in here:
                    planned.append(Planned(image.instance_id, uid, here=False))
                    wanted[image.study_id] = None
        if len(planned) <= MOST_INSTANCES:
            for study_id in wanted:
                self._elsewhere.bring(study_id, caller)
        return planned


def _place(answer: Any) -> tuple[str, int, str]:
    """Return where an image stands: series by series, in the order of Instance Number."""
    number = _tag(answer, "0020,0013").strip()
    return _tag(answer, "0020,000e"), int(number) if number.lstrip("-").isdigit() else 0, str(answer.get("ID", ""))


def _tag(answer: Any, tag: str) -> str:
    value = answer.get("RequestedTags", {}).get(tag, "")
    return value if isinstance(value, str) else ""
