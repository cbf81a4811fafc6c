"""The studies that an МО may ask about: those that its proxy has announced count before an image has come."""

from datetime import UTC, datetime

from sqlalchemy import insert

from cami.archive import orthanc_id
from cami.consultations.catalogue import StudyCatalogue
from cami.db.tables import study, study_claim
from cami.retrieval import Announcements, StudyRegister
from cami.retrieval.announcements import Announcement
from cami.retrieval.columns import Columns
from tests.unit.fakes import Hands, MemoryArchive

MO = "42001"


def announced(uid, date, patient="К-17"):
    columns = Columns("Иванов^Пётр", patient, study_date=date, modalities="CT", description=f"КТ {date}")
    return Announcement(orthanc_id(patient, uid), uid, 300, 10**8, datetime(2026, 11, 1, tzinfo=UTC), columns)


def test_earlier_studies_are_offered_before_their_images_are_here(engine):
    announcements = Announcements(engine, Hands())
    catalogue = StudyCatalogue(engine, MemoryArchive(), StudyRegister(engine, announcements), announcements)
    ours = [announced("1.1", "20251101"), announced("1.2", "20261101"), announced("1.3", "20240101", "К-18")]
    announcements.take(MO, ours)
    announcements.take("42002", [announced("1.4", "20260101")])
    found = catalogue.find(MO, "1.2")
    offered = catalogue.of_patient(MO, found.columns)
    assert [(each.study_uid, each.description) for each in offered] == [("1.2", "КТ 20261101"), ("1.1", "КТ 20251101")]
    assert {each.owner for each in offered} == {MO}

    # What has begun to come is the archive's to tell, and is not offered twice.
    with engine.begin() as connection:
        connection.execute(insert(study_claim).values(study_uid="1.1", owner=MO, claimed_at=Hands().now()))
        connection.execute(
            insert(study).values(
                study_id=ours[0].study_id, study_uid="1.1", owner=MO, claimed_at=Hands().now(),
                first_stored_at=Hands().now(), labelled=True,
            )
        )  # fmt: skip
    assert [each.study_uid for each in catalogue.of_patient(MO, found.columns)] == ["1.2"]
