"""A record as a DICOM audit message: XML by the schema of PS3.15 A.5.1, with the codes of A.5.3 and CID 400, 401.

It says what the record says: people by login, patients by our key, studies by UID. What DICOM has no code for is told
by a second event type, our kind, under the designator ``99CAMI``. Number and hash of the record go along as an object
of their own, so that a collector's copy proves the journal's.
"""

import base64
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

from cami.audit.event import AuditEvent, Kind, Outcome
from cami.audit.record import Record, stamp

DESIGNATOR = "99CAMI"
_OUTCOMES: Mapping[Outcome, str] = {Outcome.SUCCESS: "0", Outcome.FAILURE: "4", Outcome.ERROR: "8"}
_MEANINGS: Mapping[str, str] = {
    "110100": "Application Activity",
    "110101": "Audit Log Used",
    "110102": "Begin Transferring DICOM Instances",
    "110103": "DICOM Instances Accessed",
    "110104": "DICOM Instances Transferred",
    "110105": "DICOM Study Deleted",
    "110106": "Export",
    "110109": "Order Record",
    "110111": "Procedure Record",
    "110112": "Query",
    "110113": "Security Alert",
    "110114": "User Authentication",
    "110120": "Application Start",
    "110121": "Application Stop",
    "110122": "Login",
    "110123": "Logout",
    "110127": "Emergency Override Started",
    "110129": "Security Configuration",
    "110132": "Use of Restricted Function",
    "110135": "Object Security Attributes Changed",
    "110137": "User Security Attributes Changed",
    "110150": "Application",
    "110152": "Destination Role ID",
    "110153": "Source Role ID",
    "110180": "Study Instance UID",
    "110181": "SOP Class UID",
}
#: Event ID, action (create, read, update, delete, execute) and event type of each kind.
_EVENTS: Mapping[Kind, tuple[str, str, str]] = {
    Kind.ADMINISTRATION: ("110113", "E", "110137"),
    Kind.BREAK_GLASS: ("110113", "E", "110127"),
    Kind.CHANGE: ("110103", "U", ""),
    Kind.CONSULTATION: ("110111", "U", ""),
    Kind.CREATE: ("110103", "C", ""),
    Kind.DELETE: ("110105", "D", ""),
    Kind.EXPORT: ("110106", "R", ""),
    Kind.GRANT: ("110113", "E", "110135"),
    Kind.IMPORT: ("110104", "C", ""),
    Kind.INTEGRITY: ("110113", "E", "110129"),
    Kind.JOURNAL: ("110101", "R", ""),
    Kind.ORDER: ("110109", "U", ""),
    Kind.REFUSAL: ("110113", "E", "110132"),
    Kind.REPORT: ("110111", "U", ""),
    Kind.REVOKE: ("110113", "E", "110135"),
    Kind.SEARCH: ("110112", "E", ""),
    Kind.SIGN_IN: ("110114", "E", "110122"),
    Kind.SIGN_OUT: ("110114", "E", "110123"),
    Kind.START: ("110100", "E", "110120"),
    Kind.STOP: ("110100", "E", "110121"),
    Kind.VIEW: ("110103", "R", ""),
}
#: What searches are put to (PS3.4 C.6.2.1.3): Study Root Query/Retrieve, FIND.
_STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"


def message(record: Record) -> bytes:
    """Return the audit message of a record, UTF-8."""
    event = record.event
    root = Element("AuditMessage")
    _identification(root, record)
    _participants(root, record)
    source = SubElement(root, "AuditSourceIdentification", AuditSourceID=record.server)
    if event.owner or event.mo:
        source.set("AuditEnterpriseSiteID", event.owner or event.mo)
    SubElement(source, "AuditSourceTypeCode", {"csd-code": "4"})  # application server process
    for uid in event.studies:
        _object(root, uid, ("2", "3"), ("110180", "DCM", _MEANINGS["110180"]))
    if event.patient:
        _object(root, event.patient, ("1", "1"), ("2", "RFC-3881", "Patient Number"))
    if event.kind is Kind.SEARCH:
        found = _object(root, _STUDY_ROOT, ("2", "3"), ("110181", "DCM", _MEANINGS["110181"]))
        SubElement(found, "ParticipantObjectQuery").text = _encoded(event.details.get("by", ""))
    if event.subject:
        _object(root, event.subject, ("2", "20"), ("subject", DESIGNATOR, "Subject"))
    _place(root, record)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _identification(root: Element, record: Record) -> None:
    event = record.event
    code, action, kind = _EVENTS[event.kind]
    if event.kind is Kind.IMPORT and event.details.get("stage") == "began":
        code, action = "110102", "E"
    found = SubElement(
        root,
        "EventIdentification",
        EventActionCode=action,
        EventDateTime=stamp(record.at),
        EventOutcomeIndicator=_OUTCOMES[event.outcome],
    )
    _code(found, "EventID", code)
    if kind:
        _code(found, "EventTypeCode", kind)
    attributes = {"csd-code": str(event.kind), "codeSystemName": DESIGNATOR, "originalText": str(event.kind)}
    SubElement(found, "EventTypeCode", attributes)
    if event.reason:
        SubElement(found, "EventOutcomeDescription").text = event.reason


def _participants(root: Element, record: Record) -> None:
    event = record.event
    actor = SubElement(root, "ActiveParticipant", UserID=event.actor or "unknown", UserIsRequestor="true")
    if event.source:
        actor.set("NetworkAccessPointID", event.source)
        actor.set("NetworkAccessPointTypeCode", "2")  # an address
    moved = event.kind in (Kind.IMPORT, Kind.EXPORT)
    if moved:
        _code(actor, "RoleIDCode", "110153" if event.kind is Kind.IMPORT else "110152")
    if event.role:
        role = {"csd-code": event.role, "codeSystemName": DESIGNATOR, "originalText": event.role}
        SubElement(actor, "RoleIDCode", role)
    server = SubElement(root, "ActiveParticipant", UserID=record.server, UserIsRequestor="false")
    role_of_server = "110150"
    if moved:
        role_of_server = "110152" if event.kind is Kind.IMPORT else "110153"
    _code(server, "RoleIDCode", role_of_server)


def _place(root: Element, record: Record) -> None:
    """Tell where the record stands in its chain, and what else it says."""
    found = _object(root, f"{record.server}/{record.seq}", ("2", "13"), ("record", DESIGNATOR, "Journal record"))
    for name, value in _details(record.event, record):
        SubElement(found, "ParticipantObjectDetail", type=name, value=_encoded(value))


def _details(event: AuditEvent, record: Record) -> Iterator[tuple[str, str]]:
    yield "hash", record.hash
    yield "previous", record.previous
    if event.mo:
        yield "mo", event.mo
    if event.owner:
        yield "owner", event.owner
    yield from sorted(event.details.items())


def _object(root: Element, name: str, kind: tuple[str, str], coded: tuple[str, str, str]) -> Element:
    code, system, meaning = coded
    found = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=name,
        ParticipantObjectTypeCode=kind[0],
        ParticipantObjectTypeCodeRole=kind[1],
    )
    attributes = {"csd-code": code, "codeSystemName": system, "originalText": meaning}
    SubElement(found, "ParticipantObjectIDTypeCode", attributes)
    if code != "110181":
        SubElement(found, "ParticipantObjectName").text = ""
    return found


def _code(parent: Element, name: str, code: str) -> None:
    SubElement(parent, name, {"csd-code": code, "codeSystemName": "DCM", "originalText": _MEANINGS[code]})


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode("utf-8")).decode("ascii")
