"""Studies of orders as the МИС reads them: ImagingStudy (I6, I13), out of the tables of the centre."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Engine, Row, or_, select

from cami.clock import iso
from cami.db import reading
from cami.db.tables import imaging_order, indexed_series, indexed_study, study, study_match
from cami.mis import rendering, terms
from cami.mis.fhir import Json
from cami.orders import Kind, Order, Patient


def linked(connection: Connection, condition: ColumnElement[bool]) -> dict[str, int]:
    """Return the studies (Orthanc ids) that are linked to orders, with the orders' numbers (`cami.matching`)."""
    query = select(study_match.c.study_id, study_match.c.order_number)
    rows = connection.execute(query.where(study_match.c.state == "linked", condition))
    return {row.study_id: row.order_number for row in rows}


def uid_of_ordered(connection: Connection, named: str, source: str) -> str | None:
    """Return the Study UID of ``ImagingStudy/<id>`` or a UID, if an order of `source`, or a manual one, made it."""
    id_ = named.removeprefix("ImagingStudy/")
    uid = named.removeprefix(f"{terms.DICOM_UID}|").removeprefix("urn:oid:")
    here = study_match.c.study_id == id_ if id_ != named else study_match.c.study_uid == uid
    query = (
        select(study.c.study_uid)
        .join(study_match, study_match.c.study_id == study.c.study_id)
        .join(imaging_order, imaging_order.c.number == study_match.c.order_number)
        .where(here, study_match.c.state == "linked")
        .where(or_(imaging_order.c.source == source, imaging_order.c.source.startswith("manual:")))
    )
    found: str | None = connection.scalar(query.limit(1))
    return found


@dataclass(frozen=True, slots=True)
class OrderedStudy:
    """A study with the order it was made for and what the centre has of it."""

    study_id: str
    study_uid: str
    order: Order
    available: bool
    """The centre has all that the proxy had, and has read it again."""
    instances: int
    series: int
    started: str
    """Date and time as DICOM writes them, or empty."""
    modalities: tuple[str, ...]
    description: str
    changed_at: datetime


class Studies:
    """Reads studies. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._reader = reading(engine)

    def of_orders(self, orders: Iterable[Order]) -> list[OrderedStudy]:
        """Return the studies of these orders."""
        known = {order.number: order for order in orders}
        with self._reader.connect() as connection:
            links = linked(connection, study_match.c.order_number.in_(sorted(known)))
            return self._read(connection, {study_id: known[number] for study_id, number in links.items()})

    def order_of(self, study_id: str) -> int | None:
        """Return the number of the order that a study was made for."""
        with self._reader.connect() as connection:
            return linked(connection, study_match.c.study_id == study_id).get(study_id)

    def series(self, study_id: str) -> list[Row[Any]]:
        """Return the series of a study in the index."""
        query = select(indexed_series).where(indexed_series.c.study_id == study_id)
        with self._reader.connect() as connection:
            return list(connection.execute(query.order_by(indexed_series.c.series_id)))

    def _read(self, connection: Connection, orders: Mapping[str, Order]) -> list[OrderedStudy]:
        query = (
            select(study, indexed_study.c.study_date, indexed_study.c.study_time, indexed_study.c.modalities)
            .add_columns(indexed_study.c.instances, indexed_study.c.series)
            .add_columns(indexed_study.c.description.label("described"))
            .join(indexed_study, indexed_study.c.study_id == study.c.study_id, isouter=True)
            .where(study.c.study_id.in_(sorted(orders)), study.c.first_stored_at.is_not(None))
            .order_by(study.c.claimed_at.desc(), study.c.study_id)
        )
        return [_study(row, orders[row.study_id]) for row in connection.execute(query)]


def _study(row: Row[Any], order: Order) -> OrderedStudy:
    known = [each for each in (row.modalities or f"\\{row.modality}").split("\\") if each]
    available = row.confirmed_at is not None and row.confirmed_at >= (row.last_stored_at or row.confirmed_at)
    moments = [each for each in (row.last_stored_at, row.confirmed_at, row.claimed_at) if each]
    return OrderedStudy(
        study_id=row.study_id,
        study_uid=row.study_uid,
        order=order,
        available=available,
        instances=row.instances or 0,
        series=row.series or 0,
        started=f"{row.study_date or ''}{(row.study_time or '')[:6]}",
        modalities=tuple(known),
        description=row.description,
        changed_at=max(moments),
    )


def imaging_study(
    found: OrderedStudy, series: Sequence[Row[Any]], patient: Patient, *, base: str, version: int, zone: ZoneInfo
) -> Json:
    """Return a study as an ImagingStudy; `base` is the address of the centre."""
    order = found.order
    number = patient.identifier(Kind.MIS)
    subject: Json = {"reference": f"Patient/{patient.key}"}
    if number:
        subject["identifier"] = {"system": number.system, "value": number.value}
    resource: Json = {
        "resourceType": "ImagingStudy",
        "id": found.study_id,
        "meta": {"versionId": str(version), "lastUpdated": iso(found.changed_at)},
        "contained": [_endpoint(base)],
        "extension": [
            {"url": terms.ARCHIVE_STATE, "valueCode": "central" if found.available else "transferring"},
            {"url": "urn:cami:viewer-link", "valueUrl": f"{base}/cami/s/{found.study_uid}"},
        ],
        "identifier": [rendering.uid_identifier(found.study_uid), rendering.accession_identifier(order)],
        "status": "available" if found.available else "registered",
        "modality": [{"system": terms.DCM, "code": each} for each in found.modalities],
        "subject": subject,
        "basedOn": [
            {
                "reference": f"ServiceRequest/{rendering.request_id(order.number)}",
                "identifier": {"system": order.placer_system, "value": order.placer_number},
            }
        ],
        "endpoint": [{"reference": "#wado"}],
        "numberOfSeries": found.series,
        "numberOfInstances": found.instances,
        "description": found.description or order.procedure_text,
        "series": [_series(row) for row in series],
    }
    if started := _started(found.started, zone):
        resource["started"] = started
    if order.procedure_code:
        coding = {"system": order.procedure_system, "code": order.procedure_code, "display": order.procedure_text}
        resource["procedureCode"] = [{"coding": [coding]}]
    return {name: value for name, value in resource.items() if value not in ([], "")}


def _endpoint(base: str) -> Json:
    return {
        "resourceType": "Endpoint",
        "id": "wado",
        "status": "active",
        "connectionType": {
            "system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
            "code": "dicom-wado-rs",
        },
        "payloadType": [{"text": "DICOM"}],
        "address": f"{base}/dicom-web",
    }


def _series(row: Row[Any]) -> Json:
    found: Json = {
        "uid": row.series_uid,
        "modality": {"system": terms.DCM, "code": row.modality or "OT"},
        "numberOfInstances": row.instances,
    }
    if row.number.strip().isdecimal():
        found["number"] = int(row.number)
    if row.description:
        found["description"] = row.description
    return found


def _started(text: str, zone: ZoneInfo) -> str:
    """Return DICOM's date and time as a FHIR dateTime in the region's zone, as far as they are there."""
    for form, length in (("%Y%m%d%H%M%S", 14), ("%Y%m%d%H%M", 12)):
        if len(text) >= length:
            try:
                return datetime.strptime(text[:length], form).replace(tzinfo=zone).isoformat()
            except ValueError:
                break
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) >= 8 and text[:8].isdecimal() else ""
