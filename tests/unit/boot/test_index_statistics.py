import logging
import sqlite3
from contextlib import closing

import pytest

from cami.boot.index_statistics import prepare_index

#: Of Orthanc 1.13.0, in its order: without statistics SQLite prefers the last index that fits.
SCHEMA = """
CREATE TABLE Resources(internalId INTEGER PRIMARY KEY AUTOINCREMENT, resourceType INTEGER, publicId TEXT,
                       parentId INTEGER REFERENCES Resources(internalId) ON DELETE CASCADE);
CREATE INDEX ChildrenIndex ON Resources(parentId);
CREATE INDEX PublicIndex ON Resources(publicId);
CREATE INDEX ResourceTypeIndex ON Resources(resourceType);
"""


def plan(index):
    with closing(sqlite3.connect(index)) as database:
        query = "EXPLAIN QUERY PLAN SELECT internalId FROM Resources WHERE resourceType = 4 AND publicId = 'x'"
        return database.execute(query).fetchall()[0][3]


@pytest.fixture
def index(tmp_path):
    path = tmp_path / "index"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA)
    return path


def test_a_resource_is_looked_up_by_its_identifier(index):
    assert "ResourceTypeIndex" in plan(index)
    for _ in range(2):  # at each start
        prepare_index({"StorageDirectory": "/elsewhere", "IndexDirectory": str(index.parent)}, "/no/such/program")
        assert "PublicIndex" in plan(index)
    with closing(sqlite3.connect(index)) as database:
        assert database.execute("SELECT COUNT(*) FROM sqlite_stat1").fetchone() == (3,)


def test_an_index_of_another_shape_is_left_as_it_is(tmp_path):
    with closing(sqlite3.connect(tmp_path / "index")) as database:
        database.execute("CREATE TABLE Things(id INTEGER PRIMARY KEY)")
    prepare_index({"StorageDirectory": str(tmp_path)}, "/no/such/program")
    with closing(sqlite3.connect(tmp_path / "index")) as database:
        assert database.execute("SELECT COUNT(*) FROM sqlite_stat1").fetchone() == (0,)


def test_at_the_first_start_a_server_without_ports_makes_the_index(tmp_path):
    orthanc = tmp_path / "Orthanc"
    orthanc.write_text(f"""#!/bin/sh
cp "$1" {tmp_path}/asked
python3 -c 'import sqlite3, sys; sqlite3.connect("{tmp_path}/index").executescript(sys.argv[1])' '{SCHEMA}'
echo "W0101 00:00:00 main.cpp:1] Orthanc has started" >&2
exec sleep 60
""")
    orthanc.chmod(0o700)
    prepare_index({"StorageDirectory": str(tmp_path), "HttpPort": 1}, str(orthanc))
    assert "PublicIndex" in plan(tmp_path / "index")
    asked = (tmp_path / "asked").read_text()
    assert '"HttpServerEnabled": false, "DicomServerEnabled": false' in asked
    assert "HttpPort" not in asked


def test_what_goes_wrong_is_said_and_hinders_nobody(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "cami.boot")
    (tmp_path / "index").write_text("this is no database, but longer than the header of one" * 20)
    prepare_index({"StorageDirectory": str(tmp_path)}, "/no/such/program")
    prepare_index({"StorageDirectory": str(tmp_path / "new")}, "/bin/false")
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_an_index_in_postgresql_is_not_looked_for(tmp_path, caplog):
    prepare_index({"StorageDirectory": str(tmp_path), "PostgreSQL": {"EnableIndex": True}}, "/bin/false")
    assert not caplog.records
