"""What must hold between the entries of a registry: nothing twice, nothing that points nowhere.

These checks read the raw document, so that they report beside the mistakes in single values and not after them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cami.region.marks import Document, Place
from cami.region.node_consistency import check_nodes
from cami.region.people import MO_ROLES, REGION_ROLES
from cami.region.terms import TIME, long_string

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def check_consistency(document: Document) -> None:
    """Report every contradiction between entries of `document`."""
    _codes(document)
    _oids(document)
    _ae_titles(document)
    _logins(document)
    _accounts(document)
    _provider(document)
    _destinations(document)
    _consultations(document)
    _hl7(document)
    for place, timetable in document.find("organizations", "*", "proxy", "link", "timetable"):
        _timetable(document, place, timetable)
    for place, organization in document.find("organizations", "*"):
        _institution_name(document, place, organization)
        check_nodes(document, place, organization)
    _terminators(document)


def _institution_name(document: Document, place: Place, organization: Any) -> None:
    """Report a short name of an МО with a proxy that Institution Name (0008,0080) cannot hold."""
    name = organization.get("short_name") if isinstance(organization, dict) and "proxy" in organization else None
    if isinstance(name, str):
        try:
            long_string(name)
        except ValueError as error:
            document.report((*place, "short_name"), str(error))


def _codes(document: Document) -> None:
    _unique(document, document.find("organizations", "*", "code"), "write another code, one МО has one")


def _oids(document: Document) -> None:
    found = [*document.find("centre", "oid"), *document.find("organizations", "*", "oid")]
    _unique(document, found, "write the organization's own OID")


def _ae_titles(document: Document) -> None:
    """AE titles are unique in the whole region.

    When two modalities share a title, Orthanc takes any address for it, so its host check can be bypassed; and it
    compares titles without regard to case.
    """
    found = [
        *document.find("centre", "aet"),
        *document.find("organizations", "*", "proxy", "aet"),
        *document.find("organizations", "*", "devices", "*", "aet"),
        *document.find("organizations", "*", "workstations", "*", "aet"),
    ]
    advice = "give each device a title of its own (small and capital letters are the same)"
    _unique(document, found, advice, key=str.upper)


def _logins(document: Document) -> None:
    _unique(document, document.find("accounts", "*", "login"), "give each person a login of their own")


def _destinations(document: Document) -> None:
    """Rules name destinations, so each name stands for one; other МО may use it for another."""
    for place, listed in document.find("organizations", "*", "proxy", "destinations"):
        names = (
            ((*place, index, "name"), entry.get("name"))
            for index, entry in enumerate(listed if isinstance(listed, list) else ())
            if isinstance(entry, dict)
        )
        _unique(document, names, "give each destination a name of its own")


def _terminators(document: Document) -> None:
    """Report addresses and ports that two terminators have: an МО is known at the centre by its address."""
    for field, advice in (("source", "give each МО an address of its own"), ("port", "give each МО a port of its own")):
        _unique(document, document.find("organizations", "*", "centre_dicom", field), advice)


def _consultations(document: Document) -> None:
    """Routes lead from МО to МО that there are, for profiles that there are; who approves is a doctor of that МО."""
    _unique(document, document.find("consultations", "routes", "*", "name"), "give each route a name of its own")
    _unique(document, document.find("consultations", "profiles", "*", "code"), "write another code")
    codes = {value for _, value in document.find("organizations", "*", "code")}
    profiles = {value for _, value in document.find("consultations", "profiles", "*", "code")}
    for field in ("from", "to"):
        _known(document, document.find("consultations", "routes", "*", field, "*"), codes, "МО with code")
    _known(document, document.find("consultations", "approval", "*", "mo"), codes, "МО with code")
    _known(document, document.find("consultations", "routes", "*", "profiles", "*"), profiles, "profile")
    doctors = {
        (account.get("login"), account.get("mo"))
        for _, account in document.find("accounts", "*")
        if isinstance(account, dict) and account.get("role") in ("clinician", "radiologist")
    }
    for place, approval in document.find("consultations", "approval", "*"):
        listed = approval.get("by") if isinstance(approval, dict) else None
        for index, login in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(login, str) and (login, approval.get("mo")) not in doctors:
                document.report((*place, "by", index), f'"{login}" is no doctor of this МО: who approves sees patients')


def _hl7(document: Document) -> None:
    """Systems have names of their own, and facilities stand for МО that there are."""
    _unique(document, document.find("hl7", "systems", "*", "name"), "give each system a name of its own")
    codes = {value for _, value in document.find("organizations", "*", "code")}
    named = document.find("hl7", "systems", "*", "facilities", "*", "mo")
    _known(document, [(place, code) for place, code in named if code], codes, "МО with code")
    for place, certificates in document.find("hl7", "systems", "*", "certificates"):
        asked = [value for _, value in document.find("hl7", "listen", "client_certificates")]
        if certificates and asked not in ([True], ["true"]):
            document.report(place, "set hl7.listen.client_certificates: nobody shows a certificate otherwise")


def _known(document: Document, found: Iterable[tuple[Place, Any]], known: set[Any], what: str) -> None:
    for place, value in found:
        if isinstance(value, str) and value not in known:
            document.report(place, f'there is no {what} "{value}"')


def _unique(
    document: Document, found: Iterable[tuple[Place, Any]], advice: str, key: Callable[[str], str] = str
) -> None:
    first: dict[str, Place] = {}
    for place, value in found:
        if not isinstance(value, str):
            continue
        if key(value) in first:
            line = document.line(first[key(value)])
            document.report(place, f'"{value}" is taken in line {line}: {advice}')
        else:
            first[key(value)] = place


def _accounts(document: Document) -> None:
    codes = {value for _, value in document.find("organizations", "*", "code")}
    for place, account in document.find("accounts", "*"):
        if not isinstance(account, dict):
            continue
        role, mo = account.get("role"), account.get("mo")
        if role in MO_ROLES and not mo:
            document.report((*place, "mo"), f"is missing: write the code of the МО that the {role} works for")
        elif role in REGION_ROLES and mo:
            document.report((*place, "mo"), f"remove it: {role} is a role of the whole region")
        elif mo and isinstance(mo, str) and mo not in codes:
            document.report((*place, "mo"), f'there is no МО with code "{mo}": write one of organizations[].code')


def _provider(document: Document) -> None:
    codes = {value for _, value in document.find("organizations", "*", "code")}
    for place, mo in document.find("people", "provider", "roles", "*", "mo"):
        if mo and isinstance(mo, str) and mo not in codes:
            document.report(place, f'there is no МО with code "{mo}": write one of organizations[].code')


def _timetable(document: Document, place: Place, timetable: Any) -> None:
    busy: dict[str, list[tuple[str, str, int]]] = {}
    for index, window in enumerate(timetable if isinstance(timetable, list) else ()):
        start, end = _bounds(window)
        if not start or not end:
            continue
        here = (*place, index)
        if start >= end:
            document.report(here, f'from "{start}" to "{end}" is no span: write two windows for hours over midnight')
            continue
        for day in _days(window):
            clash = next((other for s, e, other in busy.get(day, []) if start < e and s < end), None)
            if clash is not None:
                document.report(here, f"overlaps timetable[{clash}] on {day}: change the hours of one of them")
                break
            busy.setdefault(day, []).append((start, end, index))


def _bounds(window: Any) -> tuple[str, str]:
    if not isinstance(window, dict):
        return "", ""
    bounds = (str(window.get("from")), str(window.get("to")))
    return bounds if all(TIME.fullmatch(bound) for bound in bounds) else ("", "")


def _days(window: dict[str, Any]) -> Iterator[str]:
    days = window.get("days", _DAYS)
    yield from (day for day in days if isinstance(day, str)) if isinstance(days, (list, tuple)) else ()
