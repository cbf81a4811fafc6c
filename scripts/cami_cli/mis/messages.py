"""Messages as a МИС writes them: what it knows of a patient and an order, as the contract's resources."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

Json = dict[str, Any]

NODE = "urn:oid:1.2.643.5.1.13.13.12.2.42.9999.100.1.1"
PATIENT_SYSTEM = f"{NODE}.10"
ORDER_SYSTEM = f"{NODE}.59"
STAFF_SYSTEM = f"{NODE}.70"
CASE_SYSTEM = f"{NODE}.15"
SNILS = "urn:oid:1.2.643.100.3"
ENP = "https://fhir.ru/ig/core/systems/oms"
_NSI = "urn:oid:1.2.643.5.1.13.13.11."
ORGANIZATION = f"{_NSI}1461"
_V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"


@dataclass(frozen=True, slots=True)
class SimulatedPatient:
    """A card of the МИС."""

    number: str
    family: str
    given: str
    middle: str
    birth_date: str
    gender: str
    snils: str = ""
    enp: str = ""


@dataclass(frozen=True, slots=True)
class Doctor:
    """Who sends patients."""

    number: str
    family: str
    given: str
    middle: str
    snils: str
    oid: str
    """ОИД of the МО."""


@dataclass(frozen=True, slots=True)
class Study:
    """What can be ordered."""

    code: str
    """НМУ."""
    text: str
    modality: str
    method: str
    """НСИ 1472."""
    body: str


STUDIES = (
    Study("A06.30.005.002", "КТ органов брюшной полости с внутривенным болюсным контрастированием", "CT", "1",
          "Брюшная полость и забрюшинное пространство"),
    Study("A05.23.009", "МРТ головного мозга", "MR", "2", "Головной мозг"),
    Study("A06.09.007", "Рентгенография лёгких", "DX", "4", "Органы грудной клетки"),
    Study("A06.20.004", "Маммография", "MG", "4", "Молочные железы"),
    Study("A04.16.001", "УЗИ органов брюшной полости", "US", "3", "Брюшная полость"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WantedStudy:
    """An order as a doctor fills it in."""

    number: str
    study: Study
    oid: str
    """ОИД of the МО that makes the images."""
    reason: str
    authored: datetime
    aet: str = ""
    priority: str = "routine"
    begin: datetime | None = None
    diagnosis: tuple[str, str] = ("K85.8", "Другой острый панкреатит")
    note: str = ""
    case: str = "ИБ-2026-11873"


def patient_resource(patient: SimulatedPatient) -> Json:
    """Return a card as a Patient."""
    numbers: list[Json] = [
        {
            "use": "usual",
            "type": {"coding": [{"system": _V2, "code": "PI"}]},
            "system": PATIENT_SYSTEM,
            "value": patient.number,
        }
    ]
    for system, value in ((SNILS, patient.snils), (ENP, patient.enp)):
        if value:
            numbers.append({"use": "official", "system": system, "value": value})
    given = [part for part in (patient.given, patient.middle) if part]
    return {
        "resourceType": "Patient",
        "identifier": numbers,
        "active": True,
        "name": [{"use": "official", "family": patient.family, "given": given}],
        "gender": patient.gender,
        "birthDate": patient.birth_date,
    }


def order_bundle(patient: SimulatedPatient, doctor: Doctor, order: WantedStudy) -> Json:
    """Return the Bundle of interaction I1."""
    urls = {name: f"urn:uuid:{uuid4()}" for name in ("patient", "person", "role", "diagnosis", "request", "task")}
    code, words = order.diagnosis
    diagnosis = {
        "resourceType": "Condition",
        "subject": {"reference": urls["patient"]},
        "code": {"coding": [{"system": f"{_NSI}1005", "code": code, "display": words}]},
        "category": [{"text": "Диагноз направившего учреждения"}],
    }
    request = service_request(order) | {
        "subject": {"reference": urls["patient"]},
        "requester": {"reference": urls["role"]},
        "reasonReference": [{"reference": urls["diagnosis"]}],
    }
    task = {
        "resourceType": "Task",
        "identifier": [{"system": ORDER_SYSTEM, "value": order.number}],
        "status": "requested",
        "intent": "order",
        "priority": order.priority,
        "code": {"coding": [{"system": "urn:cami:task-kind", "code": "imaging-order"}]},
        "focus": {"reference": urls["request"]},
        "for": {"reference": urls["patient"]},
        "authoredOn": written(order.authored),
        "requester": organization(doctor.oid),
        "owner": organization(order.oid),
        "restriction": {"period": {"end": written(order.authored + timedelta(days=1))}},
    }
    number = f"identifier={ORDER_SYSTEM}|{order.number}"
    entries = [
        (urls["patient"], patient_resource(patient), "PUT", f"Patient?identifier={PATIENT_SYSTEM}|{patient.number}"),
        *_doctor_entries(doctor, urls),
        (urls["diagnosis"], diagnosis, "POST", "Condition"),
        (urls["request"], request, "POST", f"ServiceRequest?{number}"),
        (urls["task"], task, "POST", f"Task?{number}"),
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": [_entry(*each) for each in entries]}


@dataclass(frozen=True, slots=True)
class WantedConsultation:
    """A question to another МО as a doctor fills it in."""

    number: str
    study_uid: str
    to_oid: str
    """ОИД of the МО that is asked."""
    question: str
    asked: datetime
    form: str = "urgent"
    """``emergency``, ``urgent``, ``planned``."""
    phone: str = "8-3842-00-00-00"
    consent: bool = True


def consultation_bundle(patient: SimulatedPatient, doctor: Doctor, wanted: WantedConsultation) -> Json:
    """Return the Bundle of interaction I9."""
    urls = {name: f"urn:uuid:{uuid4()}" for name in ("patient", "person", "role", "request", "task")}
    priority = {"emergency": "stat", "urgent": "urgent"}.get(wanted.form, "routine")
    identifier = [{"system": ORDER_SYSTEM, "value": wanted.number}]
    category = {"system": "urn:cami:request-category", "code": "remote-consultation"}
    request = {
        "resourceType": "ServiceRequest",
        "identifier": identifier,
        "status": "active",
        "intent": "order",
        "priority": priority,
        "category": [{"coding": [category]}],
        "code": {"text": "Консультация врача-рентгенолога с применением телемедицинских технологий"},
        "subject": {"reference": urls["patient"]},
        "authoredOn": written(wanted.asked),
        "requester": {"reference": urls["role"]},
        "performer": [organization(wanted.to_oid)],
        "reasonCode": [{"text": wanted.question}],
    }
    study = {"identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{wanted.study_uid}"}}
    given: list[tuple[str, Json]] = [
        ("form", {"valueCodeableConcept": {"coding": [{"system": "urn:cami:consultation-form", "code": wanted.form}]}}),
        ("mode", {"valueCodeableConcept": {"coding": [{"system": "urn:cami:consultation-mode", "code": "deferred"}]}}),
        ("question", {"valueString": wanted.question}),
        ("consent", {"valueBoolean": wanted.consent}),
        ("phone", {"valueString": wanted.phone}),
        ("study", {"valueReference": study}),
    ]
    task = {
        "resourceType": "Task",
        "identifier": identifier,
        "status": "requested",
        "intent": "order",
        "priority": priority,
        "code": {"coding": [{"system": "urn:cami:task-kind", "code": "consultation"}]},
        "focus": {"reference": urls["request"]},
        "for": {"reference": urls["patient"]},
        "authoredOn": written(wanted.asked),
        "requester": {"reference": urls["role"]},
        "owner": organization(wanted.to_oid),
        "input": [
            {"type": {"coding": [{"system": "urn:cami:task-input", "code": code}]}, **value} for code, value in given
        ],
    }
    number = f"identifier={ORDER_SYSTEM}|{wanted.number}"
    entries = [
        (urls["patient"], patient_resource(patient), "PUT", f"Patient?identifier={PATIENT_SYSTEM}|{patient.number}"),
        *_doctor_entries(doctor, urls),
        (urls["request"], request, "POST", f"ServiceRequest?{number}"),
        (urls["task"], task, "POST", f"Task?{number}"),
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": [_entry(*each) for each in entries]}


def _doctor_entries(doctor: Doctor, urls: Mapping[str, str]) -> list[tuple[str, Json, str, str]]:
    """Return who sends the patient: a person, and in which part for which МО."""
    person = {
        "resourceType": "Practitioner",
        "identifier": [{"system": SNILS, "value": doctor.snils}, {"system": STAFF_SYSTEM, "value": doctor.number}],
        "name": [{"family": doctor.family, "given": [doctor.given, doctor.middle]}],
    }
    role = {
        "resourceType": "PractitionerRole",
        "identifier": [{"system": STAFF_SYSTEM, "value": doctor.number}],
        "practitioner": {"reference": urls["person"]},
        "organization": organization(doctor.oid),
        "code": [{"coding": [{"system": f"{_NSI}1002", "code": "109", "display": "Врач-терапевт"}]}],
    }
    return [
        (urls["person"], person, "PUT", f"Practitioner?identifier={SNILS}|{doctor.snils}"),
        (urls["role"], role, "PUT", f"PractitionerRole?identifier={STAFF_SYSTEM}|{doctor.number}"),
    ]


def service_request(order: WantedStudy) -> Json:
    """Return an order as a ServiceRequest, without what refers to other resources."""
    study = order.study
    resource: Json = {
        "resourceType": "ServiceRequest",
        "identifier": [
            {"type": {"coding": [{"system": _V2, "code": "PLAC"}]}, "system": ORDER_SYSTEM, "value": order.number}
        ],
        "status": "active",
        "intent": "order",
        "priority": order.priority,
        "category": [{"coding": [{"system": f"{_NSI}1472", "code": study.method}]}],
        "code": {"coding": [{"system": f"{_NSI}1070", "code": study.code, "display": study.text}]},
        "orderDetail": [
            {"coding": [{"system": _DCM, "code": study.modality}]},
            {"coding": [{"system": f"{_NSI}1039", "code": "1"}], "text": "ОМС"},
        ],
        "encounter": {"identifier": {"system": CASE_SYSTEM, "value": order.case}},
        "authoredOn": written(order.authored),
        "performer": [organization(order.oid)],
        "reasonCode": [{"text": order.reason}],
        "bodySite": [{"text": study.body}],
    }
    if order.aet:
        place = {"identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:cami:aet:{order.aet}"}}
        resource["locationReference"] = [place]
    if order.begin:
        resource["occurrencePeriod"] = {
            "start": written(order.begin),
            "end": written(order.begin + timedelta(minutes=15)),
        }
    if order.note:
        resource["note"] = [{"text": order.note}]
    return resource


def merge_parameters(source: str, target: str) -> Json:
    """Return the Parameters of ``$merge``: the card `source` gives way to `target`."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "source-patient-identifier", "valueIdentifier": {"system": PATIENT_SYSTEM, "value": source}},
            {"name": "target-patient-identifier", "valueIdentifier": {"system": PATIENT_SYSTEM, "value": target}},
        ],
    }


def organization(oid: str) -> Json:
    """Return a Reference to an МО."""
    return {"type": "Organization", "identifier": {"system": ORGANIZATION, "value": oid}}


def written(moment: datetime) -> str:
    """Return a time as FHIR writes it."""
    return moment.isoformat(timespec="seconds")


def _entry(url: str, resource: Json, method: str, address: str) -> Json:
    type_, _, condition = address.partition("?")
    request = {"method": method, "url": address}
    if method == "POST":
        request = {"method": method, "url": type_} | ({"ifNoneExist": condition} if condition else {})
    return {"fullUrl": url, "resource": resource, "request": request}
