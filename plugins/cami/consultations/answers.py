"""The answer: typed and kept, then signed; a correction is a new version with its reason (F-34, F-45).

What somebody has typed is never overwritten by somebody else: each consultant's text is a row of its own, and who saves
over a newer one is told. What is signed is the document, byte by byte; it is made before it is signed.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select

from cami.access import Identity
from cami.clock import Clock
from cami.consultations.ports import PasswordCheck
from cami.consultations.request import Case, Person
from cami.consultations.service import Consultations
from cami.consultations.signatures import NO_SIGNATURE, Proof, Verifiers
from cami.consultations.states import HELD, Actor, Command, State
from cami.consultations.texts import (
    Draft,
    Paper,
    Sheet,
    Signed,
    Text,
    add_version,
    put_draft,
    read_draft,
    signed_of,
    text_of,
)
from cami.consultations.workflow import Change, Workflow
from cami.db import reading
from cami.db.tables import consultation_prepared, consultation_report
from cami.errors import Conflict, Denied, Invalid, NotFound


class Answers:
    """Drafts and signed versions of answers."""

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
    ) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._consultations = consultations
        self._workflow = workflow
        self._paper = paper
        self._passwords = passwords
        self._verifiers = verifiers

    def draft(self, number: int, login: str) -> Draft | None:
        """Return what somebody has typed so far."""
        with self._reader.connect() as connection:
            return read_draft(connection, number, login)

    def save(self, identity: Identity, number: int, given: Mapping[str, Any], revision: int | None) -> Draft:
        """Keep what the consultant has typed.

        Raises
        ------
        cami.errors.Conflict
            A newer text was saved from elsewhere; it stays.
        cami.errors.Denied
            Somebody else has the request.
        """

        def keep(connection: Connection, case: Case) -> Draft:
            self._writes(identity, case)
            old = read_draft(connection, number, identity.login)
            if revision is not None and revision != (old.revision if old else 0):
                raise Conflict("a newer text was saved from another window")
            base = old.text if old else self._signed_text(connection, case)
            following = (old.revision if old else 0) + 1
            text = base.changed(given)
            put_draft(connection, identity, number, text=text, revision=following, now=self._clock.now())
            kept = read_draft(connection, number, identity.login)
            if kept is None:
                raise Conflict("the text was not kept")
            return kept

        found: Draft = self._consultations.within(identity, number, keep)
        return found

    def versions(self, number: int) -> list[Signed]:
        """List the signed versions, the newest first."""
        query = select(consultation_report).where(consultation_report.c.number == number)
        with self._reader.connect() as connection:
            rows = connection.execute(query.order_by(consultation_report.c.version.desc())).all()
        return [signed_of(row) for row in rows]

    def document(self, number: int, version: int) -> tuple[bytes, bytes | None]:
        """Return a signed document and its detached signature, if it has one.

        Raises
        ------
        cami.errors.NotFound
            There is no such version.
        """
        columns = consultation_report.c
        query = select(columns.document, columns.signature)
        with self._reader.connect() as connection:
            row = connection.execute(query.where(columns.number == number, columns.version == version)).first()
        if row is None:
            raise NotFound("no such version")
        return row.document, row.signature

    def prepare(self, identity: Identity, number: int, why: str = "") -> tuple[bytes, str]:
        """Make the document that is to be signed outside, and keep it; return it and its SHA-256."""
        case = self._consultations.find(identity, number)
        draft, _command = self._ready(identity, case, why)
        document = self._paper.render(self._sheet(identity, case, draft.text, why, by_password=False))
        digest = hashlib.sha256(document).hexdigest()
        here = (consultation_prepared.c.number == number, consultation_prepared.c.login == identity.login)
        with self._engine.begin() as connection:
            connection.execute(delete(consultation_prepared).where(*here))
            connection.execute(
                insert(consultation_prepared).values(
                    number=number, login=identity.login, at=self._clock.now(), revision=draft.revision, why=why,
                    document=document, sha256=digest,
                )
            )  # fmt: skip
        return document, digest

    def sign(
        self, identity: Identity, number: int, *, version: int | None, password: str = "", why: str = ""
    ) -> Case:  # fmt: skip
        """Sign what was typed by the account's password: a simple electronic signature (63-ФЗ art. 5 p. 2).

        Raises
        ------
        cami.errors.Denied
            The password is not this account's, or somebody else has the request.
        cami.errors.Invalid
            The conclusion is empty, or the reason of a correction is missing.
        cami.errors.Conflict
            The request or the text has changed since.
        """
        case = self._consultations.find(identity, number)
        draft, command = self._ready(identity, case, why)
        if not self._passwords.confirmed(identity.login, password):
            raise Invalid("password")
        document = self._paper.render(self._sheet(identity, case, draft.text, why, by_password=True))
        return self._close(identity, case, draft, command, version=version, why=why, document=document,
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
        case = self._consultations.find(identity, number)
        columns = consultation_prepared.c
        with self._reader.connect() as connection:
            query = select(consultation_prepared).where(columns.number == number, columns.login == identity.login)
            row = connection.execute(query).first()
        if row is None or row.sha256 != sha256:
            raise NotFound("no such document was prepared")
        draft, command = self._ready(identity, case, row.why)
        if draft.revision != row.revision:
            raise Conflict("the text has changed since the document was made")
        proof = self._verifiers.check(row.document, signature)
        return self._close(identity, case, draft, command, version=version, why=row.why, document=row.document,
                           proof=proof)  # fmt: skip

    def _ready(self, identity: Identity, case: Case, why: str) -> tuple[Draft, Command]:
        self._writes(identity, case)
        draft = self.draft(case.request.number, identity.login)
        if draft is None or not draft.text.conclusion.strip():
            raise Invalid("conclusion")
        if case.request.state is State.DONE:
            if not why.strip() or len(why) > 1000:
                raise Invalid("why")
            return draft, Command.CORRECT
        if case.request.state is not State.IN_WORK:
            raise Conflict("the request is not in work")
        return draft, Command.SIGN

    def _writes(self, identity: Identity, case: Case) -> None:
        """Refuse who does not have the request; after the end its consultant may still correct."""
        mine = Actor.CONSULTANT in self._consultations.actors(identity, case)
        if not mine or case.request.state not in (*HELD, State.DONE):
            raise Denied("somebody else has the request")

    def _sheet(self, identity: Identity, case: Case, text: Text, why: str, *, by_password: bool) -> Sheet:
        latest = self.versions(case.request.number)
        version = latest[0].version + 1 if latest else 1
        return Sheet(case, text, version, why, Person.of(identity), self._clock.now(), by_password)

    def _close(
        self, identity: Identity, case: Case, draft: Draft, command: Command, *,
        version: int | None, why: str, document: bytes, proof: Proof,
    ) -> Case:  # fmt: skip
        number = case.request.number

        def write(connection: Connection, now_case: Case) -> Case:
            self._writes(identity, now_case)
            current = read_draft(connection, number, identity.login)
            if (
                current is None
                or current.revision != draft.revision
                or case.request.version != now_case.request.version
            ):
                raise Conflict("the text or the request has just been changed")
            add_version(
                connection, identity, number, text=draft.text, why=why, document=document, proof=proof,
                now=self._clock.now(),
            )  # fmt: skip
            here = (consultation_prepared.c.number == number, consultation_prepared.c.login == identity.login)
            connection.execute(delete(consultation_prepared).where(*here))
            values = {"critical": draft.text.critical}
            if command is Command.CORRECT and draft.text.critical and not case.request.critical:
                values |= {"acknowledged_at": None}  # type: ignore[dict-item]
            change = Change(command, Person.of(identity), version=version, text=why, values=values)
            return self._workflow.move(connection, now_case, change)

        moved: Case = self._consultations.within(identity, number, write)
        self._workflow.changed()
        return moved

    def _signed_text(self, connection: Connection, case: Case) -> Text:
        """Return the newest signed text, which a correction begins with."""
        query = select(consultation_report).where(consultation_report.c.number == case.request.number)
        row = connection.execute(query.order_by(consultation_report.c.version.desc()).limit(1)).first()
        return Text() if row is None else text_of(row)
