"""The first МО owns a study; nothing of another МО changes, overwrites or joins it."""

from cami.delivery.manifests import Announcement
from cami.delivery.quarantine import OTHER_CONTENT, OTHER_MO_INSTANCE, OTHER_MO_STUDY
from cami.watch.progress import central_progress, queue_totals

from .conftest import dicom


def test_another_mo_cannot_add_to_a_study(region):
    region.receiver.receive("42001", dicom(sop="1"))
    before = dict(region.central.files)
    reception = region.receiver.receive("42002", dicom(sop="2"))
    assert (reception.outcome, reception.reason) == ("quarantined", OTHER_MO_STUDY.code)
    assert region.central.files == before
    assert list(region.central.labels.values()) == [{"mo-42001"}]
    assert region.quarantine.count() == 1


def test_another_mo_cannot_take_the_study_uid_under_another_patient(region):
    region.receiver.receive("42001", dicom(patient="P1"))
    reception = region.receiver.receive("42002", dicom(patient="P2", sop="2"))
    assert (reception.outcome, reception.reason) == ("quarantined", OTHER_MO_STUDY.code)


def test_a_study_cannot_be_entered_by_moving_a_bar_from_the_patient_to_the_uid(region):
    """Orthanc's identifier is a hash of "PatientID|StudyInstanceUID": these two are one study to it."""
    region.receiver.receive("42001", dicom(patient="X|1.2.9", study="1.2.3.77"))
    forged = dicom(patient="X", study="1.2.9|1.2.3.77", sop="9")
    assert region.receiver.receive("42002", forged).outcome == "rejected"
    (study,) = central_progress(region.central_db)
    assert (study.owner, study.instances) == ("42001", 1)


def test_the_owner_of_what_orthanc_has_filed_counts_too(region, monkeypatch):
    monkeypatch.setattr("tests.unit.delivery.conftest.check_uids", lambda _: None)
    region.receiver.receive("42001", dicom(patient="X|1.2.9", study="1.2.3.77"))
    forged = dicom(patient="X", study="1.2.9|1.2.3.77", sop="9")
    assert region.receiver.receive("42002", forged).reason == OTHER_MO_STUDY.code


def test_another_mo_cannot_use_the_uid_of_an_image(region):
    region.receiver.receive("42001", dicom(study="1.1", sop="7"))
    reception = region.receiver.receive("42002", dicom(study="2.2", sop="7"))
    assert (reception.outcome, reception.reason) == ("quarantined", OTHER_MO_INSTANCE.code)


def test_the_same_image_with_other_content_is_kept_apart_and_nothing_overwritten(region):
    first = dicom(content="first")
    region.receiver.receive("42001", first)
    reception = region.receiver.receive("42001", dicom(content="second"))
    assert (reception.outcome, reception.reason) == ("quarantined", OTHER_CONTENT.code)
    assert list(region.central.files.values()) == [first]


def test_what_lies_in_quarantine_can_be_read_back(region, tmp_path):
    region.receiver.receive("42001", dicom(content="first"))
    other = dicom(content="second")
    region.receiver.receive("42001", other)
    region.receiver.receive("42001", other)
    assert region.quarantine.count() == 1
    (file,) = (tmp_path / "quarantine").iterdir()
    assert region.quarantine.read(file.stem) == other


def test_one_mo_may_repeat_a_study_uid_under_a_corrected_patient_id(region):
    region.receiver.receive("42001", dicom(patient="P1", sop="1"))
    assert region.receiver.receive("42001", dicom(patient="P2", sop="2")).outcome == "stored"
    assert {study.owner for study in central_progress(region.central_db)} == {"42001"}


def test_a_crash_between_claim_and_store_is_made_good_by_sending_again(region):
    region.central.full = True
    proxy = region.proxy("42001")
    proxy.archive.store(dicom())
    proxy.work(1)
    region.central.full = False
    # Until then the claim stands: nobody else gets the study.
    assert region.receiver.receive("42002", dicom()).outcome == "quarantined"
    proxy.work(4)
    assert queue_totals(proxy.engine).confirmed == 1


def test_what_is_in_orthanc_with_other_content_is_not_taken_for_delivered(region):
    region.central.store(dicom(content="put there by hand"))
    assert region.receiver.receive("42001", dicom(content="delivered")).reason == OTHER_CONTENT.code


def test_the_proxy_shows_the_reason(region):
    region.receiver.receive("42001", dicom())
    proxy = region.proxy("42002")
    proxy.archive.store(dicom(sop="other"))
    proxy.work(3)
    assert queue_totals(proxy.engine).quarantined == 1


def test_a_label_that_a_crash_left_out_is_put_on(region):
    region.receiver.receive("42001", dicom())
    region.central.labels.clear()
    with region.central_db.begin() as connection:
        connection.exec_driver_sql("UPDATE study SET labelled = 0")
    assert region.receiver.relabel() == 1
    assert list(region.central.labels.values()) == [{"mo-42001"}]
    assert region.receiver.relabel() == 0


def test_a_manifest_of_another_mo_learns_nothing(region):
    region.receiver.receive("42001", dicom())
    (study,) = central_progress(region.central_db)
    (instance,) = region.central.files
    check = region.manifests.check("42002", Announcement(study.study_id, {instance: "0" * 64}))
    assert check.missing == (instance,)
    assert check.different == ()


def test_what_is_not_dicom_is_refused_with_a_reason(region):
    reception = region.receiver.receive("42001", b"not DICOM")
    assert (reception.outcome, reception.reason) == ("rejected", "not-dicom")
