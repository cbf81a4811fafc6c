"""What is taken from the queue and what is said of it: an instance on its way, a study as the centre should have it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cami.delivery.order import URGENT, Priority, Rank, rank


@dataclass(frozen=True, slots=True)
class Item:
    """An instance that a sender has taken."""

    instance_id: str
    study_id: str
    attempts: int
    priority: Priority = Priority.PLANNED
    modality: str = ""
    begun: bool = False
    """Whether the centre may have a part of it from an earlier try."""
    first: bool = False
    """Whether it is the first of its study that is sent."""
    size: int = 0
    """Bytes of the file as it is stored here."""
    received_at: datetime | None = None
    turn: float = 0.0

    @property
    def rank(self) -> Rank:
        """Where it stands among all that is sent."""
        return rank(self.priority, self.turn)

    @property
    def urgent(self) -> bool:
        """Whether it is of class P0 or P1."""
        return self.priority in URGENT


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the proxy believes the centre holds of one study."""

    study_id: str
    study_uid: str
    instances: Mapping[str, str]
    """Orthanc instance id → SHA-256 of the file as delivered."""
    pixels: Mapping[str, str] = field(default_factory=dict)
    """Orthanc instance id → digest of its pixels before it was made ready for the line, where that is known."""
    series: Mapping[str, int] | None = None
    """Orthanc series id → how many of the instances it has; None if that is not known of all."""
    lag: float | None = None
    """Seconds that the slowest of them took from the device to the centre."""
