"""What is said about a request beside its states, and the files that come with it."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, func, insert, select

from cami.access import Identity
from cami.clock import Clock
from cami.consultations.notices import DISPATCHER, Target, Told, notify
from cami.consultations.readings import blinded
from cami.consultations.request import Case, Person
from cami.consultations.states import QUEUED
from cami.consultations.terms import MessageKind
from cami.consultations.workflow import record
from cami.db import reading
from cami.db.tables import consultation_event, consultation_file, consultation_message
from cami.errors import Conflict, Invalid, NotFound

LONGEST_MESSAGE = 8000
#: Bytes of one file, and how many files a request may have.
LARGEST_FILE, MOST_FILES = 10_000_000, 20
#: What may come with a request, and how its content begins: what a browser shows inertly or saves.
_KINDS: dict[str, tuple[bytes, ...]] = {
    "application/pdf": (b"%PDF-",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "text/plain": (b"",),
}
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]+")


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody has said."""

    id: int
    at: datetime
    login: str
    person: str
    mo: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the history."""

    id: int
    at: datetime
    login: str
    person: str
    role: str
    mo: str
    command: str
    before: str
    after: str
    subject: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A file without its content."""

    id: int
    at: datetime
    person: str
    name: str
    content_type: str
    size: int


class Talk:
    """Messages, history and files."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def add(self, connection: Connection, identity: Identity, case: Case, text: str, kind: MessageKind) -> int:
        """Add a message of somebody who sees the request, and tell the other side.

        Raises
        ------
        cami.errors.Invalid
            It is empty or too long.
        """
        words = text.replace("\r\n", "\n").strip()
        if not words or len(words) > LONGEST_MESSAGE:
            raise Invalid("text")
        now = self._clock.now()
        added = connection.execute(
            insert(consultation_message)
            .values(
                number=case.request.number, at=now, login=identity.login, person=identity.name, mo=identity.mo,
                kind=kind.value, text=words,
            )
            .returning(consultation_message.c.id)
        )  # fmt: skip
        if kind in (MessageKind.NOTE, MessageKind.OPINION):
            record(connection, case, Person.of(identity), "message", at=now, before=case.request.state.value)
            notify(connection, case, now, Told.MESSAGE, _others(identity, case))
        return int(added.scalar_one())

    def messages(self, number: int) -> list[Message]:
        """List what was said, the oldest first."""
        columns = consultation_message.c
        query = select(
            columns.id, columns.at, columns.login, columns.person, columns.mo, columns.kind, columns.text
        ).where(columns.number == number)  # fmt: skip
        with self._reader.connect() as connection:
            return [Message(*row) for row in connection.execute(query.order_by(columns.id))]

    def history(self, number: int) -> list[Event]:
        """List what has happened, the oldest first."""
        columns = consultation_event.c
        query = select(*[columns[name] for name in Event.__dataclass_fields__]).where(columns.number == number)
        with self._reader.connect() as connection:
            return [Event(*row) for row in connection.execute(query.order_by(columns.id))]

    def attach(
        self, connection: Connection, identity: Identity, case: Case, *, name: str, content_type: str, content: bytes
    ) -> int:
        """Add a file.

        Raises
        ------
        cami.errors.Conflict
            The request has ended, has too many files, or is read by who must not be heard by the other reader.
        cami.errors.Invalid
            It is empty, too large, or of a kind that is not taken.
        """
        number = case.request.number
        if case.request.ended:
            raise Conflict("the request has ended")
        if blinded(case) and identity.mo != case.request.mo:
            raise Conflict("the other reader must not see it")
        count = select(func.count()).where(consultation_file.c.number == number)
        if (connection.scalar(count) or 0) >= MOST_FILES:
            raise Conflict("too many files")
        kind = content_type.partition(";")[0].strip().lower()
        if kind not in _KINDS or not content.startswith(_KINDS[kind]) or not 0 < len(content) <= LARGEST_FILE:
            raise Invalid("file")
        title = _UNSAFE.sub(" ", name).strip(" .")[:200]
        if not title:
            raise Invalid("name")
        now = self._clock.now()
        added = connection.execute(
            insert(consultation_file)
            .values(
                number=number, at=now, login=identity.login, person=identity.name, name=title, content_type=kind,
                size=len(content), sha256=hashlib.sha256(content).hexdigest(), content=content,
            )
            .returning(consultation_file.c.id)
        )  # fmt: skip
        record(connection, case, Person.of(identity), "file", at=now, before=case.request.state.value)
        return int(added.scalar_one())

    def files(self, number: int) -> list[Attached]:
        """List the files of a request."""
        columns = consultation_file.c
        query = select(*[columns[name] for name in Attached.__dataclass_fields__]).where(columns.number == number)
        with self._reader.connect() as connection:
            return [Attached(*row) for row in connection.execute(query.order_by(columns.id))]

    def file(self, number: int, which: int) -> tuple[Attached, bytes]:
        """Return a file of a request.

        Raises
        ------
        cami.errors.NotFound
            There is none.
        """
        columns = consultation_file.c
        names = [columns[name] for name in Attached.__dataclass_fields__]
        query = select(*names, columns.content).where(columns.number == number, columns.id == which)
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound("no such file")
        *values, content = row
        return Attached(*values), content


def _others(identity: Identity, case: Case) -> list[Target]:
    request = case.request
    targets = [Target(login=login) for login in (request.asker, request.consultant) if login]
    if request.state in QUEUED:
        targets += [Target(mo=mo) for mo in sorted(case.offers)] + [Target(role=DISPATCHER)]
    return [target for target in targets if target.login != identity.login]
