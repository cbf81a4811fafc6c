"""A region's year of consultations, straight into the centre's database: people with sessions, requests, traces.

Most requests have ended; of those that are open some wait, some are with a consultant, some are drafts that are ready.
Sessions are opened as the sign-in would, without hashing a password for each of two hundred people.
"""

import hashlib
import random
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Table, insert, text

from cami.db import tables
from cami_cli.bench.access_rows import draw_name

#: МО that ask, and МО that answer; the registry of the run has them all.
ASKING = tuple(f"{42100 + number}" for number in range(40))
ANSWERING = tuple(f"{42800 + number}" for number in range(10))
#: How many requests of a year are open, in parts of all: waiting, with a consultant; the rest has ended.
_WAITING, _HELD = 0.008, 0.012
_MODALITIES = ("CT", "MR", "DX", "MG", "US")
_PROFILES = ("radiology", "neurosurgery", "oncology")


@dataclass(frozen=True, slots=True)
class Somebody:
    """An account with a session."""

    login: str
    name: str
    role: str
    mo: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Filled:
    """What the load is made of."""

    people: Sequence[Somebody]
    drafts: Mapping[str, list[int]]
    """Numbers of drafts ready to be sent, by login."""
    held: Mapping[str, list[int]]
    """Numbers of requests in work, by login of their consultant."""
    waiting: Mapping[str, list[int]]
    """Numbers of requests that wait, by МО that they are offered to."""


@dataclass(slots=True)
class _Batch:
    """Rows by table, in the order in which the tables need each other."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: Table, **values: Any) -> None:
        self.rows.setdefault(table.name, []).append(values)

    def write(self, connection: Connection) -> None:
        for name, rows in self.rows.items():
            connection.execute(insert(tables.metadata.tables[name]), rows)
        self.rows.clear()


def route_of(mo: str) -> str:
    """Return the route that an МО asks by: each has one МО that answers it."""
    return f"to-{ANSWERING[int(mo) % len(ANSWERING)]}"


def people(users: int) -> list[Somebody]:
    """Make up so many people: a twentieth dispatchers, half of them consultants, the others ask."""
    dispatchers, consultants = users // 20, users // 2
    found = []
    for number in range(users):
        if number < dispatchers:
            role, mo = "dispatcher", ""
        elif number < dispatchers + consultants:
            role, mo = "consultant", ANSWERING[number % len(ANSWERING)]
        else:
            role, mo = "clinician", ASKING[number % len(ASKING)]
        name = draw_name(f"U{number}").replace("^", " ")
        found.append(Somebody(f"bench.{number}", name, role, mo, secrets.token_urlsafe(32)))
    return found


def fill(engine: Engine, *, users: int, requests: int, drafts: int) -> Filled:
    """Fill the database of a centre that may be running."""
    crowd = people(users)
    now = datetime.now(UTC)
    with engine.begin() as connection:
        batch = _Batch()
        for person in crowd:
            batch.add(
                tables.account, login=person.login, name=person.name, role=person.role, mo=person.mo,
                password_hash="!", disabled=False, changed_at=now,  # noqa: S106 - no password
            )  # fmt: skip
            batch.add(
                tables.session, token_hash=hashlib.sha256(person.cookie.encode()).hexdigest(), login=person.login,
                created_at=now, seen_at=now, mo=person.mo,
            )  # fmt: skip
        batch.write(connection)
    year = _Year(crowd, now, requests, drafts)
    for start in range(0, requests + drafts, 2000):
        with engine.begin() as connection:
            batch = _Batch()
            for number in range(start, min(start + 2000, requests + drafts)):
                year.add(batch, number + 1)
            batch.write(connection)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            for table in (tables.consultation, tables.consultation_event, tables.consultation_notice):
                key = next(iter(table.primary_key)).name
                connection.execute(text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', '{key}'), (SELECT max({key}) FROM {table.name}))"  # noqa: S608, E501 - names are ours
                ))  # fmt: skip
        connection.execute(text("ANALYZE"))
    return Filled(crowd, year.drafts, year.held, year.waiting)


class _Year:
    """Makes one request after the other; what is newest ends last."""

    def __init__(self, crowd: Sequence[Somebody], now: datetime, requests: int, drafts: int) -> None:
        self._askers = [each for each in crowd if each.role == "clinician"]
        self._consultants = [each for each in crowd if each.role == "consultant"]
        self._now, self._requests, self._ready = now, requests, drafts
        self._dice = random.Random(1)  # noqa: S311 - the same run each time
        self._events = 0
        self.drafts: dict[str, list[int]] = {}
        self.held: dict[str, list[int]] = {}
        self.waiting: dict[str, list[int]] = {}

    def add(self, batch: _Batch, number: int) -> None:
        dice = self._dice
        asker = self._askers[number % len(self._askers)]
        consultant = self._consultants[dice.randrange(len(self._consultants))]
        state = self._state(number)
        sent = self._now - timedelta(days=365) * (1 - number / self._requests) - timedelta(hours=1)
        if state in ("sent", "received", "in-work", "draft"):
            sent = self._now - timedelta(seconds=dice.randrange(3 * 86400))
        urgency = dice.choices(("stat", "urgent", "routine"), (1, 3, 6))[0]
        accepted = None if state in ("sent", "received", "draft") else sent + timedelta(minutes=dice.randrange(5, 90))
        ended = sent + timedelta(hours=dice.randrange(2, 60)) if state in ("done", "rejected", "cancelled") else None
        answer_by = sent + timedelta(hours={"stat": 2, "urgent": 24, "routine": 72}[urgency])
        events = [("send", "draft", "sent")] if state != "draft" else []
        events += [("take", "sent", "in-work")] if accepted else []
        events += [("sign", "in-work", state)] if ended else []
        modality = dice.choice(_MODALITIES)
        has = consultant if accepted else None
        batch.add(
            tables.consultation, number=number, version=len(events) + 1, state=state, kind="consultation",
            urgency=urgency, mode="deferred", profile=dice.choice(_PROFILES), route=route_of(asker.mo), mo=asker.mo,
            asker=asker.login, asker_name=asker.name, phone="8-3842-00-00-00", to_mo=has.mo if has else "",
            consultant=has.login if has else "", consultant_name=has.name if has else "",
            question="Есть ли признаки внутричерепного кровоизлияния, перелома костей черепа?",
            diagnosis="S06.0", history="Травма два часа назад, потеря сознания. " * 5, inpatient=True, consent=True,
            patient_name=draw_name(f"P{number // 3}"), patient_id=f"К-{number // 3}", patient_birth_date="19570308",
            patient_sex="M", modalities=f"\\{modality}\\", created_at=sent, changed_at=ended or accepted or sent,
            sent_at=None if state == "draft" else sent, received_at=accepted, accepted_at=accepted, ended_at=ended,
            accept_by=sent + timedelta(hours=1), answer_by=answer_by, late=bool(ended and ended > answer_by),
            escalated=False, lease_until=self._now + timedelta(hours=8) if state == "in-work" else None,
            reason="no-data" if state == "rejected" else "mistake" if state == "cancelled" else "", critical=False,
            last_event=self._events + len(events),
        )  # fmt: skip
        uid = f"1.2.826.0.1.3680043.97.{number}"
        batch.add(
            tables.consultation_study, number=number, study_uid=uid, study_id=f"bench-{number}", owner=asker.mo,
            place=0, prior=False, study_date="20261101", modalities=modality, description="Исследование",
        )  # fmt: skip
        self._traces(batch, number, events, urgency, sent, asker=asker, consultant=consultant)
        if state != "draft":
            batch.add(tables.consultation_offer, number=number, mo=consultant.mo)
            holder = {"login": consultant.login, "mo": ""} if accepted else {"login": "", "mo": consultant.mo}
            batch.add(
                tables.study_grant, study_uid=uid, owner=asker.mo, cause="consultation", reference=str(number),
                reason="consultation", given_by=asker.login, given_at=sent, ended_at=ended, labelled=True, **holder,
            )  # fmt: skip
        if state == "draft":
            self.drafts.setdefault(asker.login, []).append(number)
        if state == "in-work":
            self.held.setdefault(consultant.login, []).append(number)
        if state in ("sent", "received"):
            self.waiting.setdefault(consultant.mo, []).append(number)

    def _state(self, number: int) -> str:
        if number > self._requests:
            return "draft"
        share = number / self._requests
        if share > 1 - _WAITING:
            return self._dice.choice(("sent", "received"))
        if share > 1 - _WAITING - _HELD:
            return "in-work"
        return self._dice.choices(("done", "rejected", "cancelled"), (94, 4, 2))[0]

    def _traces(
        self, batch: _Batch, number: int, events: Iterable[tuple[str, str, str]], urgency: str, at: datetime, *,
        asker: Somebody, consultant: Somebody,
    ) -> None:  # fmt: skip
        for version, (command, before, after) in enumerate(events):
            by = asker if command == "send" else consultant
            self._events += 1
            batch.add(
                tables.consultation_event, id=self._events, number=number, version=version + 2, at=at, login=by.login,
                person=by.name, role=by.role, mo=by.mo, command=command, before=before, after=after,
            )  # fmt: skip
            targets: list[dict[str, str]] = [{"login": asker.login}]
            if command == "send":
                targets = [{"mo": consultant.mo}, {"role": "dispatcher"}]
            for target in targets:
                told = {"send": "sent", "take": "taken", "sign": "done"}[command]
                batch.add(
                    tables.consultation_notice, number=number, at=at, kind=told, urgency=urgency, mailed_at=at,
                    login=target.get("login", ""), mo=target.get("mo", ""), role=target.get("role", ""),
                )  # fmt: skip
            if command != "take":
                batch.add(tables.consultation_seen, login=by.login, number=number, event=self._events)
