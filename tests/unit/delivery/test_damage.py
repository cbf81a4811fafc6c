"""A stored file that is damaged is found and replaced, whatever is killed on the way; a whole one never is."""

from io import BytesIO

import pytest
from pydicom.uid import ImplicitVRLittleEndian

from cami.db.tables import file_damage, received_instance, stored_content
from cami.delivery import Recall, Scrub
from cami.delivery.quarantine import DAMAGED, OTHER_CONTENT
from cami.watch.completeness import scrub_state
from cami.watch.progress import queue_totals

from .images import SYNTAXES, slice_of
from .whole import MO, counts, prepare_as, rows, with_real_files


class Crash(Exception):
    """The server is killed here."""


@pytest.fixture
def region(tmp_path):
    made, made.sender = with_real_files(tmp_path)
    yield made
    for engine in made.engines:
        engine.dispose()


@pytest.fixture
def proxy(region):
    return region.sender


@pytest.fixture
def stored(region, proxy):
    """An instance that is confirmed; its key."""
    proxy.archive.store(slice_of())
    proxy.work(3)
    (key,) = region.central.files
    region.central.put_label(region.central.parse(slice_of()).study_id, "grant-7")
    return key


def damage(region, key, how):
    if how == "missing":
        region.central.delete_instance(key)
    else:
        region.central.damaged[key] = b"rotten" + slice_of()[6:]


def scrub(region, rate=1e12):
    made = Scrub(region.central_db, region.receiver.damage, region.clock, rate)
    while made.step() < 3600:
        pass


def whole_again(region, proxy, key):
    """All of what must hold at the end."""
    assert region.central.files == {key: slice_of()}
    assert region.central.damaged == {}
    study_id = region.central.parse(slice_of()).study_id
    assert region.central.labels[study_id] == {"mo-42001", "grant-7"}
    assert region.central.user_metadata == {(study_id, "CamiOwner"): MO}
    (row,) = rows(region.central_db, file_damage)
    assert (row.repaired_at is not None, row.replacing_at, row.marks) == (True, None, None)
    assert queue_totals(proxy.engine).confirmed == 1
    assert counts(region).damaged == 0


def resend(proxy):
    """What the nightly comparison does."""
    study_id = proxy.archive.parse(slice_of()).study_id
    manifest = proxy.queue.manifest(study_id)
    answer = proxy.line.confirm(manifest)
    proxy.queue.resend(answer.missing)
    return answer.missing


def test_a_round_finds_what_the_disk_has_lost_and_the_proxy_repairs_it(region, proxy, stored, caplog):
    damage(region, stored, "damaged")
    scrub(region)
    assert scrub_state(region.central_db).damaged == counts(region).damaged == 1
    assert f"the stored file of instance {stored} is damaged" in caplog.text
    assert resend(proxy) == (stored,)
    proxy.work(5)
    whole_again(region, proxy, stored)
    (row,) = rows(region.central_db, file_damage)
    assert region.quarantine.read(row.kept_as) == b"rotten" + slice_of()[6:]
    assert region.quarantine.count() == 1


def test_a_file_that_is_gone_from_the_disk(region, proxy, stored):
    region.central.damaged[stored] = b""
    scrub(region)
    resend(proxy)
    proxy.work(5)
    whole_again(region, proxy, stored)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_a_repair_may_come_in_another_encoding(region, proxy, stored, syntax):
    damage(region, stored, "damaged")
    scrub(region)
    resend(proxy)
    prepare_as(proxy, syntax)
    proxy.work(5)
    assert list(region.central.files.values()) == [slice_of(syntax=syntax)]
    assert rows(region.central_db, file_damage)[0].repaired_at is not None
    assert queue_totals(proxy.engine).confirmed == 1
    scrub(region)
    assert counts(region).damaged == 0


def test_what_is_not_on_record_repairs_nothing(region, stored):
    damage(region, stored, "damaged")
    scrub(region)
    reception = region.receiver.receive(MO, slice_of(seed=9))
    assert (reception.outcome, reception.reason) == ("quarantined", OTHER_CONTENT.code)
    assert region.central.damaged[stored]
    assert counts(region).damaged == 1


def test_another_mo_repairs_nothing(region, stored):
    damage(region, stored, "damaged")
    scrub(region)
    assert region.receiver.receive("42002", slice_of()).outcome == "quarantined"
    assert region.central.damaged[stored]


def test_what_is_whole_is_never_replaced(region, proxy, stored):
    """Noted as damaged, restored by an operator meanwhile, sent again."""
    damage(region, stored, "damaged")
    scrub(region)
    region.central.damaged.clear()
    resend(proxy)
    region.central.on_delete = lambda instance_id: pytest.fail("deleted")
    proxy.work(5)
    whole_again(region, proxy, stored)
    assert region.quarantine.count() == 0


def test_a_wrong_record_is_no_damage_and_is_put_right(region, proxy, stored):
    """The database was restored from another day: the file is what Orthanc was given, and stays."""
    with region.central_db.begin() as connection:
        connection.execute(received_instance.update().values(sha256="0" * 64))
    scrub(region)
    assert rows(region.central_db, file_damage) == []
    (sha256,) = proxy.queue.manifest(proxy.archive.parse(slice_of()).study_id).instances.values()
    assert proxy.line.verify({stored: sha256}) == (stored,)
    region.central.on_delete = lambda instance_id: pytest.fail("deleted")
    assert region.receiver.receive(MO, slice_of(seed=4)).outcome == "quarantined"
    assert region.receiver.receive(MO, slice_of()).outcome == "stored"
    assert rows(region.central_db, received_instance)[0].sha256 == sha256
    assert proxy.line.verify({stored: sha256}) == ()


def test_what_is_damaged_before_it_was_read_is_read_when_it_is_whole(region, proxy):
    read = region.read_contents
    region.read_contents = lambda: None
    proxy.archive.store(slice_of())
    proxy.work(2)
    (key,) = region.central.files
    damage(region, key, "damaged")
    read()
    assert counts(region).damaged == 1
    region.central.damaged.clear()  # the operator has restored it
    scrub(region)
    region.read_contents = read
    proxy.work(20)
    assert (queue_totals(proxy.engine).confirmed, region.quarantine.count()) == (1, 0)
    assert counts(region).pixels_verified == 1


def test_a_round_sees_that_a_file_is_whole_again(region, stored):
    damage(region, stored, "damaged")
    scrub(region)
    region.central.damaged.clear()
    scrub(region)
    assert counts(region).damaged == 0


def test_what_comes_again_while_nobody_knew_of_the_damage(region, proxy, stored):
    damage(region, stored, "damaged")
    assert region.receiver.receive(MO, slice_of(syntax=ImplicitVRLittleEndian)).outcome == "stored"
    assert list(region.central.files.values()) == [slice_of(syntax=ImplicitVRLittleEndian)]


POINTS = ["begin", "quarantine", "delete", "store", "reread", "label", "marks", "close"]


@pytest.mark.parametrize("how", ["damaged", "missing"])
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_any_point_of_a_replacement(region, stored, monkeypatch, point, how):
    proxy = region.sender
    damage(region, stored, how)
    scrub(region)
    study_id = region.central.parse(slice_of()).study_id
    if how == "missing":  # what was on the study went with it, as when an administrator has deleted it
        region.central.labels[study_id] = {"grant-7"}
    resend(proxy)
    central, receiver = region.central, region.receiver
    places = {
        "begin": (receiver.damage, "begin"),
        "quarantine": (region.quarantine, "keep"),
        "delete": (central, "delete_instance"),
        "store": (central, "store"),
        "reread": (receiver._replacement, "_end"),
        "label": (central, "put_label"),
        "marks": (central, "put_marks"),
        "close": (receiver.damage, "close"),
    }
    crashes = 0
    for after in (False, True):
        target, name = places[point]
        original = getattr(target, name)

        def die(*args, _original=original, _after=after, **kwargs):
            if _after:
                _original(*args, **kwargs)
            raise Crash

        monkeypatch.setattr(target, name, die)
        proxy.feed.advance()
        try:
            proxy.courier.send_next()
        except Crash:
            crashes += 1
        finally:
            monkeypatch.undo()
        proxy.restart()
        region.restart()
        receiver = region.receiver
        scrub(region)
        places |= {
            "begin": (receiver.damage, "begin"),
            "reread": (receiver._replacement, "_end"),
            "close": (receiver.damage, "close"),
        }
        region.clock.pass_(seconds=6)
    # What is gone from the disk needs no quarantine; what was closed before the second crash is not begun again.
    assert crashes >= (0 if (point, how) == ("quarantine", "missing") else 1)
    proxy.work(6)
    whole_again(region, proxy, stored)


def test_a_full_disk_puts_the_repair_off(region, proxy, stored):
    damage(region, stored, "damaged")
    scrub(region)
    resend(proxy)
    region.central.full = True
    proxy.work(3)
    assert queue_totals(proxy.engine).confirmed == 0
    region.central.full = False
    proxy.work(5)
    whole_again(region, proxy, stored)


def test_a_file_is_read_again_before_a_proxy_lets_go_and_what_is_found_is_noted(region, proxy, stored):
    damage(region, stored, "damaged")
    (sha256,) = proxy.queue.manifest(proxy.archive.parse(slice_of()).study_id).instances.values()
    assert proxy.line.verify({stored: sha256}) == (stored,)
    assert resend(proxy) == (stored,)
    proxy.work(5)
    whole_again(region, proxy, stored)
    assert proxy.line.verify({stored: sha256}) == ()


def test_a_large_object_that_is_damaged_is_not_called_present(region, stored):
    recall = Recall(region.central, region.central_db)
    sha256 = rows(region.central_db, received_instance)[0].sha256
    assert recall.reception(MO, sha256).outcome == "present"
    damage(region, stored, "damaged")
    scrub(region)
    assert recall.reception(MO, sha256) is None


def test_what_was_evicted_is_lost_and_told_so(region, proxy, stored, caplog):
    with proxy.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE delivery_item SET state = 'evicted'")
    proxy.archive.files.clear()
    damage(region, stored, "damaged")
    scrub(region)
    resend(proxy)
    assert queue_totals(proxy.engine).lost == 1
    assert "restore them from a backup" in caplog.text


def test_a_round_goes_on_where_it_stood_and_keeps_its_rate(region, proxy):
    for number in range(120):
        proxy.archive.store(slice_of(f"1.2.3.4.{number}"))
    proxy.work(4)
    size = sum(len(file) for file in region.central.files.values())
    waited = 0.0
    steps = 0
    while (wait := Scrub(region.central_db, region.receiver.damage, region.clock, 1000).step()) < 3600:
        waited += wait
        steps += 1
    state = scrub_state(region.central_db)
    assert (state.files, state.size, state.damaged) == (120, size, 0)
    assert waited == pytest.approx(size / 1000)
    assert steps == 3
    assert state.last_whole_round_at == state.ended_at == region.clock.now()


def test_what_an_earlier_release_has_stored_is_read_once(region, proxy, stored):
    """The migration enters what is there, without what was not known then."""
    with region.central_db.begin() as connection:
        connection.execute(stored_content.delete())
        connection.execute(stored_content.insert().values(instance_id=stored, series_id=""))
    region.read_contents()
    (row,) = rows(region.central_db, stored_content)
    assert (row.series_id, row.read_at is not None) == ("series", True)
    assert row.native is not None


def test_nothing_of_a_patient_is_logged(region, proxy, stored, caplog):
    damage(region, stored, "damaged")
    scrub(region)
    resend(proxy)
    proxy.work(4)
    region.receiver.receive(MO, slice_of(seed=3))
    assert "P1" not in caplog.text
    assert "Ivanov" not in caplog.text


def test_the_damaged_are_kept_with_the_reason(region, proxy, stored):
    damage(region, stored, "damaged")
    scrub(region)
    resend(proxy)
    proxy.work(4)
    with region.central_db.connect() as connection:
        (row,) = connection.exec_driver_sql("SELECT reason, source FROM quarantined_object").all()
    assert tuple(row) == (DAMAGED.code, MO)
    assert BytesIO(region.quarantine.read(rows(region.central_db, file_damage)[0].kept_as)).read(6) == b"rotten"
