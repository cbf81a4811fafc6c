"""The lines of a desk, each written once for all who see it until it changes.

When a request comes in, every open desk of its МО asks for its page within a second or two. Writing fifty lines was
four fifths of what a page costs, and all but one of them are as they were.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup

from cami.consultations.desk import Line, View
from cami.consultations.states import TRANSITIONS, Command
from cami.portal.consultation_rows import Rows
from cami.portal.pages import Pages, Reader

#: Lines that are kept: what is open in a region, as read and as unread, a few times over.
_KEPT = 10_000
_Key = tuple[int, int, int, View, bool, bool, str, int]


class WrittenLines:
    """Writes the lines of desks. Thread-safe."""

    def __init__(self, pages: Pages, rows: Rows) -> None:
        self._pages = pages
        self._rows = rows
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, Markup] = OrderedDict()

    def of(self, reader: Reader, view: View, lines: Sequence[Line], now: datetime) -> list[Markup]:
        """Return the lines of a page."""
        return [self._line(reader, view, line, now) for line in lines]

    def _line(self, reader: Reader, view: View, line: Line, now: datetime) -> Markup:
        request = line.request
        # Each change of a request has a version or an entry of its history; times that are left are in minutes.
        minute = int(now.timestamp() // 60)
        stands = request.number, request.version, request.last_event
        key = (*stands, view, line.unread, line.patient, reader.language, minute)
        with self._lock:
            known = self._kept.get(key)
        if known is not None:
            return known
        row = self._rows.of_line(line, now)
        written = self._pages.part(
            "consultations_row.html", reader, row=row, view=view, may_take=view is View.QUEUE,
            assignable=view is View.DISPATCH and (request.state, Command.ASSIGN) in TRANSITIONS,
        )  # fmt: skip
        with self._lock:
            self._kept[key] = written
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return written
