"""The centre's database for a large archive: owners, and the rows that its study index would have made."""

import copy
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cami.db.tables import indexed_series, indexed_study
from cami.index.folding import grams, is_cyrillic, latin
from cami.index.source import Kept, StudyRow, study_row
from cami_cli.bench.access_archive import MOS, Drawn, drawn

_NOW = "2026-11-01 00:00:00.000000"


def fill_centre(data: Path, studies: int, kept: Kept, model: Mapping[str, Any], mos: Sequence[str]) -> None:
    """Fill the database of a centre that has run once, empty, and is stopped.

    Parameters
    ----------
    kept
        The tags that its index keeps.
    model
        What Orthanc answers about the first study (``Study``) and its series (``Series``).
    mos
        Codes of the МО, of which each study in turn belongs to one.
    """
    with closing(sqlite3.connect(data / "orthanc" / "index")) as index:
        last = index.execute("SELECT COALESCE(MAX(seq), 0) FROM Changes").fetchone()[0]
    with closing(sqlite3.connect(data / "cami.sqlite")) as database:
        database.execute("PRAGMA synchronous=OFF")
        dropped = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name LIKE 'indexed_%'"
        ).fetchall()
        for name, _ in dropped:
            database.execute(f"DROP INDEX {name}")
        _Rows(database, kept, model, mos).fill(studies)
        for _, sql in dropped:
            database.execute(sql)
        database.execute("DELETE FROM change_cursor WHERE reader LIKE 'index-%'")
        database.execute("INSERT INTO change_cursor (reader, seq) VALUES (?, ?)", (kept.reader, last))
        database.commit()


class _Rows:
    def __init__(self, database: sqlite3.Connection, kept: Kept, model: Mapping[str, Any], mos: Sequence[str]) -> None:
        self._database = database
        self._kept = kept
        self._model = model
        self._mos = mos
        self._names: dict[tuple[str, str], int] = {}

    def fill(self, studies: int) -> None:
        for start in range(0, studies, 5000):
            self._part(range(start, min(start + 5000, studies)))

    def _part(self, numbers: range) -> None:
        known = len(self._names)
        claims, owned, study_rows, series_rows = [], [], [], []
        for number in numbers:
            study, mo = drawn(number), self._mos[number % MOS]
            row = self._row(study)
            claims.append((study.study_uid, mo, _NOW))
            owned.append((row.study_id, study.study_uid, mo, _NOW))
            values = asdict(row)
            series, name = values.pop("series"), values.pop("name")
            name_id = self._names.setdefault((mo, name), len(self._names) + 1)
            values |= {"owner": mo, "name_id": name_id, "series": len(series), "read_at": _NOW}
            study_rows.append(tuple(values[column.name] for column in indexed_study.c))
            series_rows += [
                tuple({"study_id": row.study_id, **each}[column.name] for column in indexed_series.c) for each in series
            ]
        self._insert("study_claim (study_uid, owner, claimed_at)", claims)
        self._insert("study (study_id, study_uid, owner, claimed_at, labelled)", [(*each, 1) for each in owned])
        stored = [drawn(number) for number in numbers]
        self._insert(
            "received_instance (instance_id, sop_uid, study_id, sha256, size, stored_at)",
            [(each.ids[3], each.sop_uid, each.ids[1], "0" * 64, 1, _NOW) for each in stored],
        )
        self._insert(
            "stored_content (instance_id, series_id, read_at)", [(each.ids[3], each.ids[2], _NOW) for each in stored]
        )
        new = list(self._names.items())[known:]
        self._insert(
            "indexed_name (name_id, owner, folded, latin, cyrillic)",
            [(key, mo, name, latin(name), is_cyrillic(name)) for (mo, name), key in new],
        )
        self._insert("indexed_gram (owner, gram, name_id)", list(_grams(new)))
        self._insert(f"indexed_study ({', '.join(column.name for column in indexed_study.c)})", study_rows)
        self._insert(f"indexed_series ({', '.join(column.name for column in indexed_series.c)})", series_rows)

    def _row(self, study: Drawn) -> StudyRow:
        """Make the row that the follower would make of what Orthanc answers about a study."""
        patient, key, series, _ = study.ids
        own = self._answer("Study", study, self._kept.study | self._kept.patient)
        child = self._answer("Series", study, self._kept.series)
        return study_row(own | {"ID": key, "ParentPatient": patient}, [child | {"ID": series, "ParentStudy": key}])

    def _answer(self, level: str, study: Drawn, tags: frozenset[str]) -> dict[str, Any]:
        answer: dict[str, Any] = dict(self._model[level])
        values = {f"{group:04x},{element:04x}": value for (group, element), value in study.tags().items()}
        requested = copy.copy(answer["RequestedTags"])
        for tag in requested.keys() & values.keys():
            requested[tag] = requested[tag] | {"Value": values[tag]}
        answer["RequestedTags"] = {tag: value for tag, value in requested.items() if tag in tags}
        return answer

    def _insert(self, into: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            places = ", ".join("?" * len(rows[0]))
            self._database.executemany(f"INSERT INTO {into} VALUES ({places})", rows)  # noqa: S608 - names are ours


def _grams(names: Sequence[tuple[tuple[str, str], int]]) -> Iterator[tuple[str, str, int]]:
    for (mo, name), key in names:
        yield from ((mo, gram, key) for gram in grams(latin(name)))
