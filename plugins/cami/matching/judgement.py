"""Which order a study belongs to: one pure judgement (design §5, reference/domain.md §3.5).

First the number or the UID that the worklist gave, then the patient's number with modality, device and time. A name
never links: it may contradict, or suggest. Whatever is in doubt is left to a person.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cami.matching.states import Cause, Finding, State

#: Modalities that are ordered and made under each other's names.
_RADIOGRAPHY = frozenset({"CR", "DX", "RG"})
#: From what score on a study belongs to an order without anybody's word, and by how much it must be ahead of others.
SURE, AHEAD = 80, 10
_NEAR, _FAR = timedelta(hours=4), timedelta(days=1)
_WITHDRAWN = frozenset({"cancelled", "annulled"})

_SCORES = {
    Finding.ID: 50,
    Finding.NAME: 15,
    Finding.BIRTH: 15,
    Finding.SEX: 0,
    Finding.NAME_OTHER: -30,
    Finding.BIRTH_OTHER: -40,
    Finding.SEX_OTHER: -30,
    Finding.MODALITY: 20,
    Finding.DEVICE: 10,
    Finding.DEVICE_OTHER: -5,
    Finding.HOURS: 15,
    Finding.DAY: 10,
    Finding.NEXT_DAY: 0,
}
#: What says that patient and patient are two people, unless their number says that they are one.
_AGAINST = frozenset({Finding.NAME_OTHER, Finding.BIRTH_OTHER, Finding.SEX_OTHER})


@dataclass(frozen=True, slots=True)
class Study:
    """What a study says of itself."""

    study_id: str
    study_uid: str
    owner: str
    patient_id: str = ""
    patient_name: str = ""
    birth_date: str = ""
    """YYYYMMDD."""
    sex: str = ""
    accession: str = ""
    modalities: tuple[str, ...] = ()
    device: str = ""
    """AE title; empty: not known."""
    day: str = ""
    description: str = ""
    began_at: datetime | None = None
    """When its first image came in."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order that may be meant."""

    number: int
    accession: str
    study_uid: str
    modality: str
    device: str
    state: str
    patient: str
    """Key of the patient, merges followed."""
    patient_name: str = ""
    """Folded, in Latin letters: of the study alike."""
    birth_date: str = ""
    sex: str = ""
    scheduled_at: datetime | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """An order with what speaks for and against it."""

    number: int
    score: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of it."""

    state: State
    order: int | None = None
    cause: Cause | None = None
    score: int = 0
    findings: tuple[Finding, ...] = ()
    candidates: tuple[Scored, ...] = field(default=())
    """The best first."""


def judge(
    study: Study,
    candidates: Sequence[Candidate],
    *,
    holders: Collection[str],
    latin_name: str,
    parted: Collection[int] = (),
) -> Verdict:
    """Judge a study.

    Parameters
    ----------
    candidates
        Orders of the same МО: with its number, with its UID, of its patient, and those near in time.
    holders
        Keys of the patients who have the study's Patient ID for a number, merges followed.
    latin_name
        The study's Patient's Name, folded, in Latin letters.
    parted
        Orders that a person has parted it from: these it is not linked to again without a person.
    """
    compared = {one.number: compare(study, one, holders=holders, latin_name=latin_name) for one in candidates}
    scored = {number: Scored(number, score(found), found) for number, found in compared.items()}
    said = [one for one in candidates if one.number not in parted and _named(compared[one.number])]
    if said:
        return _by_number(said, scored)
    likely = [
        scored[one.number]
        for one in candidates
        if one.number not in parted and one.state not in _WITHDRAWN and _may_be(compared[one.number])
    ]
    likely.sort(key=lambda each: (-each.score, each.number))
    identified = [one for one in likely if Finding.ID in one.findings and not _AGAINST & set(one.findings)]
    if identified and identified[0].score >= SURE and _is_ahead(identified[0], likely):
        best = identified[0]
        return Verdict(State.LINKED, best.number, Cause.PATIENT, best.score, best.findings, tuple(likely))
    return Verdict(State.SUGGESTED if likely else State.UNMATCHED, candidates=tuple(likely))


def compare(study: Study, order: Candidate, *, holders: Collection[str], latin_name: str) -> tuple[Finding, ...]:
    """Return what agrees between a study and an order, and what does not; what one of them does not say is neither."""
    found = [Finding.UID] if study.study_uid == order.study_uid else []
    if study.accession:
        found.append(Finding.ACCESSION if study.accession == order.accession else Finding.ACCESSION_OTHER)
    if holders:
        found.append(Finding.ID if order.patient in holders else Finding.ID_OTHER)
    for mine, theirs, same, other in (
        (latin_name, order.patient_name, Finding.NAME, Finding.NAME_OTHER),
        (study.birth_date, order.birth_date, Finding.BIRTH, Finding.BIRTH_OTHER),
        (study.sex, order.sex, Finding.SEX, Finding.SEX_OTHER),
    ):
        if mine and theirs:
            found.append(same if mine == theirs else other)
    if study.modalities:
        alike = any(_kind(one) == _kind(order.modality) for one in study.modalities)
        found.append(Finding.MODALITY if alike else Finding.MODALITY_OTHER)
    if study.device and order.device:
        found.append(Finding.DEVICE if study.device == order.device else Finding.DEVICE_OTHER)
    if (time := _time(study, order)) is not None:
        found.append(time)
    if order.state in _WITHDRAWN:
        found.append(Finding.WITHDRAWN)
    return tuple(found)


def _by_number(said: Sequence[Candidate], scored: dict[int, Scored]) -> Verdict:
    """Judge by what the worklist gave: it holds, unless something says that this is somebody or something else."""
    listed = tuple(sorted((scored[one.number] for one in said), key=lambda each: (-each.score, each.number)))
    if len(said) > 1:
        return Verdict(State.CONTRADICTORY, listed[0].number, None, 0, (Finding.TWO_ORDERS,), listed)
    (one,) = listed
    found = set(one.findings)
    cause = Cause.UID if Finding.UID in found else Cause.ACCESSION
    against = found & {Finding.ID_OTHER, Finding.MODALITY_OTHER, Finding.WITHDRAWN}
    against |= (found & _AGAINST) if Finding.ID not in found else set()
    if Finding.ID in found and {Finding.NAME_OTHER, Finding.BIRTH_OTHER} <= found:
        against.add(Finding.NAME_OTHER)  # a card number that two people share
    if against:
        return Verdict(State.CONTRADICTORY, one.number, cause, 0, one.findings, listed)
    known = Finding.ID in found or {Finding.NAME, Finding.BIRTH} <= found
    if known or cause is Cause.UID:
        return Verdict(State.LINKED, one.number, cause, 100 if known else 90, one.findings, listed)
    return Verdict(State.SUGGESTED, None, None, 0, (), listed)


def _named(found: Collection[Finding]) -> bool:
    return Finding.UID in found or Finding.ACCESSION in found


def _may_be(found: Collection[Finding]) -> bool:
    """Say whether an order is worth a look: the same person or a namesake, the same kind of images, about that time."""
    person = Finding.ID in found or (
        Finding.ID_OTHER not in found and Finding.NAME in found and Finding.BIRTH_OTHER not in found
    )
    when = {Finding.HOURS, Finding.DAY, Finding.NEXT_DAY} & set(found)
    return person and Finding.MODALITY in found and bool(when)


def _is_ahead(best: Scored, others: Sequence[Scored]) -> bool:
    return all(best.score - each.score >= AHEAD for each in others if each.number != best.number)


def score(found: Collection[Finding]) -> int:
    """Return how likely an order is meant, 0 to 100."""
    return max(0, min(100, sum(_SCORES.get(each, 0) for each in found)))


def _kind(modality: str) -> str:
    return "DX" if modality in _RADIOGRAPHY else modality


def _time(study: Study, order: Candidate) -> Finding | None:
    planned = order.scheduled_at or order.created_at
    if study.began_at is None or planned is None:
        return None
    apart = abs(study.began_at - planned)
    if apart <= _NEAR:
        return Finding.HOURS
    if apart <= _FAR:
        return Finding.DAY
    return Finding.NEXT_DAY if apart <= 2 * _FAR else Finding.TIME_OTHER
