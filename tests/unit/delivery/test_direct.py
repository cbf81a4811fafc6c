"""Images that nodes store at the centre by C-STORE: whose they are, and what a crash leaves."""

from cami.audit import Kind
from cami.delivery.direct import DirectReception, NodeJournal, Status
from cami.delivery.disk import NoRoom
from cami.watch.progress import central_progress

from .conftest import dicom


def reception(region, **more):
    journal = NodeJournal(region.trail)
    return DirectReception(region.central, region.central_db, region.quarantine, region.clock, journal=journal, **more)


def store(region, direct, mo, image):
    """What Orthanc does: ask, then store."""
    status = direct.admit(mo, f"GATE{mo}", image)
    if status is Status.ACCEPTED:
        region.central.store(image)
    return status


def test_an_image_belongs_to_the_mo_of_who_stored_it(region):
    filed = []
    direct = reception(region, on_filed=lambda: filed.append(1))
    assert store(region, direct, "42001", dicom(sop="1")) is Status.ACCEPTED
    assert direct.file() == 1
    (study,) = central_progress(region.central_db)
    assert (study.owner, study.instances) == ("42001", 1)
    assert list(region.central.labels.values()) == [{"mo-42001"}]
    assert filed == [1]
    assert direct.file() == 0


def test_nothing_of_another_mo_is_joined_or_changed(region):
    direct = reception(region)
    store(region, direct, "42001", dicom(study="1.1", sop="1"))
    assert store(region, direct, "42002", dicom(study="1.1", sop="2")) is Status.NOT_AUTHORIZED
    assert store(region, direct, "42002", dicom(study="2.2", sop="1")) is Status.NOT_AUTHORIZED
    assert region.quarantine.count() == 2
    assert len(region.central.files) == 1


def test_what_a_proxy_delivered_stays_the_mos(region):
    direct = reception(region)
    region.receiver.receive("42001", dicom(study="1.1", sop="1"))
    assert store(region, direct, "42002", dicom(study="1.1", sop="2")) is Status.NOT_AUTHORIZED
    assert store(region, direct, "42001", dicom(study="1.1", sop="2")) is Status.ACCEPTED
    direct.file()
    (study,) = central_progress(region.central_db)
    assert study.instances == 2


def test_after_a_crash_what_orthanc_has_stored_is_filed(region):
    store(region, reception(region), "42001", dicom(sop="1"))
    direct = reception(region)
    assert direct.file() == 1
    assert list(region.central.labels.values()) == [{"mo-42001"}]


def test_what_was_admitted_and_never_stored_waits(region):
    direct = reception(region)
    direct.file()
    assert direct.admit("42001", "GATE42001", dicom(sop="1")) is Status.ACCEPTED
    assert direct.file() == 0
    region.central.store(dicom(sop="1"))
    assert direct.file() == 1


def test_no_room_and_no_dicom(region):
    def full():
        raise NoRoom("full")

    assert reception(region, require_room=full).admit("42001", "GATE", dicom()) is Status.OUT_OF_RESOURCES
    assert reception(region).admit("42001", "GATE", b"no dicom") is Status.CANNOT_UNDERSTAND


def test_the_journal_names_the_node(region):
    store(region, reception(region), "42001", dicom(sop="1"))
    with region.central_db.connect() as connection:
        rows = connection.exec_driver_sql("SELECT kind, actor FROM audit_record").all()
    assert rows == [(Kind.IMPORT, "device:GATE42001")]
