"""Notices on their way out: by mail and to a webhook, at least once, never with a patient.

Rows of ``consultation_notice`` are the outbox: written with what they tell of, tried again with growing pauses, dropped
after a day. Mail and webhook are done with one by one, so that the one is not told again because the other was away.
Notices of routine requests are gathered, if the registry says when such letters are sent.
"""

import logging
import smtplib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import requests
from sqlalchemy import Engine, or_, select, update

from cami.clock import REGION_ZONE, Clock, iso
from cami.consultations.mail import Mailer, addresses, as_document, digest_at, letter, secret
from cami.db import reading
from cami.db.tables import consultation_notice
from cami.region import Consultations

log = logging.getLogger(__name__)

_TIMEOUT = 10.0
#: Pauses between tries, and after how many a notice is given up: it stands in the portal anyway.
_FIRST_PAUSE, _MOST_TRIES, _DOUBLINGS = timedelta(seconds=15), 20, 9
_AT_ONCE = 200
_MAIL, _WEBHOOK = "mail", "webhook"


class Post:
    """Sends what was written to ``consultation_notice``. Replicas share the work."""

    def __init__(
        self, engine: Engine, clock: Clock, rules: Consultations, secrets: Path, zone: ZoneInfo = REGION_ZONE
    ) -> None:
        """Make it; `zone` is where the hours of digests are meant."""
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._rules = rules
        self._secrets = secrets
        self._zone = zone

    def step(self) -> bool:
        """Send what is due; return whether there may be more."""
        columns = consultation_notice.c
        now = self._clock.now()
        due = select(consultation_notice).where(columns.mailed_at.is_(None))
        due = due.where(or_(columns.not_before.is_(None), columns.not_before <= now)).order_by(columns.id)
        with self._reader.connect() as connection:
            rows = connection.execute(due.limit(_AT_ONCE)).all()
        gathered: dict[tuple[str, ...], list[Any]] = {}
        for row in rows:
            if not self._claimed(row, now):
                continue
            done = {part for part in row.sent.split(",") if part}
            if _WEBHOOK not in done and self._called(row):
                done.add(_WEBHOOK)
            later = digest_at(self._rules.mail, row, self._zone) if self._rules.mail else None
            if _MAIL not in done and later is not None and later > now:
                self._note(row, done, now, later)
            elif _MAIL not in done and later is not None and self._rules.mail:
                gathered.setdefault(tuple(addresses(self._rules.mail, row)), []).append((row, done))
            else:
                self._note(row, done | ({_MAIL} if _MAIL in done or self._mailed([row]) else set()), now)
        for together in gathered.values():
            mailed = self._mailed([row for row, _done in together])
            for row, done in together:
                self._note(row, done | ({_MAIL} if mailed else set()), now)
        return len(rows) == _AT_ONCE

    def _claimed(self, row: Any, now: datetime) -> bool:
        """Take a row before anything is sent: another replica leaves it alone until the pause is over."""
        here = (consultation_notice.c.id == row.id, consultation_notice.c.attempts == row.attempts)
        values = {"attempts": row.attempts + 1, "not_before": now + _pause(row.attempts)}
        with self._engine.begin() as connection:
            return bool(connection.execute(update(consultation_notice).where(*here).values(values)).rowcount)

    def _note(self, row: Any, done: set[str], now: datetime, later: datetime | None = None) -> None:
        """Write down how far a notice is; what waits for its digest has not been tried in vain."""
        values: dict[str, Any] = {"sent": ",".join(sorted(done))}
        if later is not None:
            failed = _WEBHOOK not in done
            values["not_before"] = min(later, now + _pause(row.attempts)) if failed else later
            values["attempts"] = row.attempts + 1 if failed else 0
        elif {_MAIL, _WEBHOOK} <= done or row.attempts + 1 >= _MOST_TRIES:
            values["mailed_at"] = self._clock.now()
        with self._engine.begin() as connection:
            connection.execute(update(consultation_notice).where(consultation_notice.c.id == row.id).values(values))

    def _mailed(self, rows: Sequence[Any]) -> bool:
        """Send a letter; return whether it is done with: sent, or nobody is to have it."""
        mail = self._rules.mail
        to = addresses(mail, rows[0]) if mail else ()
        if mail is None or not to:
            return True
        try:  # a ValueError is a password or a token that cannot be written: beyond ASCII
            Mailer(mail, self._secrets).send(letter(mail, to, rows))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            log.warning("notice %d cannot be mailed now: %s", rows[0].id, type(error).__name__)
            return False
        return True

    def _called(self, row: Any) -> bool:
        """Tell the webhook; return whether it is done with."""
        if self._rules.webhook is None:
            return True
        token = secret(self._secrets / "webhook.token")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        authority = self._secrets / "webhook.ca.pem"
        try:
            answer = requests.post(
                self._rules.webhook.url, json=as_document(row, iso(row.at)), headers=headers, timeout=_TIMEOUT,
                allow_redirects=False, verify=str(authority) if authority.is_file() else True,
            )  # fmt: skip
            answer.raise_for_status()
        except (OSError, requests.RequestException, ValueError) as error:
            log.warning("notice %d cannot be told to the webhook now: %s", row.id, type(error).__name__)
            return False
        if answer.is_redirect:
            log.warning("notice %d: the webhook points elsewhere, nothing is sent there", row.id)
        return not answer.is_redirect


def _pause(attempts: int) -> timedelta:
    return _FIRST_PAUSE * int(2 ** min(attempts, _DOUBLINGS))
