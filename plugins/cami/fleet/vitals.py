"""What a proxy tells of itself each minute: figures, states and codes, no patient and no study (F-71)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cami.clock import iso

#: Devices that one heartbeat may name.
MOST_DEVICES = 200


@dataclass(frozen=True, slots=True)
class DeviceState:
    """A device as its proxy knows it."""

    aet: str
    image_at: datetime | None
    """When its last study began to come in."""
    answers: bool | None
    """Whether it answered the last C-ECHO; None: it has no port to call."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """How a proxy is."""

    version: str
    at: datetime
    """By the proxy's clock."""
    round_trip: float | None
    """Seconds that the last heartbeat took there and back."""
    waiting: int
    waiting_bytes: int
    oldest_urgent: datetime | None
    """Since when the oldest image waits that does not wait for the night."""
    troubled: int
    """Images that the centre has refused or that are lost."""
    disk_state: str
    disk_free: int
    disk_total: int
    certificate_until: datetime | None
    devices: Sequence[DeviceState] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the document of the wire."""
        return {
            "version": self.version,
            "at": iso(self.at),
            "round_trip": None if self.round_trip is None else round(self.round_trip, 3),
            "queue": {
                "waiting": self.waiting,
                "bytes": self.waiting_bytes,
                "oldest": _moment(self.oldest_urgent),
                "troubled": self.troubled,
            },
            "disk": {"state": self.disk_state, "free": self.disk_free, "total": self.disk_total},
            "certificate_until": _moment(self.certificate_until),
            "devices": [
                {"aet": each.aet, "image_at": _moment(each.image_at), "answers": each.answers} for each in self.devices
            ],
        }

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Vitals":
        """Read a document of the wire; what later releases add is passed over.

        Raises
        ------
        ValueError, KeyError, TypeError, AttributeError
            It is none.
        """
        queue, disk, trip = document["queue"], document["disk"], document.get("round_trip")
        return cls(
            version=str(document["version"])[:32],
            at=_time(document["at"]),
            round_trip=None if trip is None else float(trip),
            waiting=int(queue["waiting"]),
            waiting_bytes=int(queue["bytes"]),
            oldest_urgent=_optional(queue.get("oldest")),
            troubled=int(queue["troubled"]),
            disk_state=str(disk["state"])[:16],
            disk_free=int(disk["free"]),
            disk_total=int(disk["total"]),
            certificate_until=_optional(document.get("certificate_until")),
            devices=[
                DeviceState(str(each["aet"])[:16], _optional(each.get("image_at")), _truth(each.get("answers")))
                for each in document.get("devices", ())[:MOST_DEVICES]
            ],
        )


def _moment(value: datetime | None) -> str | None:
    return None if value is None else iso(value)


def _time(value: Any) -> datetime:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment


def _optional(value: Any) -> datetime | None:
    return None if value is None else _time(value)


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
