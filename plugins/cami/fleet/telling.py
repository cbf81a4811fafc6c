"""Alarms on their way out: by mail to who is responsible, and to a webhook; at least once, tried for a day.

Rows are claimed before they are sent, so two replicas do not tell twice while both live.
"""

import hashlib
import json
import logging
import smtplib
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import Engine, delete, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import alarm_notice
from cami.region import Alarms, Region
from cami.region.consultations import Mail

log = logging.getLogger(__name__)

_TIMEOUT = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE, _MOST_TRIES = timedelta(seconds=15), timedelta(hours=1), 32
_AT_ONCE = 20


class Herald:
    """Sends what was written to ``alarm_notice``."""

    def __init__(
        self, engine: Engine, clock: Clock, region: Region, secrets: Path, say: Callable[[str, str], str]
    ) -> None:
        """Make it; `say` gives the words for a reason and its detail."""
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._region = region
        self._secrets = secrets
        self._say = say

    @staticmethod
    def channels(region: Region) -> list[str]:
        """Return by which ways alarms leave, as the registry says."""
        alarms = region.alarms
        ways = {"mail": region.consultations.mail is not None, "webhook": alarms.webhook is not None}
        return [way for way, there in ways.items() if there]

    def step(self) -> bool:
        """Send what is due; return whether there may be more."""
        now, columns = self._clock.now(), alarm_notice.c
        with self._reader.connect() as connection:
            due = select(alarm_notice).where(columns.due_at <= now).order_by(columns.number).limit(_AT_ONCE)
            rows = connection.execute(due).all()
        for row in rows:
            pause = min(_FIRST_PAUSE * 2 ** min(row.tries, 12), _LONGEST_PAUSE)
            mine = (columns.number == row.number) & (columns.tries == row.tries)
            with self._engine.begin() as connection:
                values = {"tries": row.tries + 1, "due_at": now + pause}
                claimed = connection.execute(update(alarm_notice).where(mine).values(values)).rowcount
            if claimed and (self._sent(row) or row.tries + 1 >= _MOST_TRIES):
                with self._engine.begin() as connection:
                    connection.execute(delete(alarm_notice).where(columns.number == row.number))
        return len(rows) == _AT_ONCE

    def _sent(self, row: Any) -> bool:
        document = json.loads(row.document)
        try:
            if row.channel == "mail":
                self._mail(row, document)
            else:
                self._call(row, document)
        except (OSError, smtplib.SMTPException, requests.RequestException) as error:
            log.warning("alarm %d cannot be told now: %s", row.number, type(error).__name__)
            return False
        return True

    def _addresses(self, mo: str) -> Sequence[str]:
        """Return whom an alarm of an МО's proxy concerns: the region's operators, and who keeps that PACS going."""
        organization = next((each for each in self._region.organizations if each.code == mo), None)
        people = organization.responsible if organization is not None else ()
        own = [person.email for person in people if person.duty == "technical" and person.email]
        return list(dict.fromkeys([*self._region.alarms.mail_to, *own]))

    def _mail(self, row: Any, document: Mapping[str, str]) -> None:
        mail = self._region.consultations.mail
        addresses = self._addresses(document["mo"])
        if mail is None or not addresses:
            return
        names = {each.code: each.short_name for each in self._region.organizations}
        over = document["state"] == "ended"
        words = self._say(document["reason"], document["detail"])
        message = EmailMessage()
        message["From"], message["To"] = mail.sender, ", ".join(addresses)
        mark = "снова в порядке" if over else "ТРЕВОГА" if document["level"] == "red" else "внимание"
        message["Subject"] = f"ЦАМИ, {names.get(document['mo'], document['mo'])}: {mark}: {words}"
        message["Message-ID"] = f"<{hashlib.sha256(row.document.encode()).hexdigest()[:32]}@cami>"
        message.set_content(
            f"PACS Proxy МО {document['mo']} ({names.get(document['mo'], '')}): {words}.\n"
            f"{'Закончилось' if over else 'Началось'}: {document['at'] if over else document['since']} (UTC).\n\n"
            "Подробно: портал ЦАМИ, страница «PACS МО».\n"
        )
        self._post(mail, message)

    def _post(self, mail: Mail, message: EmailMessage) -> None:
        context = ssl.create_default_context()
        kind = smtplib.SMTP_SSL if mail.security == "tls" else smtplib.SMTP
        more: dict[str, Any] = {"context": context} if mail.security == "tls" else {}
        with kind(mail.host, mail.port, timeout=_TIMEOUT, **more) as server:
            if mail.security == "starttls":
                server.starttls(context=context)
            if mail.login:
                server.login(mail.login, self._secret("smtp.password"))
            server.send_message(message)

    def _call(self, row: Any, document: Mapping[str, str]) -> None:
        alarms: Alarms = self._region.alarms
        if alarms.webhook is None:
            return
        token = self._secret("alarms.token")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = requests.post(
            alarms.webhook.url, json={"id": row.number, **document}, headers=headers, timeout=_TIMEOUT,
            allow_redirects=False,
        )  # fmt: skip
        answer.raise_for_status()

    def _secret(self, name: str) -> str:
        try:
            return (self._secrets / name).read_text("utf-8").strip()
        except FileNotFoundError:
            return ""
