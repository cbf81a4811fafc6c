"""What a sender is answered: MSA and ERR, and for orders their numbers (HL7 v2.5.1 §2.9, §4.4)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cami.hl7v2.message import Message, header, joined, segment
from cami.hl7v2.problems import CONDITIONS, Wrong
from cami.orders import Order

#: Order control codes: what was asked for, and that it was done (table 0119).
_DONE = {"NW": "OK", "XO": "XR", "CA": "CR", "OC": "CR"}


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of an answer takes from the message, as far as it could be read."""

    application: str = ""
    facility: tuple[str, ...] = ("",)
    our_application: str = "CAMI"
    our_facility: tuple[str, ...] = ("",)
    control: str = ""
    version: str = "2.5.1"
    processing: str = "P"
    kind: tuple[str, str] = ("", "")
    character_set: str = ""
    codec: str = "utf-8"

    @classmethod
    def of(cls, message: Message) -> "Header":
        """Return the header of a message that was read."""
        got = message.header

        def whole(field: int) -> tuple[str, ...]:
            return tuple(got.text(field, component) for component in (1, 2, 3))

        return cls(
            application=got.text(3),
            facility=whole(4),
            our_application=got.text(5) or "CAMI",
            our_facility=whole(6),
            control=message.control,
            version=message.version,
            processing=got.text(11) or "P",
            kind=message.kind,
            character_set=got.text(18),
            codec=message.codec,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to be written."""

    verdict: str
    wrongs: Sequence[Wrong] = ()
    orders: Sequence[tuple[str, Order]] = field(default=())
    """What was asked of each order, and the order."""


def written(answer: Answer, to: Header, *, control: str, now: datetime) -> bytes:
    """Return an answer as bytes; `control` is its own number, `now` is in the region's zone."""
    kind = _kind(answer, to)
    quiet = "NE" if to.version >= "2.5" else ""
    segments = [
        header(
            to.our_application, to.our_facility, to.application, to.facility, f"{now:%Y%m%d%H%M%S%z}", "", kind,
            control, to.processing, to.version, "", "", quiet, quiet, "", to.character_set,
        ),
        segment("MSA", answer.verdict, to.control, next((each.words for each in answer.wrongs), "")),
        *(_error(each, to) for each in answer.wrongs),
    ]  # fmt: skip
    for asked, order in answer.orders:
        segments += _order(asked, order, to)
    return joined(segments, to.codec)


def _kind(answer: Answer, to: Header) -> tuple[str, ...]:
    message, event = to.kind
    if answer.verdict.startswith("A") and message == "OMI":
        return "ORI", "O24", "ORI_O24"
    if answer.verdict.startswith("A") and message == "ORM":
        return ("ORR", "O02", "ORR_O02") if to.version >= "2.4" else ("ORR", "O02")
    return ("ACK", event, "ACK") if event and to.version >= "2.4" else ("ACK",)


def _error(found: Wrong, to: Header) -> str:
    condition = CONDITIONS[found.condition]
    if to.version < "2.5":
        where = (found.segment, "1", str(found.field or ""))
        return segment("ERR", (*where, (str(found.condition), condition, "HL70357")))
    where = (found.segment, "1", str(found.field or ""))
    return segment(
        "ERR", "", where if found.segment else "", (str(found.condition), condition, "HL70357"), found.severity,
        (found.code, found.words, "CAMI"), "", "", found.words,
    )  # fmt: skip


def _order(asked: str, order: Order, to: Header) -> list[str]:
    number = order.accession
    placer = (order.placer_number, to.application)
    filler = (number, "CAMI")
    procedure = (order.procedure_code, order.procedure_text, scheme(order.procedure_system))
    told = [
        segment("ORC", _DONE.get(asked, "OK"), placer, filler, "", status(order.state.value)),
        segment("OBR", "1", placer, filler, procedure),
    ]
    if to.kind[0] == "OMI":
        told.append(ipc(order))
    else:
        told.append(segment("ZDS", (order.study_uid, "CAMI", "Application", "DICOM")))
    return told


def ipc(order: Order) -> str:
    """Return the numbers of an order for the device (IPC)."""
    number = order.accession
    return segment(
        "IPC", (number, "CAMI"), (number, "CAMI"), (order.study_uid, "CAMI"), (number, "CAMI"),
        (order.modality, "", "DCM"), "", "", "", order.device_aet,
    )  # fmt: skip


def scheme(system: str) -> str:
    """Return the name of a directory of procedures as OBR-4.3 has it."""
    tails = {"1070": "NMU", "1471": "FSIDI"}
    return tails.get(system.rpartition(".")[2], "L")


def status(state: str) -> str:
    """Return the state of an order as ORC-5 has it (table 0038)."""
    states = {
        "accepted": "SC", "started": "IP", "completed": "CM", "cancelled": "CA", "annulled": "DC", "replaced": "RP",
    }  # fmt: skip
    return states.get(state, "")
