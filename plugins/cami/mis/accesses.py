"""Who looked at a study (I14): the journal as AuditEvents, for the МИС that ordered it; reading is on record too.

A МИС may ask about studies of its own orders: the patient asks there who has seen the images (323-ФЗ art. 13).
"""

from collections.abc import Callable, Mapping

from cami.audit import AuditEvent, AuditTrail, Kind, Record
from cami.audit.search import JournalReader, Place, Question
from cami.clock import iso
from cami.errors import Invalid
from cami.mis import fhir, terms
from cami.mis.fhir import Json
from cami.mis.message import Caller
from cami.mis.problems import refuse

PARAMETERS = frozenset({"entity"})
MOST = 100
_AUDIT = "urn:cami:audit"
#: Kind → DICOM's type of the event (PS3.15 A.5) and FHIR's action.
_TYPES: Mapping[Kind, tuple[str, str, str]] = {
    Kind.VIEW: ("110103", "DICOM Instances Accessed", "R"),
    Kind.EXPORT: ("110106", "Export", "R"),
    Kind.IMPORT: ("110107", "Import", "C"),
    Kind.SEARCH: ("110112", "Query", "E"),
    Kind.DELETE: ("110105", "DICOM Study Deleted", "D"),
    Kind.SIGN_IN: ("110114", "User Authentication", "E"),
}
_OTHER = ("110100", "Application Activity", "E")
_OUTCOMES = {"success": "0", "failure": "4", "error": "8"}


class Accesses:
    """Answers ``GET AuditEvent?entity=``. Thread-safe."""

    def __init__(
        self, journal: JournalReader, trail: AuditTrail, oid_of: Callable[[str], str],
        uid_of: Callable[[str, Caller], str | None],
    ) -> None:  # fmt: skip
        """Make it; `uid_of` returns the Study Instance UID of a study of the caller's own orders."""
        self._journal = journal
        self._trail = trail
        self._oid_of = oid_of
        self._uid_of = uid_of

    def search(self, given: Mapping[str, str], count: int, caller: Caller) -> tuple[list[Json], str | None]:
        """Return what the journal says of a study, the newest first, and where the next page begins.

        Raises
        ------
        Refusal
            No study is named, or it is none of this client's.
        """
        named = given.get("entity", "")
        uid = self._uid_of(named, caller) if named else None
        if uid is None:
            raise refuse(404 if named else 400, "CAMI-0034" if named else "CAMI-0026", "entity")
        try:
            before = Place.parse(given["_page"]) if "_page" in given else None
        except Invalid as error:
            raise refuse(400, "CAMI-0026", "_page") from error
        self._trail.record(
            AuditEvent(Kind.JOURNAL, caller.source, role="mis", source=caller.address, studies=(uid,), subject="mis")
        )
        page = self._journal.page(Question(study_uid=uid), before, min(count, MOST))
        return [self._shown(record, uid) for record in page.records], str(page.next) if page.next else None

    def _shown(self, record: Record, uid: str) -> Json:
        event = record.event
        code, display, action = _TYPES.get(event.kind, _OTHER)
        who: Json = {
            "who": {"identifier": {"system": "urn:cami:user", "value": event.actor or "anonymous"}},
            "requestor": True,
        }
        if event.source:
            who["network"] = {"address": event.source, "type": "2"}
        agents = [who]
        if event.mo:
            agents.append({"who": fhir.organization(self._oid_of(event.mo)), "requestor": False})
        return {
            "resourceType": "AuditEvent",
            "id": f"{record.server}.{record.seq}"[:64],
            "meta": {"versionId": "1"},
            "type": {"system": terms.DCM, "code": code, "display": display},
            "subtype": [{"system": _AUDIT, "code": str(event.kind)}],
            "action": action,
            "recorded": iso(record.at),
            "outcome": _OUTCOMES[str(event.outcome)],
            "agent": agents,
            "source": {"observer": {"display": "ЦАМИ"}, "site": record.server},
            "entity": [
                {
                    "what": {"identifier": {"system": terms.DICOM_UID, "value": f"urn:oid:{uid}"}},
                    "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "2"},
                }
            ],
        }
