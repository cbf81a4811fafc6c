"""Rows of the index written as the core answers ``/tools/find``.

A tag is kept as the core answered it in its full form, ``{"Name", "Type", "Value"}``; the other two forms are made of
that. What the index does not hold (`Content.read` says so) the core answers, for the rows of the page.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from sqlalchemy import Row

from cami.archive import Level
from cami.index.criteria import Beyond
from cami.index.source import Kept
from cami.index.tags import COMPUTED, MODALITIES_IN_STUDY, SERIES_INSTANCES, STUDY_INSTANCES, core_tag
from cami.index.tags import STUDY_SERIES as STUDY_SERIES_COUNT

_PARTS = frozenset({"MainDicomTags", "RequestedTags"})
_OF_STUDY = (MODALITIES_IN_STUDY, STUDY_SERIES_COUNT, STUDY_INSTANCES)
_AVAILABILITY = "0008,0056"
"""The core tells it of instances only, and passes it over elsewhere."""


@dataclass(frozen=True, slots=True)
class Content:
    """What an answer is to hold of each study or series."""

    form: Literal["full", "short", "human"]
    main: bool
    """Main tags of the level, and of the patient at that of studies."""
    lists: bool
    """What the core adds when nobody says what is wanted (``ResponseContent``): parent, last update, labels."""
    requested: tuple[str, ...] | None
    """As ``gggg,eeee``; None if no tag was asked for by name."""

    @classmethod
    def read(cls, level: Level, rest: Mapping[str, Any], kept: Kept) -> Self | None:
        """Read the flags of a search; None: only ids are wanted.

        Raises
        ------
        Beyond
            Something is wanted that the index does not hold.
        """
        parts = rest.get("ResponseContent")
        if parts is None and not rest.get("Expand"):
            return None
        requested = tuple(core_tag(tag) for tag in rest["RequestedTags"]) if "RequestedTags" in rest else None
        # Without ResponseContent the core also answers whether a study is stable, and its children, which DICOMweb
        # asks for without looking at them: only in its way of asking they are left out.
        dicomweb = parts is None and bool(rest.get("Full")) and requested is not None
        if not (dicomweb or (parts is not None and _PARTS.issuperset(parts))):
            raise Beyond
        held = kept.study | kept.patient | (kept.series if level == "series" else frozenset())
        if requested is not None and not (held | COMPUTED.keys() | {_AVAILABILITY}).issuperset(requested):
            raise Beyond
        form: Literal["full", "short", "human"] = (
            "full" if rest.get("Full") else "short" if rest.get("Short") else "human"
        )
        return cls(form, dicomweb or "MainDicomTags" in (parts or ()), dicomweb, requested)


def study_answer(row: Row[Any], content: Content, kept: Kept) -> dict[str, Any]:
    """Write a study."""
    tags = json.loads(row.tags)
    answer: dict[str, Any] = {"ID": row.study_id, "Type": "Study"}
    if content.lists:
        answer |= {"Labels": [], "LastUpdate": row.last_update, "ParentPatient": row.patient_key}
    if content.main:
        answer["MainDicomTags"] = _formed(_main(tags, kept.study), content.form)
        answer["PatientMainDicomTags"] = _formed(_main(tags, kept.patient), content.form)
    if content.requested:
        answer["RequestedTags"] = _formed(_pick(tags | _study_counts(row), content.requested), content.form)
    return answer


def series_answer(row: Row[Any], content: Content, kept: Kept) -> dict[str, Any]:
    """Write a series."""
    tags = json.loads(row.series_tags)
    answer: dict[str, Any] = {"ID": row.series_id, "Type": "Series"}
    if content.lists:
        answer |= {"Labels": [], "LastUpdate": row.series_last_update, "ParentStudy": row.study_id}
    if content.main:
        answer["MainDicomTags"] = _formed(_main(tags, kept.series), content.form)
    if content.requested:
        counted = {SERIES_INSTANCES: _computed(SERIES_INSTANCES, str(row.series_instances))}
        answer["RequestedTags"] = _formed(_pick(json.loads(row.tags) | tags | counted, content.requested), content.form)
    return answer


def _study_counts(row: Row[Any]) -> dict[str, Any]:
    values = (row.modalities.strip("\\").upper(), str(row.series), str(row.instances))
    return {tag: _computed(tag, value) for tag, value in zip(_OF_STUDY, values, strict=True)}


def _computed(tag: str, value: str) -> dict[str, Any]:
    return {"Name": COMPUTED[tag], "Type": "String", "Value": value}


def _pick(tags: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    return {tag: tags[tag] for tag in sorted(set(wanted)) if tag in tags}


def _main(tags: Mapping[str, Any], level: frozenset[str]) -> dict[str, Any]:
    """Return the main tags of a level; the core leaves out those that have no value."""
    return {tag: value for tag, value in tags.items() if tag in level and value.get("Type") != "Null"}


def _formed(tags: Mapping[str, Any], form: str) -> dict[str, Any]:
    """Write tags in the form that was asked for."""
    if form == "full":
        return dict(tags)
    if form == "short":
        return {tag: _plain(value, form) for tag, value in tags.items()}
    return {value["Name"]: _plain(value, form) for value in tags.values()}


def _plain(value: Mapping[str, Any], form: str) -> Any:
    if value.get("Type") == "Sequence":
        return [_formed(item, form) for item in value["Value"]]
    return value.get("Value")
