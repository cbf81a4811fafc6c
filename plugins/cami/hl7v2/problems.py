"""What can be wrong with an HL7 message: our codes, HL7's (table 0357), and where (ERR-2).

Meaning and words of what is wrong with an order or a patient are those of the FHIR face (`cami.mis.problems`); the
codes here are of what only this form can get wrong. No text repeats what was sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cami.mis.problems import CODES as FHIR_CODES
from cami.mis.problems import Problem, Refusal

#: code → words; the table of ``docs/mis-contract.md`` is made from it.
CODES: Mapping[str, str] = {
    "CAMI-0070": "Сообщение HL7 не разбирается",
    "CAMI-0071": "Тип сообщения или код события не поддерживается",
    "CAMI-0072": "Отправитель не зарегистрирован, или вызывает не со своего адреса",
    "CAMI-0073": "Кодировка не поддерживается, или текст ей не соответствует",
    "CAMI-0074": "Сообщение слишком велико",
    "CAMI-0075": "Версия HL7 не поддерживается",
    "CAMI-0076": "Нет обязательного сегмента",
    "CAMI-0077": "Режим обработки (MSH-11) не тот, в котором работает сервер",
    "CAMI-0078": "Не указан номер сообщения (MSH-10)",
}

#: code → segment and field that it is about, and HL7's own code.
_PLACES: Mapping[str, tuple[str, int, int]] = {
    "CAMI-0010": ("ORC", 16, 101),
    "CAMI-0011": ("ORC", 2, 101),
    "CAMI-0012": ("PID", 3, 101),
    "CAMI-0013": ("PID", 5, 101),
    "CAMI-0014": ("OBR", 4, 101),
    "CAMI-0015": ("OBR", 24, 101),
    "CAMI-0016": ("MSH", 4, 101),
    "CAMI-0017": ("ORC", 12, 101),
    "CAMI-0018": ("OBR", 31, 101),
    "CAMI-0021": ("PID", 3, 102),
    "CAMI-0022": ("PID", 3, 102),
    "CAMI-0023": ("PID", 3, 102),
    "CAMI-0024": ("", 0, 102),
    "CAMI-0025": ("OBR", 24, 103),
    "CAMI-0030": ("", 0, 204),
    "CAMI-0031": ("MSH", 4, 204),
    "CAMI-0032": ("IPC", 9, 204),
    "CAMI-0033": ("MSH", 4, 204),
    "CAMI-0034": ("ORC", 2, 204),
    "CAMI-0040": ("ORC", 2, 206),
    "CAMI-0041": ("ORC", 1, 207),
    "CAMI-0042": ("PID", 3, 207),
    "CAMI-0043": ("ORC", 1, 207),
    "CAMI-0044": ("MRG", 1, 207),
    "CAMI-0045": ("MSH", 10, 205),
    "CAMI-0048": ("PID", 3, 205),
    "CAMI-0070": ("MSH", 1, 100),
    "CAMI-0071": ("MSH", 9, 200),
    "CAMI-0072": ("MSH", 3, 103),
    "CAMI-0073": ("MSH", 18, 103),
    "CAMI-0075": ("MSH", 12, 203),
    "CAMI-0077": ("MSH", 11, 202),
    "CAMI-0078": ("MSH", 10, 101),
    "CAMI-0093": ("ORC", 1, 103),
    "CAMI-0094": ("", 0, 206),
}
#: Words of HL7's codes that we use (table 0357).
CONDITIONS: Mapping[int, str] = {
    100: "Segment sequence error",
    101: "Required field missing",
    102: "Data type error",
    103: "Table value not found",
    200: "Unsupported message type",
    202: "Unsupported processing id",
    203: "Unsupported version id",
    204: "Unknown key identifier",
    205: "Duplicate key identifier",
    206: "Application record locked",
    207: "Application internal error",
}
_INTERNAL = 207


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong with a message."""

    code: str
    segment: str = ""
    field: int = 0
    condition: int = _INTERNAL
    severity: str = "E"
    """``E`` or ``W``, table 0516."""

    @property
    def words(self) -> str:
        """Return it in words, for a person; names no patient."""
        return CODES[self.code] if self.code in CODES else FHIR_CODES[self.code][1]


@dataclass(slots=True, eq=False)
class Refused(Exception):
    """A message that is not carried out; nothing of it is kept but its own bytes."""

    verdict: str
    """``AE``: what it says is wrong; ``AR``: it cannot be read, or must not be."""
    wrongs: list[Wrong] = field(default_factory=list)


def reject(code: str, segment: str = "") -> Refused:
    """Return that a message cannot be taken at all."""
    return Refused("AR", [wrong(code, segment)])


def wrong(code: str, segment: str = "", severity: str = "E") -> Wrong:
    """Return what a code stands for; `segment` says which one, if the code does not."""
    place, number, condition = _PLACES.get(code, ("", 0, _INTERNAL))
    return Wrong(code, segment or place, number if not segment else 0, condition, severity)


def of_refusal(refusal: Refusal) -> Refused:
    """Return a refusal of the FHIR face as one of this."""
    return Refused("AE", [of_problem(each) for each in refusal.problems])


def of_problem(problem: Problem) -> Wrong:
    """Return a problem of the FHIR face as one of this."""
    return wrong(problem.code, severity="E" if problem.severity == "error" else "W")


def markdown() -> str:
    """Return the table of codes as ``docs/mis-contract.md`` shows it."""
    rows = [f"| `{code}` | {_PLACES.get(code, ('', 0, _INTERNAL))[2]} | {words} |" for code, words in CODES.items()]
    return "\n".join(["| код | ERR-3 | текст |", "|---|---|---|", *rows])
