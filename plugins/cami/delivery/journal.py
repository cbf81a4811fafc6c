"""What machines deliver, in the journal: an event when a study begins to come, one when it is whole; not one an image.

The events stand in the transactions that write down what they tell of, so neither is there without the other. A
journal that cannot be written so puts off what the centre takes (503, the proxy keeps it and sends again) and what a
proxy reads out of Orthanc's change log; what a device has sent is stored by then, and its event is written when the log
is read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sqlalchemy import Connection, func, select

from cami.archive import InstanceIdentity, ObjectIdentity, orthanc_id
from cami.audit import AuditEvent, AuditTrail, Kind, Outcome
from cami.audit.recent import Recent
from cami.db.tables import quarantined_object, study

_ORIGINS = 1000
#: Role of the machines that deliver, as the journal writes it.
PROXY, DEVICE = "proxy", "device"


class CentralJournal:
    """What proxies deliver to the centre."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    def began(self, connection: Connection, mo: str, identity: ObjectIdentity) -> None:
        """Record that the first image of a study is about to be stored."""
        self._trail.record_in(
            connection,
            AuditEvent(
                Kind.IMPORT,
                f"proxy-{mo}",
                PROXY,
                mo,
                studies=(identity.study_uid,),
                patient=orthanc_id(identity.patient_id),
                owner=mo,
                details={"stage": "began"},
            ),
        )

    def agreed(self, connection: Connection, mo: str, study_id: str, instances: int) -> None:
        """Record that a manifest agrees, unless nothing was stored since one did; before that is written down."""
        row = connection.execute(
            select(study.c.study_uid, study.c.confirmed_at, study.c.last_stored_at).where(
                study.c.study_id == study_id, study.c.owner == mo
            )
        ).first()
        if row is None:
            return
        stored = row.last_stored_at
        if row.confirmed_at is not None and (stored is None or stored < row.confirmed_at):
            return
        self._trail.record_in(
            connection,
            AuditEvent(
                Kind.IMPORT,
                f"proxy-{mo}",
                PROXY,
                mo,
                studies=(row.study_uid,),
                owner=mo,
                details={"stage": "whole", "instances": str(instances)},
            ),
        )


class KeptApart:
    """What goes to the quarantine, at both kinds of server."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    def note(self, connection: Connection, identity: ObjectIdentity, source: str, reason: str) -> None:
        """Record it, if it is the first of its study with this reason; in the transaction that enters it, after it."""
        same = (
            (quarantined_object.c.source == source)
            & (quarantined_object.c.study_uid == identity.study_uid[:128])
            & (quarantined_object.c.reason == reason)
        )
        if (connection.scalar(select(func.count()).where(same)) or 0) > 1:
            return
        proxy = source.isdigit()
        self._trail.record_in(
            connection,
            AuditEvent(
                Kind.IMPORT,
                f"proxy-{source}" if proxy else "device",
                PROXY if proxy else DEVICE,
                source if proxy else "",
                outcome=Outcome.FAILURE,
                studies=(identity.study_uid,),
                reason=reason,
                details={"stage": "quarantine"},
            ),
        )


class Arrivals(Protocol):
    """Hears of what enters the queue; `DeviceJournal` does."""

    def look(self, arrivals: Sequence[InstanceIdentity]) -> None:
        """Hear of what may be entered, before the transaction."""
        ...

    def came(self, connection: Connection, arrivals: Sequence[InstanceIdentity]) -> None:
        """Hear of what is entered, in the transaction."""
        ...

    def failed(self) -> None:
        """Hear that the transaction came to nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Who has sent an image to the local archive."""

    aet: str
    address: str = ""


class DeviceJournal:
    """What devices send to a proxy, told when it is read out of the change log."""

    def __init__(self, trail: AuditTrail, mo: str, origin: Callable[[str], Origin | None], recent: Recent) -> None:
        """Make it; `origin` tells who sent an instance (Orthanc id), None for what no device has sent."""
        self._trail = trail
        self._mo = mo
        self._origin = origin
        self._recent = recent
        self._origins: dict[str, Origin | None] = {}

    def look(self, arrivals: Sequence[InstanceIdentity]) -> None:
        """Ask who has sent what is about to be entered: Orthanc must not be waited for within a transaction."""
        new = {each.study_id: each for each in arrivals if not self._recent.knows(each.study_id)}
        found = {study_id: self._origin(each.instance_id) for study_id, each in new.items()}
        # Several may enter at once: what another has looked up stays for a while.
        self._origins = found if len(self._origins) > _ORIGINS else {**self._origins, **found}

    def came(self, connection: Connection, arrivals: Sequence[InstanceIdentity]) -> None:
        """Record arrivals that were not known, once a study and window; in the transaction that enters them."""
        for identity in {each.study_id: each for each in arrivals}.values():
            self._recent.once(identity.study_id, partial(self._told, connection, identity))

    def failed(self) -> None:
        """Forget what was told in a transaction that came to nothing."""
        for study_id in self._origins:
            self._recent.forget(study_id)

    def _told(self, connection: Connection, identity: InstanceIdentity, more: int) -> None:
        origin = self._origins.get(identity.study_id)
        if origin is None:
            return
        self._trail.record_in(
            connection,
            AuditEvent(
                Kind.IMPORT,
                f"device:{origin.aet}",
                DEVICE,
                self._mo,
                origin.address,
                studies=(identity.study_uid,),
                owner=self._mo,
                details={"modality": identity.modality} | ({"more": str(more)} if more else {}),
            ),
        )
