"""Parameters of a search, read: tokens, dates, counts, and the place where a page begins (FHIR R4, search.html)."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from cami.mis import fhir, terms
from cami.mis.problems import refuse
from cami.mis.studies import OrderedStudy
from cami.orders import OrderQuery

MOST = 200
USUAL = 50


def by_identifier(query: OrderQuery, system: str, value: str) -> OrderQuery:
    """Narrow a query to one identifier: a Study UID, an accession number, or the МИС's own."""
    if system == terms.DICOM_UID:
        return replace(query, study_uid=value.removeprefix("urn:oid:"))
    if system == terms.ACCESSION:
        return replace(query, accession=value)
    return replace(query, identifier=(system, value))


def token(text: str) -> tuple[str, str]:
    """Return system and value of a token ``system|value``."""
    system, bar, value = text.partition("|")
    return (system, value) if bar else ("", system)


def changed(query: OrderQuery, text: str, zone: ZoneInfo) -> OrderQuery:
    """Narrow a query by ``_lastUpdated``, with its prefix."""
    prefix, value = (text[:2], text[2:]) if text[:2].isalpha() else ("ge", text)
    moment = fhir.moment(value, zone)
    if moment is None or prefix not in ("ge", "gt", "lt", "le", "sa", "eb"):
        raise refuse(400, "CAMI-0026", "_lastUpdated")
    if prefix in ("ge", "gt", "sa"):
        return replace(query, changed_from=moment)
    return replace(query, changed_until=moment)


def fits(found: OrderedStudy, given: Mapping[str, str]) -> bool:
    """Say whether a study is of the modality and the day that are asked for."""
    if "modality" in given and token(given["modality"])[1] not in found.modalities:
        return False
    day = given.get("started", "")
    prefix, wanted = (day[:2], day[2:]) if day[:2].isalpha() else ("eq", day)
    if not wanted:
        return True
    have, wanted = found.started[:8], wanted[:10].replace("-", "")
    return {
        "eq": have == wanted, "ge": have >= wanted, "gt": have > wanted, "le": have <= wanted, "lt": have < wanted,
    }.get(prefix, False)  # fmt: skip


def count(given: Mapping[str, str]) -> int:
    """Return how many a page may hold."""
    text = given.get("_count", str(USUAL))
    if not text.isdecimal() or not 0 < int(text) <= 10_000:
        raise refuse(400, "CAMI-0026", "_count")
    return min(int(text), MOST)


def place(query: OrderQuery) -> str:
    """Write where the next page begins."""
    moment, number = query.after or (None, 0)
    text = json.dumps([moment.isoformat() if moment else "", number])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_place(text: str) -> tuple[datetime, int]:
    """Read where a page begins."""
    try:
        padded = text + "=" * (-len(text) % 4)
        moment, number = json.loads(base64.urlsafe_b64decode(padded))
        return datetime.fromisoformat(moment), int(number)
    except (binascii.Error, ValueError, TypeError) as error:
        raise refuse(400, "CAMI-0026", "_page") from error
