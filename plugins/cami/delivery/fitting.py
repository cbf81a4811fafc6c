"""What fits a line: how many objects are on their way at a time, and in which pieces (docs/benchmarks.md, "delivery").

A connection waits for answers and recovers from each loss; so several are needed to fill a line, the more the faster it
is. What all of them have begun together must stay small: a break costs it.
"""

import math
from dataclasses import dataclass

from cami.region import Link

#: Bytes a second of one Mbit/s.
MEGABIT = 125_000
#: Seconds of the line that are on their way in pieces, all streams together. A break costs half of it on the average.
PIECES_SECONDS = 4.0
SMALLEST_PIECE = 64 * 1024
LARGEST_PIECE = 8 * 1024 * 1024
#: Seconds of the line that may wait in the sockets of all streams: they leave before what is urgent.
UNSENT_SECONDS = 0.1
SMALLEST_UNSENT = 4 * 1024
LARGEST_UNSENT = 16 * 1024
#: Streams for the slowest line, and one more for each Mbit/s.
FEWEST_STREAMS = 5
MOST_STREAMS = 24


@dataclass(frozen=True, slots=True)
class Fit:
    """How a proxy uses its line."""

    streams: int
    piece: int
    """Bytes; larger objects go in parts of at least one piece."""
    unsent: int
    """Bytes that a socket may hold."""


def fit(link: Link) -> Fit:
    """Fit the senders of a proxy to the line that the registry gives it; what the registry says itself holds."""
    streams = link.streams or min(FEWEST_STREAMS + math.ceil(link.mbit_s), MOST_STREAMS)
    each = link.mbit_s * MEGABIT / streams
    piece = link.piece_kib * 1024 if link.piece_kib else _between(SMALLEST_PIECE, each * PIECES_SECONDS, LARGEST_PIECE)
    return Fit(streams, piece, _between(SMALLEST_UNSENT, each * UNSENT_SECONDS, LARGEST_UNSENT))


def _between(least: int, wanted: float, most: int) -> int:
    return int(min(max(wanted, least), most))
