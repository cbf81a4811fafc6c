"""The quarantine desk: what must not be joined to the archive, looked at and decided of by people (F-11).

What lies there is read by `entries`, set beside what is stored by `desk`; a decision is recorded by `decisions` and
carried out by `carrying`. A proxy and the centre differ in `sides`. No decision can overwrite or join another МО's
study: what is let in goes through the same rules as everything else. Public names: `QuarantineDesk`,
`quarantine_endpoints`, `Carrier`, `Removal`, `Decisions`, `Register`, `ProxySide`, `CentralSide`.
"""

from cami.quarantine.carrying import Carrier, Removal
from cami.quarantine.central_side import CentralSide
from cami.quarantine.decisions import Decision, Decisions
from cami.quarantine.desk import Compared, QuarantineDesk, Shown
from cami.quarantine.endpoints import quarantine_endpoints
from cami.quarantine.entries import Entry, Group, Register
from cami.quarantine.header import Attribute, Difference, Header
from cami.quarantine.proxy_side import ProxySide
from cami.quarantine.sides import FoundStudy, Side

__all__ = [
    "Attribute",
    "Carrier",
    "CentralSide",
    "Compared",
    "Decision",
    "Decisions",
    "Difference",
    "Entry",
    "FoundStudy",
    "Group",
    "Header",
    "ProxySide",
    "QuarantineDesk",
    "Register",
    "Removal",
    "Shown",
    "Side",
    "quarantine_endpoints",
]
