"""From events to messages: who is to be told what. The cursor and the messages move in one transaction."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from cami.clock import Clock
from cami.events import Event, EventLog, Reader
from cami.mis.fhir import Json
from cami.mis.messages import Messages
from cami.mis.subscriptions import Subscription, Subscriptions

BATCH = 50


@dataclass(frozen=True, slots=True)
class Tiding:
    """One resource that an event makes worth telling, and to whom."""

    resource: str
    """Type that subscriptions name."""
    about: str
    body: Json
    key: str
    """What stays in order: the patient."""
    client: str = ""
    """Of the МИС whose order it is; empty: any."""
    mos: frozenset[str] = frozenset()
    """Codes of the МО that it concerns."""
    noted: Callable[[Connection], None] | None = None
    """What is to be written with it."""


#: Says what an event makes worth telling.
Tidings = Callable[[Event], list[Tiding]]


class Announcer:
    """The consumer ``mis-outgoing`` of events. Thread-safe by its cursor."""

    def __init__(
        self, *, engine: Engine, clock: Clock, events: EventLog, subscriptions: Subscriptions, messages: Messages,
        tidings: Tidings, kinds: Collection[str],
    ) -> None:  # fmt: skip
        self._engine = engine
        self._subscriptions = subscriptions
        self._messages = messages
        self._tidings = tidings
        self._reader = Reader(engine, clock, events, "mis-outgoing", kinds)

    def step(self) -> bool:
        """Turn some events into messages; say whether there may be more."""
        before, events = self._reader.read(BATCH)
        if not events:
            return False
        found = _told_once([(event, tiding) for event in events for tiding in self._tidings(event)])
        wanting = self._subscriptions.active()
        with self._engine.begin() as connection:
            if not self._reader.moved_to(connection, before, events[-1].number):
                return True  # another replica was faster
            for event, tiding in found:
                if tiding.noted is not None:
                    tiding.noted(connection)
                for subscription in wanting:
                    if _wants(subscription, tiding):
                        self._messages.add(
                            connection,
                            subscription,
                            event=event.number,
                            kind=event.kind,
                            key=tiding.key,
                            about=tiding.about,
                            body=json.dumps(tiding.body, ensure_ascii=False, separators=(",", ":")),
                        )
        return len(events) == BATCH


def _told_once(found: list[tuple[Event, Tiding]]) -> list[tuple[Event, Tiding]]:
    """Leave out what says a second time, in the same batch, how a study stands: they were read at one moment."""
    kept, said = [], set()
    for event, tiding in found:
        same = (tiding.about, json.dumps(tiding.body, sort_keys=True))
        if tiding.noted is None or same not in said:
            kept.append((event, tiding))
        said.add(same)
    return kept


def _wants(subscription: Subscription, tiding: Tiding) -> bool:
    if not subscription.takes(tiding.resource, tiding.about):
        return False
    if tiding.client and tiding.client != subscription.client:
        return False
    return not subscription.mo or subscription.mo in tiding.mos
