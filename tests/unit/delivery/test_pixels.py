"""Pixels compared on both sides, and the same image in another encoding."""

import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from cami.db.tables import received_instance, sent_content, stored_content
from cami.delivery.content import NO_PIXELS
from cami.delivery.contents import Stored
from cami.delivery.link import ManifestAnswer
from cami.delivery.manifests import Announcement
from cami.delivery.quarantine import OTHER_CONTENT
from cami.errors import Transient
from cami.watch.completeness import pixels_verified
from cami.watch.progress import central_progress, queue_totals

from .images import SYNTAXES, DicomShelf, report, slice_of
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


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_pixels_are_compared_whatever_they_travel_in(region, proxy, syntax):
    proxy.archive.store(slice_of())
    prepare_as(proxy, syntax)
    proxy.work(4)
    assert queue_totals(proxy.engine).confirmed == 1
    (there,) = rows(region.central_db, stored_content)
    (here,) = rows(proxy.engine, sent_content)
    assert here.pixels == there.claimed == f"native:{there.native}"
    assert there.agrees is True
    assert here.verified_at is not None
    assert pixels_verified(proxy.engine, [here.instance_id, "other"]) == {here.instance_id}
    assert (counts(region).pixels_verified, counts(region).confirmed, counts(region).series) == (1, 1, 1)
    assert counts(region).expected_series == 1


def test_what_its_device_compressed_is_compared_as_it_is(region, proxy):
    proxy.archive.store(slice_of(syntax=JPEGLSLossless))
    proxy.work(4)
    (there,) = rows(region.central_db, stored_content)
    assert there.claimed == f"encapsulated:{there.encapsulated}"
    assert (there.agrees, queue_totals(proxy.engine).confirmed) == (True, 1)


def test_what_has_no_pixels_agrees_without(region, proxy):
    proxy.archive.store(report())
    proxy.work(4)
    (there,) = rows(region.central_db, stored_content)
    assert (there.claimed, there.agrees, queue_totals(proxy.engine).confirmed) == (NO_PIXELS, True, 1)


def test_other_pixels_are_never_confirmed(region, proxy, caplog):
    """A codec that errs: the file arrives as it was sent, and holds another image."""
    proxy.archive.store(slice_of())
    proxy.courier._prepare = lambda item, dicom: slice_of(seed=2)
    proxy.work(4)
    assert (queue_totals(proxy.engine).confirmed, queue_totals(proxy.engine).quarantined) == (0, 1)
    assert central_progress(region.central_db)[0].confirmed_at is None
    assert counts(region).pixels_different == 1
    assert "the pixels of 1 instances at the centre are others" in caplog.text
    assert rows(proxy.engine, sent_content)[0].verified_at is None


def test_nothing_is_confirmed_before_the_centre_has_read_it(region, proxy):
    read = region.read_contents
    region.read_contents = lambda: None
    proxy.archive.store(slice_of())
    proxy.work(4)
    assert (queue_totals(proxy.engine).stored, queue_totals(proxy.engine).confirmed) == (1, 0)
    asked = proxy.line.calls
    proxy.work(10)
    assert proxy.line.calls - asked < 7, "asking takes the line, so it is asked at growing intervals"
    region.read_contents = read
    proxy.work(20)
    assert queue_totals(proxy.engine).confirmed == 1


def test_a_proxy_of_an_earlier_release_is_confirmed_by_digests_of_files(region, proxy):
    proxy.line.confirm = lambda manifest: _as_before(region, manifest)
    proxy.archive.store(slice_of())
    proxy.work(3)
    assert queue_totals(proxy.engine).confirmed == 1
    assert (counts(region).confirmed, counts(region).pixels_verified) == (1, 0)
    assert rows(proxy.engine, sent_content)[0].verified_at is None


def _as_before(region, manifest):
    check = region.manifests.check(MO, Announcement(manifest.study_id, manifest.instances))
    return ManifestAnswer(check.missing, check.different)


@pytest.mark.parametrize("claim", ["native:" + "0" * 64, "native:", "", NO_PIXELS, "encapsulated:" + "a" * 64, "x"])
def test_no_other_claim_agrees(claim):
    assert not Stored("d", "1" * 64, "b" * 64).agrees(claim)
    assert not Stored().agrees(claim), "what cannot be told agrees with nothing"


@pytest.mark.parametrize("first", SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("second", SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("read_meanwhile", [False, True])
def test_the_same_image_in_another_encoding_is_present(region, proxy, first, second, read_meanwhile):
    proxy.archive.store(slice_of())
    prepare_as(proxy, first)
    proxy.line.faults = ["answer lost"]
    proxy.feed.advance()
    with pytest.raises(Transient):
        proxy.courier.send_next()
    if read_meanwhile:
        region.read_contents()
    prepare_as(proxy, second)
    region.clock.pass_(seconds=6)
    proxy.work(4)
    assert list(region.central.files.values()) == [slice_of(syntax=first)], "nothing is overwritten"
    assert region.quarantine.count() == 0
    assert queue_totals(proxy.engine).confirmed == 1
    (item,) = proxy.queue.manifest(region.central.parse(slice_of()).study_id).instances.values()
    assert item == rows(region.central_db, received_instance)[0].sha256


@pytest.mark.parametrize("change", [{"seed": 2}, {"InstanceNumber": 2}], ids=str)
def test_another_image_in_another_encoding_is_kept_apart(region, change):
    region.receiver.receive(MO, slice_of())
    other = slice_of(syntax=JPEGLSLossless, **change)
    reception = region.receiver.receive(MO, other)
    assert (reception.outcome, reception.reason) == ("quarantined", OTHER_CONTENT.code)
    assert list(region.central.files.values()) == [slice_of()]


@pytest.mark.parametrize("point", ["before storing", "after storing"])
def test_a_crash_and_then_another_encoding(region, monkeypatch, point):
    def die(*_):
        if point == "after storing":
            DicomShelf.store(region.central, slice_of())
        raise Crash

    monkeypatch.setattr(region.central, "store", die)
    with pytest.raises(Crash):
        region.receiver.receive(MO, slice_of())
    monkeypatch.undo()
    region.restart()
    reception = region.receiver.receive(MO, slice_of(syntax=JPEGLSLossless))
    assert reception.outcome == ("present" if point == "after storing" else "stored")
    (row,) = rows(region.central_db, received_instance)
    (file,) = region.central.files.values()
    assert reception.sha256 == row.sha256
    assert region.central.reread(row.instance_id).sha256 == row.sha256
    assert row.stored_at is not None
    assert region.quarantine.count() == 0
    assert file == slice_of(syntax=ExplicitVRLittleEndian if point == "after storing" else JPEGLSLossless)
