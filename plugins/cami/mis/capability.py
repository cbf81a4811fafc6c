"""``GET /metadata``: what this face can do (CapabilityStatement), made from what the code supports."""

from collections.abc import Mapping

from cami.mis.fhir import Json

VERSION = "1.0.0"
_READ_ONLY = ("read", "search-type")
_WRITABLE = ("read", "search-type", "create", "update")
RESOURCES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "Patient": (_WRITABLE, ("identifier",), ("merge", "unmerge")),
    "ServiceRequest": (
        _WRITABLE, ("identifier", "patient", "patient.identifier", "status", "_lastUpdated"), (),
    ),
    "Task": (
        _WRITABLE, ("identifier", "patient", "patient.identifier", "status", "focus", "_lastUpdated"), (),
    ),
    "ImagingStudy": (
        _READ_ONLY,
        ("identifier", "patient", "patient.identifier", "based-on", "modality", "started", "_lastUpdated"),
        ("viewer-launch",),
    ),
    "DiagnosticReport": (_WRITABLE, ("identifier", "patient", "patient.identifier", "based-on"), ()),
    "Practitioner": (_WRITABLE, ("identifier",), ()),
    "PractitionerRole": (_WRITABLE, ("identifier",), ()),
    "Condition": (_WRITABLE, ("identifier",), ()),
    "Observation": (_WRITABLE, ("identifier",), ()),
    "Provenance": (_WRITABLE, ("identifier",), ()),
    "Binary": (("read", "create"), (), ()),
    "Organization": (_WRITABLE, ("identifier",), ()),
    "HealthcareService": (_WRITABLE, ("identifier",), ()),
    "Device": (_READ_ONLY, ("identifier",), ()),
    "AuditEvent": (("search-type",), ("entity",), ()),
    "Subscription": (("read", "create", "update", "delete"), (), ("events",)),
}  # fmt: skip
_KINDS = {"identifier": "token", "status": "token", "modality": "token", "started": "date", "_lastUpdated": "date"}


def statement(base: str, date: str) -> Json:
    """Return the CapabilityStatement; `base` is the address of the centre."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "publisher": "ЦАМИ",
        "kind": "instance",
        "software": {"name": "CAMI", "version": VERSION},
        "implementation": {"description": "ЦАМИ–МИС 1.0", "url": f"{base}/cami/fhir"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "service": [
                        {
                            "coding": [
                                {
                                    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                                    "code": "OAuth",
                                }
                            ]
                        }
                    ],
                    "extension": [
                        {
                            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                            "extension": [{"url": "token", "valueUri": f"{base}/cami/oauth/token"}],
                        }
                    ],
                },
                "interaction": [{"code": "transaction"}],
                "resource": [_resource(name) for name in RESOURCES],
            }
        ],
    }


def _resource(name: str) -> Json:
    interactions, parameters, operations = RESOURCES[name]
    found: Json = {
        "type": name,
        "interaction": [{"code": code} for code in interactions],
        "versioning": "versioned-update",
        "conditionalCreate": "create" in interactions,
    }
    if parameters:
        found["searchParam"] = [{"name": each, "type": _KINDS.get(each, "reference")} for each in parameters]
    if operations:
        found["operation"] = [{"name": each, "definition": f"urn:cami:operation:{each}"} for each in operations]
    return found
