"""Statements of patients and orders that nearly every message of the МИС needs, written out once.

SQLAlchemy spends more on making and hashing a statement than SQLite on carrying it out by a key; one order is some
twenty of them.
"""

from sqlalchemy import bindparam, insert, select, update

from cami.db.tables import imaging_order, patient, patient_identifier

_key = patient.c.key == bindparam("of")

PATIENT = select(patient).where(_key)
PATIENT_KEY = select(patient.c.key).where(_key)
MERGED_INTO = select(patient.c.merged_into).where(_key)
NUMBERS = select(patient_identifier.c.system, patient_identifier.c.value).where(
    patient_identifier.c.patient == bindparam("of")
)
CLAIMED = select(patient_identifier.c.patient).where(
    patient_identifier.c.claim.in_(bindparam("claims", expanding=True))
)
HOLDERS = (
    select(patient_identifier.c.patient)
    .where(patient_identifier.c.system == bindparam("of"), patient_identifier.c.value == bindparam("number"))
    .order_by(patient_identifier.c.patient)
)
NEW_PATIENT = insert(patient)
NEW_NUMBERS = insert(patient_identifier)

ORDER = select(imaging_order).where(imaging_order.c.number == bindparam("of"))
ORDER_OF_PLACER = select(imaging_order).where(
    imaging_order.c.placer_system == bindparam("of"), imaging_order.c.placer_number == bindparam("its")
)
NEW_ORDER = insert(imaging_order)
ACCESSION = update(imaging_order).where(imaging_order.c.number == bindparam("of")).values(accession=bindparam("issued"))
