"""Is it FHIR R4 at all? `fhir.resources` says so, and where not; what our contract asks beyond it: the profiles.

The library's R4B models are used: for the resources of the contract they are the same as R4 (4.0.1). They cost half a
second and 32 MB, so they are imported when the first resource comes (`docs/adr/0020`).
"""

import threading
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from cami.mis.problems import Problem

#: What the МИС may send.
TYPES = frozenset(
    {
        "Binary", "Bundle", "Condition", "DiagnosticReport", "Observation", "Parameters", "Patient", "Practitioner",
        "PractitionerRole", "Provenance", "ServiceRequest", "Subscription", "Task",
    }
)  # fmt: skip
#: Problems that one answer names at most.
MOST = 50
_importing = threading.Lock()


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
    from pydantic import ValidationError  # noqa: PLC0415 - comes with the models

    name = str(resource["resourceType"])
    try:
        model(name).model_validate(dict(resource))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [Problem(_code(each["type"]), expression(name, each["loc"])) for each in found[:MOST]]
    return []


def expression(root: str, place: Iterable[int | str]) -> str:
    """Return a place in a resource as FHIRPath."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return root + "".join(part for part in parts if not part.startswith(".__"))


def _code(kind: str) -> str:
    return "CAMI-0010" if kind == "missing" else "CAMI-0020"
