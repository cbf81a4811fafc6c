"""What waits for somebody, as numbers on every page: emergency accesses (F-50), deletions to confirm (F-56)."""

from collections.abc import Callable, Mapping

from cami.access import Action, Identity, allowed
from cami.portal.navigation import GRANTS, REMOVALS
from cami.removal import Removals
from cami.sharing import SharingDesk


def attention_to(sharing: SharingDesk | None, removals: Removals | None) -> Callable[[Identity], Mapping[str, int]]:
    """Return what counts, by the address at which it waits; what there is nothing of is left out."""

    def count(identity: Identity) -> Mapping[str, int]:
        found: dict[str, int] = {}
        if sharing is not None and identity.mo and allowed(identity.role, Action.GRANTS_REVIEW, "central"):
            found[GRANTS] = sharing.register.unreviewed_number(identity.mo)
        if removals is not None:
            found[REMOVALS] = removals.waiting(identity)
        return {path: number for path, number in found.items() if number}

    return count
