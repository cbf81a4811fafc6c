"""Searching the index: which studies or series, newest first, a page of them, or how many.

Everything is asked within one МО, so that neither the answer nor its time tells anything of the others. What others
have granted is asked of each of them in the same way and held against the grants row by row; where few studies are
granted, they are fetched and sorted instead. A part of a name is looked up by its three-letter pieces first
(`docs/adr/0014`): if few names have it, their studies are fetched and sorted, else the МО's studies are gone through
from the newest on, since among many a page is soon full.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
    union_all,
)

from cami.db import reading
from cami.db.tables import indexed_gram, indexed_name, indexed_series, indexed_study
from cami.index.criteria import Criteria, begins, matching
from cami.index.folding import Pattern

#: So many names, or studies that are granted, are few.
FEW = 1000
#: So many of a pattern's pieces are weighed against each other.
_WEIGHED = 6
_CHUNK = 500

Place = tuple[str, ...]
"""Where a row stands in the order: date, time, study, and at the level of series the series."""


class Granted(Protocol):
    """Studies of others that somebody may see as well; `cami.access` says which."""

    def givers(self, connection: Connection, most: int) -> dict[str, int]:
        """Return owners and how many grants of theirs there are about, counted to a limit."""
        ...

    def studies(self, owners: Collection[str]) -> Select[tuple[str, str]]:
        """Return a query for owner and Study Instance UID of what is granted of some owners' studies."""
        ...

    def holds(self, owner: ColumnElement[str], study_uid: ColumnElement[str]) -> ColumnElement[bool]:
        """Return the condition that a study, named by two columns, is granted."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose studies are searched."""

    mo: str
    """Code of the МО whose own studies they are; empty for none."""
    granted: Granted | None = None
    """Studies of others that may be seen as well."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of the answer is wanted."""

    since: int = 0
    limit: int = 0
    """0: no limit."""
    after: Place | None = None
    """Only what comes after this place: pages that cost the same wherever they are."""


class IndexSearch:
    """Answers searches from the tables. Thread-safe; reads only."""

    def __init__(self, engine: Engine) -> None:
        self._reader = reading(engine)

    def rows(self, scope: Scope, criteria: Criteria, page: Page, *, whole: bool) -> Sequence[Row[Any]]:
        """Return a page, newest first: whole rows, or the columns of the order (`place_columns`) alone.

        Whole rows have all columns of `indexed_study`, and at the level of series those of `indexed_series` before.
        """
        wanted = page.since + page.limit if page.limit else 0
        columns = _whole(criteria.level) if whole else list(place_columns(criteria.level))
        order = [column.desc() for column in place_columns(criteria.level)]
        found: list[Row[Any]] = []
        with self._reader.connect() as connection:
            queries = list(_queries(connection, scope, criteria, columns))
            for each in queries:
                query = each.order_by(*order)
                if page.after is not None:
                    query = query.where(tuple_(*place_columns(criteria.level)) < tuple_(*map(literal, page.after)))
                if len(queries) == 1:
                    query = query.offset(page.since or None).limit(page.limit or None)
                elif wanted:
                    query = query.limit(wanted)
                found.extend(connection.execute(query))
        if len(queries) == 1:
            return found
        found.sort(key=place, reverse=True)
        return found[page.since : wanted or None]

    def count(self, scope: Scope, criteria: Criteria) -> int:
        """Return how many there are."""
        with self._reader.connect() as connection:
            return sum(
                connection.scalar(query) or 0
                for query in _queries(connection, scope, criteria, [func.count().label("number")])
            )

    def instances(self, scope: Scope, criteria: Criteria) -> int:
        """Return how many instances the studies or series together have."""
        table = indexed_series if criteria.level == "series" else indexed_study
        with self._reader.connect() as connection:
            return sum(
                connection.scalar(query) or 0
                for query in _queries(connection, scope, criteria, [func.sum(table.c.instances).label("number")])
            )

    def patients(self, scope: Scope, criteria: Criteria) -> int:
        """Return how many patients (Orthanc's) the studies are of; of granted ones each owner's apart."""
        with self._reader.connect() as connection:
            return sum(
                connection.scalar(query) or 0
                for query in _queries(
                    connection, scope, criteria, [func.count(indexed_study.c.patient_key.distinct()).label("number")]
                )
            )

    def series_of(self, study_ids: Collection[str]) -> dict[str, list[str]]:
        """Return the series of studies, by study, in the order of their ids."""
        found: dict[str, list[str]] = {}
        ordered = list(study_ids)
        with self._reader.connect() as connection:
            for start in range(0, len(ordered), _CHUNK):
                query = (
                    select(indexed_series.c.study_id, indexed_series.c.series_id)
                    .where(indexed_series.c.study_id.in_(ordered[start : start + _CHUNK]))
                    .order_by(indexed_series.c.series_id)
                )
                for row in connection.execute(query):
                    found.setdefault(row.study_id, []).append(row.series_id)
        return found


def place_columns(level: str) -> Sequence[Column[Any]]:
    """Return the columns of the order at a level."""
    study = (indexed_study.c.study_date, indexed_study.c.study_time, indexed_study.c.study_id)
    return (*study, indexed_series.c.series_id) if level == "series" else study


def place(row: Row[Any]) -> Place:
    """Return where a row stands in the order."""
    own = (row.study_date, row.study_time, row.study_id)
    return (*own, row.series_id) if hasattr(row, "series_id") else own


def _whole(level: str) -> list[ColumnElement[Any]]:
    studies: list[ColumnElement[Any]] = list(indexed_study.c)
    if level != "series":
        return studies
    own: list[ColumnElement[Any]] = [
        indexed_series.c.series_id,
        indexed_series.c.series_uid,
        indexed_series.c.instances.label("series_instances"),
        indexed_series.c.last_update.label("series_last_update"),
        indexed_series.c.tags.label("series_tags"),
    ]
    return own + studies


def _queries(
    connection: Connection, scope: Scope, criteria: Criteria, columns: Sequence[ColumnElement[Any]]
) -> Iterator[Select[Any]]:
    """Make the query for the own studies and, if any are granted, those for the studies of others."""
    if scope.mo:
        yield _own(connection, scope.mo, criteria, columns)
    if scope.granted is not None:
        yield from _granted(connection, scope.granted, scope.mo, criteria, columns)


def _granted(
    connection: Connection, granted: Granted, mo: str, criteria: Criteria, columns: Sequence[ColumnElement[Any]]
) -> Iterator[Select[Any]]:
    givers = granted.givers(connection, FEW + 1)
    givers.pop(mo, None)  # what one owns one sees anyway
    if not givers:
        return
    holds = granted.holds(indexed_study.c.owner, indexed_study.c.study_uid)
    if criteria.narrow:  # few rows of any owner: looked up there
        yield _named(_joined(criteria, columns), criteria).where(indexed_study.c.owner.in_(sorted(givers)), holds)
        return
    few: list[str] = []
    left = FEW
    for owner, number in sorted(givers.items(), key=itemgetter(1)):
        left -= number
        if left < 0:
            yield _own(connection, owner, criteria, columns).where(holds)
        else:
            few.append(owner)
    if few:
        names = tuple_(indexed_study.c.owner, indexed_study.c.study_uid)
        query = _named(_joined(criteria, columns), criteria).where(names.in_(granted.studies(few)))
        yield query.with_hint(indexed_study, "INDEXED BY ix_indexed_study_uid", "sqlite")


def _named(query: Select[Any], criteria: Criteria) -> Select[Any]:
    """Compare names row by row."""
    if criteria.name or criteria.words:
        query = _with_names(query).where(*criteria.words)
    return query.where(name_condition(criteria.name)) if criteria.name else query


def _own(connection: Connection, mo: str, criteria: Criteria, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    query = _joined(criteria, columns)
    if criteria.words:
        query = _with_names(query).where(*criteria.words)
    if criteria.name is None:
        return query.where(indexed_study.c.owner == mo)
    names = _few_names(connection, mo, criteria.name)
    if names is None:
        query = query if criteria.words else _with_names(query)
        return query.where(indexed_study.c.owner == mo, name_condition(criteria.name))
    if not names:
        return query.where(false())
    # A name belongs to one МО. The hint: without statistics SQLite would rather go through the МО in order.
    return query.where(indexed_study.c.name_id.in_(names)).with_hint(
        indexed_study, "INDEXED BY ix_indexed_study_name", "sqlite"
    )


def _joined(criteria: Criteria, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    query = select(*columns)
    if criteria.level == "series":
        query = query.join_from(indexed_study, indexed_series, indexed_study.c.study_id == indexed_series.c.study_id)
    else:
        query = query.select_from(indexed_study)
    return query.where(*criteria.conditions)


def _with_names(query: Select[Any]) -> Select[Any]:
    return query.join(indexed_name, indexed_study.c.name_id == indexed_name.c.name_id)


def name_condition(pattern: Pattern) -> ColumnElement[bool]:
    """Compare names with a pattern: letter by letter, and across scripts in Latin letters.

    A Cyrillic pattern is not compared with Cyrillic names in Latin letters, where some letters fall together.
    """
    written = matching(indexed_name.c.latin, pattern.in_latin())
    if pattern.cyrillic:
        written = and_(not_(indexed_name.c.cyrillic), written)
    return or_(matching(indexed_name.c.folded, pattern), written)


def _few_names(connection: Connection, mo: str, pattern: Pattern) -> Sequence[int] | None:
    """Return the names of an МО that a pattern finds, or None if there are many."""
    narrowed = _narrowed(connection, mo, pattern.in_latin())
    if narrowed is None:
        return None
    query = narrowed.where(name_condition(pattern)).limit(FEW + 1)
    names = list(connection.execute(query).scalars())
    return names if len(names) <= FEW else None


def _narrowed(connection: Connection, mo: str, written: Pattern) -> Select[Any] | None:
    """Return a query for names that have what a pattern in Latin letters surely asks for; None if it is too little."""
    names = select(indexed_name.c.name_id).where(indexed_name.c.owner == mo)
    if written.literal is not None:
        return names.where(indexed_name.c.latin == written.literal)
    pieces = sorted(written.grams)[:: max(1, len(written.grams) // _WEIGHED)][:_WEIGHED]
    if not pieces:
        return names.where(begins(indexed_name.c.latin, written.head)) if written.head else None
    gram = _rarest(connection, mo, pieces) if len(pieces) > 1 else pieces[0]
    return (
        select(indexed_name.c.name_id)
        .join_from(indexed_gram, indexed_name, indexed_gram.c.name_id == indexed_name.c.name_id)
        .where(indexed_gram.c.owner == mo, indexed_gram.c.gram == gram)
    )


def _rarest(connection: Connection, mo: str, pieces: Sequence[str]) -> str:
    """Return the piece that the fewest names of an МО have, counted to a limit."""
    counts = union_all(
        *(
            select(literal(piece).label("gram"), func.count().label("number")).select_from(
                select(indexed_gram.c.name_id)
                .where(indexed_gram.c.owner == mo, indexed_gram.c.gram == piece)
                .limit(FEW + 1)
                .subquery()
            )
            for piece in pieces
        )
    ).subquery()
    query = select(counts.c.gram).order_by(counts.c.number, counts.c.gram).limit(1)
    return str(connection.scalar(query))
