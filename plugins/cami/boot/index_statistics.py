"""What SQLite has to know about Orthanc's index, so that a resource is found by its identifier in no time.

Orthanc looks resources up by level and public identifier, and has an index for each of the two. Without statistics
SQLite takes the one of the level and goes through all resources of that level: 58 ms with 20,000 instances, 270 ms with
200,000 (Orthanc 1.12.7 and 1.13.0, docs/benchmarks.md). Statistics are a part of the file that SQLite documents for
this (https://www.sqlite.org/fileformat2.html#stat1tab): ``ANALYZE`` writes them, and so may anybody. They are written
by hand, since they must be right for the archive that will be there, not for the empty one of the first start.

Orthanc holds its index alone while it runs, so they are written before it starts; at the first start a server without
plugins and without any port makes the index.
"""

import json
import logging
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

log = logging.getLogger("cami.boot")

#: How many rows a table has, and how many of them share a value of the index; the proportions count, not the numbers.
_STATISTICS = {
    ("Resources", "PublicIndex"): "4000000 1",
    ("Resources", "ChildrenIndex"): "4000000 2",
    ("Resources", "ResourceTypeIndex"): "4000000 1000000",
}
_STARTED = "Orthanc has started"
_SECONDS = 30.0


def prepare_index(configuration: Mapping[str, Any], orthanc: str) -> None:
    """Write the statistics into the index of a server that is down; make the index if there is none yet.

    What goes wrong is logged and hinders nobody: without statistics Orthanc is slow, not wrong.

    Parameters
    ----------
    configuration
        Orthanc's. With a database elsewhere (``PostgreSQL.EnableIndex``) there is no file, and nothing to do.
    orthanc
        The program.
    """
    if configuration.get("PostgreSQL", {}).get("EnableIndex"):
        return
    folder = Path(configuration.get("IndexDirectory") or configuration["StorageDirectory"])
    index = folder / "index"
    try:
        if not index.exists():
            _make_index(configuration["StorageDirectory"], folder, orthanc)
        _write_statistics(index)
    except (OSError, sqlite3.Error, subprocess.SubprocessError) as error:
        log.warning("no statistics for Orthanc's index, it may be slow: %s", error)


def _write_statistics(index: Path) -> None:
    with closing(sqlite3.connect(index, timeout=5)) as database, database:
        there = set(database.execute("SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'"))
        database.execute("ANALYZE sqlite_master")  # makes the table of statistics
        database.execute("DELETE FROM sqlite_stat1 WHERE tbl = 'Resources'")
        rows = [(*key, numbers) for key, numbers in _STATISTICS.items() if key in there]
        database.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", rows)


def _make_index(storage: str, folder: Path, orthanc: str) -> None:
    """Let Orthanc make its index, reachable for nobody."""
    alone = {
        "StorageDirectory": storage,
        "IndexDirectory": str(folder),
        "HttpServerEnabled": False,
        "DicomServerEnabled": False,
        "Plugins": [],
        "LuaScripts": [],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(alone, file)
        file.flush()
        with subprocess.Popen(
            [orthanc, file.name], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
        ) as server:
            try:
                _wait_until_started(server)
                server.terminate()
                server.communicate(timeout=_SECONDS)
            finally:
                server.kill()


def _wait_until_started(server: "subprocess.Popen[str]") -> None:
    lines = server.stderr or ()
    if not any(_STARTED in line for line in lines):  # its output ends with it
        raise subprocess.SubprocessError("Orthanc could not make its index")
