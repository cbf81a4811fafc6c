"""What people of an МО ask for at their proxy: «Вернуть из ЦАМИ», and the opening of a study that has left (F-13)."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cami.access import Action, Identity, allowed
from cami.clock import iso
from cami.delivery.order import Priority
from cami.errands import Asking
from cami.errors import Denied, NotFound, Transient
from cami.retrieval.catalogue import Catalogue
from cami.retrieval.fetcher import Fetcher
from cami.retrieval.fetches import Cause, Fetch, Fetches

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a study has come back; counts are instances."""

    study_id: str
    received: int
    total: int
    fetch: Fetch | None
    """The newest; None: nobody has asked for it."""

    @property
    def under_way(self) -> bool:
        """Whether it is coming."""
        return self.fetch is not None and self.fetch.ended_at is None

    @property
    def reason(self) -> str:
        """Why the last fetch ended without all of it; empty if it did not."""
        return self.fetch.reason if self.fetch is not None and self.received < self.total else ""


class Returns:
    """Finds what somebody may have back, and has it fetched."""

    def __init__(
        self,
        mo: str,
        *,
        catalogue: Catalogue,
        fetches: Fetches,
        fetcher: Fetcher,
        link: Asking,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._mo = mo
        self._catalogue = catalogue
        self._fetches = fetches
        self._fetcher = fetcher
        self._link = link
        self._wake = wake

    def request(self, identity: Identity, *, study_id: str = "", study_uid: str = "") -> list[Standing]:
        """Fetch a study by its Orthanc id or Study Instance UID; return how it stands.

        A study that this proxy does not know is asked of the centre, which knows the МО's own only.

        Raises
        ------
        cami.errors.Denied
            Not for this role, or not a person of this МО.
        cami.errors.NotFound
            Neither the proxy nor the centre has such a study of this МО.
        cami.errors.Transient
            The proxy does not know it, and the centre cannot be asked now.
        """
        self._require(identity, Action.RETRIEVAL_REQUEST)
        ids = self._catalogue.named(study_uid) if study_uid else [study_id] * bool(study_id)
        known = [each for each in ids if each in self._fetches.presence(ids)]
        if not known:
            known = self._ask_centre(study_id, study_uid)
        if not known:
            raise NotFound("no such study")
        for each in known:
            self._want(each, Cause.ASKED, identity)
        return self.standing(known)

    def opened(self, identity: Identity, study_uid: str) -> list[Standing]:
        """Note that somebody opens a study; fetch what of it is not here, and return how that stands.

        Empty if all of it is here, or if this proxy does not know it.
        """
        if not self._may(identity, Action.STUDIES_READ):
            return []
        absent = [each for each in self._catalogue.named(study_uid) if self._fetcher.missing(each)]
        for each in absent:
            self._want(each, Cause.VIEWER, identity)
        return self.standing(absent)

    def standing(self, study_ids: Sequence[str]) -> list[Standing]:
        """Return how studies stand that the queue knows or that were asked for, in the given order."""
        presence, latest = self._fetches.presence(study_ids), self._fetches.latest(study_ids)
        found = []
        for each in study_ids:
            some, fetch = presence.get(each), latest.get(each)
            if some is not None:
                found.append(Standing(each, some.here, some.here + some.evicted, fetch))
            elif fetch is not None:
                found.append(Standing(each, 0, fetch.total or 0, fetch))
        return found

    def history(self, identity: Identity, limit: int) -> list[Standing]:
        """List what was fetched, the newest first.

        Raises
        ------
        cami.errors.Denied
            Not for this role, or not a person of this МО.
        """
        self._require(identity, Action.RETRIEVAL_REQUEST)
        ids = dict.fromkeys(fetch.study_id for fetch in self._fetches.history(limit))
        return self.standing(list(ids))

    def _want(self, study_id: str, cause: Cause, identity: Identity) -> None:
        latest = self._fetches.latest([study_id]).get(study_id)
        if latest is not None and latest.ended_at is None and latest.urgent:
            return
        if not self._fetcher.missing(study_id) and self._fetches.presence([study_id]):
            return
        number = self._fetches.ask(study_id, Priority.AWAITED, cause, asked_by=identity.login)
        log.info("fetch %d of study %s (%s), by %s", number, study_id, cause, identity.login)
        self._wake()

    def _ask_centre(self, study_id: str, study_uid: str) -> list[str]:
        try:
            if study_uid:
                return [str(each) for each in self._link.ask("GET", f"/studies?uid={study_uid}").get("studies", [])]
            return [str(self._link.ask("GET", f"/studies/{study_id}/instances")["study_id"])] if study_id else []
        except NotFound:
            return []
        except Denied as error:
            raise Transient(str(error)) from error

    def _may(self, identity: Identity, action: Action) -> bool:
        technical = allowed(identity.role, Action.ARCHIVE_INSPECT, "proxy")
        return (identity.mo == self._mo or technical) and allowed(identity.role, action, "proxy")

    def _require(self, identity: Identity, action: Action) -> None:
        if not self._may(identity, action):
            raise Denied("not for this role")


def as_json(standing: Standing) -> dict[str, Any]:
    """Return a standing as the interface for programs gives it."""
    fetch = standing.fetch
    return {
        "study_id": standing.study_id,
        "received": standing.received,
        "total": standing.total,
        "under_way": standing.under_way,
        "reason": standing.reason,
        "cause": fetch.cause if fetch else "",
        "priority": fetch.priority if fetch else None,
        "asked_by": fetch.asked_by if fetch else "",
        "asked_at": iso(fetch.asked_at) if fetch else None,
        "ended_at": iso(fetch.ended_at) if fetch and fetch.ended_at else None,
    }
