"""What of queries and retrieves goes into the journal (`cami.audit`): who asked, what was found or sent where."""

from cami.audit import AuditEvent, AuditTrail, Kind, Outcome
from cami.query_retrieve.finding import Answers
from cami.query_retrieve.keys import Level
from cami.query_retrieve.moving import Move
from cami.query_retrieve.nodes import Caller

#: Levels at which a question names the study that it is about.
_WITHIN_A_STUDY = frozenset({Level.SERIES, Level.IMAGE})


class DicomJournal:
    """Records acts of devices and workstations.

    Raises `cami.errors.Transient` when it cannot: then the act is refused.
    """

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    def searched(self, caller: Caller, answers: Answers) -> None:
        """Record a C-FIND before its answers leave."""
        details = {"service": "C-FIND", "level": answers.level.value, "answers": str(len(answers.files))}
        if not answers.complete:
            details["cut"] = "yes"
        studies = answers.studies if answers.level in _WITHIN_A_STUDY else ()
        self._trail.record(_event(Kind.SEARCH, caller, studies=studies, details=details))

    def sends(self, caller: Caller, move: Move) -> None:
        """Record a C-MOVE before the first image leaves."""
        details = {"service": "C-MOVE", "images": str(move.size)}
        self._trail.record(
            _event(Kind.EXPORT, caller, studies=move.studies, details=details, subject=f"device:{move.target.aet}")
        )

    def sent_part(self, move: Move) -> None:
        """Record that a C-MOVE has ended without all that it was to send."""
        details = {"service": "C-MOVE", "images": str(move.size), "sent": str(move.completed)}
        event = _event(
            Kind.EXPORT, move.caller, Outcome.ERROR, studies=move.studies, details=details,
            subject=f"device:{move.target.aet}",
        )  # fmt: skip
        self._trail.record(event)

    def refused(self, aet: str, mo: str, address: str, service: str, reason: str) -> None:
        """Record that a request was refused; `reason` is a code."""
        self._trail.record(
            AuditEvent(
                Kind.REFUSAL,
                f"device:{aet}",
                role="device",
                mo=mo,
                source=address,
                outcome=Outcome.FAILURE,
                reason=reason,
                details={"service": service},
            )
        )


def _event(
    kind: Kind,
    caller: Caller,
    outcome: Outcome = Outcome.SUCCESS,
    *,
    studies: tuple[str, ...] = (),
    details: dict[str, str],
    subject: str = "",
) -> AuditEvent:
    return AuditEvent(
        kind,
        f"device:{caller.aet}",
        role="device",
        mo=caller.mo,
        source=caller.address,
        outcome=outcome,
        studies=studies,
        subject=subject,
        details=details,
    )
