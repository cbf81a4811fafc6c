"""A centre with orders, what proxies announce, and what has come."""

import pytest
from sqlalchemy import insert, update

from cami.archive import orthanc_id
from cami.db.tables import indexed_name, indexed_study, study, study_claim
from cami.matching import Decisions, Matcher, MatchingDesk, OrdersNear
from cami.retrieval import Announcements
from cami.retrieval.announcements import Announcement
from cami.retrieval.columns import Columns
from tests.unit.worklist.conftest import MO, REGION, Centre


class Archive(Centre):
    """A centre to which studies come."""

    def __init__(self, folder):
        super().__init__(folder)
        self.announcements = Announcements(self.engine, self.clock)
        near = OrdersNear(self.engine, self.orders, self.patients, REGION)
        self.decisions = Decisions(self.engine, self.clock, self.events, self.orders)
        self.desk = MatchingDesk(
            engine=self.engine, clock=self.clock, events=self.events, orders=self.orders, patients=self.patients,
            near=near, decisions=self.decisions,
        )  # fmt: skip
        self.matcher = Matcher(
            engine=self.engine, clock=self.clock, events=self.events, near=near, decisions=self.decisions, region=REGION
        )

    def match(self):
        while self.matcher.step():
            pass

    def announce(self, uid, mo=MO, **columns):
        said = {
            "patient_name": "Тестова^Анна^Петровна", "patient_id": "4512207", "patient_birth_date": "19610314",
            "patient_sex": "F", "study_date": "20260101", "modalities": "CT", "device": "CT42001",
        } | columns  # fmt: skip
        study_id = orthanc_id(said["patient_id"], uid)
        self.announcements.take(mo, [Announcement(study_id, uid, 2, 10, self.clock.now(), Columns(**said))])
        return study_id

    def store(self, study_id, uid, mo=MO, tags=None):
        """Let a study be stored whole, and be in the index."""
        now = self.clock.now()
        with self.engine.begin() as connection:
            connection.execute(insert(study_claim).values(study_uid=uid, owner=mo, claimed_at=now))
            connection.execute(
                insert(study).values(
                    study_id=study_id,
                    study_uid=uid,
                    owner=mo,
                    claimed_at=now,
                    labelled=True,
                    first_stored_at=now,
                    last_stored_at=now,
                    confirmed_at=now,
                )
            )
            if tags is not None:
                name = connection.execute(insert(indexed_name).values(owner=mo, folded=uid, latin="", cyrillic=True))
                blank = dict.fromkeys(
                    ("patient_key", "patient_id", "birth_date", "sex", "study_date", "study_time", "accession",
                     "study_number", "description", "institution", "referrer", "last_update"), "",
                )  # fmt: skip
                connection.execute(
                    insert(indexed_study).values(
                        **blank,
                        study_id=study_id,
                        study_uid=uid,
                        owner=mo,
                        modalities="\\CT\\",
                        series=1,
                        instances=1,
                        name_id=name.inserted_primary_key[0],
                        tags=tags,
                        read_at=now,
                    )
                )

    def more(self, study_id):
        with self.engine.begin() as connection:
            connection.execute(
                update(study).where(study.c.study_id == study_id).values(last_stored_at=self.clock.now())
            )

    def quiet(self):
        self.clock.pass_(minutes=16)

    def state(self, order):
        return self.orders.get(order.number).state


@pytest.fixture
def centre(tmp_path):
    made = Archive(tmp_path)
    yield made
    made.engine.dispose()
