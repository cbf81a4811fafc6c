"""An entry of a modality worklist: what a proxy knows of an order, and how it goes over the wire."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from zoneinfo import ZoneInfo

from cami.errors import Invalid

#: Longest value that is kept; DICOM's own longest is 64 characters but for names and long texts.
_LONGEST = 400
#: Modalities that stand for each other on a worklist: the MIS writes "рентгенография" as any of these, and the device
#: of an МО is one of them.
_RADIOGRAPHY = frozenset({"CR", "DX", "RG"})


class State(StrEnum):
    """Where an order stands, as far as a worklist cares; the words of `cami.orders.states`."""

    ACCEPTED = "accepted"
    STARTED = "started"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    ANNULLED = "annulled"
    REPLACED = "replaced"


#: What a device may still make images for.
OPEN = frozenset({State.ACCEPTED, State.STARTED})


class Priority(StrEnum):
    """НСИ 1551: экстренная, неотложная, плановая."""

    STAT = "stat"
    URGENT = "urgent"
    ROUTINE = "routine"


@dataclass(frozen=True, slots=True)
class Entry:
    """An order as a worklist shows it."""

    number: str
    """Of the order at the centre; of an order that a proxy made by itself its own number until the centre has one."""
    accession: str
    study_uid: str
    modality: str
    patient_id: str
    patient_name: str
    """As DICOM writes it: ``Фамилия^Имя^Отчество``."""
    state: State = State.ACCEPTED
    priority: Priority = Priority.ROUTINE
    device: str = ""
    """AE title; empty: any device of that modality."""
    scheduled_at: datetime | None = None
    """None: whenever the patient comes."""
    issuer: str = ""
    """Whose number the Patient ID is: a URI of `cami.orders.identifiers`."""
    patient: str = ""
    """Key of the patient index at the centre."""
    birth_date: str = ""
    """YYYYMMDD, or nothing."""
    sex: str = ""
    snils: str = ""
    """Empty unless the МО wants its devices to know it; likewise `enp`."""
    enp: str = ""
    procedure_system: str = ""
    procedure_code: str = ""
    procedure_text: str = ""
    body_part: str = ""
    referrer: str = ""
    """Name of the doctor who sends, as DICOM writes it."""
    requester: str = ""
    """The МО that sends."""
    diagnosis: str = ""
    """Code of МКБ-10."""
    note: str = ""
    """Allergies, weight, creatinine: what the technologist has to know."""
    placer: str = ""
    """Number of the order where it was written."""
    manual: bool = False
    """Written by hand at the МО, without the MIS."""
    studies: tuple[str, ...] = ()
    """Study Instance UIDs that somebody has linked to it by hand."""

    def __post_init__(self) -> None:
        """Refuse what no worklist can hold."""
        if not self.number or not self.accession or not self.study_uid or not self.modality:
            raise Invalid("an entry of the worklist lacks its number, its accession number, its UID or its modality")

    def to_json(self) -> dict[str, Any]:
        """Return it as it goes over the wire; what is empty is left out."""
        values = {name: value for name, value in asdict(self).items() if value not in ("", None, False, ())}
        if self.scheduled_at is not None:
            values["scheduled_at"] = self.scheduled_at.isoformat()
        values["state"], values["priority"] = self.state.value, self.priority.value
        return values

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Read what `to_json` has written, or what a newer release has.

        Raises
        ------
        cami.errors.Invalid
            It is no entry.
        """
        if not isinstance(document, Mapping):
            raise Invalid("an entry of the worklist must be an object")
        known: dict[str, Any] = {"patient_id": "", "patient_name": ""}  # left out where they are empty
        known |= {field.name: document[field.name] for field in fields(cls) if field.name in document}
        try:
            scheduled = known.pop("scheduled_at", None)
            studies = tuple(str(uid)[:128] for uid in known.pop("studies", ()))
            state, priority = State(known.pop("state", "accepted")), Priority(known.pop("priority", "routine"))
            manual = known.pop("manual", False) is True
            texts = {name: str(value)[:_LONGEST] for name, value in known.items()}
            moment = None if scheduled is None else _aware(scheduled)
            return cls(**texts, state=state, priority=priority, scheduled_at=moment, studies=studies, manual=manual)
        except (TypeError, ValueError) as error:
            raise Invalid("the centre's answer holds no entry of a worklist") from error

    @property
    def open(self) -> bool:
        """Whether a device may still make images for it."""
        return self.state in OPEN

    @property
    def station(self) -> str:
        """Under what a device finds it: its own AE title, or its kind of modality."""
        return self.device or kind_of(self.modality)

    def day(self, zone: ZoneInfo) -> str:
        """Return its day as DICOM writes it; empty: any."""
        return "" if self.scheduled_at is None else self.scheduled_at.astimezone(zone).strftime("%Y%m%d")

    def clock(self, zone: ZoneInfo) -> str:
        """Return its time of day as DICOM writes it; empty: any."""
        return "" if self.scheduled_at is None else self.scheduled_at.astimezone(zone).strftime("%H%M%S")

    def with_state(self, state: State) -> Self:
        """Return it in another state."""
        return replace(self, state=state)


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


def kind_of(modality: str) -> str:
    """Return the kind of a modality, marked so that it is no AE title; radiography is one, whatever it is called."""
    return "\\DX" if modality in _RADIOGRAPHY else f"\\{modality}"


def alike(one: str, other: str) -> bool:
    """Say whether images of one modality may be what another was ordered for."""
    return kind_of(one) == kind_of(other)
