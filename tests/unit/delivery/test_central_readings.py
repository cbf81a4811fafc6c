"""What was opened at the centre counts at the proxy that keeps it too: each МО's own studies, the later time wins."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from cami.db.tables import study_read
from cami.delivery import CentralReadings, CentralReadingsFollower, Readings, central_readings
from cami.errors import Invalid
from cami.web import Request

from .conftest import dicom


class Asked:
    """The line of one proxy, as far as it asks for readings."""

    def __init__(self, engine, mo):
        self.readings, self.mo, self.calls = CentralReadings(engine), mo, 0

    def ask(self, method, path):
        self.calls += 1
        address, _, arguments = path.partition("?")
        assert (method, address) == ("GET", "/readings")
        query = dict(one.split("=", 1) for one in arguments.split("&"))
        return json.loads(self.readings.answer(self.mo, Request("GET", address, query=query)).body)


def delivered(region, mo, *studies):
    side = region.proxy(mo)
    for study in studies:
        side.archive.store(dicom(study=study, sop=f"{study}.1"))
    side.work()
    return side


def follow(region, side):
    line = Asked(region.central_db, side.line.mo)
    CentralReadingsFollower(side.engine, line).step()
    return line


def opened_at_centre(region, study):
    readings = Readings(region.central, region.central_db, region.clock)
    readings.note("GET", f"/dicom-web/studies/{study}/metadata")
    readings.write()


def read_at(engine):
    with engine.connect() as connection:
        return {row.study_id: row.read_at for row in connection.execute(select(study_read))}


def study_id(side, study):
    (found,) = side.archive.find({"Level": "Study", "Query": {"StudyInstanceUID": study}})
    return found


def test_a_proxy_learns_what_was_opened_at_the_centre(region):
    side = delivered(region, "42001", "1.1", "1.2")
    opened_at_centre(region, "1.1")
    follow(region, side)
    assert read_at(side.engine) == {study_id(side, "1.1"): region.clock.now()}


def test_no_other_mo_learns_of_it(region):
    side, other = delivered(region, "42001", "1.1"), delivered(region, "42002", "2.1")
    opened_at_centre(region, "1.1")
    assert (
        CentralReadings(region.central_db).after("42002", central_readings.Place(region.clock.now() - timedelta(9)))
        == []
    )
    follow(region, other)
    assert read_at(other.engine) == {}
    assert (
        len(
            CentralReadings(region.central_db).after("42001", central_readings.Place(region.clock.now() - timedelta(9)))
        )
        == 1
    )
    follow(region, side)
    assert len(read_at(side.engine)) == 1


def test_the_later_opening_wins_wherever_it_was(region):
    side = delivered(region, "42001", "1.1")
    opened_at_centre(region, "1.1")
    region.clock.pass_(hours=3)
    here = Readings(side.archive, side.engine, region.clock)
    here.note("GET", "/dicom-web/studies/1.1/metadata")
    here.write()
    later = read_at(side.engine)
    follow(region, side)
    assert read_at(side.engine) == later
    region.clock.pass_(hours=3)
    opened_at_centre(region, "1.1")
    follow(region, side)
    assert read_at(side.engine) == {study_id(side, "1.1"): region.clock.now()}


def test_what_the_proxy_does_not_have_is_not_written_down(region):
    side = delivered(region, "42001", "1.1")
    opened_at_centre(region, "1.1")
    fresh = region.proxy("42001")
    follow(region, fresh)
    assert read_at(fresh.engine) == {}
    assert side.engine is not fresh.engine


def test_many_openings_of_one_moment_come_page_by_page(region, monkeypatch):
    monkeypatch.setattr(central_readings, "MOST", 3)
    studies = [f"1.{number}" for number in range(1, 8)]
    side = delivered(region, "42001", *studies)
    with region.central_db.begin() as connection:
        for study in studies:
            connection.execute(insert(study_read).values(study_id=study_id(side, study), read_at=region.clock.now()))
    line = follow(region, side)
    assert len(read_at(side.engine)) == 7
    assert line.calls == 3
    assert follow(region, side).calls == 3  # the last minutes are asked for again: a reading is written down late


@pytest.mark.parametrize("since", ["", "yesterday", "2026-11-28T00:00:00"])
def test_a_question_without_a_time_is_refused_in_words(region, since):
    with pytest.raises(Invalid, match="since must be"):
        CentralReadings(region.central_db).answer("42001", Request("GET", "/readings", query={"since": since}))
