"""The answer: typed and kept, then signed; a correction is a new version with its reason (F-34, F-45).

What somebody has typed is never overwritten by somebody else: each consultant's text is a row of its own, and who saves
over a newer one is told. What is signed is the document, byte by byte; it is made before it is signed.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from cami.access import Identity
from cami.clock import Clock
from cami.consultations.answer_texts import AnswerTexts
from cami.consultations.notices import DISPATCHER, Target, Told, notify
from cami.consultations.ports import PasswordCheck
from cami.consultations.readings import add_reading, ending, readings_of
from cami.consultations.request import Case, Person
from cami.consultations.service import Consultations
from cami.consultations.signatures import NO_SIGNATURE, Proof, Verifiers
from cami.consultations.states import BLINDED, Command, State
from cami.consultations.texts import (
    Clinical,
    Draft,
    Paper,
    Sheet,
    Text,
    add_version,
    read_draft,
)
from cami.consultations.workflow import Change, Workflow
from cami.db.tables import consultation_prepared
from cami.errors import Conflict, Invalid, NotFound

#: How long the reason of a correction may be.
LONGEST_WHY = 1000
#: What a document says of a signature by password.
SIMPLY_SIGNED = "Подписано простой электронной подписью (вход по паролю), 63-ФЗ ст. 5."


@dataclass(frozen=True, slots=True)
class Waiting:
    """A document that waits for its signature."""

    sha256: str
    document: bytes
    by_provider: bool


class Answers(AnswerTexts):
    """Drafts, readings and signed versions of answers, and how they are signed."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        *,
        consultations: Consultations,
        workflow: Workflow,
        paper: Paper,
        passwords: PasswordCheck,
        verifiers: Verifiers,
        clinical: Clinical | None = None,
    ) -> None:
        """Make them; without `clinical` answers have no СЭМД."""
        self._clinical = clinical
        super().__init__(engine, clock, consultations)
        self._workflow = workflow
        self._paper = paper
        self._passwords = passwords
        self._verifiers = verifiers

    def prepare(
        self, identity: Identity, number: int, why: str = "", agreed: str = "", *, how: str = "", visit: str = ""
    ) -> tuple[bytes, str]:
        """Make the document that is to be signed, and keep it; return it and its SHA-256.

        Parameters
        ----------
        agreed
            What who signs says of other texts (`cami.consultations.readings.ending`).
        how, visit
            Of a signature by an identity provider: the document's words for it, and the visit that it is bound to.
        """
        case = self._consultations.find(identity, number)
        draft, _command, _values = self._ready(identity, case, why, agreed)
        document = self._paper.render(self._sheet(identity, case, draft.text, why=why, agreed=agreed, how=how))
        digest = hashlib.sha256(document).hexdigest()
        here = (consultation_prepared.c.number == number, consultation_prepared.c.login == identity.login)
        with self._engine.begin() as connection:
            connection.execute(delete(consultation_prepared).where(*here))
            connection.execute(
                insert(consultation_prepared).values(
                    number=number, login=identity.login, at=self._clock.now(), revision=draft.revision, why=why,
                    agreement=agreed, visit_hash=visit_hash(visit), document=document, sha256=digest,
                )
            )  # fmt: skip
        return document, digest

    def sign(
        self, identity: Identity, number: int, *, version: int | None, password: str = "", why: str = "",
        agreed: str = "",
    ) -> Case:  # fmt: skip
        """Sign what was typed by the account's password: a simple electronic signature (63-ФЗ art. 5 p. 2).

        Raises
        ------
        cami.errors.Denied
            The password is not this account's, or somebody else has the request.
        cami.errors.Invalid
            The conclusion is empty, or something that has to be said with it is missing.
        cami.errors.Conflict
            The request or the text has changed since.
        """
        case = self._consultations.find(identity, number)
        draft, _command, _values = self._ready(identity, case, why, agreed)
        if not self._passwords.confirmed(identity.login, password):
            raise Invalid("password")
        how = f"{SIMPLY_SIGNED} Учётная запись {identity.login}"
        document = self._paper.render(self._sheet(identity, case, draft.text, why=why, agreed=agreed, how=how))
        return self._close(identity, case, draft, version=version, why=why, agreed=agreed, document=document,
                           proof=NO_SIGNATURE)  # fmt: skip

    def sign_with(self, identity: Identity, number: int, *, version: int | None, sha256: str, signature: bytes) -> Case:
        """Take a detached CMS signature of the prepared document, and keep it as it is.

        Raises
        ------
        cami.errors.Invalid
            It is no CMS, or not of this document.
        cami.errors.NotFound
            No such document was prepared.
        """
        row = self._prepared(identity, number)
        if row is None or row.sha256 != sha256 or row.visit_hash:
            raise NotFound("no such document was prepared")
        proof = self._verifiers.check(row.document, signature, self._clock.now())
        return self._close_prepared(identity, number, row, proof, version)

    def prepared(self, identity: Identity, number: int) -> Waiting | None:
        """Return the document of somebody's that waits for its signature, unless the text has changed since."""
        row, draft = self._prepared(identity, number), self.draft(number, identity.login)
        if row is None or draft is None or row.revision != draft.revision:
            return None
        return Waiting(row.sha256, row.document, by_provider=bool(row.visit_hash))

    def bind(self, identity: Identity, number: int, sha256: str, visit: str) -> None:
        """Let a document that was prepared for the provider be signed by one visit, and by no other.

        Raises
        ------
        cami.errors.NotFound
            There is no such document.
        """
        table = consultation_prepared.c
        here = (table.number == number, table.login == identity.login, table.sha256 == sha256, table.visit_hash != "")
        with self._engine.begin() as connection:
            bound = update(consultation_prepared).where(*here).values(visit_hash=visit_hash(visit))
            if not connection.execute(bound).rowcount:
                raise NotFound("no such document was prepared")

    def sign_by_provider(self, identity: Identity, number: int, visit: str, provider: str) -> Case:
        """Sign the prepared document by a sign-in at the identity provider that was made for it alone (ADR 0033).

        The caller has seen that the provider has just asked this account's person, and for this visit.

        Raises
        ------
        cami.errors.NotFound
            No document was prepared for this visit.
        """
        row = self._prepared(identity, number)
        if row is None or not row.visit_hash or row.visit_hash != visit_hash(visit):
            raise NotFound("no such document was prepared")
        return self._close_prepared(identity, number, row, Proof("provider", None, "", "", provider[:64]), None)

    def _prepared(self, identity: Identity, number: int) -> Any:
        columns = consultation_prepared.c
        query = select(consultation_prepared).where(columns.number == number, columns.login == identity.login)
        with self._reader.connect() as connection:
            return connection.execute(query).first()

    def _close_prepared(self, identity: Identity, number: int, row: Any, proof: Proof, version: int | None) -> Case:
        case = self._consultations.find(identity, number)
        draft, _command, _values = self._ready(identity, case, row.why, row.agreement)
        if draft.revision != row.revision:
            raise Conflict("the text has changed since the document was made")
        return self._close(identity, case, draft, version=version, why=row.why, agreed=row.agreement,
                           document=row.document, proof=proof)  # fmt: skip

    def _ready(
        self, identity: Identity, case: Case, why: str, agreed: str
    ) -> tuple[Draft, Command, dict[str, Any]]:  # fmt: skip
        """Return what would be signed and what that does, if nothing is missing."""
        self._writes(identity, case)
        draft = self.draft(case.request.number, identity.login)
        if draft is None or not draft.text.conclusion.strip():
            raise Invalid("conclusion")
        if case.request.state is State.DONE and (not why.strip() or len(why) > LONGEST_WHY):
            raise Invalid("why")
        with self._reader.connect() as connection:
            readings = readings_of(connection, case.request.number)
        return draft, *ending(case, draft.text, readings, agreed)

    def _sheet(self, identity: Identity, case: Case, text: Text, *, why: str, agreed: str, how: str) -> Sheet:
        request = case.request
        latest = self.versions(request.number)
        read = request.reading if request.state is State.IN_WORK and request.reading in BLINDED else 0
        readers: tuple[str, ...] = ()
        if request.reading and not read:
            with self._reader.connect() as connection:
                readers = tuple(reading.person for reading in readings_of(connection, request.number))
        return Sheet(
            case, text, latest[0].version + 1 if latest else 1, why, Person.of(identity), self._clock.now(),
            how=how, readers=readers, agreement=agreed or request.upheld or request.agreement, reading=read,
        )  # fmt: skip

    def _close(
        self, identity: Identity, case: Case, draft: Draft, *,
        version: int | None, why: str, agreed: str, document: bytes, proof: Proof,
    ) -> Case:  # fmt: skip
        number = case.request.number
        sheet = self._sheet(identity, case, draft.text, why=why, agreed=agreed, how="")
        clinical = self._clinical.render(sheet) if self._clinical is not None and not sheet.reading else None

        def write(connection: Connection, now_case: Case) -> Case:
            self._writes(identity, now_case)
            current = read_draft(connection, number, identity.login)
            if (
                current is None
                or current.revision != draft.revision
                or case.request.version != now_case.request.version
            ):
                raise Conflict("the text or the request has just been changed")
            command, values = ending(now_case, draft.text, readings_of(connection, number), agreed)
            now = self._clock.now()
            if command in (Command.SIGN, Command.CORRECT):
                add_version(
                    connection, identity, number, text=draft.text, why=why, document=document, proof=proof, now=now,
                    clinical=clinical,
                )  # fmt: skip
            else:
                add_reading(connection, identity, now_case, text=draft.text, document=document, proof=proof, now=now)
                self._alarm(connection, now_case, draft.text)
            here = (consultation_prepared.c.number == number, consultation_prepared.c.login == identity.login)
            connection.execute(delete(consultation_prepared).where(*here))
            if command is Command.CORRECT and draft.text.critical and not case.request.critical:
                values |= {"acknowledged_at": None}
            change = Change(command, Person.of(identity), version=version, text=why, values=values)
            return self._workflow.move(connection, now_case, change)

        moved: Case = self._consultations.within(identity, number, write)
        self._workflow.changed()
        return moved

    def _alarm(self, connection: Connection, case: Case, text: Text) -> None:
        """Tell the asking МО of a critical finding at once: it does not wait for the other reader (F-37).

        Who reads blinded is told nothing: the flag of the request stays as it was.
        """
        if text.critical:
            targets = [Target(login=case.request.asker), Target(role=DISPATCHER)]
            notify(connection, case, self._clock.now(), Told.CRITICAL_READING, targets)


def visit_hash(visit: str) -> str:
    """Return what is kept of a visit at the provider; nothing of none."""
    return hashlib.sha256(visit.encode()).hexdigest() if visit else ""
