"""Messages of invented people, as МИС send them; the contract shows the same."""

from dataclasses import dataclass
from datetime import datetime

from cami.hl7v2.message import header, joined, segment

_DOCTOR = ("8811", "Образцов", "Илья", "Сергеевич")


@dataclass(frozen=True, slots=True)
class Sender:
    """How a МИС names itself and what it orders."""

    application: str = "KUZDRAV"
    facility: str = "RB01"
    oid: str = ""
    """Of the МО of the facility."""
    patient: str = "4512207"
    number: str = "2611-0004512"
    device: str = ""
    modality: str = "CT"


def order(sender: Sender, control: str, now: datetime, *, what: str = "NW") -> bytes:
    """Return OMI^O23: a new order (``NW``), a change (``XO``), or that it is withdrawn (``CA``)."""
    number = (sender.number, sender.application)
    return joined(
        [
            _header(sender, ("OMI", "O23", "OMI_O23"), control, now),
            _patient(sender),
            segment("PV1", "1", "I"),
            segment(
                "ORC", what, number, "", "", "", "", "", "", f"{now:%Y%m%d%H%M%S}", "", "", _DOCTOR, "", "", "",
                ("no-show", "Неявка") if what == "CA" else "",
            ),
            segment("TQ1", "1", "", "", "", "", "", f"{now:%Y%m%d%H%M%S%z}", "", ("S", "STAT", "HL70078")),
            segment(
                "OBR", "1", number, "", ("A06.30.005.002", "КТ ОБП с болюсным контрастированием", "NMU"), *[""] * 26,
                ("", "Исключить панкреонекроз"),
            ),
            segment("IPC", "", "", "", "", sender.modality, "", "", "", sender.device),
        ],
        "utf-8",
    )  # fmt: skip


def merge(sender: Sender, control: str, now: datetime, into: str) -> bytes:
    """Return ADT^A40: the patient's card gives way to another."""
    number = (sender.patient, "", "", sender.application, "PI")
    first = _header(sender, ("ADT", "A40", "ADT_A39"), control, now)
    event = segment("EVN", "", f"{now:%Y%m%d%H%M%S%z}")
    return joined([first, event, _patient(sender, into), segment("MRG", number)], "utf-8")


def _header(sender: Sender, kind: tuple[str, ...], control: str, now: datetime) -> str:
    facility = (sender.facility, sender.oid, "ISO") if sender.oid else sender.facility
    return header(
        sender.application, facility, "CAMI", "CAMI", f"{now:%Y%m%d%H%M%S%z}", "", kind, control, "P", "2.5.1", "", "",
        "", "", "RUS", "UNICODE UTF-8",
    )  # fmt: skip


def _patient(sender: Sender, number: str = "") -> str:
    known: list[str | tuple[str | tuple[str, ...], ...]] = [
        (number or sender.patient, "", "", sender.application, "PI"),
        ("70012345618", "", "", "SNILS", "NN"),
    ]
    return segment("PID", "1", "", known, "", ("Тестова", "Анна", "Петровна"), "", "19610314", "F")
