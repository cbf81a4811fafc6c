"""How far readers agree (F-65): of double readings and пересмотры that have ended, by category; counts only."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, select

from cami.consultations.readings import Agreement, Upheld
from cami.consultations.states import State
from cami.consultations.terms import Kind
from cami.db.tables import consultation, consultation_reading


@dataclass(frozen=True, slots=True)
class Agreed:
    """Counts of one period."""

    double: int
    """Double readings that were answered."""
    agreements: list[tuple[str, int]]
    """Of them by `Agreement`; significant are those that a third reader has decided."""
    upheld: list[tuple[str, int]]
    """Of these with whom the third agreed, by `Upheld`."""
    same: float | None
    """The part of double readings in which both say the same of pathology."""
    kappa: float | None
    """Cohen's κ of that; None: too few, or both always said the same one thing."""
    reviewed: int
    """Пересмотры that were answered."""
    reviews: list[tuple[str, int]]
    """Of them by `Agreement`."""


def count_agreement(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> Agreed:
    """Count the requests that fit `conditions` over the table ``consultation``."""
    columns, readings = consultation.c, consultation_reading.c
    kinds = (Kind.DOUBLE_READING.value, Kind.SECOND_OPINION.value)
    done = (columns.state == State.DONE.value, columns.kind.in_(kinds), *conditions)
    query = select(columns.number, columns.kind, columns.reading, columns.agreement, columns.upheld).where(*done)
    rows = connection.execute(query).all()
    said = (
        select(readings.number, readings.place, readings.pathology)
        .join(consultation, columns.number == readings.number)
        .where(*done)
        .order_by(readings.number, readings.place)
    )
    pairs: dict[int, list[str]] = {}
    for row in connection.execute(said):
        pairs.setdefault(row.number, []).append(row.pathology)
    both = [(found[0], found[1]) for found in pairs.values() if len(found) == 2]
    double = [row for row in rows if row.kind == Kind.DOUBLE_READING and row.reading]
    reviews = [row for row in rows if row.kind == Kind.SECOND_OPINION]
    third = Agreement.SIGNIFICANT.value
    return Agreed(
        double=len(double),
        agreements=_in_order(Counter(third if row.upheld else row.agreement for row in double), list(Agreement)),
        upheld=_in_order(Counter(row.upheld for row in double if row.upheld), list(Upheld)),
        same=sum(one == other for one, other in both) / len(both) if both else None,
        kappa=kappa(both),
        reviewed=len(reviews),
        reviews=_in_order(Counter(row.agreement for row in reviews), list(Agreement)),
    )


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return Cohen's κ of pairs of judgements: how much more often both agree than by chance.

    J. Cohen, A coefficient of agreement for nominal scales, 1960.
    """
    if not pairs:
        return None
    observed = sum(one == other for one, other in pairs) / len(pairs)
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    chance = sum(first[value] * second[value] for value in first) / len(pairs) ** 2
    return None if chance == 1 else (observed - chance) / (1 - chance)


def _in_order(counts: Counter[str], codes: Sequence[str]) -> list[tuple[str, int]]:
    return [(str(code), counts[str(code)]) for code in codes]
