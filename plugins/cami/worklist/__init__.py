"""The modality worklist: orders of the МИС on the consoles of the devices, with or without the line (F-27, F-28, F-30).

At the centre `Following` writes what has changed about orders into a `Feed` for each МО: the newest state of every
order, numbered as they change. A proxy is told by the call with which it waits for errands anyway, and `Pulling` reads
from where it has come to into `Entries`, in one transaction with its cursor. `Finding` answers the devices' C-FIND from
there, by an index: each finds what is for itself or for any device of its kind at its МО. Public names:

* both sides: `Entry`, `State`, `Priority`;
* the centre: `Feed`, `Following`, `worklist_endpoints`;
* a proxy: `Entries`, `Pulling`, `Finding`, `Answers`, `Arrivals`, `ManualOrders`, `Numbering`.

`Arrivals` notes at the proxy which entries have images; `ManualOrders` are written there by hand and brought to the
centre (`Incoming`); `Numbering` says which accession number a study is sent with.
"""

from cami.worklist.arrivals import Arrivals
from cami.worklist.entries import Entries, Listed
from cami.worklist.entry import Entry, Priority, State
from cami.worklist.feed import Feed, Standing
from cami.worklist.finding import Answers, Finding
from cami.worklist.following import Following
from cami.worklist.incoming import Incoming
from cami.worklist.journal import WorklistJournal
from cami.worklist.listing import Listing, WorklistDesk
from cami.worklist.manual import ManualOrders, Written
from cami.worklist.numbering import Numbering
from cami.worklist.pulling import Pulling
from cami.worklist.wire import worklist_endpoints

__all__ = [
    "Answers",
    "Arrivals",
    "Entries",
    "Entry",
    "Feed",
    "Finding",
    "Following",
    "Incoming",
    "Listed",
    "Listing",
    "ManualOrders",
    "Numbering",
    "Priority",
    "Pulling",
    "Standing",
    "State",
    "WorklistDesk",
    "WorklistJournal",
    "Written",
    "worklist_endpoints",
]
