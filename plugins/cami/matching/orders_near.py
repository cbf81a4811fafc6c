"""The orders that a study may belong to, and whose number its Patient ID is."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, Select, or_, select

from cami.db import reading
from cami.db.tables import imaging_order, patient, patient_identifier
from cami.index.folding import fold_name, latin
from cami.matching.judgement import Candidate, Study
from cami.orders import ENP, SNILS, Orders, Patients, canonical
from cami.orders import State as OrderState
from cami.orders.order import Order, order_of
from cami.region import Region

#: How far from its time an order is still looked at.
AROUND = timedelta(days=2)
_MOST = 200
_OPEN = (OrderState.ACCEPTED.value, OrderState.STARTED.value)


class OrdersNear:
    """Looks for orders."""

    def __init__(self, engine: Engine, orders: Orders, patients: Patients, region: Region) -> None:
        self._reader = reading(engine)
        self._orders = orders
        self._patients = patients
        self._roots = {each.code: f"urn:oid:{each.oid}." for each in region.organizations}

    def holders(self, study: Study) -> set[str]:
        """Return the patients who have the study's Patient ID for a number: of its own МО's МИС, if anybody has."""
        if not study.patient_id:
            return set()
        digits = {canonical(system, study.patient_id).value for system in (SNILS, ENP)}
        query = select(patient_identifier.c.system, patient_identifier.c.patient).where(
            or_(
                patient_identifier.c.value == study.patient_id,
                patient_identifier.c.value.in_(digits) & patient_identifier.c.system.in_((SNILS, ENP)),
            )
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
            local = f"urn:cami:local:{study.owner}"
            known = [row for row in rows if not row.system.startswith("urn:cami:local:") or row.system == local]
            root = self._roots.get(study.owner, "")
            own = [row for row in known if row.system in (local, SNILS, ENP) or (root and row.system.startswith(root))]
            return {self._patients.root_in(connection, row.patient) for row in own or known}

    def candidates(self, study: Study, holders: Iterable[str]) -> list[Candidate]:
        """Return the orders of the study's МО that may be meant, each once."""
        found: dict[int, Order] = {}
        for order in self._named(study):
            found[order.number] = order
        everybody = [one for key in sorted(holders) for one in self._patients.everybody(key)]
        if everybody:
            for order in self._orders.of_patients(everybody):
                if order.mo == study.owner and order.state.value in _OPEN and self._is_near(study, order):
                    found.setdefault(order.number, order)
        for order in self._namesakes(study):
            found.setdefault(order.number, order)
        return [self.candidate(order) for order in found.values()]

    def candidate(self, order: Order) -> Candidate:
        """Return an order as it is compared."""
        person = self._patients.standing_for(order.patient)
        name = " ".join([person.person.family, person.person.given, person.person.middle])
        birth = person.person.birth_date.replace("-", "")
        return Candidate(
            number=order.number,
            accession=order.accession,
            study_uid=order.study_uid,
            modality=order.modality,
            device=order.device_aet,
            state=order.state.value,
            patient=person.key,
            patient_name=latin_name(name),
            birth_date=birth if len(birth) == 8 else "",
            sex=person.person.sex,
            scheduled_at=order.scheduled_at,
            created_at=order.created_at,
        )

    def open_near(self, study: Study, limit: int = _MOST) -> list[Order]:
        """Return the open orders of the study's МО about that time, whoever they are for: for a person to choose."""
        query = self._near(study).order_by(imaging_order.c.number.desc()).limit(limit)
        with self._reader.connect() as connection:
            return [order_of(row) for row in connection.execute(query)]

    def _named(self, study: Study) -> list[Order]:
        found = [self._orders.of_study_uid(study.study_uid)]
        if study.accession:
            found.append(self._orders.of_accession(study.owner, study.accession))
        return [order for order in found if order is not None and order.mo == study.owner]

    def _namesakes(self, study: Study) -> list[Order]:
        """Return orders about that time for people born on that day."""
        if len(study.birth_date) != 8 or not study.patient_name:
            return []
        day = f"{study.birth_date[:4]}-{study.birth_date[4:6]}-{study.birth_date[6:]}"
        query = self._near(study).join(patient, patient.c.key == imaging_order.c.patient)
        query = query.where(patient.c.birth_date == day).limit(_MOST)
        with self._reader.connect() as connection:
            return [order_of(row) for row in connection.execute(query)]

    def _near(self, study: Study) -> Select[Any]:
        order = imaging_order.c
        query = select(imaging_order).where(order.mo == study.owner, order.state.in_(_OPEN))
        if study.began_at is None:
            return query
        begin, end = study.began_at - AROUND, study.began_at + AROUND
        planned = order.scheduled_at.between(begin, end)
        return query.where(or_(planned, order.scheduled_at.is_(None) & order.created_at.between(begin, end)))

    @staticmethod
    def _is_near(study: Study, order: Order) -> bool:
        planned = order.scheduled_at or order.created_at
        return study.began_at is None or abs(study.began_at - planned) <= AROUND


def latin_name(name: str) -> str:
    """Fold a name so that a device without Cyrillic writes it alike."""
    return latin(fold_name(name)).strip()
