"""Is it FHIR R4 at all? `fhir.resources` says so, and where not; what our contract asks beyond it: the profiles.

The library's R4B models are used: for the resources of the contract they are the same as R4 (4.0.1). They cost half a
second and 32 MB, so they are imported when the first resource comes (`docs/adr/0020`).
"""

import re
import threading
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from cami.mis.problems import Problem

#: What the МИС may send.
TYPES = frozenset(
    {
        "Binary", "Bundle", "Condition", "DiagnosticReport", "HealthcareService", "Observation", "Organization",
        "Parameters", "Patient", "Practitioner", "PractitionerRole", "Provenance", "ServiceRequest", "Subscription",
        "Task",
    }
)  # fmt: skip
#: Problems that one answer names at most.
MOST = 50
_importing = threading.Lock()
_URI = re.compile(r"\S+")
_TEXT = re.compile(r"\S(.*\S)?")


def model(name: str) -> Any:
    """Return the model of a resource type; imported when it is first asked for."""
    with _importing:
        return import_module("fhir.resources.R4B").get_fhir_model_class(name)


def warm_up() -> None:
    """Import the models of the contract now, in the caller's thread."""
    for name in sorted(TYPES):
        model(name)


def problems_of(resource: Mapping[str, Any]) -> list[Problem]:
    """Return where a resource is not FHIR; its type must be one of `TYPES`."""
    name = str(resource["resourceType"])
    parts = _parts(resource)
    if parts is None:
        return _problems(name, name, resource)
    found: list[Problem] = []
    for place, part in parts:
        found += _problems(str(part["resourceType"]), place, part)
    return found[:MOST]


def _problems(name: str, place: str, resource: Mapping[str, Any]) -> list[Problem]:
    from pydantic import ValidationError  # noqa: PLC0415 - comes with the models

    try:
        model(name).model_validate(dict(resource))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [Problem(_code(each["type"]), expression(place, each["loc"])) for each in found[:MOST]]
    return []


def _parts(bundle: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]] | None:
    """Return the resources of a Bundle that has nothing around them but addresses; None: the models must judge it.

    The models take a third of their time for what is around: seven objects to say PUT and an address.
    """
    if set(bundle) != {"resourceType", "type", "entry"} or bundle["type"] != "transaction":
        return None
    if bundle["resourceType"] != "Bundle" or not isinstance(bundle["entry"], list):
        return None
    parts = [
        (f"Bundle.entry[{index}].resource", entry["resource"])
        for index, entry in enumerate(bundle["entry"])
        if isinstance(entry, dict) and _plain_entry(entry)
    ]
    return parts if parts and len(parts) == len(bundle["entry"]) else None


def _plain_entry(entry: Mapping[str, Any]) -> bool:
    request, resource, url = entry.get("request"), entry.get("resource"), entry.get("fullUrl", "urn:uuid:")
    if set(entry) - {"fullUrl", "resource", "request"} or not isinstance(resource, dict):
        return False
    if not isinstance(url, str) or not _URI.fullmatch(url) or not isinstance(request, dict):
        return False
    known = {"method", "url"} <= set(request) <= {"method", "url", "ifNoneExist", "ifMatch"}
    texts = known and all(isinstance(each, str) and _TEXT.fullmatch(each) for each in request.values())
    types = TYPES - {"Bundle"}
    return texts and request["method"] in ("PUT", "POST") and resource.get("resourceType") in types


def expression(root: str, place: Iterable[int | str]) -> str:
    """Return a place in a resource as FHIRPath."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return root + "".join(part for part in parts if not part.startswith(".__"))


def _code(kind: str) -> str:
    return "CAMI-0010" if kind == "missing" else "CAMI-0020"
