"""Whose a study is, and so who may see it: the table ``study`` at the centre, the whole archive at a proxy.

Who else sees it follows from grants (`cami.access.granted`), decided at the moment of asking. The labels ``mo-<code>``
and ``grant-<number>`` on a study only mirror both, so that the core can filter; they are never the truth here.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from enum import Enum, auto
from operator import itemgetter
from typing import Protocol

from sqlalchemy import ColumnElement, Engine, select, true, tuple_

from cami.access.granted import Received, given_to, in_force
from cami.access.guests import Guests
from cami.access.policy import allowed
from cami.access.seen import seen_instance, seen_named, seen_resource, seen_studies
from cami.archive import Level
from cami.clock import Clock
from cami.db import Quicks, reading
from cami.db.tables import study, study_grant
from cami.index import Scope
from cami.people.identity import Identity
from cami.people.roles import Action
from cami.settings import Role as ServerRole

_CHUNK = 500


class Reach(Enum):
    """How far somebody's sight goes in this archive."""

    NOTHING = auto()
    OWN = auto()
    """Studies of the own МО and what is granted, among those of others."""
    ARCHIVE = auto()
    """All studies, since all are of the own МО: people at their proxy."""
    TECHNICAL = auto()
    """Everything, as the core answers it: the region administrator."""


class StudyOwners(Protocol):
    """Answers whose studies are, for one server."""

    def reach(self, identity: Identity | None) -> Reach:
        """Return how far somebody sees at all."""
        ...

    def labels(self, identity: Identity) -> list[str]:
        """Return the labels of the studies that somebody with the reach OWN sees; may be empty, then there are none."""
        ...

    def visible(self, identity: Identity, study_ids: Collection[str]) -> frozenset[str]:
        """Return those of `study_ids` that somebody sees. The ids must be those of studies that are here."""
        ...

    def sees(self, identity: Identity, level: Level, resource: str) -> bool:
        """Say whether somebody with the reach OWN sees a study, series or instance of that level."""
        ...

    def instance(self, identity: Identity, study_uid: str, series_uid: str, sop_uid: str) -> str | None:
        """Return the Orthanc id of an image that somebody with the reach OWN sees; None: the core may know more."""
        ...

    def scope(self, identity: Identity) -> Scope:
        """Return what somebody with the reach OWN searches in the study index."""
        ...

    def owner(self, study_id: str) -> str:
        """Return the code of the МО that owns a study, whoever asks; empty if nobody does."""
        ...

    def hidden(self) -> frozenset[str]:
        """Return studies that people with the reach ARCHIVE do not see: guests that are about to be removed."""
        ...

    def newest(self, identity: Identity, study_uids: Collection[str] | None = None) -> Iterable[str]:
        """Return the ids of the studies that somebody with the reach OWN sees, newest first.

        Parameters
        ----------
        study_uids
            Only studies with one of these Study Instance UIDs.
        """
        ...


def owner_label(mo: str) -> str:
    """Return the label that mirrors ownership on a study."""
    return f"mo-{mo}"


def grant_label(number: int) -> str:
    """Return the label that mirrors a grant on a study."""
    return f"grant-{number}"


def _reach(identity: Identity | None, server_role: ServerRole, some: Reach) -> Reach:
    if identity is None or not allowed(identity.role, Action.STUDIES_READ, server_role):
        return Reach.NOTHING
    return Reach.TECHNICAL if allowed(identity.role, Action.ARCHIVE_INSPECT, server_role) else some


class CentralOwners:
    """The centre: studies of many МО, each with its owner in the table ``study``, some granted to others."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = reading(engine)
        self._clock = clock
        self._questions = Quicks(self._reader)

    def reach(self, identity: Identity | None) -> Reach:
        """Return how far somebody sees at all."""
        return _reach(identity, "central", Reach.OWN)

    def labels(self, identity: Identity) -> list[str]:
        """Return the label of the own МО, and those of what is granted."""
        if self.reach(identity) is not Reach.OWN:
            return []
        own, received = _own(identity), self._received(identity)
        query = select(study_grant.c.number).where(given_to(received.mo, received.login), in_force(received.at))
        with self._reader.connect() as connection:
            granted = [grant_label(number) for number in connection.scalars(query.order_by(study_grant.c.number))]
        return [owner_label(own), *granted] if own else granted

    def visible(self, identity: Identity, study_ids: Collection[str]) -> frozenset[str]:
        """Return those of `study_ids` that the own МО owns or that are granted, by the tables."""
        reach = self.reach(identity)
        if reach is Reach.NOTHING or not study_ids:
            return frozenset()
        if reach is Reach.TECHNICAL:
            return frozenset(study_ids)
        statement, values = seen_studies(bool(identity.mo), bool(identity.login)), self._values(identity)
        found: set[str] = set()
        with self._reader.connect() as connection:
            for ids in _chunks(study_ids):
                rows = connection.execute(statement, {**values, "keys": ids})
                found.update(row.study_id for row in rows if row.seen)
        return frozenset(found)

    def sees(self, identity: Identity, level: Level, resource: str) -> bool:
        """Say whether the own МО owns a study, series or instance, or it is granted: by our tables alone.

        One question whether it is foreign or not there, so that its time does not tell one from the other; nothing is
        remembered, for the same reason.
        """
        if level == "patients":
            return False
        question = self._questions.of(seen_resource(level, bool(identity.mo), bool(identity.login)))
        return bool(question.value({**self._values(identity), "key": resource}))

    def instance(self, identity: Identity, study_uid: str, series_uid: str, sop_uid: str) -> str | None:
        """Return the Orthanc id of an image that the own МО owns or that is granted, by our tables and the index."""
        question = self._questions.of(seen_instance(bool(identity.mo), bool(identity.login)))
        named = {"study": study_uid, "series": series_uid, "sop": sop_uid}
        found = question.row({**self._values(identity), **named})
        return str(found[0]) if found is not None and found[1] else None

    def _values(self, identity: Identity) -> dict[str, object]:
        return who_asks(identity, self._clock.now())

    def scope(self, identity: Identity) -> Scope:
        """Return the own МО, and what is granted."""
        if self.reach(identity) is not Reach.OWN:
            return Scope("")
        return Scope(_own(identity), self._received(identity))

    def owner(self, study_id: str) -> str:
        """Return the code of the МО that owns a study, by the table."""
        with self._reader.connect() as connection:
            return connection.scalar(select(study.c.owner).where(study.c.study_id == study_id)) or ""

    def hidden(self) -> frozenset[str]:
        """Return nothing: nobody's reach is ARCHIVE here."""
        return frozenset()

    def newest(self, identity: Identity, study_uids: Collection[str] | None = None) -> Iterable[str]:
        """Return the ids of the own МО's studies and of what is granted, newest first."""
        if self.reach(identity) is not Reach.OWN:
            return []
        if study_uids is None:
            return self._ids(identity, true())
        statement, values = seen_named(bool(identity.mo), bool(identity.login)), self._values(identity)
        found: list[str] = []
        with self._reader.connect() as connection:
            for uids in _chunks(study_uids):
                rows = connection.execute(statement, {**values, "keys": uids})
                found.extend(row.study_id for row in rows if row.seen)
        return found

    def _ids(self, identity: Identity, condition: ColumnElement[bool]) -> list[str]:
        received = self._received(identity)
        query = select(study.c.study_id, study.c.claimed_at).where(condition)
        own = query.where(study.c.owner == _own(identity))
        with self._reader.connect() as connection:
            found = {row.study_id: row.claimed_at for row in connection.execute(own)}
            givers = received.givers(connection, 1).keys() - {_own(identity)}
            for owners in _chunks(givers):
                names = tuple_(study.c.owner, study.c.study_uid)
                granted = query.where(names.in_(received.studies(owners)))
                found |= {row.study_id: row.claimed_at for row in connection.execute(granted)}
        by_id = sorted(found.items())
        return [study_id for study_id, _ in sorted(by_id, key=itemgetter(1), reverse=True)]

    def _received(self, identity: Identity) -> Received:
        return Received(identity.mo, identity.login, self._clock.now())


def who_asks(identity: Identity, at: datetime) -> dict[str, object]:
    """Return the parameters of the statements of `cami.access.seen` that say who asks, and when."""
    return {"own": _own(identity), "mo": identity.mo, "login": identity.login, "at": at}


def _own(identity: Identity) -> str:
    """Return the МО whose studies somebody sees without a grant; empty for none, as for a consultant."""
    return identity.mo if allowed(identity.role, Action.STUDIES_OWN, "central") else ""


class ProxyOwners:
    """A proxy: its archive holds what the МО's own devices made, and guests; only people of that МО see it."""

    def __init__(self, mo: str, guests: Guests) -> None:
        self._mo = mo
        self._guests = guests

    def reach(self, identity: Identity | None) -> Reach:
        """Return how far somebody sees at all."""
        reach = _reach(identity, "proxy", Reach.ARCHIVE)
        if reach is Reach.ARCHIVE and (identity is None or identity.mo != self._mo):
            return Reach.NOTHING
        return reach

    def labels(self, identity: Identity) -> list[str]:  # noqa: ARG002
        """Return nothing: nobody's reach is OWN here."""
        return []

    def visible(self, identity: Identity, study_ids: Collection[str]) -> frozenset[str]:
        """Return all of `study_ids` to people of the МО, but guests that may not be seen any more."""
        reach = self.reach(identity)
        if reach is Reach.NOTHING:
            return frozenset()
        return frozenset(study_ids) - (self.hidden() if reach is Reach.ARCHIVE else frozenset())

    def hidden(self) -> frozenset[str]:
        """Return the guests that nobody may see any more."""
        return self._guests.hidden()

    def sees(self, identity: Identity, level: Level, resource: str) -> bool:  # noqa: ARG002
        """Return no: nobody's reach is OWN here."""
        return False

    def instance(self, identity: Identity, study_uid: str, series_uid: str, sop_uid: str) -> str | None:  # noqa: ARG002
        """Return nothing: nobody's reach is OWN here."""
        return None

    def scope(self, identity: Identity) -> Scope:  # noqa: ARG002
        """Return nothing: a proxy has no index."""
        return Scope("")

    def owner(self, study_id: str) -> str:  # noqa: ARG002
        """Return the МО of this proxy."""
        return self._mo

    def newest(self, identity: Identity, study_uids: Collection[str] | None = None) -> Iterable[str]:  # noqa: ARG002
        """Return nothing: nobody's reach is OWN here."""
        return []


def study_owners(server_role: ServerRole, mo: str, engine: Engine, clock: Clock) -> StudyOwners:
    """Return the owners of a server of that kind; `mo` is the proxy's."""
    return CentralOwners(engine, clock) if server_role == "central" else ProxyOwners(mo, Guests(engine, clock))


def _chunks(values: Collection[str]) -> Iterator[list[str]]:
    ordered = list(values)
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]
