"""Notices on their way out: by mail and to a webhook, at least once, never with a patient.

A notice says that something happened with a request of a number; what it is about stands in the portal alone.
"""

import hashlib
import logging
import smtplib
import ssl
from collections.abc import Sequence
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import Engine, or_, select, update

from cami.clock import Clock, iso
from cami.consultations.notices import Told
from cami.db import reading
from cami.db.tables import consultation_notice
from cami.region import Consultations
from cami.region.consultations import Mail

log = logging.getLogger(__name__)

_TIMEOUT = 10.0
#: Pauses between tries, and after how many a notice is given up: it stands in the portal anyway.
_FIRST_PAUSE, _MOST_TRIES = timedelta(seconds=15), 12
_AT_ONCE = 20
_SUBJECTS = {
    Told.APPROVAL: "заявка ждёт согласования",
    Told.SENT: "новая заявка на консультацию",
    Told.RETURNED: "заявка возвращена на доработку",
    Told.ASSIGNED: "вам назначена заявка",
    Told.TAKEN: "заявка взята в работу",
    Told.INFO_REQUESTED: "запрошены дополнительные сведения",
    Told.INFO_GIVEN: "получены дополнительные сведения",
    Told.RELEASED: "заявка возвращена в очередь",
    Told.DONE: "заявка выполнена",
    Told.CORRECTED: "заключение исправлено",
    Told.CRITICAL: "критическая находка, прочитайте заключение",
    Told.REJECTED: "заявка отклонена",
    Told.CANCELLED: "заявка отменена",
    Told.MESSAGE: "новое сообщение",
    Told.ESCALATED: "заявку никто не принял",
    Told.CRITICAL_READING: "критическая находка одного из читающих, заключение ещё не готово",
    Told.UNHEARD: "критическая находка не подтверждена",
    Told.NEXT_READER: "нужен следующий читающий",
    Told.REVIEWED: "ваше заключение пересмотрено",
    Told.LATE: "срок истёк",
}
_URGENCIES = {"stat": "ЭКСТРЕННАЯ: ", "urgent": "Неотложная: ", "routine": ""}


class Post:
    """Sends what was written to ``consultation_notice``."""

    def __init__(self, engine: Engine, clock: Clock, rules: Consultations, secrets: Path) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._rules = rules
        self._secrets = secrets

    def step(self) -> bool:
        """Send what is due; return whether there may be more."""
        columns = consultation_notice.c
        now = self._clock.now()
        due = select(consultation_notice).where(columns.mailed_at.is_(None))
        due = due.where(or_(columns.not_before.is_(None), columns.not_before <= now)).order_by(columns.id)
        with self._reader.connect() as connection:
            rows = connection.execute(due.limit(_AT_ONCE)).all()
        for row in rows:
            # Claimed before it is sent: another replica leaves it alone until the pause is over.
            pause = _FIRST_PAUSE * 2 ** min(row.attempts, 8)
            mine = update(consultation_notice).where(columns.id == row.id, columns.attempts == row.attempts)
            with self._engine.begin() as connection:
                claimed = connection.execute(mine.values(attempts=row.attempts + 1, not_before=now + pause)).rowcount
            if claimed and (self._sent(row) or row.attempts + 1 >= _MOST_TRIES):
                with self._engine.begin() as connection:
                    done = update(consultation_notice).where(columns.id == row.id)
                    connection.execute(done.values(mailed_at=self._clock.now()))
        return len(rows) == _AT_ONCE

    def _sent(self, row: Any) -> bool:
        try:
            if self._rules.mail is not None:
                self._mail(self._rules.mail, row)
            if self._rules.webhook is not None:
                self._call(self._rules.webhook.url, row)
        except (OSError, smtplib.SMTPException, requests.RequestException) as error:
            log.warning("notice %d cannot be sent now: %s", row.id, type(error).__name__)
            return False
        return True

    def _mail(self, mail: Mail, row: Any) -> None:
        addresses: Sequence[str] = mail.to.get(row.login or row.mo or row.role, ())
        if not addresses:
            return
        message = EmailMessage()
        message["From"], message["To"] = mail.sender, ", ".join(addresses)
        subject = _SUBJECTS[Told(row.kind)]
        message["Subject"] = f"ЦАМИ: {_URGENCIES.get(row.urgency, '')}{subject}, № {row.number}"
        message["Message-ID"] = f"<{hashlib.sha256(f'{row.id}|{row.at}'.encode()).hexdigest()[:32]}@cami>"
        message.set_content(
            f"Заявка № {row.number}: {subject}.\n\nОткройте портал ЦАМИ, раздел «Консультации».\n"
            "Сведений о пациенте в письме нет.\n"
        )
        context = ssl.create_default_context()
        kind = smtplib.SMTP_SSL if mail.security == "tls" else smtplib.SMTP
        more: dict[str, Any] = {"context": context} if mail.security == "tls" else {}
        with kind(mail.host, mail.port, timeout=_TIMEOUT, **more) as server:
            if mail.security == "starttls":
                server.starttls(context=context)
            if mail.login:
                server.login(mail.login, self._secret("smtp.password"))
            server.send_message(message)

    def _call(self, url: str, row: Any) -> None:
        token = self._secret("webhook.token")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        document = {
            "id": row.id,
            "number": row.number,
            "kind": row.kind,
            "urgency": row.urgency,
            "at": iso(row.at),
            "login": row.login,
            "mo": row.mo,
            "role": row.role,
        }
        answer = requests.post(url, json=document, headers=headers, timeout=_TIMEOUT, allow_redirects=False)
        answer.raise_for_status()

    def _secret(self, name: str) -> str:
        try:
            return (self._secrets / name).read_text("utf-8").strip()
        except FileNotFoundError:
            return ""
