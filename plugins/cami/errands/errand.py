"""What an errand is, and how it may end: the same types at the centre and at a proxy."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from cami.delivery.order import Priority
from cami.errors import Invalid


class Kind(StrEnum):
    """What the centre can want of a proxy.

    A new kind is a new member here and a handler at the proxy (`cami.errands.Runner`). A proxy of an older release
    answers `Outcome.UNSUPPORTED` to a kind that it does not know, so kinds can be added but never change their meaning.
    """

    BRING = "bring"
    """Bring what the centre has made for the study, by Orthanc ids (`details`: ``instances``): a signed answer."""
    GUESTS = "guests"
    """What is granted to the МО has changed: ask for it. About no study."""
    LOWER = "lower"
    """Nobody waits for the study any more: back to the class that it had before `RAISE`."""
    RAISE = "raise"
    """Somebody waits for the study: its class becomes the errand's, unless it is more urgent already."""
    REMOVE = "remove"
    """The study was deleted at the centre by two people's decision: the copy here goes too (F-56)."""
    SEND = "send"
    """«Запросить из МО» (F-19): send the study, again if need be, in the errand's class."""


class Outcome(StrEnum):
    """How an errand ended."""

    DONE = "done"
    """It is done, or the proxy has written down durably that it will do it."""
    REFUSED = "refused"
    """It cannot be done; the reason says why."""
    UNKNOWN = "unknown"
    """The proxy knows no such study."""
    UNSUPPORTED = "unsupported"
    """The proxy's release does not know the kind."""


@dataclass(frozen=True, slots=True)
class Study:
    """The study that an errand is about, by both of its names."""

    study_id: str = ""
    """Orthanc id; the same on both sides. Empty for errands that are about no study."""
    study_uid: str = ""


NO_STUDY = Study()


@dataclass(frozen=True, slots=True)
class Errand:
    """Something that the centre wants of one proxy."""

    number: int
    kind: str
    """A member of `Kind`, or at a proxy of an older release a word that it does not know."""
    study: Study
    priority: Priority
    cause: str
    """Why, as a code: ``request``, ``viewer``, ``consultation`` …"""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else the kind needs; never anything that names a patient."""

    def to_json(self) -> dict[str, Any]:
        """Return the errand as it goes over the wire."""
        return {
            "id": self.number,
            "kind": self.kind,
            "study_id": self.study.study_id,
            "study_uid": self.study.study_uid,
            "priority": int(self.priority),
            "cause": self.cause,
            "details": dict(self.details),
        }

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` has written.

        Raises
        ------
        cami.errors.Invalid
            It is no errand.
        """
        try:
            return cls(
                number=int(document["id"]),
                kind=str(document["kind"]),
                study=Study(str(document["study_id"]), str(document["study_uid"])),
                priority=Priority(document["priority"]),
                cause=str(document["cause"]),
                details=dict(document["details"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Invalid("the centre's answer holds no errand") from error


@dataclass(frozen=True, slots=True)
class Report:
    """What a proxy answers about an errand."""

    outcome: Outcome
    reason: str = ""
    """A code of small letters, digits and hyphens; empty when there is nothing to say."""


DONE = Report(Outcome.DONE)
UNKNOWN = Report(Outcome.UNKNOWN)


def written(details: Mapping[str, Any]) -> str:
    """Write details so that equal ones are equal texts."""
    return json.dumps(dict(details), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
