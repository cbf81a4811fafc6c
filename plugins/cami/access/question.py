"""A question to ``/tools/find``, read strictly: what is not understood is not asked.

DICOMweb 1.20 and 1.24 and Orthanc Explorer ask ``Level``, ``Query``, ``Expand``, ``Full``, ``Limit``, ``Since``,
``RequestedTags`` and ``ResponseContent``; tags come as keywords, ``0020,000d``, ``0020-000d`` or ``0020000D``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cami.archive import Level
from cami.errors import Invalid
from cami.index import tag_name

_LEVELS: Mapping[str, Level] = {
    "PATIENT": "patients",
    "PATIENTS": "patients",
    "STUDY": "studies",
    "STUDIES": "studies",
    "SERIES": "series",
    "INSTANCE": "instances",
    "INSTANCES": "instances",
    "IMAGE": "instances",
    "IMAGES": "instances",
}
CORE_LEVELS: Mapping[Level, str] = {
    "patients": "Patient",
    "studies": "Study",
    "series": "Series",
    "instances": "Instance",
}
_UID = re.compile(r"[0-9.]{1,64}")
_UID_TAGS = {
    "StudyInstanceUID": "0020000d",
    "SeriesInstanceUID": "0020000e",
    "SOPInstanceUID": "00080018",
}
#: How many studies, series, instances the *patient* has: in all МО together.
_PATIENT_COUNTS = frozenset(
    {
        "00201200",
        "00201202",
        "00201204",
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
    }
)
_FLAGS = ("CaseSensitive", "Expand", "Full", "Short")
_PARENTS = ("ParentPatient", "ParentStudy", "ParentSeries")
_RESPONSE_CONTENT = frozenset(
    {"Children", "IsStable", "MainDicomTags", "Metadata", "Parent", "RequestedTags", "Status"}
)
_KNOWN = frozenset(
    {"Level", "Query", "Limit", "Since", "RequestedTags", "ResponseContent", "Labels", "LabelsConstraint"}
    | set(_FLAGS)
    | set(_PARENTS)
)


@dataclass(frozen=True, slots=True)
class Question:
    """What a person or the DICOMweb plugin wants to know."""

    level: Level
    query: Mapping[str, str]
    since: int = 0
    limit: int = 0
    """0: no limit."""
    parents: Mapping[str, str] = field(default_factory=dict)
    rest: Mapping[str, Any] = field(default_factory=dict)
    """Flags, requested tags and response content, cleaned."""
    hopeless: bool = False
    """Nothing can match: a UID that is none, or a label (they are ours and shown to nobody)."""

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read a body of ``/tools/find``.

        Raises
        ------
        cami.errors.Invalid
            It is not one, or it uses what is not for people (ordering, metadata).
        """
        unknown = set(body) - _KNOWN
        if unknown:
            raise Invalid("not supported here: " + ", ".join(sorted(name for name in unknown if name.isalnum())))
        level = _LEVELS.get(str(body.get("Level", "")).upper())
        if level is None:
            raise Invalid("Level must be Study, Series or Instance")
        query = _query(body)
        return cls(
            level=level,
            query=query,
            since=_natural(body, "Since"),
            limit=_natural(body, "Limit"),
            parents=_parents(body, level),
            rest=_rest(body),
            hopeless=bool(body.get("Labels")) or not all(_uids(query[name]) for name in query if _is_uid(name)),
        )

    def exact_uids(self, keyword: str) -> list[str] | None:
        """Return the UIDs that the question names for `keyword`; None if it names none, or in two ways."""
        values = [value for name, value in self.query.items() if tag_name(name) in (keyword, _UID_TAGS[keyword])]
        if len(values) != 1:
            return None
        return _uids(values[0]) or None

    def one_image(self) -> tuple[str, str, str] | None:
        """Return the UIDs of study, series and image, if it names one image by all three and wants its id alone."""
        if self.level != "instances" or self.parents or self.since or any(self.rest.values()):
            return None
        named = [self.exact_uids(keyword) or [] for keyword in _UID_TAGS]
        if len(self.query) != len(named) or any(len(uids) != 1 for uids in named):
            return None
        (study_uid,), (series_uid,), (sop_uid,) = named
        return study_uid, series_uid, sop_uid

    def to_core(self, **more: Any) -> dict[str, Any]:
        """Return the body for the core, without parents, since and limit; `more` is added."""
        return {"Level": CORE_LEVELS[self.level], "Query": dict(self.query), **self.rest, **more}


def _is_uid(name: str) -> bool:
    return tag_name(name) in _UID_TAGS or tag_name(name) in _UID_TAGS.values()


def _uids(value: str) -> list[str]:
    """Return the UIDs of a list; empty if one of them is none, so that nothing can match."""
    uids = [uid.strip(" \0") for uid in re.split(r"[\\,]", value)]
    return uids if all(_UID.fullmatch(uid) for uid in uids) else []


def _query(body: Mapping[str, Any]) -> dict[str, str]:
    query = body.get("Query", {})
    if not isinstance(query, Mapping) or not all(isinstance(value, str) for value in query.values()):
        raise Invalid("Query must be an object of texts")
    # ``*`` and nothing match everything (PS3.4 C.2.2.2.3); the core takes no wildcard for a UID.
    return {
        name: value
        for name, value in query.items()
        if tag_name(name) not in _PATIENT_COUNTS and not (_is_uid(name) and value in ("", "*"))
    }


def _natural(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Invalid(f"{name} must be a natural number")
    return value


def _parents(body: Mapping[str, Any], level: Level) -> dict[str, str]:
    parents = {name: body[name] for name in _PARENTS if name in body}
    if not all(isinstance(value, str) for value in parents.values()):
        raise Invalid("ParentPatient, ParentStudy and ParentSeries must be texts")
    if level == "studies" and "ParentSeries" in parents:
        raise Invalid("a study has no ParentSeries")
    return parents


def _rest(body: Mapping[str, Any]) -> dict[str, Any]:
    rest: dict[str, Any] = {name: bool(body[name]) for name in _FLAGS if name in body}
    if "RequestedTags" in body:
        rest["RequestedTags"] = [tag for tag in _texts(body, "RequestedTags") if tag_name(tag) not in _PATIENT_COUNTS]
    if "ResponseContent" in body:
        rest["ResponseContent"] = [part for part in _texts(body, "ResponseContent") if part in _RESPONSE_CONTENT]
    return rest


def _texts(body: Mapping[str, Any], name: str) -> list[str]:
    values = body[name]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise Invalid(f"{name} must be a list of texts")
    return values
