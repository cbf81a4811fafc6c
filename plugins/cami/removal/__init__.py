"""Deleting a study from the centre: nobody of an МО deletes, and nobody alone (F-56 of reference/domain.md).

Somebody of the owner МО marks a study, with a reason; an administrator of that МО and a region administrator, two
different people, confirm; only then it is deleted, image by image, by a thread that goes on after a crash. Until the
second confirmation it can be taken back and nothing has changed. Every step is a row and an event of the journal in
one transaction. Grants of the study end, and the copy at the МО's proxy is removed by an errand. What is delivered
again of a deleted study stays out. Public names: `Removals`, `ProxyCopies`, `removal_endpoints`; at a proxy
`ProxyRemoval`.
"""

from cami.removal.at_proxy import ProxyRemoval
from cami.removal.copies import ProxyCopies
from cami.removal.endpoints import removal_endpoints
from cami.removal.removal import Removal
from cami.removal.removals import Removals, forget_study
from cami.removal.states import OPEN, Command, State

__all__ = [
    "OPEN",
    "Command",
    "ProxyCopies",
    "ProxyRemoval",
    "Removal",
    "Removals",
    "State",
    "forget_study",
    "removal_endpoints",
]
