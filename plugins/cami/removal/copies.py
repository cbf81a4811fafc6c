"""Copies of a study that the centre deletes: the МО's proxy is told, and nobody is granted the study any more."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, select

from cami.access import GrantBook
from cami.db.tables import study_grant
from cami.errands import Entry, ErrandBook, Kind, Outcome, Study
from cami.removal.removal import Removal

#: Why a grant ended.
DELETED = "study-deleted"


class ProxyCopies:
    """Has the copy at the owner's proxy removed by an errand, and guests at others' by ending what grants them."""

    def __init__(self, errands: ErrandBook, grants: GrantBook, with_proxy: Collection[str]) -> None:
        self._errands = errands
        self._grants = grants
        self._with_proxy = frozenset(with_proxy)

    def remove(self, found: Removal) -> None:
        """Tell the owner's proxy; asked again while it is open, it is the same errand."""
        if found.owner in self._with_proxy:
            self._errands.ask(
                found.owner,
                Kind.REMOVE,
                asked_by=found.confirmed_by_region,
                cause="removal",
                study=Study(found.study_id, found.study_uid),
                details={"number": found.number},
            )

    def standing(self, found: Sequence[Removal]) -> Mapping[int, str]:
        """Return by number what the proxy has answered."""
        if not found:
            return {}
        errands = self._errands.latest(Kind.REMOVE, [each.study_id for each in found])
        return {each.number: _word(errands.get(each.study_id)) for each in found if each.owner in self._with_proxy}

    def forget(self, connection: Connection, found: Removal) -> None:
        """End the grants of the study: the proxies that keep it as a guest hear of it by that."""
        here = (study_grant.c.study_uid == found.study_uid, study_grant.c.owner == found.owner)
        numbers = connection.scalars(select(study_grant.c.number).where(*here, study_grant.c.ended_at.is_(None)))
        self._grants.revoke(connection, list(numbers), by="system", why=DELETED)


def _word(entry: Entry | None) -> str:
    if entry is None:
        return ""
    if entry.done_at is None:
        return "asked"
    return "removed" if entry.outcome in (Outcome.DONE, Outcome.UNKNOWN) else "kept"
