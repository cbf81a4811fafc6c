"""What is recorded: one act of one person or machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Kind(StrEnum):
    """What somebody did. What each becomes as a DICOM audit message: `cami.audit.message`."""

    ADMINISTRATION = "administration"
    """Accounts, roles, keys, settings of the installation."""
    BREAK_GLASS = "break-glass"
    """Emergency access to a study of another МО, with a reason."""
    CHANGE = "change"
    """Something about a study was changed: its place in the queue, a decision, a routing rule."""
    CONSULTATION = "consultation"
    """A consultation was asked for, taken, answered, closed."""
    CREATE = "create"
    DELETE = "delete"
    EXPORT = "export"
    """Images left the system: an archive, a file, a journey to another destination."""
    GRANT = "grant"
    IMPORT = "import"
    """Images came in: from a device at a proxy, from a proxy at the centre."""
    INTEGRITY = "integrity"
    """The journal itself: a break in a chain, events that were not recorded, parts that were put away."""
    JOURNAL = "journal"
    """Somebody read or exported the journal."""
    ORDER = "order"
    REFUSAL = "refusal"
    """Somebody asked for what they may not have."""
    REPORT = "report"
    """A report was written, signed, changed."""
    REVOKE = "revoke"
    SEARCH = "search"
    SIGN_IN = "sign-in"
    SIGN_OUT = "sign-out"
    START = "start"
    STOP = "stop"
    VIEW = "view"
    """A study was opened: its images or what is written in them."""


class Outcome(StrEnum):
    """How it ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    """It did not happen: refused, wrong, not there."""
    ERROR = "error"
    """It went wrong on our side, perhaps halfway."""


#: Lengths of what stands in columns of the table; longer is cut, so that columns and content say the same.
LENGTHS: Mapping[str, int] = {
    "actor": 100, "role": 32, "mo": 16, "source": 64, "patient": 64, "owner": 16, "subject": 200, "reason": 500,
}  # fmt: skip
#: Studies that one event may name; how many more there were stands in the details.
MOST_STUDIES = 500
_LONGEST_UID = 64
_MOST_DETAILS = 20
_LONGEST_KEY = 32
_LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act. Texts are codes, keys and UIDs: no name of a patient, nothing out of an image."""

    kind: Kind
    actor: str
    """Login, ``proxy-42001``, ``device:CT42001``, ``mis:<client id>``, ``system``; empty for a stranger."""
    role: str = ""
    """Of the actor."""
    mo: str = ""
    """Code of the actor's МО."""
    source: str = ""
    """Network address."""
    outcome: Outcome = Outcome.SUCCESS
    studies: tuple[str, ...] = ()
    """Study Instance UIDs."""
    patient: str = ""
    """Our key of the patient: Orthanc's, the SHA-1 of the Patient ID. Never a name, never the number itself."""
    owner: str = ""
    """Code of the МО whose data it is."""
    subject: str = ""
    """What else it is about: account, number of a grant, an order, a consultation."""
    reason: str = ""
    """A code, or the text that a person gave."""
    details: Mapping[str, str] = field(default_factory=dict)
    """Codes and counts only."""

    def cleaned(self) -> "AuditEvent":
        """Return it as the journal takes it: no control characters, no lone surrogates, nothing too long."""
        studies = tuple(dict.fromkeys(_text(uid, _LONGEST_UID) for uid in self.studies if uid))
        details = {
            _text(name, _LONGEST_KEY): _text(str(value), _LONGEST_VALUE)
            for name, value in list(self.details.items())[:_MOST_DETAILS]
        }
        if len(studies) > MOST_STUDIES:
            details["more_studies"] = str(len(studies) - MOST_STUDIES)
        texts = {name: _text(getattr(self, name), length) for name, length in LENGTHS.items()}
        kind, outcome = Kind(self.kind), Outcome(self.outcome)
        return replace(self, kind=kind, outcome=outcome, studies=studies[:MOST_STUDIES], details=details, **texts)


def _text(value: str, longest: int) -> str:
    plain = "".join(" " if ord(letter) < 0x20 or letter == "\x7f" else letter for letter in value)
    return plain.encode("utf-8", "replace").decode("utf-8")[:longest].strip()
