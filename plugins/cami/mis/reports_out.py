"""A signed report as the Bundle of interaction I7: PDF, СЭМД and signatures byte for byte."""

import base64
from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from cami.mis import fhir, rendering, terms
from cami.mis.fhir import Json
from cami.mis.ports import Signature, SignedReport
from cami.mis.studies import OrderedStudy

_SNILS = "urn:oid:1.2.643.100.3"
_PARTS = "urn:oid:1.2.643.5.1.13.13.99.2.166"
_SIGNATURE = {"author": "1.2.840.10065.1.12.1.1", "organization": "1.2.840.10065.1.12.1.5"}


def report_bundle(
    report: SignedReport, studies: Sequence[OrderedStudy], *, oid: str, patient: str, zone: ZoneInfo,
    based_on: Sequence[str] = (),
) -> Json:  # fmt: skip
    """Return the Bundle.

    Parameters
    ----------
    studies
        What the report is about, as far as the МИС ordered it.
    oid
        ОИД of the МО of the author.
    patient
        Key of the patient.
    based_on
        Addresses of further ServiceRequests: of the consultation, if the МИС asked for it.
    """
    url = {
        name: _url(report, name) for name in ("person", "role", "pdf", "xml", "report", "proof", "1805", "1806", "807")
    }
    subject = {"reference": f"Patient/{patient}"}
    person = {"resourceType": "Practitioner", "name": [{"text": report.author}]}
    condition = f"PractitionerRole?identifier=urn:cami:user|{report.author_login}"
    if report.author_snils:
        person["identifier"] = [{"system": _SNILS, "value": report.author_snils}]
    role = {
        "resourceType": "PractitionerRole",
        "identifier": [{"system": "urn:cami:user", "value": report.author_login}],
        "practitioner": {"reference": url["person"]},
        "organization": fhir.organization(oid),
    }
    entries = [
        _put(url["person"], person, f"Practitioner?identifier={_SNILS}|{report.author_snils}")
        if report.author_snils
        else _post(url["person"], person),
        _put(url["role"], role, condition),
    ]
    results = []
    for code, title, text in (
        ("1805", "Протокол исследования", report.findings),
        ("1806", "Заключение", report.conclusion),
        ("807", "Рекомендации", report.recommendations),
    ):
        if text:
            coding = {"system": _PARTS, "code": code, "display": title}
            observation = {
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [coding]},
                "subject": subject,
                "valueString": text,
            }
            entries.append(_post(url[code], observation))
            results.append({"reference": url[code]})
    forms = []
    for name, kind, data in (("pdf", "application/pdf", report.pdf), ("xml", "application/xml", report.xml)):
        if data:
            binary = {"resourceType": "Binary", "contentType": kind, "data": base64.b64encode(data).decode()}
            entries.append(_post(url[name], binary))
            forms.append({"contentType": kind, "url": url[name], "title": report.title})
    issued = fhir.written(report.issued, zone)
    orders = [f"ServiceRequest/{rendering.request_id(each.order.number)}" for each in studies]
    resource: Json = {
        "resourceType": "DiagnosticReport",
        "identifier": [{"system": terms.REPORT, "value": report.number}],
        "basedOn": [{"reference": address} for address in dict.fromkeys([*orders, *based_on])],
        "status": _status(report),
        "code": {"text": report.title},
        "subject": subject,
        "issued": issued,
        "performer": [fhir.organization(oid)],
        "resultsInterpreter": [{"reference": url["role"]}],
        "imagingStudy": [
            {"reference": f"ImagingStudy/{each.study_id}", "identifier": rendering.uid_identifier(each.study_uid)}
            for each in studies
        ],
        "result": results,
        "conclusion": report.conclusion,
        "presentedForm": forms,
    }
    entries.append(_post(url["report"], {name: value for name, value in resource.items() if value}))
    if report.signatures:
        proof = {
            "resourceType": "Provenance",
            "target": [
                # A signature is of the form that it names: nobody has signed the other.
                {"reference": url[each]}
                for each in ("xml", "pdf", "report")
                if each == "report" or (_has(report, each) and _signed(report, each))
            ],
            "recorded": issued,
            "agent": [{"who": {"reference": url["role"]}, "onBehalfOf": fhir.organization(oid)}],
            "signature": [_signature(each, url["role"], oid, zone) for each in report.signatures],
        }
        entries.append(_post(url["proof"], proof))
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _signed(report: SignedReport, name: str) -> bool:
    kind = "application/pdf" if name == "pdf" else "application/xml"
    return any(each.of == kind for each in report.signatures)


def _status(report: SignedReport) -> str:
    """Return the status: only what the author has signed is final, as the contract demands of both sides."""
    if not any(each.kind == "author" for each in report.signatures):
        return "preliminary"
    return "final" if report.version == 1 else "corrected"


def _signature(signature: Signature, role: str, oid: str, zone: ZoneInfo) -> Json:
    who = {"reference": role} if signature.kind == "author" else fhir.organization(oid)
    return {
        "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": _SIGNATURE[signature.kind]}],
        "when": fhir.written(signature.when, zone),
        "who": who,
        "targetFormat": signature.of,
        "sigFormat": signature.form,
        "data": base64.b64encode(signature.data).decode(),
    }


def _has(report: SignedReport, name: str) -> bool:
    return bool(report.pdf if name == "pdf" else report.xml)


def _url(report: SignedReport, name: str) -> str:
    """Return the same name for the same part of the same version, however often it is sent."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'urn:cami:report:{report.number}:{report.version}:{name}')}"


def _post(url: str, resource: Json) -> Json:
    return {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}


def _put(url: str, resource: Json, address: str) -> Json:
    return {"fullUrl": url, "resource": resource, "request": {"method": "PUT", "url": address}}
