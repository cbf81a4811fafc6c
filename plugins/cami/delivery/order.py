"""What to send next: classes of priority, and a turn for each instance.

Classes (F-04): emergencies and what somebody waits for (`URGENT`) go before everything else. The rest is ordered by one
number, the *turn*: a moment in time that is given to an instance when it comes in and only moves when its study's class
does. It is the moment at which the study began to arrive, plus the time that the study's earlier parts would take on a
line of 2 Mbit/s, plus the patience of its class. So the parts of a small study come before the tail of a large one,
studies that arrive together share the line, and nothing starves: later studies get ever later turns.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import IntEnum
from types import MappingProxyType

#: Bytes a second of the line for which turns are reckoned (2 Mbit/s, as most МО have).
NOMINAL_RATE = 250_000


class Priority(IntEnum):
    """Class of a study in the queue, most urgent first."""

    EMERGENCY = 0
    """P0: экстренно (Cito!)."""
    AWAITED = 1
    """P1: somebody is waiting: an open consultation, «Запросить из МО», the viewer opened."""
    PLANNED = 2
    """P2: today's work."""
    PRIOR = 3
    """P3: earlier studies, on request."""
    BACKFILL = 4
    """P4: the old archive."""


class Part(IntEnum):
    """Place of an instance within its study."""

    LEADING = 0
    """Localizers, reports, key images: small, and they tell a reader what there is."""
    MAIN = 1
    THIN = 2
    """Thin series of CT and MR, hundreds of slices that are read last."""


#: What goes strictly first, and has the line to itself (`cami.delivery.right_of_way`).
URGENT = frozenset([Priority.EMERGENCY, Priority.AWAITED])
#: Every class.
ALL = frozenset(Priority)

#: How much later than its arrival the class lets a study be. Only P2 to P4 compete by turn.
PATIENCE: Mapping[Priority, timedelta] = MappingProxyType(
    {
        Priority.EMERGENCY: timedelta(),
        Priority.AWAITED: timedelta(),
        Priority.PLANNED: timedelta(),
        Priority.PRIOR: timedelta(hours=2),
        Priority.BACKFILL: timedelta(hours=24),
    }
)
#: Slices thinner than this (mm) make a thin series.
THIN_BELOW = 2.0
#: How far ahead of the rest of the study its leading part goes, however late it comes in.
LEADING_GOES = timedelta(seconds=5)
#: Thin slices let the thick ones of their study pass although these may come in later.
THIN_WAITS = timedelta(seconds=60)

_LEADING_MODALITIES = frozenset({"SR", "KO", "PR", "DOC"})


def part_of(modality: str, image_type: str, slice_thickness: str) -> Part:
    """Tell the place of an instance within its study.

    Parameters
    ----------
    modality
        (0008,0060).
    image_type
        (0008,0008), values joined by backslashes; value 3 of a CT or MR localizer is ``LOCALIZER`` (PS3.3 C.8.2.1.1.1).
    slice_thickness
        (0018,0050) in mm as text; anything else than a number is no thickness.
    """
    if modality in _LEADING_MODALITIES or "LOCALIZER" in image_type.upper().split("\\"):
        return Part.LEADING
    try:
        thickness = float(slice_thickness)
    except ValueError:
        return Part.MAIN
    return Part.THIN if modality in ("CT", "MR", "PT") and 0 < thickness < THIN_BELOW else Part.MAIN


#: Where something stands among all that is sent: strictly by class as long as that is urgent, then by turn.
Rank = tuple[int, float]
LAST: Rank = (Priority.PLANNED, float("inf"))


def rank(priority: int, turn: float) -> Rank:
    """Return the rank of an instance: the least goes first."""
    return min(priority, Priority.PLANNED), turn


def offset(part: Part, bytes_before: int) -> float:
    """Return by how many seconds an instance's turn comes after its study's beginning.

    Parameters
    ----------
    part
        Its place within the study.
    bytes_before
        Size of what has come in of the study so far, in the main part and, for thin slices, in that part.
    """
    if part is Part.LEADING:
        return 0.0
    return (
        LEADING_GOES.total_seconds()
        + bytes_before / NOMINAL_RATE
        + (THIN_WAITS.total_seconds() if part is Part.THIN else 0.0)
    )
