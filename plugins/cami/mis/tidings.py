"""What events mean to the МИС: a Task, an ImagingStudy, a report."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, Row, Select, and_, insert, or_, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import mis_study, study, study_match
from cami.errors import NotFound
from cami.events import Event, EventLog, NewEvent
from cami.mis import consultations_out
from cami.mis.announcer import Tiding
from cami.mis.asked import Asked, AskedConsultations
from cami.mis.ports import SignedReports
from cami.mis.reads import Reads
from cami.mis.reports_out import report_bundle
from cami.mis.studies import OrderedStudy, Studies, linked
from cami.orders import Order, Orders, Patients

KINDS = frozenset(
    {
        "order.accepted", "order.changed", "order.cancelled", "order.started", "order.completed", "order.released",
        "order.annulled", "order.replaced", "study.matched", "study.parted", "study.available", "report.signed",
        "consultation.state",
    }
)  # fmt: skip

#: How long after its first image a study is watched for more.
WATCHED = timedelta(days=30)


class OrderTidings:
    """Says what is worth telling. Thread-safe."""

    def __init__(
        self, *, engine: Engine, clock: Clock, orders: Orders, patients: Patients, studies: Studies, reads: Reads,
        reports: SignedReports, oid_of: Callable[[str], str], zone: ZoneInfo, asked: AskedConsultations,
    ) -> None:  # fmt: skip
        self._reader = reading(engine)
        self._clock = clock
        self._orders = orders
        self._patients = patients
        self._studies = studies
        self._reads = reads
        self._reports = reports
        self._oid_of = oid_of
        self._zone = zone
        self._asked = asked

    def of(self, event: Event) -> list[Tiding]:
        """Return what an event makes worth telling; nothing if what it tells of is gone."""
        try:
            if event.kind == "report.signed":
                return self._report(event)
            if event.kind == "consultation.state":
                return self._consultation(event)
            return self._of_order(event)
        except NotFound:
            return []

    def _of_order(self, event: Event) -> list[Tiding]:
        number = event.payload.get("order")
        if not isinstance(number, int):
            return []
        order = self._orders.get(number)
        if event.kind.startswith("study."):
            return self._studies_of(order, event)
        tidings = [] if event.payload.get("by") == order.source else [self._task(order)]
        if event.kind == "order.completed":
            tidings += self._studies_of(order, event)
        return tidings

    def _studies_of(self, order: Order, event: Event) -> list[Tiding]:
        found = [each for each in self._studies.of_orders([order]) if _named(event, each)]
        return [tiding for each in found if (tiding := self._study(each)) is not None]

    def _task(self, order: Order) -> Tiding:
        body = self._reads.task(order)
        return Tiding("Task", f"Task/{body['id']}", body, self._key(order), _client(order), _mos(order))

    def _study(self, found: OrderedStudy) -> Tiding | None:
        """Return what is told of a study; nothing if the МИС knows all of it."""
        body = self._reads.imaging_study(found)
        told = self._told(found)
        if told is not None and (told.order_number, told.status, told.instances) == (
            found.order.number, body["status"], found.instances,
        ):  # fmt: skip
            return None
        version = (told.version if told else 0) + 1
        body["meta"]["versionId"] = str(version)

        def note(connection: Connection) -> None:
            values = {
                "order_number": found.order.number,
                "version": version,
                "status": body["status"],
                "instances": found.instances,
                "told_at": self._clock.now(),
            }
            mine = mis_study.c.study_id == found.study_id
            if not connection.execute(update(mis_study).where(mine).values(**values)).rowcount:
                connection.execute(insert(mis_study).values(study_id=found.study_id, **values))

        order = found.order
        about = f"ImagingStudy/{found.study_id}"
        return Tiding("ImagingStudy", about, body, self._key(order), _client(order), _mos(order), note)

    def _report(self, event: Event) -> list[Tiding]:
        report = self._reports.report(event.payload)
        if report is None:
            return []
        studies = self._of_uids(report.study_uids)
        asked = self._asked.numbered(event.payload.get("number"))
        if not studies:
            return []  # no МИС has ordered what it is about
        order = studies[0].order
        key = self._key(order)
        client = asked.client if asked else _client(order)
        requests = [asked.request] if asked and asked.request else []
        body = report_bundle(
            report, studies, oid=self._oid_of(report.mo), patient=key, zone=self._zone, based_on=requests
        )
        about = f"DiagnosticReport/{report.number}/{report.version}"
        return [Tiding("DiagnosticReport", about, body, key, client, _mos(order))]

    def _consultation(self, event: Event) -> list[Tiding]:
        asked = self._asked.numbered(event.payload.get("number"))
        if asked is not None:
            return [self._asked_consultation(asked, event)]
        uids = [uid for uid in event.payload.get("studies", []) if isinstance(uid, str)]
        studies = self._of_uids(uids)
        if not studies:
            return []
        order = studies[0].order
        key = self._key(order)
        body = consultations_out.task(event.payload, studies, key, event.happened_at, self._oid_of)
        return [Tiding("Task", f"Task/{body['id']}", body, key, _client(order), _mos(order))]

    def _asked_consultation(self, asked: Asked, event: Event) -> Tiding:
        """Tell whoever asked, by the Task with which it was asked."""
        state, version = str(event.payload.get("state", asked.state)), int(event.payload.get("version", asked.version))
        body = self._reads.consultation(asked, state, version)
        key = self._patients.standing_for(asked.patient).key
        mos = frozenset(filter(None, (asked.mo, asked.to_mo)))
        return Tiding("Task", f"Task/{asked.task}", body, key, asked.client, mos)

    def _of_uids(self, uids: Sequence[str]) -> list[OrderedStudy]:
        with self._reader.connect() as connection:
            links = linked(connection, study_match.c.study_uid.in_(list(uids)))
        found = self._studies.of_orders(self._orders.get(number) for number in sorted(set(links.values())))
        return [each for each in found if each.study_uid in uids]

    def _told(self, found: OrderedStudy) -> Row[Any] | None:
        query = select(mis_study).where(mis_study.c.study_id == found.study_id)
        with self._reader.connect() as connection:
            return connection.execute(query).first()

    def _key(self, order: Order) -> str:
        return self._patients.standing_for(order.patient).key


class StudyWatch:
    """Sees that linked studies have become whole, or whole again after more images, and makes it an event."""

    def __init__(self, engine: Engine, clock: Clock, events: EventLog) -> None:
        self._engine = engine
        self._clock = clock
        self._reader = reading(engine)
        self._events = events

    def step(self, limit: int = 100) -> bool:
        """Append ``study.available`` for studies that were not told of as they are; say whether there was one."""
        with self._reader.connect() as connection:
            found = connection.execute(self._query().limit(limit)).all()
        if not found:
            return False
        with self._engine.begin() as connection:
            still = connection.execute(self._query().limit(limit)).all()  # another replica may have been here
            for row in still:
                payload = {"order": row.order_number, "study_id": row.study_id, "study_uid": row.study_uid}
                self._events.append(connection, NewEvent("study.available", row.study_uid, payload))
                mine = mis_study.c.study_id == row.study_id
                connection.execute(update(mis_study).where(mine).values(told_at=row.confirmed_at))
        return bool(still)

    def _query(self) -> Select[Any]:
        """Return studies of which the МИС has heard, and that were confirmed after that."""
        return (
            select(study.c.study_id, study.c.study_uid, study.c.confirmed_at, mis_study.c.order_number)
            .join(mis_study, mis_study.c.study_id == study.c.study_id)
            .join(study_match, and_(study_match.c.study_id == study.c.study_id, study_match.c.state == "linked"))
            .where(study.c.claimed_at >= self._clock.now() - WATCHED)
            .where(study.c.confirmed_at >= study.c.last_stored_at)
            .where(or_(mis_study.c.status == "registered", study.c.confirmed_at > mis_study.c.told_at))
        )


def _named(event: Event, found: OrderedStudy) -> bool:
    return event.payload.get("study_id") in (None, found.study_id)


def _client(order: Order) -> str:
    return order.source.removeprefix("mis:") if order.source.startswith("mis:") else ""


def _mos(order: Order) -> frozenset[str]:
    return frozenset(filter(None, (order.mo, order.requesting_mo)))
