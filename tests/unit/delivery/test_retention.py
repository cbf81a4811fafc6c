"""A proxy lets go of what the centre has, and of nothing else."""

import json
import logging

import pytest
from sqlalchemy import event

from cami.delivery import DiskWatch, Holdings, Readings
from cami.delivery.disk import GB, Room
from cami.delivery.retention import Retention
from cami.delivery.states import Command
from cami.delivery.steps import move
from cami.errors import Transient
from cami.region import Disk
from cami.region import Retention as Rules
from cami.watch.progress import delivery_progress, queue_totals

from .conftest import dicom


class Crash(BaseException):
    """The server dies here."""


class Volume:
    """Free space grows with each file that is deleted."""

    def __init__(self, shelf, free_at_start):
        self.shelf, self.size = shelf, free_at_start

    def __call__(self):
        return Room(int((self.size - len(self.shelf.files)) * GB), 1000 * GB)


class Keeper:
    """A proxy with retention."""

    def __init__(self, region, rules, room=900):
        self.side = region.proxy("42001")
        self.region, self.rules = region, rules
        self.volume = Volume(self.side.archive, room)
        self.restart()

    def restart(self):
        side = self.side
        side.restart()
        self.holdings = Holdings(side.engine, self.region.clock)
        self.readings = Readings(side.archive, side.engine, self.region.clock)
        self.retention = Retention(
            archive=side.archive,
            queue=side.queue,
            holdings=self.holdings,
            link=side.line,
            disk=DiskWatch(self.volume, Disk(warn_free_gb=50, stop_free_gb=5)),
            rules=self.rules,
            clock=self.region.clock,
        )

    def fill(self, studies, instances=2):
        """Deliver studies, an hour apart."""
        for study in range(studies):
            for number in range(instances):
                self.side.archive.store(dicom(study=f"1.{study}", sop=f"1.{study}.{number}"))
            self.side.work(2)
            self.region.clock.pass_(hours=1)

    def retain(self, steps=30):
        for _ in range(steps):
            if not self.retention.step():
                return

    @property
    def here(self):
        return sorted({json.loads(file)[1] for file in self.side.archive.files.values()})

    def counts(self):
        totals = queue_totals(self.side.engine)
        return totals.confirmed, totals.evicted


AGE = Rules(keep_days=30)
SPACE = Rules(min_free_gb=895)


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.INFO)
    return caplog


def test_nothing_leaves_while_there_is_room(region):
    keeper = Keeper(region, Rules())
    keeper.fill(3)
    region.clock.pass_(days=4000)
    keeper.retain()
    assert keeper.here == ["1.0", "1.1", "1.2"]


def test_what_is_old_leaves(region, logged):
    keeper = Keeper(region, AGE)
    keeper.fill(2)
    region.clock.pass_(days=29, hours=22, minutes=30)
    keeper.retain()
    assert keeper.here == ["1.1"]
    assert keeper.counts() == (2, 2)
    assert "evicted study" in logged.text
    assert "P1" not in logged.text, "no patient in the log"
    assert region.central.files.keys() > keeper.side.archive.files.keys()


def test_the_oldest_leaves_until_there_is_room_and_no_more(region):
    keeper = Keeper(region, SPACE, room=900)
    keeper.fill(5)  # 10 files of 1 GB: 890 free, 895 wanted
    keeper.retain()
    assert keeper.here == ["1.3", "1.4"]


def test_a_quota_counts_what_orthanc_has(region):
    keeper = Keeper(region, Rules(quota_gb=5))
    keeper.side.archive.bytes_of_a_file = GB
    keeper.fill(4)
    keeper.retain()
    assert keeper.here == ["1.2", "1.3"]


def test_what_was_read_lately_leaves_last(region):
    keeper = Keeper(region, SPACE, room=900)
    keeper.fill(5)
    keeper.readings.note("GET", "/dicom-web/studies/1.0/metadata")
    keeper.readings.note("GET", "/dicom-web/studies")
    keeper.readings.note("POST", "/dicom-web/studies/1.1/metadata")
    keeper.readings.write()
    keeper.retain()
    assert keeper.here == ["1.0", "1.4"]


def test_what_is_being_read_stays_whatever_happens(region):
    keeper = Keeper(region, Rules(min_free_gb=999), room=900)
    keeper.fill(2)
    first = next(iter(keeper.side.archive.files))
    keeper.readings.note("GET", f"/instances/{first}/file")
    keeper.readings.write()
    keeper.retain()
    assert keeper.here == ["1.0"]
    region.clock.pass_(hours=3)
    keeper.retain()
    assert keeper.here == []


def test_reading_is_noted_once_an_hour(region):
    keeper = Keeper(region, SPACE)
    keeper.fill(1)
    written = []
    for _ in range(5):
        keeper.readings.note("GET", "/dicom-web/studies/1.0/series/1/instances/1/frames/1")
        written.append(keeper.readings.write())
        region.clock.pass_(minutes=20)
    assert written == [1, 0, 0, 1, 0]


def test_what_is_not_confirmed_stays(region):
    keeper = Keeper(region, Rules(min_free_gb=999))
    keeper.fill(1)
    keeper.side.archive.store(dicom(study="1.0", sop="late"))
    keeper.retain()
    assert keeper.here == ["1.0"], "an image that the feed has not read of"
    keeper.side.feed.advance()
    keeper.retain()
    assert keeper.here == ["1.0"], "an image in the queue"
    assert keeper.counts() == (2, 0)


def test_a_study_with_something_in_quarantine_stays(region):
    keeper = Keeper(region, Rules(min_free_gb=999))
    region.proxy("42002").archive.store(dicom(study="9", sop="shared"))
    other = region.proxy("42002")
    other.archive.store(dicom(study="9", sop="shared"))
    other.work(3)
    keeper.side.archive.store(dicom(study="1.0", sop="shared"))
    keeper.side.archive.store(dicom(study="1.0", sop="own"))
    keeper.side.work(3)
    assert queue_totals(keeper.side.engine).quarantined == 1
    keeper.retain()
    assert len(keeper.side.archive.files) == 2


def test_without_the_line_nothing_leaves(region):
    keeper = Keeper(region, Rules(min_free_gb=999))
    keeper.fill(1)
    keeper.side.line.faults = ["cut"]
    with pytest.raises(Transient):
        keeper.retain()
    assert keeper.here == ["1.0"]


def test_what_the_centre_has_lost_is_sent_again_and_stays(region):
    keeper = Keeper(region, Rules(min_free_gb=999))
    keeper.fill(1)
    region.central.files.popitem()
    keeper.retain()
    assert keeper.here == ["1.0"]
    keeper.side.work(4)
    assert region.central.files == keeper.side.archive.files
    region.clock.pass_(hours=2)
    keeper.retain()
    assert keeper.here == []


@pytest.mark.parametrize("damage", [b"other bytes", b""])
def test_what_the_centre_cannot_read_from_its_disk_stays(region, logged, damage):
    keeper = Keeper(region, Rules(min_free_gb=999))
    keeper.fill(1)
    region.central.damaged[next(iter(region.central.files))] = damage
    keeper.retain()
    assert keeper.here == ["1.0"]
    assert "cannot read 1 of its files" in logged.text


def test_an_image_that_comes_in_during_the_eviction_is_sent_and_not_deleted(region):
    keeper = Keeper(region, Rules(min_free_gb=999))
    keeper.fill(1)
    late = dicom(study="1.0", sop="late")
    keeper.side.archive.on_delete = lambda _: keeper.side.archive.store(late)
    keeper.retain(1)
    assert list(keeper.side.archive.files.values()) == [late]
    keeper.side.work(4)
    assert late in region.central.files.values()
    (study,) = delivery_progress(keeper.side.engine)
    assert (study.confirmed, study.evicted, study.instances) == (1, 2, 3)


def test_the_centre_still_expects_the_whole_study_when_a_late_image_follows(region):
    from cami.watch.progress import central_progress

    keeper = Keeper(region, Rules(min_free_gb=999))
    keeper.fill(1)
    keeper.retain()
    keeper.side.archive.store(dicom(study="1.0", sop="late"))
    keeper.side.work(4)
    (study,) = central_progress(region.central_db)
    assert (study.expected, study.instances) == (3, 3)


def test_what_comes_back_unchanged_is_not_sent_again(region):
    keeper = Keeper(region, Rules(min_free_gb=999))
    keeper.fill(1)
    files = dict(keeper.side.archive.files)
    keeper.retain()
    assert keeper.here == []
    for file in files.values():
        keeper.side.archive.store(file)
    sent = []
    keeper.side.line.send = lambda *arguments, **options: sent.append(arguments)
    keeper.side.work(4)
    assert sent == []
    assert keeper.counts() == (2, 0)
    region.clock.pass_(hours=2)
    keeper.retain()
    assert keeper.counts() == (0, 2)


def test_what_comes_in_again_with_other_content_is_sent_and_judged_at_the_centre(region):
    keeper = Keeper(region, Rules(min_free_gb=999))
    keeper.fill(1)
    keeper.retain()
    keeper.side.archive.store(dicom(study="1.0", sop="1.0.0", content="other"))
    keeper.side.work(4)
    totals = queue_totals(keeper.side.engine)
    assert (totals.quarantined, totals.evicted) == (1, 1)
    assert region.quarantine.count() == 1
    region.clock.pass_(hours=2)
    keeper.retain()
    assert keeper.here == ["1.0"], "the only copy of the other content in an archive"


def test_what_the_centre_loses_after_the_eviction_is_an_alarm(region, logged):
    keeper = Keeper(region, Rules(min_free_gb=999))
    keeper.fill(1)
    file = next(iter(keeper.side.archive.files.values()))
    keeper.retain()
    region.central.files.clear()
    keeper.side.archive.store(dicom(study="1.0", sop="late"))
    keeper.side.work(4)
    assert queue_totals(keeper.side.engine).lost == 2
    assert "restore them from a backup" in logged.text
    keeper.side.archive.store(file)  # the device sends it once more
    keeper.side.work(4)
    assert file in region.central.files.values()
    assert queue_totals(keeper.side.engine).lost == 1


@pytest.mark.parametrize("deletions", [0, 1, 2, 3])
@pytest.mark.parametrize("resent", ["nothing", "same", "other"])
def test_a_crash_anywhere_loses_nothing(region, deletions, resent):
    keeper = Keeper(region, Rules(min_free_gb=999))
    keeper.fill(1, instances=3)
    keeper.fill(1, instances=3)
    files = dict(keeper.side.archive.files)
    left = [deletions]

    def die(_instance_id):
        if not left[0]:
            raise Crash
        left[0] -= 1

    keeper.side.archive.on_delete = die
    if deletions < 3:
        with pytest.raises(Crash):
            keeper.retain(1)
    else:
        keeper.retain(1)
    keeper.side.archive.on_delete = lambda _: None
    again = dicom(study="1.0", sop="1.0.0", content="other" if resent == "other" else "pixels")
    if resent != "nothing":
        keeper.side.archive.store(again)
    keeper.restart()
    keeper.retention.step()
    keeper.side.work(4)
    keeper.retain()
    region.clock.pass_(hours=3)
    keeper.side.work(4)
    keeper.retain()
    assert set(files.values()) <= set(region.central.files.values())
    if resent == "other" and deletions:
        assert again in keeper.side.archive.files.values()
        assert region.quarantine.count() == 1
    else:
        assert keeper.here == []
        assert keeper.counts() == (0, 3)


@pytest.mark.parametrize("count", [1, 5, 500])
def test_rows_that_are_named_are_found_by_their_names(region, count):
    """Not by the index of states, which at a million confirmed rows is a million steps."""
    engine = region.proxy("42001").engine
    statements = []
    event.listen(engine, "before_cursor_execute", lambda _c, _k, sql, values, *_: statements.append((sql, values)))
    with engine.begin() as connection:
        move(connection, Command.EVICT, [str(number) for number in range(count)])
    (update,) = [(sql, values) for sql, values in statements if sql.startswith("UPDATE")]
    with engine.connect() as connection:
        plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + update[0], update[1]).all()
    assert "sqlite_autoindex_delivery_item_1 (instance_id=?)" in plan[0][3]
