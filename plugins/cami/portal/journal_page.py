"""«Журнал» for the auditor, «Кто смотрел» for auditor and МО administrator (F-52, F-53). Reading it is on record too.

The number of a patient's card is sent by POST and turned into our key at once: no address and no record holds it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from cami.access import Action, Identity, Role
from cami.archive import orthanc_id
from cami.audit import AuditEvent, AuditTrail, Kind, Outcome, Record
from cami.audit.caller import caller
from cami.audit.export import csv_lines
from cami.audit.search import JournalReader, Page, Place, Question
from cami.errors import Invalid
from cami.portal.entry import Entry, refused
from cami.portal.forms import fields
from cami.portal.headers import PAGE_POLICY, secured
from cami.portal.journal_wording import KINDS, OUTCOME_STATES, OUTCOMES, REASONS, STAGES
from cami.portal.navigation import ACCESSES, JOURNAL
from cami.portal.pages import Pages, Reader
from cami.web import Endpoint, Request, Response, redirect

#: Records on a page, and in a table that is downloaded: who needs more takes a shorter time, or `scripts/cami audit`.
SHOWN, DOWNLOADED = 100, 20_000

_FIELDS = ("actor", "study", "patient", "kind", "outcome", "mo", "since", "until")
_NOTHING = dict.fromkeys(_FIELDS, "")
#: Names of accounts by login.
Names = Callable[[Collection[str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """A record as the page shows it."""

    record: Record
    at: str
    """Local time, with its seconds."""
    who: str
    """Name of the person; the actor itself for machines and strangers."""
    mo: str
    kind: str
    outcome: str
    state: str
    notes: tuple[str, ...]
    """Message ids."""
    count: str
    """Of images, if the record says it."""
    owner: str


class _Asked(NamedTuple):
    question: Question
    plain: Mapping[str, str]
    """As the address has it, to be given on."""


class JournalPage:
    """Handlers of ``/cami/journal``, of the same as a table, and of ``/cami/who``."""

    def __init__(
        self,
        pages: Pages,
        *,
        reader: JournalReader,
        trail: AuditTrail,
        names: Names,
        zone: ZoneInfo,
        codes: Sequence[str],
    ) -> None:
        """Make it; `codes` are those of the МО that can be chosen."""
        self._pages = pages
        self._reader = reader
        self._trail = trail
        self._names = names
        self._zone = zone
        self._codes = codes

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(JOURNAL, entry.page(Action.JOURNAL_READ, self.journal)),
            Endpoint(JOURNAL + r"\.csv", entry.page(Action.JOURNAL_READ, self.table)),
            Endpoint(ACCESSES, entry.page(Action.ACCESSES_READ, self.accesses)),
        ]

    def journal(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the journal, newest first."""
        if request.method == "POST":
            return _moved(JOURNAL, fields(request))
        asked = self._asked(request.query)
        page = self._page(request, identity, asked.question, {})
        return self._pages.page(
            "journal.html",
            reader,
            rows=self._rows(page.records),
            asked={**_NOTHING, **asked.plain},
            narrowed=bool(asked.plain),
            kinds=KINDS,
            outcomes=OUTCOMES,
            codes={code: self._pages.organization(code) for code in self._codes},
            table=f"{JOURNAL}.csv?{urlencode(asked.plain)}",
            older=_older(JOURNAL, asked.plain, page),
            newest=f"{JOURNAL}?{urlencode(asked.plain)}" if "before" in request.query else "",
        )

    def table(self, request: Request, _reader: Reader, identity: Identity) -> Response:
        """Answer what the page shows as a table."""
        asked = self._asked(request.query)
        self._record(identity, asked.question, {"format": "csv"})
        found = []
        for record in self._reader.every(asked.question):
            found.append(record)
            if len(found) >= DOWNLOADED:
                break
        body = "".join(csv_lines(found, self._zone))
        headers = [("Content-Disposition", 'attachment; filename="journal.csv"'), ("Cache-Control", "no-store")]
        return secured(Response(200, body.encode("utf-8"), "text/csv; charset=utf-8", headers), PAGE_POLICY)

    def accesses(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show who did what with the data of one patient, or with one study."""
        if request.method == "POST":
            return _moved(ACCESSES, fields(request))
        asked = self._asked({name: request.query.get(name, "") for name in ("study", "patient", "since", "until")})
        question = asked.question
        own = identity.role is not Role.AUDITOR
        if own and not identity.mo:
            return refused(self._pages.page("not_found.html", reader))
        if own:
            question = replace(question, owner=identity.mo)
        wanted = bool(question.study_uid or question.patient)
        page = self._page(request, identity, question, {"page": "who"}) if wanted else Page((), None)
        return self._pages.page(
            "accesses.html",
            reader,
            rows=self._rows(page.records),
            asked={**_NOTHING, **asked.plain},
            narrowed=bool(asked.plain),
            wanted=wanted,
            own=self._pages.organization(identity.mo) if own else "",
            older=_older(ACCESSES, asked.plain, page),
        )

    def _page(self, request: Request, identity: Identity, question: Question, details: Mapping[str, str]) -> Page:
        try:
            before = Place.parse(request.query["before"]) if "before" in request.query else None
        except Invalid:
            before = None
        self._record(identity, question, details)
        return self._reader.page(question, before, SHOWN)

    def _record(self, identity: Identity, question: Question, details: Mapping[str, str]) -> None:
        """Record that the journal is read, and what of it, before it is shown."""
        self._trail.record(
            AuditEvent(
                Kind.JOURNAL,
                identity.login,
                identity.role,
                identity.mo,
                caller().source,
                studies=(question.study_uid,) if question.study_uid else (),
                patient=question.patient,
                details={**question.plain, **details},
            )
        )

    def _asked(self, query: Mapping[str, str]) -> _Asked:
        first, last = _day(query.get("since", "")), _day(query.get("until", ""))
        uid = query.get("study", "").strip()
        kind, outcome, mo = query.get("kind", ""), query.get("outcome", ""), query.get("mo", "")
        patient = query.get("patient", "")
        question = Question(
            actor=query.get("actor", "").strip()[:100],
            study_uid=uid if uid.replace(".", "").isdigit() else "",
            patient=patient if set(patient) <= set("0123456789abcdef-") else "",
            kind=Kind(kind) if kind in set(Kind) else None,
            outcome=Outcome(outcome) if outcome in set(Outcome) else None,
            mo=mo if mo in self._codes else "",
            since=datetime.combine(first, time(), self._zone) if first else None,
            until=datetime.combine(last + timedelta(days=1), time(), self._zone) if last else None,
        )
        plain = {
            "actor": question.actor,
            "study": question.study_uid,
            "patient": question.patient,
            "kind": str(question.kind or ""),
            "outcome": str(question.outcome or ""),
            "mo": question.mo,
            "since": first.isoformat() if first else "",
            "until": last.isoformat() if last else "",
        }
        return _Asked(question, {name: value for name, value in plain.items() if value})

    def _rows(self, records: Sequence[Record]) -> list[Row]:
        names = self._names({record.event.actor for record in records})
        return [self._row(record, names) for record in records]

    def _row(self, record: Record, names: Mapping[str, str]) -> Row:
        event = record.event
        notes = [REASONS.get(event.reason, event.reason), STAGES.get(event.details.get("stage", ""), "")]
        return Row(
            record,
            f"{record.at.astimezone(self._zone):%d.%m.%Y %H:%M:%S}",
            names.get(event.actor, event.actor),
            self._pages.organization(event.mo) if event.mo else "",
            KINDS[event.kind],
            OUTCOMES[event.outcome],
            OUTCOME_STATES[event.outcome],
            tuple(filter(None, notes)),
            event.details.get("instances", ""),
            self._pages.organization(event.owner) if event.owner and event.owner != event.mo else "",
        )


def _moved(path: str, form: Mapping[str, str]) -> Response:
    """Turn a form into an address; the number of a card becomes our key of the patient."""
    values: dict[str, Any] = {name: form[name].strip() for name in _FIELDS if form.get(name, "").strip()}
    card = form.get("card", "").strip()
    if card:
        values["patient"] = orthanc_id(card)
    if "reset" in form:
        values = {}
    return redirect(f"{path}?{urlencode(values)}" if values else path)


def _older(path: str, plain: Mapping[str, str], page: Page) -> str:
    return f"{path}?{urlencode({**plain, 'before': str(page.next)})}" if page.next else ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
