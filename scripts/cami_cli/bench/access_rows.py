"""Rows of a study index of many МО, made as a region would have them, straight into its SQLite file.

Names are made of Russian roots and endings, so that a part of a name is as common as in a register of people. A patient
has three studies, over ten years; every fourth МО's names are written in Latin letters.
"""

import json
import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from cami.archive import orthanc_id
from cami.db.migrate import migrate
from cami.index.folding import fold, fold_name, grams, is_cyrillic, latin
from cami_cli.errors import Trouble

_ROOTS = (
    "Иван", "Петр", "Сидор", "Кузнец", "Смирн", "Попов", "Васильев", "Соколов", "Михайл", "Новик", "Федор", "Мороз",
    "Волк", "Алексе", "Лебед", "Семён", "Егор", "Павл", "Козл", "Степан", "Никола", "Орл", "Андре", "Макар",
    "Никит", "Захар", "Зайц", "Соловь", "Борис", "Яковл", "Григорь", "Роман", "Воробь", "Серге", "Кузьм", "Фрол",
    "Александр", "Дмитри", "Корол", "Гусь", "Киселёв", "Ильин", "Максим", "Поляк", "Сорок", "Виноград", "Ковал",
    "Бел", "Медвед", "Антон", "Тарас", "Жук", "Баран", "Филипп", "Комар", "Давыд", "Бел", "Герасим", "Богдан",
    "Осип", "Сидор", "Матве", "Тит", "Марк", "Мирон", "Крыл", "Карп", "Влас", "Мельник", "Денис", "Гаврил", "Тихон",
    "Щербак", "Цветк", "Чайк", "Шишк", "Юдин", "Яшин", "Хохл", "Эрдн", "Абрам", "Быстр", "Верши", "Глеб", "Дроб",
)  # fmt: skip
_ENDINGS = (
    "ов", "ев", "ин", "ский", "енко", "чук", "ых", "ко", "ников", "ушкин", "ченко", "ницкий",
)  # fmt: skip
_GIVEN = (
    "Иван", "Пётр", "Анна", "Мария", "Юрий", "Елена", "Сергей", "Ольга", "Наталья", "Алексей", "Татьяна", "Дмитрий",
    "Ирина", "Андрей", "Светлана", "Семён", "Людмила", "Артём", "Юлия", "Фёдор",
)  # fmt: skip
_PATRONYMICS = (
    "Иванович", "Петровна", "Сергеевич", "Алексеевна", "Юрьевич", "Николаевна", "Андреевич", "Фёдоровна",
    "Семёнович", "Дмитриевна",
)  # fmt: skip
_MODALITIES = ("CT", "MR", "DX", "US", "MG")
_NEWEST = date(2026, 11, 1)
_DAYS = 3650
_PER_PATIENT = 3


@dataclass(frozen=True, slots=True)
class Filled:
    """A database that is filled."""

    url: str
    patient_id: str
    """Of a patient of the МО that is asked."""


def fill(file: Path, sizes: Sequence[tuple[str, int]], asked: str, *, kept: bool = False) -> Filled:
    """Fill a new database, unless it is to be kept, with so many studies of each МО.

    `asked` is the МО that will be searched.
    """
    url = f"sqlite:///{file}"
    if not kept:
        migrate(url)
        _fill_all(file, sizes)
    with closing(sqlite3.connect(file)) as database:
        found = database.execute(
            "SELECT patient_id FROM indexed_study WHERE owner = ? ORDER BY study_date DESC LIMIT 1", (asked,)
        ).fetchone()
    if found is None:
        raise Trouble(f"МО {asked} has no study", "look at how the benchmark fills the index")
    return Filled(url, str(found[0]))


def _fill_all(file: Path, sizes: Sequence[tuple[str, int]]) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA synchronous=OFF")
        # Indexes are made at the end, which is quicker.
        indexes = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            database.execute(f"DROP INDEX {name}")
        first_name = 1
        for number, (mo, studies) in enumerate(sizes):
            first_name = _fill_one(database, mo, studies, first_name, latin_names=number % 4 == 3)
        for _, sql in indexes:
            database.execute(sql)
        database.commit()


def _fill_one(database: sqlite3.Connection, mo: str, studies: int, first_name: int, *, latin_names: bool) -> int:
    dice = random.Random(mo)  # noqa: S311 - the same rows in each run
    names: dict[str, int] = {}
    rows = list(_studies(dice, mo, studies, names, first_name, latin_names=latin_names))
    known = ((number, mo, name, latin(name), is_cyrillic(name)) for name, number in names.items())
    _insert(database, "indexed_name", 5, known)
    pieces = sorted((gram, number) for name, number in names.items() for gram in grams(latin(name)))
    _insert(database, "indexed_gram", 3, ((mo, gram, number) for gram, number in pieces))
    _insert(database, "indexed_study", 21, rows)
    claims = [(row[2], mo, "2026-11-01 00:00:00.000000") for row in rows]
    database.executemany("INSERT INTO study_claim (study_uid, owner, claimed_at) VALUES (?, ?, ?)", claims)
    database.executemany(
        "INSERT INTO study (study_id, study_uid, owner, claimed_at, labelled) VALUES (?, ?, ?, ?, 1)",
        [(row[0], uid, owner, at) for row, (uid, owner, at) in zip(rows, claims, strict=True)],
    )
    return first_name + len(names)


def _studies(
    dice: random.Random, mo: str, studies: int, names: dict[str, int], first_name: int, *, latin_names: bool
) -> Iterator[tuple[object, ...]]:
    for number in range(studies):
        if number % _PER_PATIENT == 0:
            name = _name(dice, latin_names=latin_names)
            patient_id = f"{mo}-{number // _PER_PATIENT:07d}"
        folded = fold_name(name)
        name_id = names.setdefault(folded, first_name + len(names))
        uid = f"2.25.{mo}.{number}"
        day = (_NEWEST - timedelta(days=dice.randrange(_DAYS))).strftime("%Y%m%d")
        modality = dice.choice(_MODALITIES)
        tags = _tags(uid, name, patient_id, day, number)
        yield (
            orthanc_id(patient_id, uid), mo, uid, orthanc_id(patient_id), fold(patient_id), name_id, "19700101", "f",
            day, f"{dice.randrange(86400):06d}", f"a{number}", "", "описание", "", "", f"\\{modality.lower()}\\", 2,
            200, "20261101T000000", tags, "2026-11-01 00:00:00.000000",
        )  # fmt: skip


def draw_name(seed: str) -> str:
    """Draw the name of a patient, the same for the same seed."""
    return _name(random.Random(seed), latin_names=False)  # noqa: S311


def _name(dice: random.Random, *, latin_names: bool) -> str:
    surname = dice.choice(_ROOTS) + dice.choice(("", dice.choice(_ROOTS).lower()[:3])) + dice.choice(_ENDINGS)
    name = f"{surname}^{dice.choice(_GIVEN)}^{dice.choice(_PATRONYMICS)}"
    return latin(name.lower()).upper() if latin_names else name


def _tags(uid: str, name: str, patient_id: str, day: str, number: int) -> str:
    values = {
        "0008,0020": ("StudyDate", day),
        "0008,0050": ("AccessionNumber", f"A{number}"),
        "0008,1030": ("StudyDescription", "Описание"),
        "0010,0010": ("PatientName", name),
        "0010,0020": ("PatientID", patient_id),
        "0010,0030": ("PatientBirthDate", "19700101"),
        "0010,0040": ("PatientSex", "F"),
        "0020,000d": ("StudyInstanceUID", uid),
    }
    full = {tag: {"Name": keyword, "Type": "String", "Value": value} for tag, (keyword, value) in values.items()}
    return json.dumps(full, ensure_ascii=False, separators=(",", ":"))


def _insert(database: sqlite3.Connection, table: str, columns: int, rows: Iterable[tuple[object, ...]]) -> None:
    places = ", ".join("?" * columns)
    database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608 - names of tables are ours
