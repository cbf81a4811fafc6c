"""Bringing studies back from the centre, image by image, the most urgent first.

A worker takes one image at a time, so an urgent study passes between the images of others, and between the parts of a
large one. All that lasts is in the database and the archive: after a crash the centre is asked again what the study
consists of, and what is here already is passed over.
"""

import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from cami.archive import Archive
from cami.delivery import DiskWatch, Holdings
from cami.delivery.adoption import Adoption
from cami.delivery.holdings import Evicted
from cami.errands import Asking
from cami.errors import CamiError, Denied, NotFound, Permanent, Transient
from cami.retrieval.catalogue import Catalogue
from cami.retrieval.download import DigestDiffers, Downloads
from cami.retrieval.fetches import Fetch, Fetches
from cami.retrieval.manifests import parse_manifest

log = logging.getLogger(__name__)

#: Seconds between looks at the list when nothing wakes a worker.
INTERVAL = 2.0
#: Seconds between looks while others work, or the queue has not noticed yet what has come.
SOON = 0.3
#: How often a file may come that is not what the centre has noted.
TRIES = 3
#: How long a study is left alone that is just being let go of.
_EVICTING = timedelta(seconds=2)


class _StoodBack(CamiError):
    """Something urgent waits."""


@dataclass(slots=True)
class _Plan:
    """What is still to come of a study, in this process."""

    ready: bool = False
    todo: deque[Evicted] = field(default_factory=deque)
    busy: int = 0
    failed: str = ""
    tries: dict[str, int] = field(default_factory=dict)


class Fetcher:
    """Works off `Fetches`; one step at a time, from several threads."""

    def __init__(
        self,
        *,
        archive: Archive,
        fetches: Fetches,
        holdings: Holdings,
        adoption: Adoption,
        catalogue: Catalogue,
        downloads: Downloads,
        link: Asking,
        disk: DiskWatch,
    ) -> None:
        self._archive = archive
        self._fetches = fetches
        self._holdings = holdings
        self._adoption = adoption
        self._catalogue = catalogue
        self._downloads = downloads
        self._link = link
        self._disk = disk
        self._lock = threading.Lock()
        self._plans: dict[str, _Plan] = {}

    def recover(self) -> None:
        """Remove what was kept of files that nobody wants any more."""
        due = [entry for study in self._fetches.due() for entry in self._holdings.evicted(study.study_id)]
        self._downloads.tidy({entry.sha256 for entry in due})

    def step(self) -> float:
        """Do one piece of work; return how many seconds to pause.

        Raises
        ------
        cami.errors.Transient
            The line is down or the archive cannot store; it goes on later.
        """
        waits = False
        for study in self._fetches.due():
            if self._no_room(study):
                continue
            plan, image = self._take(study)
            if plan is None:
                self._begin(study)
                return 0.0
            if image is not None:
                self._bring(study, plan, image)
                return 0.0
            if self._is_over(study, plan):
                self._end(study, plan)
                return 0.0
            waits = True
        return SOON if waits else INTERVAL

    def _take(self, study: Fetch) -> tuple[_Plan | None, Evicted | None]:
        """Take the next image of a study; without a plan the caller has to make it, without an image none is left."""
        with self._lock:
            plan = self._plans.get(study.study_id)
            if plan is None:
                self._plans[study.study_id] = _Plan()
                return None, None
            if not plan.todo:
                return plan, None
            plan.busy += 1
            return plan, plan.todo.popleft()

    def _is_over(self, study: Fetch, plan: _Plan) -> bool:
        """Say whether nothing is left to do: no image under way, and the queue has noticed those that are here."""
        with self._lock:
            if not plan.ready or plan.todo or plan.busy:
                return False
        here = set(self._archive.instances_of(study.study_id))
        return not any(image.instance_id in here for image in self._holdings.evicted(study.study_id))

    def _no_room(self, study: Fetch) -> bool:
        """Say whether the volume is too full for it: what somebody waits for may go on until it is full."""
        return self._disk.state == "full" or (not study.urgent and self._disk.state != "well")

    def _begin(self, study: Fetch) -> None:
        """Ask the centre what the study consists of, and make the plan."""
        try:
            if self._holdings.evicting(study.study_id):
                self._fetches.put_off(study.number, _EVICTING, failed=False)
                self._forget(study)
                return
            manifest = parse_manifest(self._ask(f"/studies/{study.study_id}/instances"))
        except NotFound:
            self._forget(study)
            self._fetches.end(study, "unknown-at-centre")
            log.warning("study %s cannot come back: the centre does not have it", study.study_id)
            return
        except Exception:
            self._forget(study)
            raise
        self._adoption.adopt(manifest.study)
        self._catalogue.adopt(manifest.described)
        self._fetches.count(study.number, len(manifest.study.instances))
        missing = self.missing(study.study_id)
        with self._lock:
            plan = self._plans[study.study_id]
            plan.todo.extend(missing)
            plan.ready = True

    def missing(self, study_id: str) -> list[Evicted]:
        """Return what was let go of of a study and is not in the archive."""
        here = set(self._archive.instances_of(study_id))
        return [image for image in self._holdings.evicted(study_id) if image.instance_id not in here]

    def _bring(self, study: Fetch, plan: _Plan, image: Evicted) -> None:
        """Fetch one image and store it."""
        again = True
        try:
            dicom = self._downloads.fetch(
                image.instance_id,
                image.sha256,
                urgent=study.urgent,
                after_part=partial(self._stand_back, study),
            )
            self._archive.store(dicom)
            self._downloads.forget(image.sha256)
            self._fetches.get_on(study.number)
            again = False
        except _StoodBack:
            pass
        except NotFound:
            again = self._failed(study, plan, "lost-at-centre")
        except Permanent:
            again = self._failed(study, plan, "refused-here")
        except DigestDiffers:
            plan.tries[image.instance_id] = plan.tries.get(image.instance_id, 0) + 1
            if plan.tries[image.instance_id] >= TRIES:
                again = self._failed(study, plan, "digest")
        except Denied as error:
            raise Transient(str(error)) from error
        finally:
            with self._lock:
                plan.busy -= 1
                if again:
                    plan.todo.appendleft(image)

    def _failed(self, study: Fetch, plan: _Plan, reason: str) -> bool:
        log.error("an image of study %s does not come back: %s", study.study_id, reason)
        plan.failed = plan.failed or reason
        return False

    def _stand_back(self, study: Fetch) -> None:
        if not study.urgent and any(other.urgent for other in self._fetches.due()):
            raise _StoodBack

    def _end(self, study: Fetch, plan: _Plan) -> None:
        self._forget(study)
        self._fetches.end(study, plan.failed)
        log.info("study %s has come back %s", study.study_id, f"in part: {plan.failed}" if plan.failed else "whole")

    def _forget(self, study: Fetch) -> None:
        with self._lock:
            self._plans.pop(study.study_id, None)

    def _ask(self, path: str) -> dict[str, Any]:
        try:
            return self._link.ask("GET", path)
        except Denied as error:
            raise Transient(str(error)) from error
