"""Which earlier studies of a patient are worth the line: one pure choice (F-04, class P3).

A radiologist compares like with like: first the same region of the body by the same modality, then the same modality,
then the same region, then anything; the newest first among equals.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from cami.errors import Transient
from cami.region import Prefetch

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Prior:
    """An earlier study of a patient at the centre."""

    study_id: str
    issuer: str
    study_date: str
    modalities: frozenset[str]
    body_parts: frozenset[str]
    instances: int
    size: int


@dataclass(frozen=True, slots=True)
class Visit:
    """The study for whose sake earlier ones are wanted; what is not known is empty."""

    issuer: str = ""
    modalities: frozenset[str] = frozenset()
    body_parts: frozenset[str] = frozenset()


def values(text: str) -> frozenset[str]:
    """Return the values that backslashes part."""
    return frozenset(value for value in text.split("\\") if value)


def parse_prior(document: Mapping[str, Any]) -> Prior:
    """Read an entry of the answer of ``/cami/wire/v1/priors``.

    Raises
    ------
    cami.errors.Transient
        It is none.
    """
    try:
        return Prior(
            study_id=str(document["study_id"]),
            issuer=str(document["issuer"]),
            study_date=str(document["study_date"]),
            modalities=values(str(document["modalities"])),
            body_parts=values(str(document["body_parts"])),
            instances=int(document["instances"]),
            size=int(document["size"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Transient("the centre's answer is no list of studies: is something else at its address?") from error


def choose(rules: Prefetch, visit: Visit, found: Sequence[Prior], *, here: Collection[str], today: date) -> list[Prior]:
    """Choose what to fetch, in that order.

    Parameters
    ----------
    rules
        How many, how old, how large.
    visit
        What the patient comes for.
    found
        What the centre has of this patient.
    here
        Studies that need not be fetched; they count, for they are what a reader compares with.
    today
        What ages are counted from.
    """
    fitting = [prior for prior in found if _same_person(visit, prior) and _young(prior, rules, today)]
    # Stable: first by date, then by likeness.
    fitting.sort(key=lambda prior: _day(prior) or date.min, reverse=True)
    fitting.sort(key=lambda prior: _unlikeness(visit, prior))
    wanted = fitting[: rules.count]
    room = rules.max_mb * _MB
    chosen = []
    for prior in wanted:
        if prior.study_id not in here and prior.size <= room:
            room -= prior.size
            chosen.append(prior)
    return chosen


def _same_person(visit: Visit, prior: Prior) -> bool:
    """Say whether two equal Patient IDs may be one person's: not if two issuers gave them."""
    return not visit.issuer or not prior.issuer or visit.issuer == prior.issuer


def _day(prior: Prior) -> date | None:
    """Return the Study Date; None where a device has written none, or nonsense."""
    try:
        return date.fromisoformat(prior.study_date)
    except ValueError:
        return None


def _young(prior: Prior, rules: Prefetch, today: date) -> bool:
    day = _day(prior)
    return day is None or (today - day).days <= rules.years * 366


def _unlikeness(visit: Visit, prior: Prior) -> int:
    modality = bool(visit.modalities & prior.modalities)
    region = bool(visit.body_parts & prior.body_parts)
    return 3 - 2 * modality - region
