"""What fails stays shut, and what somebody writes past us opens nothing: case 14."""

import contextlib
import sqlite3

from tests.integration.isolation.sides import JSON, unhurt


def test_a_broken_table_of_owners_shows_nothing(region, victim, thief, admin):
    database = region.state / "servers" / "central" / "data" / "cami.sqlite"
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.execute("ALTER TABLE study RENAME TO study_hidden")
        connection.commit()
        try:
            for person in (thief, victim):
                for path in (f"/studies/{person.study}", "/dicom-web/studies", f"{person.web}/metadata", "/studies"):
                    answer = person.get(path)
                    assert answer.status_code in (403, 404, 500, 503), path
                    assert not victim.betrayed_by(answer.content)
        finally:
            connection.execute("ALTER TABLE study_hidden RENAME TO study")
            connection.commit()
    unhurt(victim)


def test_the_first_request_after_a_start_is_answered(region, victim):
    """Preparing the gate's statements takes more stack than Orthanc's own threads have."""
    region.server("stop", "central")
    region.server("start", "central")
    assert victim.get(f"/instances/{victim.instance}/tags").status_code == 200
    assert victim.get(f"{victim.web}/metadata").status_code == 200


def test_a_forged_label_shows_nothing(region, victim, thief, admin):
    """Not even somebody who can write labels past us opens a study with one: Orthanc's own index is changed."""
    index = region.state / "servers" / "central" / "data" / "orthanc" / "index"
    assert index.exists()
    region.server("stop", "central")
    try:
        with contextlib.closing(sqlite3.connect(index, timeout=30)) as connection:
            (number,) = connection.execute(
                "SELECT internalId FROM Resources WHERE publicId = ?", (victim.study,)
            ).fetchone()
            connection.execute("INSERT INTO Labels VALUES (?, 'mo-42002')", (number,))
            connection.commit()
    finally:
        region.server("start", "central")
    labels = admin.get(f"{region.central}/studies/{victim.study}/labels", timeout=30).json()
    assert set(labels) == {"mo-42001", "mo-42002"}
    assert thief.find("Study") == [thief.study]
    assert thief.get(f"/studies/{victim.study}").status_code == 403
    assert not victim.betrayed_by(thief.get("/dicom-web/studies", headers=JSON).content)
    assert thief.get(f"{victim.web}/metadata").status_code == 404
    unhurt(victim)
