"""What a proxy has let go of: found by workstations, recognised by series, brought when it is wanted."""

import pytest
from sqlalchemy import insert, select, update

from cami.archive import orthanc_id
from cami.db import open_engine
from cami.db.tables import delivery_item, fetch, known_study, metadata
from cami.delivery import Holdings
from cami.delivery.kept_series import KeptSeries
from cami.delivery.order import Priority
from cami.delivery.states import State
from cami.query_retrieve.away import AwayAtCentre, Waiting
from cami.retrieval import Catalogue, Fetches
from tests.unit.fakes import Hands
from tests.unit.query_retrieve.test_finding import CALLER

STUDY = orthanc_id("7", "1.1")


@pytest.fixture
def engine(tmp_path):
    made = open_engine(f"sqlite:///{tmp_path / 'cami.sqlite'}")
    metadata.create_all(made)
    with made.begin() as connection:
        connection.execute(
            insert(known_study).values(
                study_id=STUDY, study_uid="1.1", patient=orthanc_id("7"), patient_id="7", patient_name="ИВАНОВ^ПЁТР",
                study_date="20260105", modalities="CT", seen_at=Hands().now(),
            )
        )  # fmt: skip
        for seq, (series, sop, state) in enumerate(
            [("1.1.1", "a.1", State.EVICTED), ("1.1.2", "a.2", State.EVICTED), ("1.1.1", "a.3", State.EVICTED)]
        ):
            connection.execute(
                insert(delivery_item).values(
                    instance_id=orthanc_id("7", "1.1", series, sop), study_id=STUDY, study_uid="1.1", sop_uid=sop,
                    modality="CT", description="", size=1, seq=seq, state=state, received_at=Hands().now(),
                )
            )  # fmt: skip
    yield made
    made.dispose()


@pytest.fixture
def away(engine):
    woken = []
    made = AwayAtCentre(
        engine,
        Catalogue(None, engine, Hands()),
        Fetches(engine, Hands(), Holdings(engine, Hands())),
        lambda: woken.append(1),
    )
    made.woken = woken
    return made


def ids(found):
    return [image.instance_id for image in found]


def test_studies_of_which_nothing_is_here(away):
    (study,) = away.studies("20260101-20260131")
    assert study.attributes["PatientName"] == "ИВАНОВ^ПЁТР"
    assert study.attributes["NumberOfStudyRelatedInstances"] == "3"
    assert away.studies("20260106-") == []
    assert len(away.studies("no date")) == 1


def test_images_by_study_series_and_image(away):
    a, b, c = (orthanc_id("7", "1.1", *each) for each in (("1.1.1", "a.1"), ("1.1.2", "a.2"), ("1.1.1", "a.3")))
    assert ids(away.instances("1.1")) == [a, b, c]
    assert ids(away.instances("1.1", series_uids=["1.1.1"])) == [a, c]
    assert ids(away.instances("1.1", series_uids=["1.1.9"])) == []
    assert ids(away.instances("1.1", sop_uids=["a.2"])) == [b]
    assert ids(away.instances("1.1", series_uids=["1.1.1"], sop_uids=["a.2"])) == []
    assert ids(away.instances("1.2")) == []


def test_a_patients_studies_by_the_exact_number(away):
    assert away.studies_of("7") == ["1.1"]
    assert away.studies_of("77") == []


def test_what_is_wanted_is_fetched_as_what_somebody_waits_for(away, engine):
    away.bring(STUDY, CALLER)
    away.bring(STUDY, CALLER)
    with engine.connect() as connection:
        (row,) = connection.execute(select(fetch))
    assert (row.study_id, row.priority, row.asked_by) == (STUDY, Priority.AWAITED, "device:WS42001")
    assert away.woken


def test_waiting_ends_when_it_is_here_or_time_is_up():
    answers = [None, None, "md5"]

    class Archive:
        def stored_md5(self, _):
            return answers.pop(0) if answers else None

    slept = []
    assert Waiting(Archive(), slept.append)("x", 60) is True
    assert len(slept) == 2
    assert Waiting(Archive(), slept.append)("x", 0) is False


def test_series_are_found_by_what_was_kept_when_they_left(engine, away):
    assert away.series(["1.1"]) == [], "of before anything of them was kept"
    kept = KeptSeries("s1", {"SeriesInstanceUID": "1.1.1", "Modality": "CT", "NumberOfSeriesRelatedInstances": "2"})
    with engine.begin() as connection:
        connection.execute(update(delivery_item).values(state=State.CONFIRMED))
    holdings = Holdings(engine, Hands())
    images = [orthanc_id("7", "1.1", "1.1.1", sop) for sop in ("a.1", "a.3")]
    assert holdings.begin_eviction(STUDY, images, [kept])
    (found,) = away.series(["1.1", "1.9"])
    told = {name: found.attributes[name] for name in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality")}
    assert told == {"PatientID": "7", "StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.1", "Modality": "CT"}
    assert away.series(["1.9"]) == []
    with engine.begin() as connection:
        connection.execute(update(delivery_item).values(state=State.CONFIRMED))
    assert away.series(["1.1"]) == [], "it is here again"
