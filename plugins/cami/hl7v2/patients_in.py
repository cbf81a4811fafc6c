"""PID as a Patient."""

import re
from typing import Any

from cami.hl7v2.message import Segment
from cami.hl7v2.peers import numbers
from cami.orders import SNILS
from cami.region import System

_GENDERS = {"M": "male", "F": "female", "O": "other", "A": "other", "": "unknown", "U": "unknown", "N": "other"}
_DAY = re.compile(r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:[0-9]{2,6}(?:\.[0-9]+)?)?(?:[+-][0-9]{4})?)?)?")


def patient(segment: Segment, system: System) -> dict[str, Any]:
    """Return a PID segment as a Patient; what is missing the profile finds."""
    identifiers = numbers(system, segment, 3)
    social = segment.text(19)  # SSN: where systems of version 2.3 keep a СНИЛС
    if social and not any(each["system"] == SNILS for each in identifiers):
        identifiers.append({"system": SNILS, "value": social})
    given = [part for part in (segment.text(5, 2), segment.text(5, 3)) if part]
    return {
        "resourceType": "Patient",
        "identifier": identifiers,
        "active": True,
        "name": [{"use": "official", "family": segment.text(5, 1), "given": given}],
        "gender": _GENDERS.get(segment.text(8).upper(), "unknown"),
        "birthDate": day(segment.text(7)),
    }


def day(text: str) -> str:
    """Return the date of an HL7 time as FHIR writes it; empty if it is none."""
    found = _DAY.fullmatch(text)
    return "-".join(filter(None, found.groups())) if found else ""
