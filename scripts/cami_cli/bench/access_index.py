"""What a search costs in the study index itself: `Visibility.find` with the body that QIDO-RS asks with, and its JSON.

Without Orthanc, its HTTP server and the DICOMweb plugin: their cost does not depend on the number of studies.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from cami.access import Identity, Role, Visibility
from cami.db import open_engine
from cami.index import StudyIndex
from cami.index.source import Kept
from cami_cli.bench.access_rows import Filled
from cami_cli.errors import Trouble

_REQUESTED = [
    "0008,0020",
    "0008,0030",
    "0008,0050",
    "0008,0056",
    "0008,0061",
    "0008,0090",
    "0008,0201",
    "0010,0010",
    "0010,0020",
    "0010,0030",
    "0010,0040",
    "0020,000d",
    "0020,0010",
    "0020,1206",
    "0020,1208",
]


@dataclass(frozen=True, slots=True)
class Timing:
    """What one kind of search costs, in milliseconds."""

    p50: float
    p95: float
    found: int


class _Fresh:
    kept = Kept(frozenset(_REQUESTED) | {"0008,1030"}, frozenset(), frozenset())
    state = "fresh"


class _NoArchive:
    def __getattr__(self, name: str) -> Callable[..., Any]:
        raise Trouble(f"the index did not answer, the core was asked ({name})", "look at cami.index.criteria")


def searches(filled: Filled) -> Mapping[str, Mapping[str, str]]:
    """Return what is asked, by name."""
    return {
        "newest 20": {},
        "by patient": {"0010,0020": filled.patient_id},
        "month, newest 20": {"0008,0020": "20240301-20240331"},
        "beginning of a name": {"0010,0010": "ИВАН*"},
        "common part of a name": {"0010,0010": "*ова*"},
        "rare part of a name": {"0010,0010": "*ЩЕРБАКМОР*"},
        "part of a name in Latin letters": {"0010,0010": "*sidor*"},
        "name that nobody has": {"0010,0010": "*нетакогоимени*"},
        "part of a name and a modality": {"0010,0010": "*кузн*", "0008,0061": "CT"},
    }


def time_searches(filled: Filled, mo: str, *, repeats: int) -> dict[str, Timing]:
    """Ask everything `repeats` times, in turns."""
    engine = open_engine(filled.url)
    try:
        archive: Any = _NoArchive()
        fresh: Any = _Fresh()
        visibility = Visibility("central", "", archive, engine, StudyIndex(engine, fresh))
        doctor = Identity("doctor", "", Role.RADIOLOGIST, mo)
        asked = searches(filled)
        times: dict[str, list[float]] = {name: [] for name in asked}
        found: dict[str, int] = {}
        for turn in range(repeats + 1):
            for name, query in asked.items():
                began = time.perf_counter()
                answers = visibility.find(doctor, _body(query))
                json.dumps(answers, ensure_ascii=False)
                if turn:  # the first turn opens the file and compiles the statements
                    times[name].append(1000 * (time.perf_counter() - began))
                found[name] = len(answers)
    finally:
        engine.dispose()
    return {name: _timing(series, found[name]) for name, series in times.items()}


def _timing(series: Sequence[float], found: int) -> Timing:
    cuts = quantiles(series, n=20)
    return Timing(cuts[9], cuts[18], found)


def _body(query: Mapping[str, str]) -> dict[str, Any]:
    return {
        "CaseSensitive": False,
        "Expand": True,
        "Full": True,
        "Level": "Study",
        "Limit": 20,
        "Query": dict(query),
        "RequestedTags": _REQUESTED,
        "Since": 0,
    }
