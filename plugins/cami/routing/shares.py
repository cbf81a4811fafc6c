"""Sharing a study with another МО: the proxy tells the centre, the centre keeps it (`share_handlers`).

What is recorded becomes a grant to the other МО in the same transaction: its people see the study, and its proxy brings
it (`cami.sharing`). A grant that somebody has ended is not given again by the same rule for the same study.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, exists, func, insert, select, update

from cami.access import Cause, GrantBook, NewGrant
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import share_notice, study, study_grant, study_share
from cami.errors import Denied, Permanent, Transient
from cami.routing.forwardings import LONGEST_REST
from cami.web import Request, Response, answer_json, answer_text

log = logging.getLogger(__name__)

#: Path under ``/cami/wire/v1``.
PATH = "/forwardings"
_LONGEST_RULE = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """A study that is to be shared."""

    study_id: str
    study_uid: str
    mo: str
    rule: str
    version: int
    attempts: int = 0
    by_centre: bool = False
    """Rule and version are the centre's."""


@dataclass(frozen=True, slots=True)
class Share:
    """A study that an owner's rules share with another МО, as the centre has it."""

    study_id: str
    study_uid: str
    owner: str
    mo: str
    rule: str
    version: int
    shared_at: datetime
    by_centre: bool = False


class Told(Protocol):
    """The line to the centre, `cami.delivery.CentralLink`."""

    def tell(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """POST a document to a path of the wire and return the answer."""
        ...


class Notices:
    """Proxy: the table ``share_notice``."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def enter(self, connection: Connection, notice: Notice) -> int:
        """Enter a study in the caller's transaction; what is there already stays. Return how many are new."""
        here = (share_notice.c.study_id == notice.study_id, share_notice.c.mo == notice.mo)
        if connection.scalar(select(func.count()).select_from(share_notice).where(*here)):
            return 0
        connection.execute(insert(share_notice).values(made_at=self._clock.now(), **asdict(notice)))
        return 1

    def due(self) -> Notice | None:
        """Return a study that the centre has to be told of now, or None."""
        row_of = share_notice.c
        columns = (row_of.study_id, row_of.study_uid, row_of.mo, row_of.rule, row_of.version, row_of.attempts)
        query = (
            select(*columns, row_of.by_centre)
            .where(
                row_of.told_at.is_(None),
                row_of.refused.is_(None),
                (row_of.not_before.is_(None)) | (row_of.not_before <= self._clock.now()),
            )
            .order_by(row_of.made_at)
            .limit(1)
        )
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else Notice(*row)

    def waiting(self) -> dict[str, int]:
        """Count what the centre has not recorded yet, by the МО that is to get it."""
        row_of = share_notice.c
        query = (
            select(row_of.mo, func.count().label("number"))
            .where(row_of.told_at.is_(None), row_of.refused.is_(None))
            .group_by(row_of.mo)
        )
        with self._reader.connect() as connection:
            return {row.mo: row.number for row in connection.execute(query)}

    def told(self, notice: Notice) -> None:
        """Note that the centre has recorded it."""
        self._set(notice, told_at=self._clock.now())

    def refused(self, notice: Notice, code: str) -> None:
        """Note that the centre does not take it."""
        self._set(notice, refused=code)

    def later(self, notice: Notice, pause: timedelta) -> None:
        """Try again after a pause."""
        self._set(notice, attempts=notice.attempts + 1, not_before=self._clock.now() + pause)

    def _set(self, notice: Notice, **values: datetime | str | int) -> None:
        here = (share_notice.c.study_id == notice.study_id, share_notice.c.mo == notice.mo)
        with self._engine.begin() as connection:
            connection.execute(update(share_notice).where(*here).values(**values))


class Announcer:
    """Proxy: tells the centre of what the rules share."""

    def __init__(self, notices: Notices, link: Told) -> None:
        self._notices = notices
        self._link = link

    def step(self) -> bool:
        """Tell of one study; return whether there may be more to tell now.

        Raises
        ------
        cami.errors.Transient
            The line is down; the study stays to be told of.
        """
        notice = self._notices.due()
        if notice is None:
            return False
        document = {
            "study_id": notice.study_id,
            "study_uid": notice.study_uid,
            "mo": notice.mo,
            "rule": notice.rule,
            "version": notice.version,
            "by_centre": notice.by_centre,
        }
        try:
            answer = self._link.tell(PATH, document)
        except (Denied, Transient) as error:
            self._notices.later(notice, _pause(notice))
            raise Transient(str(error)) from error
        except Permanent:
            self._notices.refused(notice, "refused")
            log.error("study %s is not shared with МО %s: the centre refuses it", notice.study_id, notice.mo)  # noqa: TRY400
            return True
        outcome = str(answer.get("outcome", ""))
        if outcome == "recorded":
            self._notices.told(notice)
        elif outcome == "refused":
            self._notices.refused(notice, str(answer.get("reason", ""))[:32])
            log.error("study %s is not shared with МО %s: %s", notice.study_id, notice.mo, answer.get("reason"))
        else:  # the centre does not know the study yet
            self._notices.later(notice, _pause(notice))
        return True


def _pause(notice: Notice) -> timedelta:
    return min(timedelta(seconds=2 * 2 ** min(notice.attempts, 10)), LONGEST_REST)


class Shares:
    """Centre: the table ``study_share``."""

    def __init__(
        self, engine: Engine, clock: Clock, organizations: Collection[str], book: GrantBook | None = None
    ) -> None:
        """Make it; `organizations` are the codes of the МО that have a proxy, `book` gives the grants."""
        self._book = book or GrantBook(clock)
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._organizations = frozenset(organizations)

    def record(self, owner: str, notice: Notice) -> str:
        """Record that `owner` shares a study.

        Returns
        -------
        str
            ``recorded``, also if it was before; ``unknown``: the owner has no such study here (yet), which also stands
            for another МО's study; ``no-such-organization``.
        """
        if notice.mo == owner or notice.mo not in self._organizations:
            return "no-such-organization"
        with self._engine.begin() as connection:
            own = (study.c.study_id == notice.study_id, study.c.study_uid == notice.study_uid, study.c.owner == owner)
            if not connection.scalar(select(func.count()).select_from(study).where(*own)):
                return "unknown"
            here = (study_share.c.study_id == notice.study_id, study_share.c.mo == notice.mo)
            if connection.scalar(select(func.count()).select_from(study_share).where(*here)):
                return "recorded"
            row = {name: value for name, value in asdict(notice).items() if name != "attempts"}
            connection.execute(insert(study_share).values(owner=owner, shared_at=self._clock.now(), **row))
            self._give(connection, owner, notice.study_uid, notice.mo, notice.rule, by_centre=notice.by_centre)
        # The record itself is the audit: who, which study, to whom, by which version of whose rules.
        log.warning(
            "МО %s shares study %s with МО %s (%s rules, version %d)",
            owner,
            notice.study_id,
            notice.mo,
            "central" if notice.by_centre else "own",
            notice.version,
        )
        return "recorded"

    def catch_up(self) -> int:
        """Give the grants of what was shared before grants were given for it; return how many."""
        granted = exists().where(
            study_grant.c.study_uid == study_share.c.study_uid,
            study_grant.c.owner == study_share.c.owner,
            study_grant.c.mo == study_share.c.mo,
            study_grant.c.cause == Cause.ROUTING,
        )
        with self._engine.begin() as connection:
            rows = connection.execute(select(study_share).where(~granted)).all()
            for row in rows:
                self._give(connection, row.owner, row.study_uid, row.mo, row.rule, by_centre=row.by_centre)
        return len(rows)

    def _give(self, connection: Connection, owner: str, study_uid: str, mo: str, rule: str, *, by_centre: bool) -> None:
        grant = NewGrant(
            study_uid,
            owner,
            mo,
            cause=Cause.ROUTING,
            reference=f"{'central' if by_centre else owner}: {rule}"[:200],
            reason=rule,
            by=f"proxy-{owner}",
        )
        self._book.give(connection, grant)

    def shared_with(self, mo: str, *, since: datetime | None = None) -> Sequence[Share]:
        """Return what is shared with an МО, oldest first: what its proxy is to fetch."""
        query = select(study_share).where(study_share.c.mo == mo).order_by(study_share.c.shared_at)
        if since is not None:
            query = query.where(study_share.c.shared_at >= since)
        with self._reader.connect() as connection:
            return [Share(**row) for row in connection.execute(query).mappings()]


def share_handlers(shares: Shares) -> dict[str, Callable[[str, Request], Response]]:
    """Return the handlers by path under ``/cami/wire/v1``; each is called with the МО that has signed the request."""

    def forwardings(mo: str, request: Request) -> Response:
        try:
            document = request.json()
            notice = Notice(
                str(document["study_id"])[:64],
                str(document["study_uid"])[:128],
                str(document["mo"])[:16],
                str(document["rule"])[:_LONGEST_RULE],
                int(document["version"]),
                by_centre=document.get("by_centre") is True,
            )
        except (ValueError, KeyError, TypeError):
            return answer_text(400, 'expected JSON {"study_id", "study_uid", "mo", "rule": texts, "version": number}')
        outcome = shares.record(mo, notice)
        if outcome == "no-such-organization":
            return answer_json({"outcome": "refused", "reason": outcome})
        return answer_json({"outcome": outcome})

    return {PATH: forwardings}
