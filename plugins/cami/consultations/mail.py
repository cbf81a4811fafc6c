"""Notices as letters: what happened with the request of which number, and nothing of whom it is about."""

import hashlib
import smtplib
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from email.header import Header
from email.message import Message
from email.mime.text import MIMEText
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from cami.consultations.notices import Told
from cami.region.consultations import Mail

#: Seconds that a mail server may take to answer.
TIMEOUT = 10.0
SUBJECTS = {
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
#: What never waits for a digest, however routine the request.
PRESSING = frozenset(
    {Told.CRITICAL, Told.CRITICAL_READING, Told.UNHEARD, Told.ESCALATED, Told.LATE, Told.INFO_REQUESTED}
)
_URGENCIES = {"stat": "ЭКСТРЕННАЯ: ", "urgent": "Неотложная: ", "routine": ""}
_END = "\n\nОткройте портал ЦАМИ, раздел «Консультации».\nСведений о пациенте в письме нет.\n"


class NoticeRow(Protocol):
    """A row of ``consultation_notice``."""

    id: int
    number: int
    at: datetime
    kind: str
    urgency: str
    login: str
    mo: str
    role: str


def addresses(mail: Mail, row: NoticeRow) -> Sequence[str]:
    """Return where a notice is sent; nowhere if the registry names no address of whom it is to."""
    return mail.to.get(row.login or row.mo or row.role, ())


def digest_at(mail: Mail, row: NoticeRow, zone: ZoneInfo) -> datetime | None:
    """Return when a notice is told of together with others, or None: it is sent at once."""
    if not mail.digest or row.urgency != "routine" or Told(row.kind) in PRESSING:
        return None
    local = row.at.astimezone(zone)
    moments = [
        datetime.combine(local.date() + timedelta(days=days), time.fromisoformat(clock), zone)
        for days in (0, 1)
        for clock in mail.digest
    ]
    return min(moment for moment in moments if moment > local).astimezone(UTC)


def letter(mail: Mail, to: Sequence[str], rows: Sequence[NoticeRow]) -> Message:
    """Return the letter about one notice, or about several at once.

    By the older of Python's two ways: the newer (``EmailMessage``) loses a blank where it breaks a Russian subject.
    """
    if len(rows) == 1:
        row, said = rows[0], SUBJECTS[Told(rows[0].kind)]
        subject = f"{_URGENCIES.get(row.urgency, '')}{said}, № {row.number}"
        text = f"Заявка № {row.number}: {said}."
    else:
        subject = f"плановые заявки, событий: {len(rows)}"
        kinds = dict.fromkeys(Told(row.kind) for row in rows)
        text = "\n".join(
            f"{SUBJECTS[kind].capitalize()}: {', '.join(f'№ {row.number}' for row in rows if row.kind == kind)}"
            for kind in kinds
        )
    message = MIMEText(text + _END, "plain", "utf-8")
    message["Subject"] = Header(f"ЦАМИ: {subject}", "utf-8").encode()
    message["From"], message["To"] = mail.sender, ", ".join(to)
    message["Date"] = format_datetime(max(row.at for row in rows))
    named = "|".join(f"{row.id}|{row.at}" for row in rows)
    # The same notices are the same letter, however often it is tried: a mail server may drop the second.
    message["Message-ID"] = f"<{hashlib.sha256(named.encode()).hexdigest()[:32]}@cami>"
    message["Auto-Submitted"] = "auto-generated"
    return message


class Mailer:
    """Hands letters to the mail server of the registry."""

    def __init__(self, mail: Mail, secrets: Path) -> None:
        self._mail = mail
        self._secrets = secrets

    def send(self, message: Message) -> None:
        """Send a letter.

        Raises
        ------
        OSError, smtplib.SMTPException
            It was not taken.
        """
        mail = self._mail
        context = trusting(self._secrets / "smtp.ca.pem")
        if mail.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(mail.host, mail.port, timeout=TIMEOUT, context=context)
        else:
            server = smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT)
        with server:
            if mail.security == "starttls":
                server.starttls(context=context)
            if mail.login:
                server.login(mail.login, secret(self._secrets / "smtp.password"))
            server.send_message(message)


def trusting(file: Path) -> ssl.SSLContext:
    """Return the usual trust in certificates, and in the authority of this installation if it has one."""
    context = ssl.create_default_context()
    if file.is_file():
        context.load_verify_locations(file)
    return context


def secret(file: Path) -> str:
    """Return what stands in a file, without the end of its line; nothing if there is no such file."""
    try:
        return file.read_text("utf-8").strip()
    except FileNotFoundError:
        return ""


def as_document(row: NoticeRow, at: str) -> dict[str, Any]:
    """Return a notice as the webhook is told of it (docs/architecture.md §9)."""
    return {
        "id": row.id,
        "number": row.number,
        "kind": row.kind,
        "urgency": row.urgency,
        "at": at,
        "login": row.login,
        "mo": row.mo,
        "role": row.role,
    }
