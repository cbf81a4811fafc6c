"""Errands: what the centre wants of a proxy, brought down the line that only the proxy may open.

The centre writes an errand into its book (`ErrandBook.ask`); the proxy has a call waiting there (`Bell`), gets it at
once, runs the handler of its kind (`Runner`) and answers with an outcome. An errand stays open until that answer has
got through: it survives a restart of either side and may run twice, so handlers are idempotent. Public names:

* both sides: `Errand`, `Kind`, `Study`, `Outcome`, `Report`;
* the centre: `ErrandBook`, `Entry`, `Bell`, `open_errands`, `errand_endpoints`;
* a proxy: `Runner`, `Handler`, `Asking`, `Watched`.
"""

from cami.errands.bell import Bell, Pending
from cami.errands.book import Entry, ErrandBook, open_errands
from cami.errands.errand import DONE, UNKNOWN, Errand, Kind, Outcome, Report, Study
from cami.errands.runner import Asking, Handler, Runner, Watched
from cami.errands.wire import errand_endpoints

__all__ = [
    "DONE",
    "UNKNOWN",
    "Asking",
    "Bell",
    "Entry",
    "Errand",
    "ErrandBook",
    "Handler",
    "Kind",
    "Outcome",
    "Pending",
    "Report",
    "Runner",
    "Study",
    "Watched",
    "errand_endpoints",
    "open_errands",
]
