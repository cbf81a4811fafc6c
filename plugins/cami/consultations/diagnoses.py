"""МКБ-10 (НСИ 1.2.643.5.1.13.13.11.1005): search, and loading of a file.

A small part comes with the product, so that a new installation can be used; the operator loads the whole classifier,
which the Ministry publishes, as a file of code and title.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from sqlalchemy import Engine, delete, func, insert, select

from cami.db import reading
from cami.db.tables import diagnosis
from cami.errors import Invalid
from cami.index.folding import fold

_CODE = re.compile(r"[A-Z][0-9]{2}(\.[0-9]{1,2})?")
#: Rows of a file at most: the classifier has about 15,000.
_MOST = 60_000
_SHOWN = 20
_WITHDRAWN = frozenset({"0", "false", "FALSE"})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """An entry of the classifier."""

    code: str
    title: str


class Diagnoses:
    """The table ``diagnosis``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = reading(engine)

    def ensure(self) -> int:
        """Load what comes with the product into an empty table; return how many were loaded."""
        with self._reader.connect() as connection:
            if connection.scalar(select(func.count()).select_from(diagnosis)):
                return 0
        return self.load(files("cami.consultations").joinpath("mkb10.csv").read_text("utf-8"))

    def load(self, text: str) -> int:
        """Replace the table by a file; return how many entries it has.

        Lines are ``code;title``, or the table that the directory of the Ministry gives out (nsi.rosminzdrav.ru), whose
        first line names its columns, ``MKB_CODE`` and ``MKB_NAME`` among them.

        Raises
        ------
        cami.errors.Invalid
            A line is none; nothing is changed.
        """
        rows: dict[str, str] = {}
        for number, code, title in _entries(text):
            if not _CODE.fullmatch(code) or not title or len(title) > 500 or number > _MOST:
                raise Invalid(f"line {number}: expected a code and a title, parted by a semicolon")
            rows[code] = title
        if not rows:
            raise Invalid("the file has no entry")
        values = [{"code": code, "title": title, "folded": _folded(f"{code} {title}")} for code, title in rows.items()]
        with self._engine.begin() as connection:
            connection.execute(delete(diagnosis))
            connection.execute(insert(diagnosis), values)
        return len(values)

    def search(self, words: str) -> list[Diagnosis]:
        """Find entries by the beginning of a code or by words of a title, in any order."""
        wanted = _folded(words).split()[:6]
        if not wanted:
            return []
        query = select(diagnosis.c.code, diagnosis.c.title)
        for word in wanted:
            query = query.where(diagnosis.c.folded.contains(word, autoescape=True))
        with self._reader.connect() as connection:
            rows = connection.execute(query.order_by(diagnosis.c.code).limit(_SHOWN)).all()
        return [Diagnosis(*row) for row in rows]

    def title(self, code: str) -> str:
        """Return what a code stands for; empty if it is not known."""
        with self._reader.connect() as connection:
            return connection.scalar(select(diagnosis.c.title).where(diagnosis.c.code == code)) or ""


def _entries(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the number of a line, its code and its title."""
    first = text.partition("\n")[0]
    names = [name.strip().strip('"').upper() for name in re.split(r"[;,\t]", first)]
    if not {"MKB_CODE", "MKB_NAME"} <= set(names):
        for number, line in enumerate(csv.reader(io.StringIO(text), delimiter=";"), 1):
            if line and (number > 1 or _CODE.fullmatch(line[0].strip().upper())):
                yield number, line[0].strip().upper(), line[1].strip() if len(line) > 1 else ""
        return
    delimiter = next(mark for mark in (";", ",", "\t") if mark in first)
    code, title = names.index("MKB_CODE"), names.index("MKB_NAME")
    actual = names.index("ACTUAL") if "ACTUAL" in names else None
    for number, line in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter), 1):
        if number == 1 or len(line) <= max(code, title):
            continue
        # Classes and blocks ("I", "A00-A09") are no diagnoses; what has been withdrawn is not given any more.
        if not _CODE.fullmatch(line[code].strip().upper()) or (
            actual is not None and line[actual].strip() in _WITHDRAWN
        ):
            continue
        yield number, line[code].strip().upper(), line[title].strip()


def _folded(text: str) -> str:
    return fold(text).replace("ё", "е")
