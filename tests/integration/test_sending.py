"""What goes when, on real Orthancs over a slow line: emergencies alone, the old archive at night."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from tests.live import LiveRegion, wait_until
from tests.registry import MO, Registry
from tests.relay import Relay

RATE = 500_000
KB = 1000


def draw(folder, count, side, rng):
    """Write a study of noise, which nothing can compress; return its Study Instance UID and its bytes."""
    folder.mkdir(parents=True)
    study, series = generate_uid(), generate_uid()
    for number in range(count):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.PatientID, dataset.PatientName, dataset.Modality = "SEND-1", "Иванов^Пётр", "CT"
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.Rows = dataset.Columns = side
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        dataset.PixelData = rng.bytes(side * side * 2)
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return study, sum(path.stat().st_size for path in folder.iterdir())


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A region whose proxy reaches the centre over a slow line, at an hour that is no night."""
    registry = Registry(tmp_path_factory.mktemp("registry") / "region.yaml")
    here = datetime.now(UTC).astimezone(ZoneInfo(registry.content["time_zone"]))
    night = {"from": f"{here + timedelta(hours=6):%H:%M}", "to": f"{here + timedelta(hours=7):%H:%M}"}
    registry.proxy["link"] = {"mbit_s": "4", "night": night}
    with LiveRegion(tmp_path_factory.mktemp("region"), registry.write()) as region:
        relay = Relay(int(region.central.rsplit(":", 1)[1]), rate=RATE, window=8 * KB)
        try:
            region.lead_through(MO, relay.url)
            yield region, relay
        finally:
            relay.close()


@pytest.fixture
def rng():
    return np.random.default_rng(20261123)


def prioritize(region, study, priority):
    """Put a study into a class, as a technologist does, as soon as the proxy knows it."""
    known = {found["study_uid"]: found["study_id"] for found in region.delivery(MO)["studies"]}
    if study not in known:
        return False
    url = region.proxy(MO)["url"] + "/cami/api/delivery/priority"
    body = {"study_id": known[study], "priority": priority}
    return region.session("technologist", MO).post(url, json=body, timeout=10).status_code == 200


def at_centre(region, study):
    return sum(found["instances"] for found in region.studies() if found["study_uid"] == study)


@pytest.mark.timeout(180)
def test_an_emergency_has_the_line_to_itself(line, tmp_path, rng):
    region, relay = line
    backlog, waiting = draw(tmp_path / "backlog", 24, 362, rng)
    urgent, size = draw(tmp_path / "urgent", 1, 1024, rng)
    region.send(tmp_path / "backlog", MO)
    wait_until("the backlog flows", lambda: at_centre(region, backlog) > 1)
    region.send(tmp_path / "urgent", MO)
    wait_until("the class is set", lambda: prioritize(region, urgent, 0))
    before, began = relay.carried, time.monotonic()
    wait_until("the emergency is at the centre", lambda: at_centre(region, urgent) == 1)
    meanwhile = relay.carried - before
    print(f"{time.monotonic() - began:.1f} s; {meanwhile} bytes on the line meanwhile, the emergency has {size}")
    assert meanwhile > size // 3  # or it was through before anybody had called it one
    # Beside it goes what the sockets held already, and what flows until we look. Sharing the line with nine streams, it
    # would have seen all of the backlog pass.
    assert meanwhile < size + 400 * KB
    assert at_centre(region, backlog) < 24
    wait_until("the backlog goes on and ends", lambda: at_centre(region, backlog) == 24)
    region.settle(MO, 25)
    # Nothing that stood still was sent twice.
    assert relay.carried < 1.1 * (waiting + size)


@pytest.mark.timeout(120)
def test_the_old_archive_waits_for_the_night_unless_somebody_wants_it_now(line, tmp_path, rng):
    region, _ = line
    before = sum(region.delivery(MO)["queue"].values())
    old, _ = draw(tmp_path / "old", 2, 64, rng)
    today, _ = draw(tmp_path / "today", 2, 64, rng)
    region.server("stop", "central")
    try:
        region.send(tmp_path / "old", MO)
        wait_until("the class is set", lambda: prioritize(region, old, 4))
        region.send(tmp_path / "today", MO)
    finally:
        region.server("start", "central")
    wait_until("today's study is there", lambda: at_centre(region, today) == 2)
    time.sleep(2)
    assert at_centre(region, old) == 0
    assert region.delivery(MO)["queue"]["queued"] == 2
    assert prioritize(region, old, 2)
    wait_until("the old study is there", lambda: at_centre(region, old) == 2, 10)
    region.settle(MO, before + 4)
