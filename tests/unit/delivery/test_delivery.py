"""From the change log of a proxy to a confirmed study at the centre, whatever happens on the way."""

import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from cami.delivery import Courier, Holdings
from cami.errors import Transient
from cami.watch.progress import central_progress, delivery_progress, queue_totals

from .conftest import Region, dicom


def test_a_study_arrives_is_labelled_and_confirmed(region):
    proxy = region.proxy("42001")
    for number in range(3):
        proxy.archive.store(dicom(sop=f"1.1.1.{number}"))
    proxy.work(3)
    assert region.central.files == proxy.archive.files
    (study,) = central_progress(region.central_db)
    assert (study.owner, study.instances, study.expected) == ("42001", 3, 3)
    assert study.confirmed_at is not None
    assert region.central.labels == {study.study_id: {"mo-42001"}}
    assert region.central.user_metadata == {(study.study_id, "CamiOwner"): "42001"}
    (sent,) = delivery_progress(proxy.engine)
    assert (sent.instances, sent.confirmed, sent.queued) == (3, 3, 0)
    assert sent.confirmed_at is not None


def test_an_image_that_comes_later_is_sent_and_the_study_confirmed_again(region):
    proxy = region.proxy("42001")
    proxy.archive.store(dicom(sop="1.1.1.1"))
    proxy.work(3)
    proxy.archive.store(dicom(sop="1.1.1.2"))
    proxy.work(3)
    assert queue_totals(proxy.engine).confirmed == 2
    assert central_progress(region.central_db)[0].expected == 2


def test_a_lost_answer_sends_nothing_twice_to_effect(region):
    proxy = region.proxy("42001")
    proxy.archive.store(dicom())
    proxy.line.faults = ["answer lost"]
    proxy.work(4)
    assert queue_totals(proxy.engine).confirmed == 1
    assert len(region.central.files) == 1
    assert central_progress(region.central_db)[0].instances == 1


def test_the_manifest_finds_what_the_centre_lost_and_it_is_sent_again(region):
    proxy = region.proxy("42001")
    proxy.archive.store(dicom())
    proxy.feed.advance()
    proxy.courier.send_next()
    region.central.files.clear()
    region.central.labels.clear()
    proxy.work(4)
    assert region.central.files == proxy.archive.files
    assert list(region.central.labels.values()) == [{"mo-42001"}], "a study made anew must get its label again"
    assert queue_totals(proxy.engine).confirmed == 1


def test_a_full_centre_loses_nothing(region):
    proxy = region.proxy("42001")
    proxy.archive.store(dicom())
    region.central.full = True
    proxy.work(3)
    assert queue_totals(proxy.engine).queued == 1
    region.central.full = False
    proxy.work(4)
    assert queue_totals(proxy.engine).confirmed == 1


def test_an_index_that_was_replaced_is_read_again_from_the_start(region):
    proxy = region.proxy("42001")
    for number in range(3):
        proxy.archive.store(dicom(sop=f"1.1.1.{number}"))
    proxy.work(3)
    proxy.archive.log.clear()
    proxy.archive.files = {}
    proxy.archive.store(dicom(sop="9.9"))
    proxy.work(3)
    assert queue_totals(proxy.engine).confirmed == 4


def test_an_instance_deleted_before_it_was_read_does_not_stop_the_rest(region):
    proxy = region.proxy("42001")
    proxy.archive.store(dicom(sop="1"))
    proxy.archive.files.clear()
    proxy.archive.store(dicom(sop="2"))
    proxy.work(3)
    assert queue_totals(proxy.engine).confirmed == 1


def test_an_image_that_was_sent_while_the_database_was_locked_is_not_forgotten(region):
    """It was stuck as "sending" until the next start: neither accepted nor given back."""
    proxy = region.proxy("42001")
    # Nobody waits half a minute for the lock here.
    event.listen(proxy.engine, "checkout", lambda connection, *_: connection.execute("PRAGMA busy_timeout=0"))
    proxy.archive.store(dicom())
    proxy.feed.advance()
    send = proxy.line.send
    with closing(sqlite3.connect(proxy.engine.url.database, isolation_level=None)) as other:

        def send_and_lock(*arguments, **named):
            other.execute("BEGIN EXCLUSIVE")
            return send(*arguments, **named)

        proxy.line.send = send_and_lock
        with pytest.raises(OperationalError):
            proxy.courier.send_next()
        with pytest.raises(OperationalError):
            proxy.courier.send_next()
        other.execute("ROLLBACK")
    proxy.line.send = send
    assert queue_totals(proxy.engine).sending == 1
    proxy.work(3)
    assert queue_totals(proxy.engine).confirmed == 1
    assert len(region.central.files) == 1


def test_an_image_that_the_archive_cannot_read_now_is_not_forgotten(region):
    proxy = region.proxy("42001")
    proxy.archive.store(dicom())
    proxy.feed.advance()
    read = proxy.archive.read

    def fail(instance_id):
        raise Transient("Orthanc cannot answer")

    proxy.archive.read = fail
    with pytest.raises(Transient):
        proxy.courier.send_next()
    proxy.archive.read = read
    proxy.work(3)
    assert queue_totals(proxy.engine).confirmed == 1


def test_a_clock_that_was_wrong_holds_nothing_back_once_it_is_right(region):
    """Rests and confirmations waited until the time came that the clock had shown: a day, or a year."""
    proxy = region.proxy("42001")
    for number in range(3):
        proxy.archive.store(dicom(sop=f"1.{number}"))
    proxy.feed.advance()
    region.clock.pass_(days=400)
    proxy.line.faults = ["cut"]
    with pytest.raises(Transient):
        proxy.courier.send_next()
    region.clock.pass_(seconds=6)
    proxy.courier.send_next()
    region.clock.time -= timedelta(days=400)
    proxy.work(3)
    assert queue_totals(proxy.engine).confirmed == 3


@settings(max_examples=30)
@given(
    studies=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    faults=st.lists(st.sampled_from(["", "cut", "answer lost", "crash"]), max_size=12),
)
def test_whatever_the_line_does_all_arrives_once(studies, faults):
    with tempfile.TemporaryDirectory() as folder:
        region = Region(Path(folder))
        proxy = region.proxy("42001")
        for study, count in enumerate(studies):
            for number in range(count):
                proxy.archive.store(dicom(study=f"1.{study}", sop=f"1.{study}.{number}"))
        for fault in faults:
            if fault == "crash":
                proxy.feed.advance()
                proxy.queue.take()
                proxy.restart()
            else:
                proxy.line.faults.append(fault)
                proxy.work(1)
        proxy.line.faults.clear()
        proxy.work(6)
        assert region.central.files == proxy.archive.files
        assert queue_totals(proxy.engine).confirmed == sum(studies)
        assert sum(study.instances for study in central_progress(region.central_db)) == sum(studies)
        for engine in region.engines:
            engine.dispose()


def changed(_item, dicom):
    return dicom.replace(b"pixels", b"packed")


def test_what_comes_back_as_it_was_before_it_was_prepared_is_not_sent_again(region):
    """A device stores an old image again, after retention let go of it: the centre has what was made of it."""
    proxy = region.proxy("42001")
    proxy.courier = Courier(proxy.archive, proxy.queue, proxy.line, region.clock, changed)
    image = dicom()
    instance = proxy.archive.store(image).instance_id
    proxy.work(3)
    assert list(region.central.files.values()) == [image.replace(b"pixels", b"packed")]
    study_id = proxy.archive.parse(image).study_id
    holdings = Holdings(proxy.engine, region.clock)
    assert holdings.begin_eviction(study_id, [instance])
    proxy.archive.delete_instance(instance)
    holdings.end_eviction(study_id)
    # Prepared by other rules it would be other content, and land in quarantine.
    proxy.courier = Courier(proxy.archive, proxy.queue, proxy.line, region.clock, lambda _item, dicom: dicom + b" ")
    proxy.archive.store(image)
    calls = proxy.line.calls
    proxy.work(3)
    assert queue_totals(proxy.engine).confirmed == 1
    assert proxy.line.calls == calls + 1  # the manifest alone


def test_an_image_that_cannot_be_prepared_now_is_tried_again(region):
    proxy = region.proxy("42001")
    failures = [Transient("busy")]

    def busy(_item, dicom):
        if failures:
            raise failures.pop()
        return dicom

    proxy.courier = Courier(proxy.archive, proxy.queue, proxy.line, region.clock, busy)
    proxy.archive.store(dicom())
    proxy.work(4)
    assert queue_totals(proxy.engine).confirmed == 1
