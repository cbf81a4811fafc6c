"""The order that each of some studies was made for, as the list of studies shows it: merges of patients followed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select

from cami.db import reading
from cami.db.tables import imaging_order, patient, study_match
from cami.matching.states import State
from cami.orders import Kind, Patients


@dataclass(frozen=True, slots=True)
class OrderNote:
    """An order beside its study."""

    number: str
    """Of the placer."""
    reason: str
    requester: str
    merged_card: str = ""
    """Number in the МИС of the card that stands for the patient now, if the card of the order was merged."""
    merged_name: str = ""


class OrderedStudies:
    """Reads the tables of matching and orders. Thread-safe."""

    def __init__(self, engine: Engine, patients: Patients) -> None:
        self._reader = reading(engine)
        self._patients = patients

    def orders(self, study_ids: Sequence[str]) -> Mapping[str, OrderNote]:
        """Return the orders of linked studies, by Orthanc id."""
        table = imaging_order.c
        query = (
            select(study_match.c.study_id, table.placer_number, table.reason, table.requester, patient.c.merged_into)
            .join(imaging_order, table.number == study_match.c.order_number)
            .join(patient, patient.c.key == table.patient)
            .where(study_match.c.state == State.LINKED.value, study_match.c.study_id.in_(list(study_ids)))
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return {
            row.study_id: OrderNote(row.placer_number, row.reason, row.requester, *self._standing(row.merged_into))
            for row in rows
        }

    def _standing(self, into: str | None) -> tuple[str, str]:
        """Return card and name of whoever stands for a patient merged into another; nothing for one who is not."""
        if not into:
            return "", ""
        standing = self._patients.standing_for(into)
        number, person = standing.identifier(Kind.MIS), standing.person
        return number.value if number else "", " ".join(filter(None, (person.family, person.given, person.middle)))
