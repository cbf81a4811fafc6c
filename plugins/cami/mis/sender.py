"""Sends what is queued: a batch of different keys at a time, several at once, outcomes in one transaction."""

import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests
from sqlalchemy import Engine

from cami.clock import Clock
from cami.mis.messages import Message, Messages
from cami.mis.subscriptions import Subscription, Subscriptions

BATCH = 32
PARALLEL = 8
#: Of a receiver that takes one after the other: what it can take, at its slowest, before the lease ends.
IN_TURN = 8
#: Seconds for a connection, and for the answer: a receiver has to answer within 5 (docs/mis-contract.md).
TIMEOUT = (5.0, 10.0)
#: Statuses that will not change if the same is sent again.
_FINAL = frozenset({400, 405, 410, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class Sent:
    """How sending ended."""

    status: int = 0
    """Of HTTP; 0: nobody answered."""
    reason: str = ""
    """Code; empty: acknowledged."""


#: Sends one message.
Post = Callable[[Subscription, Message], Sent]


class Sender:
    """Takes messages from the queue and sends them. One for each process."""

    def __init__(
        self, engine: Engine, clock: Clock, subscriptions: Subscriptions, messages: Messages, post: Post | None = None
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._subscriptions = subscriptions
        self._messages = messages
        self._post = post or Hooks().post
        self.owner = f"{socket.gethostname()[:40]}-{secrets.token_hex(4)}"

    def step(self) -> bool:
        """Send a batch to each receiver that is awake; say whether there may be more."""
        now = self._clock.now()
        more = False
        for subscription in self._subscriptions.active():
            if not subscription.hook or (subscription.rests_until is not None and subscription.rests_until > now):
                continue
            # One that has failed is tried with a single message first.
            most = BATCH if subscription.parallel else IN_TURN
            batch = self._messages.claim(self.owner, subscription.id, 1 if subscription.failures else most)
            if batch:
                more = self._send(subscription, batch) or more
        return more

    def _send(self, subscription: Subscription, batch: list[Message]) -> bool:
        if len(batch) == 1 or not subscription.parallel:
            outcomes = [self._post(subscription, message) for message in batch]
        else:
            with ThreadPoolExecutor(PARALLEL, thread_name_prefix="cami-mis-post") as pool:
                outcomes = list(pool.map(lambda message: self._post(subscription, message), batch))
        silent = any(outcome.status == 0 for outcome in outcomes)
        with self._engine.begin() as connection:
            for message, outcome in zip(batch, outcomes, strict=True):
                if not outcome.reason:
                    self._messages.delivered(connection, message, self.owner)
                elif outcome.status in _FINAL:
                    self._messages.parked(connection, message, self.owner, outcome.reason)
                else:
                    self._messages.failed(connection, message, self.owner, outcome.reason, counts=outcome.status != 0)
            if silent:
                reason = next(outcome.reason for outcome in outcomes if outcome.status == 0)
                self._subscriptions.failed(connection, subscription.id, reason)
            else:
                self._subscriptions.answered(connection, subscription.id)
        return not silent


class Hooks:
    """Posts to web hooks over pooled connections."""

    def __init__(self) -> None:
        self._session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=PARALLEL)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._session.trust_env = False

    def post(self, subscription: Subscription, message: Message) -> Sent:
        """Post one message; never raises."""
        headers = {
            "Content-Type": "application/fhir+json; charset=utf-8",
            "X-Event-Id": message.event_id,
            "X-Event-Seq": str(message.number),
            "X-Event-Kind": message.kind,
        }
        for line in subscription.headers:
            name, _, value = line.partition(":")
            headers[name.strip()] = value.strip()
        try:
            with self._session.post(
                subscription.endpoint,
                data=message.body.encode("utf-8"),
                headers=headers,
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as answer:
                status = answer.status_code
        except requests.exceptions.SSLError:
            return Sent(0, "tls")
        except requests.exceptions.Timeout:
            return Sent(0, "timeout")
        except requests.exceptions.RequestException:
            return Sent(0, "no-answer")
        return Sent(status) if 200 <= status < 300 else Sent(status, f"http-{status}")
