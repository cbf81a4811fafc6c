"""How far studies have come, read from what `cami.watch` counts in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from cami.access.guests import Guest, Guests
from cami.clock import SystemClock
from cami.portal.ports import StudyProgress
from cami.settings import Settings
from cami.watch.progress import CentralProgress, DeliveryProgress, central_progress, delivery_progress


@dataclass(frozen=True, slots=True)
class Progress:
    """One study, as the archive page shows it (`cami.portal.ports.StudyProgress`)."""

    owner: str
    received: int
    expected: int | None
    state: str
    until: datetime | None = None
    """Of a guest: when it leaves."""


class RecordedProgress:
    """Reads the progress of the studies of one page, in one query."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._guests = Guests(engine, SystemClock())

    def progress(self, study_ids: Sequence[str]) -> Mapping[str, StudyProgress]:
        """Return what is known, by Orthanc id."""
        if not study_ids:
            return {}
        count = len(study_ids)
        if self._settings.role == "central":
            arrived = central_progress(self._engine, study_ids=study_ids, limit=count)
            return {study.study_id: at_centre(study) for study in arrived}
        leaving = delivery_progress(self._engine, study_ids=study_ids, limit=count)
        known = {study.study_id: at_proxy(study, self._settings.mo) for study in leaving}
        guests = self._guests.shown(set(study_ids) - known.keys())
        return known | {study_id: visiting(guest) for study_id, guest in guests.items()}


def at_centre(study: CentralProgress) -> Progress:
    """Judge a study at the centre: complete when the proxy's last manifest agreed."""
    whole = study.confirmed_at is not None and study.expected is not None and study.instances >= study.expected
    return Progress(study.owner, study.instances, study.expected, "complete" if whole else "receiving")


def visiting(guest: Guest) -> Progress:
    """Show a study of another МО that is kept at this proxy by a grant."""
    return Progress(guest.owner, guest.received, guest.expected, "guest", guest.until)


def at_proxy(study: DeliveryProgress, mo: str) -> Progress:
    """Judge a study at a proxy by the instances that are furthest behind; one in quarantine outweighs all."""
    wanted = study.instances - study.rejected
    there = study.confirmed + study.evicted
    arrived = study.stored + there
    if study.lost:
        state = "lost"
    elif study.quarantined:
        state = "quarantined"
    elif not wanted:
        state = "rejected"
    elif there == wanted:
        state = "confirmed"
    elif arrived == wanted:
        state = "stored"
    elif arrived or study.sending:
        state = "sending"
    else:
        state = "queued"
    return Progress(mo, arrived, wanted, state)
