"""Retrieval: studies brought to where somebody needs them, both ways along a line that only the proxy opens.

Up: a proxy announces each study at its first image (`Announcer`, `Announcements`), so the centre can name what it does
not hold; «Запросить из МО», an opened viewer or an open consultation (`Awaiting`) have it sent before others by an
errand (`Handlers`). Down: what has left a proxy comes back when it is asked for or opened (`Returns`, `Fetcher`), and
earlier studies of a patient come for a visit (`Schedule`, `Prefetcher`), from what the centre holds of that МО's own
studies (`Shelves`). All that must last is in the database: the lists survive a crash of either side.
"""

from cami.retrieval.announcements import Announced, Announcements
from cami.retrieval.announcer import Announcer
from cami.retrieval.awaiting import Awaiting, Cause
from cami.retrieval.catalogue import Catalogue
from cami.retrieval.documents import Documents
from cami.retrieval.download import DigestDiffers, Downloads, part_bytes
from cami.retrieval.endpoints import central_endpoints, proxy_endpoints
from cami.retrieval.fetcher import Fetcher
from cami.retrieval.fetches import Fetches
from cami.retrieval.handlers import Handlers, Raising
from cami.retrieval.openings import Opening, Openings
from cami.retrieval.prefetch import Prefetcher
from cami.retrieval.requests import Requests
from cami.retrieval.returns import Returns, Standing
from cami.retrieval.schedule import Schedule
from cami.retrieval.shelves import Shelves
from cami.retrieval.whereabouts import StudyRegister, Whereabouts
from cami.retrieval.wire import retrieval_wire_endpoints

__all__ = [
    "Announced",
    "Announcements",
    "Announcer",
    "Awaiting",
    "Catalogue",
    "Cause",
    "DigestDiffers",
    "Documents",
    "Downloads",
    "Fetcher",
    "Fetches",
    "Handlers",
    "Opening",
    "Openings",
    "Prefetcher",
    "Raising",
    "Requests",
    "Returns",
    "Schedule",
    "Shelves",
    "Standing",
    "StudyRegister",
    "Whereabouts",
    "central_endpoints",
    "part_bytes",
    "proxy_endpoints",
    "retrieval_wire_endpoints",
]
