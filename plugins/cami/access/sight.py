"""May this person see this study, series or instance? What the HTTP filter and the overrides ask."""

import threading
from collections import OrderedDict

from cami.access.owners import Reach, StudyOwners
from cami.archive import Archive, Level
from cami.people.identity import Identity

_REMEMBERED = 20_000


class Sight:
    """Resolves a resource *of the level that the route says* to its study, and asks whose that is.

    What holds an instance is remembered, in a bounded memory: an Orthanc id is the hash of all identifiers above it,
    so an answer cannot become wrong, it can only outlive the resource (and then the core answers 404 by itself).
    Unknown resources are not remembered: they may arrive. Thread-safe.
    """

    def __init__(self, owners: StudyOwners, archive: Archive) -> None:
        self._owners = owners
        self._archive = archive
        self._lock = threading.Lock()
        self._studies: OrderedDict[tuple[Level, str], str] = OrderedDict()

    def reach(self, identity: Identity | None) -> Reach:
        """Return how far somebody sees at all."""
        return self._owners.reach(identity)

    def sees(self, identity: Identity | None, level: Level, resource: str) -> bool:
        """Say whether somebody sees a resource; patients are never resolved, they mix several МО."""
        reach = self._owners.reach(identity)
        if identity is None or level == "patients" or reach is Reach.NOTHING:
            return False
        if reach is Reach.OWN:
            return self._owners.sees(identity, level, resource)
        study_id = self.study_of(level, resource)
        return study_id is not None and study_id in self._owners.visible(identity, [study_id])

    def study_of(self, level: Level, resource: str) -> str | None:
        """Return the study that holds a resource of that level, whosever it is, or None."""
        if not resource:  # the core would answer with the list of the level
            return None
        key = (level, resource)
        with self._lock:
            study_id = self._studies.get(key)
            if study_id is not None:
                self._studies.move_to_end(key)
                return study_id
        study_id = self._archive.study_of(level, resource)
        if study_id is not None:
            with self._lock:
                self._studies[key] = study_id
                while len(self._studies) > _REMEMBERED:
                    self._studies.popitem(last=False)
        return study_id
