"""Labels in Orthanc follow the table, and what differs is told and put right."""

from datetime import timedelta

import pytest

from cami.access import NewGrant, Visibility
from cami.access.owners import grant_label
from cami.db.tables import study
from tests.unit.sharing.conftest import CONS, RAD2


@pytest.fixture(autouse=True)
def stored(engine, clock, first, second):
    with engine.begin() as connection:
        connection.execute(study.update().values(first_stored_at=clock.now()))


@pytest.fixture
def give(engine, book):
    def give(study, **values):
        with engine.begin() as connection:
            return book.give(connection, NewGrant(study.uid, "42001", mo="42002", by="rad1", **values))

    return give


def labels(archive, study):
    return archive.resources[study.id]["Labels"]


def test_a_grant_is_a_label_while_it_holds(mirror, archive, clock, give, first):
    number = give(first, until=clock.now() + timedelta(hours=1))
    assert mirror.step()
    assert not mirror.step()
    assert labels(archive, first) == [grant_label(number), "mo-42001"]
    clock.pass_(hours=1)
    assert mirror.step()
    assert labels(archive, first) == ["mo-42001"]


def test_a_revoked_grant_loses_its_label(mirror, archive, engine, book, give, first):  # noqa: PLR0917
    number = give(first)
    mirror.step()
    with engine.begin() as connection:
        book.revoke(connection, [number], by="rad1", why="не нужно")
    mirror.step()
    assert labels(archive, first) == ["mo-42001"]


def test_a_study_that_comes_after_the_grant_is_labelled_then(mirror, archive, engine, deliver, give, clock):  # noqa: PLR0917
    later = type("Later", (), {"uid": "1.2.8"})
    number = give(later)
    assert not mirror.step()
    came = deliver("42001", "1.2.8")
    with engine.begin() as connection:
        connection.execute(study.update().where(study.c.study_id == came.id).values(first_stored_at=clock.now()))
    assert mirror.step()
    assert grant_label(number) in labels(archive, came)


def test_repair_tells_and_puts_right_what_differs(mirror, archive, give, first, second):
    number = give(first)
    mirror.step()
    assert not mirror.differences()
    archive.drop_label(first.id, grant_label(number))
    archive.put_label(second.id, grant_label(number))
    archive.put_label(second.id, "grant-99")
    found = mirror.differences()
    assert found.missing == {(first.id, grant_label(number))}
    assert found.surplus == {(second.id, grant_label(number)), (second.id, "grant-99")}
    assert mirror.repair() == found
    assert not mirror.differences()
    assert labels(archive, second) == ["mo-42002"]


def test_a_study_that_is_gone_stops_nothing(mirror, archive, give, first):
    give(first)
    del archive.resources[first.id]
    mirror.step()


def test_without_labels_nothing_is_found_rather_than_everything(archive, engine, clock, first, second):
    visibility = Visibility("central", "", archive, engine, clock=clock)
    for level in ("Study", "Series", "Instance"):
        assert visibility.find(CONS, {"Level": level, "Query": {}}) == []
        assert visibility.find(CONS, {"Level": level, "Query": {"PatientID": "SHARED"}}) == []
    assert visibility.find(RAD2, {"Level": "Study", "Query": {}}) == [second.id]
