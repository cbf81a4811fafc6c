"""Deleting a study from the centre: nobody of an МО deletes, and nobody alone (F-56 of reference/domain.md).

Somebody of the owner МО marks a study, with a reason; an administrator of that МО and a region administrator, two
different people, confirm; only then it is deleted, image by image, by a thread that goes on after a crash. Until the
second confirmation it can be taken back and nothing has changed. Every step is a row and an event of the journal in
one transaction. What is delivered again of a deleted study stays out. Public names: `Removals`, `removal_endpoints`.
"""

from cami.removal.endpoints import removal_endpoints
from cami.removal.removals import Removal, Removals, forget_study
from cami.removal.states import Command, State

__all__ = ["Command", "Removal", "Removals", "State", "forget_study", "removal_endpoints"]
