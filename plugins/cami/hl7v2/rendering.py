"""What the МИС is told, as HL7 v2: messages of the FHIR face (Task, ImagingStudy, DiagnosticReport) in another form.

Orders: OMI^O23, or ORM^O01 with ZDS for systems of version 2.3.1, with ORC-1 ``SC``. Studies and reports: ORU^R01. A
report carries its document and signatures as ED, byte for byte.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cami.hl7v2.answers import ipc, scheme, status
from cami.hl7v2.charsets import codec_of
from cami.hl7v2.message import Value, header, joined, segment
from cami.hl7v2.peers import patient_system
from cami.mis import OutMessage
from cami.orders import ENP, SNILS, OpenOrder, Orders, Patient
from cami.region import Region, System

Json = Mapping[str, Any]
#: Status of results (table 0123) by what the resource says.
_STUDY = {"registered": "I", "available": "R"}
_REPORT = {"preliminary": "P", "final": "F", "corrected": "C", "amended": "C", "appended": "C"}
_PARTS = "1.2.643.5.1.13.13.99.2.166"


class Rendering:
    """Writes messages for systems of the registry. Thread-safe."""

    def __init__(self, region: Region, orders: Orders, base: str) -> None:
        """Make it; `base` is the address of the centre."""
        self._region = region
        self._orders = orders
        self._base = base
        self._zone = ZoneInfo(region.time_zone)

    def message(self, message: OutMessage, system: System, now: datetime) -> bytes:
        """Return a message of the queue as bytes.

        Raises
        ------
        cami.errors.NotFound
            The order that it is about is gone.
        ValueError
            It is about something that this form does not tell of.
        """
        kind, _, rest = message.about.partition("/")
        body = json.loads(message.body)
        if kind == "Task" and rest.startswith("t-"):
            lines = self._order(body, int(rest.removeprefix("t-")), system)
        elif kind == "ImagingStudy":
            lines = self._study(body, system)
        elif kind == "DiagnosticReport":
            lines = self._report(body, system)
        else:
            raise ValueError(message.about)
        types, segments, mo = lines
        first = self._header(system, types, control_of(message), mo, now)
        return joined([first, *segments], codec_of(system.character_set) or "utf-8")

    def _order(self, task: Json, number: int, system: System) -> tuple[tuple[str, ...], list[str], str]:
        opened = self._orders.opened(number)
        order = opened.order
        state = next((each["code"] for each in task.get("businessStatus", {}).get("coding", [])), order.state.value)
        reason = task.get("statusReason", {})
        code = next((each["code"] for each in reason.get("coding", [])), "")
        orc = self._orc(opened, system, "SC", status(state), reason=(code, str(reason.get("text", ""))))
        modern = system.version >= "2.5"
        lines = [_pid(opened.patient, system), orc, *(self._timing(opened) if modern else [])]
        lines += [self._obr(opened, system), ipc(order) if modern else _zds(order.study_uid)]
        kind = ("OMI", "O23", "OMI_O23") if modern else ("ORM", "O01")
        return kind, lines, order.requesting_mo or order.mo

    def _study(self, study: Json, system: System) -> tuple[tuple[str, ...], list[str], str]:
        opened = self._orders.opened(_number(study["basedOn"][0]["reference"]))
        result = _STUDY.get(str(study["status"]), "I")
        uid = next(each["value"] for each in study["identifier"] if each["system"] == "urn:dicom:uid")
        started = str(study.get("started", ""))
        lines = [
            _pid(opened.patient, system),
            self._orc(opened, system, "RE", status(opened.order.state.value)),
            self._obr(opened, system, observed=_hl7_time(started), result=result),
            _study_uid(1, uid.removeprefix("urn:oid:"), result),
            self._link(2, uid.removeprefix("urn:oid:"), result),
            _obx(3, "NM", ("IMAGES", "Число снимков", "CAMI"), str(study.get("numberOfInstances", 0)), result),
        ]
        return _oru(system), lines, opened.order.requesting_mo or opened.order.mo

    def _report(self, bundle: Json, system: System) -> tuple[tuple[str, ...], list[str], str]:
        resources = [each["resource"] for each in bundle["entry"]]
        by_url = {each["fullUrl"]: each["resource"] for each in bundle["entry"]}
        report = next(each for each in resources if each["resourceType"] == "DiagnosticReport")
        result = _REPORT.get(str(report["status"]), "P")
        opened = [self._orders.opened(_number(each["reference"])) for each in report["basedOn"]]
        author = next((each["name"][0]["text"] for each in resources if each["resourceType"] == "Practitioner"), "")
        issued = _hl7_time(str(report.get("issued", "")))
        lines = [_pid(opened[0].patient, system)]
        for index, each in enumerate(opened):
            lines += [
                self._orc(each, system, "RE", status(each.order.state.value)),
                self._obr(each, system, place=index + 1, issued=issued, result=result),
            ]
            said = self._said(report, by_url, result, issued, author) if index == 0 else []
            uids = [study for study in report.get("imagingStudy", []) if _uid(study)]
            uid = _uid(uids[index]) if index < len(uids) else each.order.study_uid
            said += [_study_uid(len(said) + 1, uid, result), self._link(len(said) + 2, uid, result)]
            lines += said
        return _oru(system), lines, opened[0].order.requesting_mo or opened[0].order.mo

    def _said(self, report: Json, by_url: Json, result: str, issued: str, author: str) -> list[str]:
        """Return text, documents and signatures of a report."""
        lines: list[str] = []
        for each in report.get("result", []):
            observation = by_url[each["reference"]]
            coding = observation["code"]["coding"][0]
            name = (coding["code"], coding.get("display", ""), "99.2.166")
            text = str(observation["valueString"])
            lines.append(_obx(len(lines) + 1, "TX", name, text, result, when=issued, who=author))
        for form in report.get("presentedForm", []):
            binary = by_url[form["url"]]
            kind = str(binary["contentType"])
            name = (kind.rpartition("/")[2].upper(), "Протокол", "CAMI")
            lines.append(_obx(len(lines) + 1, "ED", name, _document(kind, binary["data"]), result, when=issued))
        for each in by_url.values():
            for signature in each.get("signature", []) if each["resourceType"] == "Provenance" else []:
                kind = str(signature.get("sigFormat", "application/pkcs7-signature"))
                name = ("SIGNATURE", "Подпись", "CAMI")
                lines.append(_obx(len(lines) + 1, "ED", name, _document(kind, signature["data"]), result))
        return lines

    def _header(self, system: System, kind: tuple[str, ...], control: str, mo: str, now: datetime) -> str:
        centre = self._region.centre
        facility = next((each for each in system.facilities if each.mo == mo), system.facilities[0])
        oid = self._region.organization(facility.mo).oid if facility.mo else ""
        to: Value = (facility.name, oid, "ISO") if oid else facility.name
        asks = ("AL", "NE") if system.send is not None and system.send.acknowledgement == "accept" else ("", "")
        return header(
            "CAMI", (centre.aet, centre.oid, "ISO"), system.application, to,
            f"{now.astimezone(self._zone):%Y%m%d%H%M%S%z}", "", kind, control, system.processing, system.version, "",
            "", *asks, "RUS", system.character_set,
        )  # fmt: skip

    def _orc(
        self, opened: OpenOrder, system: System, control: str, state: str, *, reason: tuple[str, str] = ("", "")
    ) -> str:
        order = opened.order
        return segment(
            "ORC", control, *_numbers(opened, system), "", state, "", "", "", self._moment(order.changed_at), "", "",
            ("", order.requester), "", "", "", (*reason, "CAMI") if reason[0] else "",
        )  # fmt: skip

    def _timing(self, opened: OpenOrder) -> list[str]:
        order = opened.order
        priority = {"stat": "S", "urgent": "A"}.get(order.priority, "R")
        begin, end = self._moment(order.scheduled_at), self._moment(order.scheduled_until)
        return [segment("TQ1", "1", "", "", "", "", "", begin, end, (priority, "", "HL70485"))]

    def _obr(
        self,
        opened: OpenOrder,
        system: System,
        *,
        place: int = 1,
        observed: str = "",
        issued: str = "",
        result: str = "",
    ) -> str:
        order = opened.order
        procedure = (order.procedure_code, order.procedure_text, scheme(order.procedure_system))
        return segment(
            "OBR", str(place), *_numbers(opened, system), procedure, "", "", observed, *[""] * 10, order.accession, "",
            "", order.device_aet, issued or self._moment(order.changed_at), "", order.modality, result,
        )  # fmt: skip

    def _link(self, place: int, study_uid: str, result: str) -> str:
        """Return the link to the study; it asks who opens it to sign in."""
        pointer = (f"{self._base}/cami/s/{study_uid}", "CAMI", "TEXT", "HTML")
        return _obx(place, "RP", ("LINK", "Снимки", "CAMI"), pointer, result)

    def _moment(self, value: datetime | None) -> str:
        return f"{value.astimezone(self._zone):%Y%m%d%H%M%S%z}" if value else ""


def control_of(message: OutMessage) -> str:
    """Return MSH-10 of a message: the same however often it is sent, 20 characters at most."""
    return f"CM{message.event_id.replace('-', '')[:18]}"


def _pid(patient: Patient, system: System) -> str:
    person = patient.person
    own = patient_system(system)
    authorities = {f"urn:oid:{oid}": name for name, oid in system.authorities.items()} | {own: system.application}
    kinds = {SNILS: ("SNILS", "NN"), ENP: ("ENP", "HC")}
    numbers: list[str | tuple[str | tuple[str, ...], ...]] = []
    for each in sorted(person.identifiers, key=lambda number: (number.system != own, number.system not in authorities)):
        if each.system in authorities:
            numbers.append((each.value, "", "", authorities[each.system], "PI"))
        elif each.system in kinds:
            numbers.append((each.value, "", "", *kinds[each.system]))
    name = (person.family, person.given, person.middle)
    return segment("PID", "1", "", numbers, "", name, "", person.birth_date.replace("-", ""), person.sex or "U")


def _numbers(opened: OpenOrder, system: System) -> tuple[tuple[str, str], tuple[str, str]]:
    return (opened.order.placer_number, system.application), (opened.order.accession, "CAMI")


def _zds(study_uid: str) -> str:
    return segment("ZDS", (study_uid, "CAMI", "Application", "DICOM"))


def _study_uid(place: int, uid: str, result: str) -> str:
    return _obx(place, "HD", ("113014", "StudyInstanceUID", "DCM"), ("", uid, "ISO"), result)


def _obx(
    place: int, kind: str, name: tuple[str, ...], value: Value, result: str, *, when: str = "", who: str = ""
) -> str:
    observer: Value = ("", who) if who else ""
    return segment("OBX", str(place), kind, name, "", value, "", "", "", "", "", result, "", "", when, "", observer)


def _document(kind: str, data: str) -> Value:
    """Return Base64 data as ED; Base64 has no letter that HL7 would escape."""
    type_, _, subtype = kind.partition("/")
    return "CAMI", type_, subtype, "Base64", data


def _oru(system: System) -> tuple[str, ...]:
    return ("ORU", "R01", "ORU_R01") if system.version >= "2.4" else ("ORU", "R01")


def _number(reference: str) -> int:
    return int(reference.removeprefix("ServiceRequest/sr-"))


def _uid(study: Json) -> str:
    return str(study.get("identifier", {}).get("value", "")).removeprefix("urn:oid:")


def _hl7_time(text: str) -> str:
    """Return a FHIR dateTime as HL7 writes it."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return f"{read:%Y%m%d%H%M%S%z}" if len(text) > len("2026-01-01") else f"{read:%Y%m%d}"
