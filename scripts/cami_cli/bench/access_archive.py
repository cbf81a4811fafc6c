"""A large archive without hours of storing: rows of stock Orthanc's SQLite index, copied from a study that it stored.

Some hundred studies are stored by HTTP; the rest are rows like those that Orthanc wrote for the first one, with other
identifiers, names, days and times, and identifiers of Orthanc that are the hashes it would make. Their images are that
first one's file, which no search opens. Orthanc is stopped meanwhile.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cami.archive import orthanc_id
from cami_cli.bench.access_rows import draw_name
from cami_cli.errors import Trouble

#: Of the studies, every hundredth is of the same МО; three in a row of one МО have the same patient.
MOS = 100
_PATIENT, _STUDY, _SERIES, _INSTANCE = 1, 2, 3, 4
_TABLES: Mapping[str, tuple[str, ...]] = {
    "MainDicomTags": ("tagGroup", "tagElement", "value"),
    "DicomIdentifiers": ("tagGroup", "tagElement", "value"),
    "Metadata": ("type", "value", "revision"),
    "AttachedFiles": (
        "fileType",
        "uuid",
        "compressedSize",
        "uncompressedSize",
        "compressionType",
        "uncompressedMD5",
        "compressedMD5",
        "revision",
        "customData",
    ),
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a study is about; the same for the same number."""

    patient_id: str
    name: str
    study_uid: str
    date: str
    time: str
    accession: str

    @property
    def series_uid(self) -> str:
        """UID of its only series."""
        return f"{self.study_uid}.1"

    @property
    def sop_uid(self) -> str:
        """UID of its only image."""
        return f"{self.study_uid}.1.1"

    @property
    def ids(self) -> tuple[str, str, str, str]:
        """Orthanc's identifiers: patient, study, series, instance."""
        parts = (self.patient_id, self.study_uid, self.series_uid, self.sop_uid)
        first, second, third, fourth = (orthanc_id(*parts[:length]) for length in (1, 2, 3, 4))
        return first, second, third, fourth

    def tags(self) -> dict[tuple[int, int], str]:
        """Return the values that differ from study to study."""
        return {
            (0x0010, 0x0020): self.patient_id,
            (0x0010, 0x0010): self.name,
            (0x0020, 0x000D): self.study_uid,
            (0x0020, 0x000E): self.series_uid,
            (0x0008, 0x0018): self.sop_uid,
            (0x0008, 0x0020): self.date,
            (0x0008, 0x0030): self.time,
            (0x0008, 0x0050): self.accession,
        }


def drawn(number: int) -> Drawn:
    """Return the study of that number."""
    patient = f"P{number // MOS // 3 * MOS + number % MOS:06d}"
    return Drawn(
        patient_id=patient,
        name=draw_name(patient),
        study_uid=f"1.2.826.0.1.3680043.99.{number}",
        date=f"2026{1 + number % 12:02d}{1 + number % 28:02d}",
        time=f"{number // 3600 % 24:02d}{number // 60 % 60:02d}{number % 60:02d}",
        accession=f"A{number}",
    )


def replicate(index: Path, stored: int, studies: int) -> None:
    """Add studies `stored` to `studies` to an Orthanc's index that holds those before; Orthanc is stopped."""
    with closing(sqlite3.connect(index)) as database:
        database.execute("PRAGMA synchronous=OFF")
        database.execute("PRAGMA cache_size=-400000")
        left_out = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND (type = 'index' OR type = 'trigger')"
        ).fetchall()
        kinds = dict(database.execute("SELECT name, type FROM sqlite_master").fetchall())
        model = _Model(database, drawn(0))
        for name, _ in left_out:
            database.execute(f"DROP {kinds[name]} {name}")
        _Copies(database, model).add(range(stored, studies))
        for _, sql in left_out:
            database.execute(sql)
        database.commit()


class _Model:
    """What Orthanc wrote for one study: rows by level and table."""

    def __init__(self, database: sqlite3.Connection, of: Drawn) -> None:
        self.of = of
        self.rows: dict[int, dict[str, list[tuple[object, ...]]]] = {}
        for level, public in zip((_PATIENT, _STUDY, _SERIES, _INSTANCE), of.ids, strict=True):
            found = database.execute(
                "SELECT internalId FROM Resources WHERE publicId = ? AND resourceType = ?", (public, level)
            ).fetchone()
            if found is None:
                raise Trouble("Orthanc gave the first study another identifier", "look at cami.archive.orthanc_id")
            self.rows[level] = {}
            for table, columns in _TABLES.items():
                there = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
                known = [column for column in columns if column in there]
                query = f"SELECT {', '.join(known)} FROM {table} WHERE id = ?"  # noqa: S608 - names are ours
                self.rows[level][table] = database.execute(query, found).fetchall()


class _Copies:
    def __init__(self, database: sqlite3.Connection, model: _Model) -> None:
        self._database = database
        self._model = model
        self._next = database.execute("SELECT MAX(internalId) + 1 FROM Resources").fetchone()[0]
        self._patients: dict[str, int] = dict(
            database.execute("SELECT publicId, internalId FROM Resources WHERE resourceType = 1").fetchall()
        )

    def add(self, numbers: range) -> None:
        for start in range(numbers.start, numbers.stop, 5000):
            part = [drawn(number) for number in range(start, min(start + 5000, numbers.stop))]
            resources: list[tuple[int, int, str, int | None]] = []
            made: list[tuple[int, int, Drawn]] = []
            for study in part:
                self._place(study, resources, made)
            self._database.executemany("INSERT INTO Resources VALUES (?, ?, ?, ?)", resources)
            new_patients = [(row[0],) for row in resources if row[1] == _PATIENT]
            self._database.executemany("INSERT INTO PatientRecyclingOrder VALUES (NULL, ?)", new_patients)
            for table in _TABLES:
                self._fill(table, made)

    def _place(
        self, study: Drawn, resources: list[tuple[int, int, str, int | None]], made: list[tuple[int, int, Drawn]]
    ) -> None:
        patient, *below = study.ids
        parent = self._patients.get(patient)
        if parent is None:
            parent = self._patients[patient] = self._take()
            resources.append((parent, _PATIENT, patient, None))
            made.append((parent, _PATIENT, study))
        for level, public in zip((_STUDY, _SERIES, _INSTANCE), below, strict=True):
            own = self._take()
            resources.append((own, level, public, parent))
            made.append((own, level, study))
            parent = own

    def _take(self) -> int:
        self._next += 1
        return int(self._next - 1)

    def _fill(self, table: str, made: list[tuple[int, int, Drawn]]) -> None:
        tagged = table in ("MainDicomTags", "DicomIdentifiers")

        def rows() -> Iterator[tuple[object, ...]]:
            for own, level, study in made:
                values = study.tags() if tagged else {}
                for row in self._model.rows[level][table]:
                    yield (own, *(self._tag(row, values) if tagged else row))

        width = next((len(rows_[0]) for level in self._model.rows.values() if (rows_ := level[table])), 0)
        if width:
            places = ", ".join("?" * (width + 1))
            self._database.executemany(f"INSERT INTO {table} VALUES ({places})", rows())  # noqa: S608

    def _tag(self, row: tuple[object, ...], values: Mapping[tuple[int, int], str]) -> tuple[object, ...]:
        """Write a tag of the model with the study's own value, in the way in which Orthanc wrote the model's."""
        group, element, written = row
        assert isinstance(group, int)  # noqa: S101
        assert isinstance(element, int)  # noqa: S101
        own = values.get((group, element))
        if own is None:
            return row
        before = self._model.of.tags()[group, element]
        return (group, element, own if written == before else own.upper())
