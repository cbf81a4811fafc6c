"""What the simulated МИС remembers: cards, orders, what it was told; in a SQLite file."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from cami_cli.mis.messages import SimulatedPatient

_TABLES = """
CREATE TABLE IF NOT EXISTS patient (
  number TEXT PRIMARY KEY, family TEXT, given TEXT, middle TEXT, birth_date TEXT, gender TEXT, snils TEXT, enp TEXT);
CREATE TABLE IF NOT EXISTS placed (
  number TEXT PRIMARY KEY, patient TEXT, text TEXT, request TEXT, task TEXT, version TEXT, accession TEXT,
  study_uid TEXT, status TEXT, words TEXT, study TEXT DEFAULT '', study_status TEXT DEFAULT '', made_at TEXT);
CREATE TABLE IF NOT EXISTS told (
  place INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT UNIQUE, seq INTEGER, kind TEXT, body TEXT, times INTEGER);
CREATE TABLE IF NOT EXISTS asked (
  number TEXT PRIMARY KEY, patient TEXT, placed TEXT, question TEXT, task TEXT, status TEXT, words TEXT, made_at TEXT);
CREATE TABLE IF NOT EXISTS document (id TEXT PRIMARY KEY, patient TEXT, title TEXT, kind TEXT, data TEXT);
"""
#: Fictitious people; their СНИЛС and ЕНП have right check digits.
PEOPLE = (
    SimulatedPatient(
        "4512207", "Тестова", "Анна", "Петровна", "1961-03-14", "female", "70012345618", "4200000000000018"
    ),
    SimulatedPatient("3300518", "Пробников", "Иван", "Сергеевич", "1984-11-02", "male", "70012345719"),
    SimulatedPatient("2871044", "Образцова", "Мария", "Львовна", "1957-07-21", "female", "70012345820"),
    SimulatedPatient("5100932", "Учебный", "Пётр", "Андреевич", "1999-01-30", "male"),
)


class Book:
    """The file. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._lock = threading.RLock()
        with self._writing() as cursor:
            cursor.executescript(_TABLES)
            marks = ", ".join("?" * 8)
            cursor.executemany(f"INSERT OR IGNORE INTO patient VALUES ({marks})", map(astuple, PEOPLE))  # noqa: S608

    def patients(self) -> list[SimulatedPatient]:
        """Return the cards."""
        return [SimulatedPatient(**dict(row)) for row in self._rows("SELECT * FROM patient ORDER BY family, number")]

    def patient(self, number: str) -> SimulatedPatient | None:
        """Return one card."""
        return next((each for each in self.patients() if each.number == number), None)

    def add_patient(self, patient: SimulatedPatient) -> None:
        """Make a card."""
        values = asdict(patient)
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        with self._writing() as cursor:
            cursor.execute(f"INSERT OR REPLACE INTO patient ({names}) VALUES ({marks})", values)  # noqa: S608

    def orders(self, patient: str = "") -> list[dict[str, Any]]:
        """Return what was ordered, the newest first."""
        found = self._rows("SELECT * FROM placed WHERE ? IN ('', patient) ORDER BY made_at DESC", patient)
        return [dict(row) for row in found]

    def order(self, number: str) -> dict[str, Any] | None:
        """Return one order."""
        return next((each for each in self.orders() if each["number"] == number), None)

    def note_order(self, **values: str) -> None:
        """Keep an order with the numbers that ЦАМИ has given it."""
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        with self._writing() as cursor:
            cursor.execute(f"INSERT OR REPLACE INTO placed ({names}) VALUES ({marks})", values)  # noqa: S608

    def note_asked(self, **values: str) -> None:
        """Keep a consultation that was asked for."""
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        with self._writing() as cursor:
            cursor.execute(f"INSERT OR REPLACE INTO asked ({names}) VALUES ({marks})", values)  # noqa: S608

    def asked(self, patient: str = "") -> list[dict[str, Any]]:
        """Return the consultations that were asked for, the newest first."""
        found = self._rows("SELECT * FROM asked WHERE ? IN ('', patient) ORDER BY made_at DESC", patient)
        return [dict(row) for row in found]

    def hear(self, event_id: str, seq: int, kind: str, body: dict[str, Any]) -> bool:
        """Note a message; one that came before is only counted. Says whether it is new."""
        with self._writing() as cursor:
            known = cursor.execute("UPDATE told SET times = times + 1 WHERE event_id = ?", (event_id,)).rowcount
            if known:
                return False
            text = json.dumps(body, ensure_ascii=False)
            cursor.execute(
                "INSERT INTO told (event_id, seq, kind, body, times) VALUES (?, ?, ?, ?, 1)",
                (event_id, seq, kind, text),
            )
            self._apply(cursor, body)
        return True

    def told(self) -> list[dict[str, Any]]:
        """Return the messages, in the order in which they came first."""
        found = self._rows("SELECT * FROM told ORDER BY place")
        return [{**dict(row), "body": json.loads(row["body"])} for row in found]

    def documents(self, patient: str) -> list[dict[str, Any]]:
        """Return the documents of a card."""
        return [dict(row) for row in self._rows("SELECT * FROM document WHERE patient = ?", patient)]

    def document(self, id_: str) -> dict[str, Any] | None:
        """Return one document."""
        return next((dict(row) for row in self._rows("SELECT * FROM document WHERE id = ?", id_)), None)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _apply(self, cursor: sqlite3.Cursor, body: dict[str, Any]) -> None:
        """Put what was told where people see it; an older version never replaces a newer one."""
        if body["resourceType"] == "Task":
            words = body["businessStatus"]["coding"][0].get("display", "")
            cursor.execute(
                "UPDATE placed SET status = ?, words = ?, version = ? WHERE task = ? AND CAST(version AS INT) <= ?",
                (body["status"], words, body["meta"]["versionId"], body["id"], int(body["meta"]["versionId"])),
            )
            cursor.execute("UPDATE asked SET status = ?, words = ? WHERE task = ?", (body["status"], words, body["id"]))
        elif body["resourceType"] == "ImagingStudy":
            request = body["basedOn"][0]["reference"].removeprefix("ServiceRequest/")
            uid = body["identifier"][0]["value"].removeprefix("urn:oid:")
            cursor.execute(
                "UPDATE placed SET study = ?, study_status = ? WHERE request = ?", (uid, body["status"], request)
            )
        elif body["resourceType"] == "Bundle":
            self._keep_documents(cursor, body)

    def _keep_documents(self, cursor: sqlite3.Cursor, bundle: dict[str, Any]) -> None:
        by_url = {each["fullUrl"]: each["resource"] for each in bundle["entry"]}
        for resource in by_url.values():
            if resource["resourceType"] != "DiagnosticReport":
                continue
            request = resource.get("basedOn", [{}])[0].get("reference", "").removeprefix("ServiceRequest/")
            owner = cursor.execute("SELECT patient FROM placed WHERE request = ?", (request,)).fetchone()
            for form in resource.get("presentedForm", []):
                binary = by_url[form["url"]]
                values = (
                    form["url"][-36:],
                    owner[0] if owner else "",
                    form.get("title", ""),
                    form["contentType"],
                    binary["data"],
                )
                cursor.execute("INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?)", values)

    def _rows(self, query: str, *values: str) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        with self._lock:
            cursor = self._connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            if self._connection.in_transaction:
                cursor.execute("COMMIT")
