"""What is written for an answer: drafts that are kept as they are typed, signed versions, readings (F-32, F-34).

What somebody has typed is never overwritten by somebody else: each consultant's text is a row of its own, and who saves
over a newer one is told.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, select

from cami.access import Identity
from cami.clock import Clock
from cami.consultations.readings import Reading, Reviewed, readings_of, reviewed_by, shown_to
from cami.consultations.request import Case
from cami.consultations.service import Consultations
from cami.consultations.states import HELD, Actor, State
from cami.consultations.texts import Draft, Signed, Text, put_draft, read_draft, signed_of, text_of
from cami.db import reading
from cami.db.tables import consultation_report
from cami.errors import Conflict, Denied, NotFound


class AnswerTexts:
    """Drafts, and what was signed."""

    def __init__(self, engine: Engine, clock: Clock, consultations: Consultations) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._consultations = consultations

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

    def clinical_document(self, number: int, version: int) -> bytes:
        """Return the СЭМД of a signed version.

        Raises
        ------
        cami.errors.NotFound
            There is no such version, or it has none.
        """
        columns = consultation_report.c
        query = select(columns.clinical_document).where(columns.number == number, columns.version == version)
        with self._reader.connect() as connection:
            found = connection.scalar(query)
        if found is None:
            raise NotFound("no such document")
        return bytes(found)

    def readings(self, identity: Identity, case: Case) -> list[Reading]:
        """List the readings of a double reading that somebody may see."""
        with self._reader.connect() as connection:
            return shown_to(identity, case, readings_of(connection, case.request.number))

    def alarm(self, case: Case) -> Reading | None:
        """Return the reading that named a critical finding while there is no answer yet; for the asking МО alone."""
        if case.request.reading == 0 or not case.request.open:
            return None
        with self._reader.connect() as connection:
            found = readings_of(connection, case.request.number)
        return next((reading for reading in found if reading.text.critical), None)

    def reviewed(self, case: Case) -> Reviewed | None:
        """Return the answer that a пересмотр is of."""
        with self._reader.connect() as connection:
            return reviewed_by(connection, case)

    def _writes(self, identity: Identity, case: Case) -> None:
        """Refuse who does not have the request; after the end its consultant may still correct."""
        mine = Actor.CONSULTANT in self._consultations.actors(identity, case)
        if not mine or case.request.state not in (*HELD, State.DONE):
            raise Denied("somebody else has the request")

    def _signed_text(self, connection: Connection, case: Case) -> Text:
        """Return the newest signed text, which a correction begins with."""
        query = select(consultation_report).where(consultation_report.c.number == case.request.number)
        row = connection.execute(query.order_by(consultation_report.c.version.desc()).limit(1)).first()
        return Text() if row is None else text_of(row)
