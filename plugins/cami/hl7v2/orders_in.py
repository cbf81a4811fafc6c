"""OMI^O23 and ORM^O01 as the Bundle that the FHIR face takes (I1, I2, I3): one meaning, two forms.

Where HL7 v2 has no place for what an order must say, or systems leave it empty, it follows from what they do send: the
МО that performs from IPC-8, the device's МО or the sender; the purpose from OBR-31, OBR-13, DG1 or NTE.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from cami.hl7v2.message import Message, Segment
from cami.hl7v2.patients_in import patient
from cami.hl7v2.peers import PROCEDURES, Peer, Peers, is_snils, order_system, placer
from cami.hl7v2.problems import Refused, Wrong, reject, wrong
from cami.mis import terms
from cami.orders import SNILS, Order
from cami.region.terms import MODALITIES

Json = dict[str, Any]
#: Finds the order of a placer's number.
Known = Callable[[str, str], Order | None]

NEW, CHANGE, CANCEL = "NW", "XO", "CA"
_PRIORITIES = {"S": "stat", "STAT": "stat", "A": "urgent", "ASAP": "urgent", "U": "urgent", "C": "urgent"}
_NMU = re.compile(r"[A-ZА-Я][0-9]{2}\.[0-9.]+")
_MOMENT = re.compile(r"([0-9]{8})([0-9]{2})?([0-9]{2})?([0-9]{2})?(?:\.[0-9]+)?([+-][0-9]{4})?")
#: The purpose of an order that says none: it is required in FHIR, and rare in HL7 v2.
UNSAID = "Не указана в направлении"


@dataclass(slots=True)
class Asked:
    """What a message asks for."""

    entries: list[Json] = field(default_factory=list)
    """Of a transaction Bundle."""
    placers: list[tuple[str, str, str]] = field(default_factory=list)
    """System and number of each order, and what is wanted of it."""
    warnings: list[Wrong] = field(default_factory=list)

    def bundle(self) -> Json:
        """Return the Bundle."""
        return {"resourceType": "Bundle", "type": "transaction", "entry": self.entries}


class OrderReader:
    """Reads orders. Thread-safe."""

    def __init__(self, peers: Peers, known: Known) -> None:
        self._peers = peers
        self._known = known

    def read(self, message: Message, peer: Peer) -> Asked:
        """Return what a message asks for.

        Raises
        ------
        Refused
            A segment is missing, or what it asks for is not known.
        """
        person = message.first("PID")
        groups = list(message.groups("ORC"))
        if person is None or not groups:
            raise reject("CAMI-0076", "ORC" if person is not None else "PID")
        asked = Asked()
        url = f"urn:uuid:{uuid4()}"
        about = patient(person, peer.system)
        if any(group[0].text(1) in (NEW, CHANGE) for group in groups):
            number = next(iter(about["identifier"]), {"system": "", "value": ""})
            condition = f"Patient?identifier={number['system']}|{number['value']}"
            asked.entries.append(_put(url, about, condition if about["identifier"] else "Patient"))
        for group in groups:
            self._order(asked, _Group(message, group, peer), url)
        return asked

    def _order(self, asked: Asked, group: "_Group", patient_url: str) -> None:
        control = group.orc.text(1)
        system, number = group.placer()
        asked.placers.append((system, number, control))
        if control == NEW:
            self._place(asked, group, patient_url, f"ServiceRequest?identifier={system}|{number}", create=True)
            return
        if control not in (CHANGE, CANCEL, "OC"):
            raise Refused("AE", [wrong("CAMI-0093")])
        order = self._known(system, number) if number else None
        if order is None or order.source != f"mis:{group.peer.system.name}":
            raise Refused("AE", [wrong("CAMI-0034" if number else "CAMI-0011")])
        if control == CHANGE:
            self._place(asked, group, patient_url, f"ServiceRequest/sr-{order.number}", create=False)
        else:
            asked.entries.append(_cancelling(group, order))

    def _place(self, asked: Asked, group: "_Group", patient_url: str, address: str, *, create: bool) -> None:
        urls = {name: f"urn:uuid:{uuid4()}" for name in ("person", "role", "diagnosis", "request", "task")}
        performer, device = self._where(group)
        requester = self._peers.organization(group.orc.text(21, 10) or group.orc.text(21, 3)) or group.peer.mo
        self._who(asked, group, urls, requester.oid if requester else "")
        diagnosis = group.diagnosis()
        if diagnosis:
            resource = {"resourceType": "Condition", "subject": {"reference": patient_url}, "code": diagnosis}
            asked.entries.append(_post(urls["diagnosis"], resource))
        reason = group.reason()
        if not reason:
            asked.warnings.append(wrong("CAMI-0018", severity="W"))
        request: Json = {
            "resourceType": "ServiceRequest",
            "identifier": [_placer_identifier(*group.placer())],
            "status": "active",
            "intent": "order",
            "priority": group.priority(),
            "code": group.procedure(),
            "orderDetail": [{"coding": [{"system": terms.DCM, "code": group.modality()}]}] if group.modality() else [],
            "subject": {"reference": patient_url},
            "requester": {"reference": urls["role"]},
            "authoredOn": moment(group.orc.text(9)) or moment(group.message.header.text(7)),
            "performer": [_organization(performer)] if performer else [],
            "reasonCode": [{"text": reason or UNSAID}],
        }
        if device:
            place = {"identifier": {"system": "urn:ietf:rfc:3986", "value": f"{terms.AET_PREFIX}{device}"}}
            request["locationReference"] = [place]
        if diagnosis:
            request["reasonReference"] = [{"reference": urls["diagnosis"]}]
        period = group.period()
        if period:
            request["occurrencePeriod"] = period
        if body := group.obr.text(15, 4) if group.obr else "":
            request["bodySite"] = [{"text": body}]
        if note := group.note():
            request["note"] = [{"text": note}]
        if case := group.case():
            request["encounter"] = {"identifier": {"value": case}}
        request = {name: value for name, value in request.items() if value not in ("", [])}
        condition = address.partition("?")[2]
        asked.entries.append(
            _post(urls["request"], request, condition) if create else _put(urls["request"], request, address)
        )
        if create:
            task = {
                "resourceType": "Task",
                "identifier": [_placer_identifier(*group.placer())],
                "status": "requested",
                "intent": "order",
                "priority": group.priority(),
                "code": {"coding": [{"system": terms.TASK_KIND, "code": "imaging-order"}]},
                "focus": {"reference": urls["request"]},
                "for": {"reference": patient_url},
            }
            asked.entries.append(_post(urls["task"], task, condition))

    def _where(self, group: "_Group") -> tuple[str, str]:
        """Return the ОИД of the МО that is to make the images, and the device."""
        device = group.device()
        ipc = group.ipc
        named = (ipc.text(8, 1), ipc.text(8, 4)) if ipc is not None else ()
        found = next((mo for each in named if each and (mo := self._peers.organization(each))), None)
        found = found or (self._peers.of_device(device) if device else None) or group.peer.mo
        return (found.oid if found else ""), device

    def _who(self, asked: Asked, group: "_Group", urls: dict[str, str], oid: str) -> None:
        segment, place = group.doctor()
        person: Json = {"resourceType": "Practitioner"}
        number = segment.text(place) if segment else ""
        if segment is not None:
            given = [part for part in (segment.text(place, 3), segment.text(place, 4)) if part]
            person["name"] = [{"family": segment.text(place, 2), "given": given}]
            if number and is_snils(segment, place):
                person["identifier"] = [{"system": SNILS, "value": number}]
        asked.entries.append(_post(urls["person"], person))
        role = {"resourceType": "PractitionerRole", "practitioner": {"reference": urls["person"]}}
        asked.entries.append(_post(urls["role"], role | ({"organization": _organization(oid)} if oid else {})))


class _Group:
    """One order of a message: ORC and what follows it."""

    def __init__(self, message: Message, segments: Sequence[Segment], peer: Peer) -> None:
        self.message = message
        self.peer = peer
        self.orc = segments[0]
        self._segments = segments
        self.obr = self._first("OBR")
        self.ipc = self._first("IPC")
        self._timing = self._first("TQ1")

    def _first(self, name: str) -> Segment | None:
        return next((each for each in self._segments if each.name == name), None)

    def placer(self) -> tuple[str, str]:
        found = placer(self.peer.system, self.orc, 2)
        if not found[1] and self.obr is not None:
            return placer(self.peer.system, self.obr, 2)
        return found if found[1] else (order_system(self.peer.system), "")

    def device(self) -> str:
        if self.ipc is not None:
            return self.ipc.text(9)
        return self.obr.text(21) if self.obr is not None else ""

    def modality(self) -> str:
        found = (self.ipc.text(5) if self.ipc else "") or (self.obr.text(24) if self.obr else "")
        return found.upper() if found.upper() in MODALITIES or found else ""

    def procedure(self) -> Json:
        if self.obr is None:
            return {}
        codings, words = [], ""
        for first in (1, 4):
            code, text, name = (self.obr.text(4, first + each) for each in range(3))
            system = PROCEDURES.get(name.upper(), "")
            if code and not name:
                system = terms.SERVICE if _NMU.fullmatch(code) else terms.STUDY_KIND if code.isdecimal() else ""
            words = words or text
            if code and system:
                codings.append({"system": system, "code": code, **({"display": text} if text else {})})
        return {"coding": codings, "text": words} if words else {"coding": codings}

    def priority(self) -> str:
        places = [self._timing.text(9) if self._timing else "", self.orc.text(7, 6)]
        places += [self.obr.text(27, 6), self.obr.text(5)] if self.obr else []
        said = next(filter(None, places), "")
        return _PRIORITIES.get(said.upper(), "routine")

    def period(self) -> Json:
        begin = (self._timing.text(7) if self._timing else "") or self.orc.text(7, 4)
        begin = begin or (self.obr.text(36) if self.obr else "")
        end = (self._timing.text(8) if self._timing else "") or self.orc.text(7, 5)
        known = {"start": moment(begin), "end": moment(end)}
        return {name: value for name, value in known.items() if value} if known["start"] else {}

    def doctor(self) -> tuple[Segment | None, int]:
        visit = self.message.first("PV1")
        places = [(self.orc, 12), (self.obr, 16), (visit, 8), (visit, 7)]
        return next(((each, number) for each, number in places if each and each.text(number, 2)), (None, 0))

    def reason(self) -> str:
        if self.obr is None:
            return ""
        said = [self.obr.text(31, 2) or self.obr.text(31, 1), self.obr.text(13)]
        said += [each.text(3, 2) or each.text(4) for each in self._segments if each.name == "DG1"]
        said += [self._notes()]
        return next(filter(None, said), "")

    def note(self) -> str:
        clinical = self.obr.text(13) if self.obr else ""
        return "\n".join(filter(None, (clinical, self._notes())))

    def _notes(self) -> str:
        return "\n".join(filter(None, (each.text(3) for each in self._segments if each.name == "NTE")))

    def diagnosis(self) -> Json | None:
        segment = self._first("DG1")
        code = segment.text(3, 1) if segment is not None else ""
        if segment is None or not code:
            return None
        words = segment.text(3, 2) or segment.text(4)
        return {"coding": [{"system": terms.DIAGNOSIS, "code": code, **({"display": words} if words else {})}]}

    def case(self) -> str:
        visit = self.message.first("PV1")
        return visit.text(19)[:64] if visit is not None else ""

    def cancel_reason(self) -> tuple[str, str]:
        code, words = self.orc.text(16, 1), self.orc.text(16, 2)
        return (code if code in terms.CANCEL_REASONS else "other"), (words or code)


def _cancelling(group: _Group, order: Order) -> Json:
    code, words = group.cancel_reason()
    reason: Json = {"coding": [{"system": terms.CANCEL_REASON, "code": code}]}
    task = {
        "resourceType": "Task",
        "identifier": [_placer_identifier(order.placer_system, order.placer_number)],
        "status": "cancelled",
        "statusReason": reason | ({"text": words} if words else {}),
        "intent": "order",
        "priority": order.priority,
        "code": {"coding": [{"system": terms.TASK_KIND, "code": "imaging-order"}]},
        "focus": {"reference": f"ServiceRequest/sr-{order.number}"},
        "for": {"reference": f"Patient/{order.patient}"},
    }
    return _put(f"urn:uuid:{uuid4()}", task, f"Task/t-{order.number}")


def moment(text: str) -> str:
    """Return an HL7 time as a FHIR dateTime; empty if it is none. Without a zone it stays without."""
    found = _MOMENT.fullmatch(text)
    if not found:
        return ""
    day, hour, minute, second, zone = found.groups()
    try:
        read = datetime.fromisoformat(f"{day}T{hour or '00'}{minute or '00'}{second or '00'}{zone or ''}")
    except ValueError:
        return ""
    return read.isoformat()


def _placer_identifier(system: str, value: str) -> Json:
    return {"type": {"coding": [{"system": terms.V2_IDENTIFIER, "code": "PLAC"}]}, "system": system, "value": value}


def _organization(oid: str) -> Json:
    return {"type": "Organization", "identifier": {"system": terms.ORGANIZATION, "value": oid}}


def _post(url: str, resource: Json, condition: str = "") -> Json:
    request = {"method": "POST", "url": resource["resourceType"]}
    return {
        "fullUrl": url,
        "resource": resource,
        "request": request | ({"ifNoneExist": condition} if condition else {}),
    }


def _put(url: str, resource: Json, address: str) -> Json:
    return {"fullUrl": url, "resource": resource, "request": {"method": "PUT", "url": address}}
