"""Random МО, people, grants and ways of asking: everybody sees what a naive model says, and nothing tells of the rest.

The tables are the real ones; what is asked of the core is answered by a model of it. On PostgreSQL too, if there is one
(``CAMI_TEST_POSTGRESQL``).
"""

import os
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, update

from cami.access import Cause, Gate, GrantBook, Identity, NewGrant, Role, Visibility
from cami.access.owners import CentralOwners, grant_label
from cami.access.patients import Patients
from cami.archive import orthanc_id
from cami.db import open_engine
from cami.db.tables import (
    indexed_gram,
    indexed_name,
    indexed_series,
    indexed_study,
    metadata,
    received_instance,
    stored_content,
    study,
    study_claim,
    study_grant,
)
from cami.errors import NotFound
from cami.index import IndexStore, StudyIndex, search
from tests.unit.access.conftest import add_study
from tests.unit.access.test_indexed import Standing, row_of
from tests.unit.fakes import Hands, MemoryArchive

MOS = ["42001", "42002", "42003"]
PEOPLE = [
    Identity("rad1", "", Role.RADIOLOGIST, "42001"),
    Identity("clin2", "", Role.CLINICIAN, "42002"),
    Identity("rad2", "", Role.RADIOLOGIST, "42002"),
    Identity("cons2", "", Role.CONSULTANT, "42002"),
    Identity("cons9", "", Role.CONSULTANT, "42900"),
    Identity("free", "", Role.CONSULTANT, ""),
    Identity("adm1", "", Role.MO_ADMIN, "42001"),
    Identity("aud", "", Role.AUDITOR, ""),
]
TABLES = (
    indexed_series,
    indexed_study,
    indexed_gram,
    indexed_name,
    study_grant,
    stored_content,
    received_instance,
    study,
    study_claim,
)
READING = {Role.RADIOLOGIST, Role.CLINICIAN, Role.CONSULTANT}

grants = st.fixed_dictionaries(
    {
        "study": st.integers(0, 5),
        "owner": st.sampled_from([*MOS, "as it is", "as it is", "as it is"]),
        "mo": st.sampled_from(["", "42001", "42002", "42900"]),
        "login": st.sampled_from(["", "", "rad2", "cons9", "free"]),
        "hours": st.sampled_from([None, 1, 5, 48]),
        "revoked": st.booleans(),
        "label": st.booleans(),
    }
)
worlds = st.fixed_dictionaries(
    {
        "owners": st.lists(st.sampled_from(MOS), min_size=1, max_size=6),
        "patients": st.lists(st.sampled_from(["P1", "P2"]), min_size=6, max_size=6),
        "grants": st.lists(grants, max_size=8),
        "hours": st.sampled_from([0, 2, 24, 72]),
        "forged": st.booleans(),
        "state": st.sampled_from(["fresh", "behind"]),
    }
)


@dataclass
class World:
    """What was drawn, in the tables and in the archive."""

    archive: MemoryArchive
    visibility: Visibility
    gate: Gate
    studies: list
    owners: list
    grants: list
    clock: Hands

    def sees(self, person, number):
        """Say whether somebody sees a study, as the law of this system is written down in the documents."""
        if person.role not in READING:
            return False
        owner = self.owners[number]
        if owner == person.mo and person.role is not Role.CONSULTANT:
            return True
        return any(
            grant["study"] == number
            and grant["owner"] == owner
            and not grant["revoked"]
            and (grant["until"] is None or grant["until"] > self.clock.now())
            and grant["mo"] in ("", person.mo)
            and (grant["login"] == person.login or (not grant["login"] and grant["mo"] == person.mo))
            for grant in self.grants
        )

    def study_of(self, key):
        return self.archive._lineage(self.archive.resources[key])["Study"]

    def seen_by(self, person):
        return [each for number, each in enumerate(self.studies) if self.sees(person, number)]


class Whoever:
    """Says who sends a request: the test."""

    def __init__(self):
        self.person = None

    def identify(self, _headers):
        return self.person


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    url = f"sqlite:///{tmp_path}/cami.sqlite"
    if request.param == "postgresql":
        if "CAMI_TEST_POSTGRESQL" not in os.environ:
            pytest.skip("no CAMI_TEST_POSTGRESQL")
        url = os.environ["CAMI_TEST_POSTGRESQL"]
    engine = open_engine(url)
    if request.param == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    metadata.drop_all(engine)
    metadata.create_all(engine)
    yield engine
    metadata.drop_all(engine)
    engine.dispose()


def build(engine, drawn, who):
    with engine.begin() as connection:
        for table in TABLES:
            connection.execute(table.delete())
    clock, archive = Hands(), MemoryArchive()
    standing = Standing()
    standing.state = drawn["state"]
    index, store = StudyIndex(engine, standing), IndexStore(engine, clock)
    studies = [
        add_study(archive, engine, clock, owner, f"1.2.{number}", patient=drawn["patients"][number])
        for number, owner in enumerate(drawn["owners"])
    ]
    for each in studies:
        store.write({each.id: row_of(archive, each)})
    given = [give(engine, clock, archive, grant, (studies, drawn["owners"])) for grant in drawn["grants"]]
    if drawn["forged"]:
        for each in studies:
            for label in ("mo-42001", "mo-42002", "grant-1", "grant-2"):
                archive.put_label(each.id, label)
    clock.pass_(hours=drawn["hours"])
    visibility = Visibility("central", "", archive, engine, index, clock=clock)
    gate = Gate("central", "", who, archive, engine, clock=clock)
    return World(archive, visibility, gate, studies, drawn["owners"], list(filter(None, given)), clock)


def give(engine, clock, archive, drawn, there):
    """Give a grant as it was drawn, of a study that may not be there; return it as it was given."""
    studies, owners = there
    number = drawn["study"]
    owner = drawn["owner"] if drawn["owner"] != "as it is" else (owners + MOS * 2)[number]
    if not (drawn["mo"] or drawn["login"]):
        return None
    until = clock.now() + timedelta(hours=drawn["hours"]) if drawn["hours"] else None
    book = GrantBook(clock)
    with engine.begin() as connection:
        numbered = book.give(
            connection,
            NewGrant(
                f"1.2.{number}", owner, drawn["mo"], drawn["login"], Cause.ORDER, f"{clock.now()}", by="x", until=until
            ),
        )
        if drawn["revoked"]:
            book.revoke(connection, [numbered], by="x", why="y")
    if number < len(studies) and (drawn["label"] or not drawn["revoked"]):
        archive.put_label(studies[number].id, grant_label(numbered))
    clock.pass_(seconds=1)
    return drawn | {"owner": owner, "until": until}


def check_searches(world, person):
    """Every search, count and list holds what is visible, once each."""
    visible = world.seen_by(person)
    ids = Counter(each.id for each in visible)
    find, count = world.visibility.find, world.visibility.count
    study_level = {"Level": "Study", "Query": {}}
    assert Counter(find(person, study_level)) == ids
    assert count(person, study_level) == len(ids)
    for level, size in (("Series", 2), ("Instance", 4)):
        below = find(person, {"Level": level, "Query": {}})
        assert Counter(map(world.study_of, below)) == Counter(dict.fromkeys(ids, size))
    for patient in ("P1", "P2"):
        wanted = Counter(each.id for each in visible if each.patient == orthanc_id(patient))
        assert Counter(find(person, {**study_level, "Query": {"PatientID": patient}})) == wanted
        assert Counter(find(person, {**study_level, "ParentPatient": orthanc_id(patient)})) == wanted
    for each in world.studies:
        seen = [each.id] if each.id in ids else []
        assert find(person, {**study_level, "Query": {"StudyInstanceUID": each.uid}}) == seen
        of_series = {"Level": "Series", "Query": {"SeriesInstanceUID": f"{each.uid}.1"}}
        assert find(person, of_series) == ([each.series] if seen else [])
        of_image = {"Level": "Instance", "Query": {"StudyInstanceUID": each.uid}, "ParentSeries": each.series}
        assert len(find(person, of_image)) == (2 if seen else 0)
    pages = [find(person, {**study_level, "Since": since, "Limit": 2}) for since in range(0, 6, 2)]
    assert Counter(key for page in pages for key in page) == ids


def check_patients(world, person):
    known = Patients(world.visibility)
    visible = world.seen_by(person)
    assert set(known.listing(person, {})) == {each.patient for each in visible}
    for patient in map(orthanc_id, ("P1", "P2")):
        if any(each.patient == patient for each in visible):
            assert {each["ID"] for each in known.studies(person, patient, {})} == {
                each.id for each in visible if each.patient == patient
            }
        else:
            with pytest.raises(NotFound):
                known.studies(person, patient, {})


def check_resources(world, person, who):
    """One resource is let through or not; what is foreign is answered as what is not there."""
    who.person = person
    nowhere = orthanc_id("nobody")
    for number, each in enumerate(world.studies):
        sees = world.sees(person, number)
        for level, resource in (("studies", each.id), ("series", each.series), ("instances", each.instance)):
            assert world.visibility.sees(person, level, resource) == sees
            assert world.gate.allows("GET", f"/{level}/{resource}", {}, {"host": "x"}) == sees
            assert not world.gate.allows("GET", f"/{level}/{nowhere}", {}, {"host": "x"})
        assert not world.gate.allows("GET", f"/patients/{each.id}", {}, {"host": "x"}) or person.role in READING


@pytest.mark.parametrize("few", [search.FEW, 0], ids=["few granted", "many granted"])
def test_everybody_sees_what_the_model_says(engine, monkeypatch, few):
    monkeypatch.setattr(search, "FEW", few)
    who = Whoever()

    @settings(max_examples=20, suppress_health_check=list(HealthCheck))
    @given(worlds, st.lists(st.sampled_from(PEOPLE), min_size=3, max_size=3, unique=True))
    def check(drawn, people):
        world = build(engine, drawn, who)
        owners = CentralOwners(engine, world.clock)
        for person in people:
            check_searches(world, person)
            check_patients(world, person)
            check_resources(world, person, who)
            assert set(owners.newest(person)) == {each.id for each in world.seen_by(person)}

    check()


def test_a_study_that_changes_hands_takes_no_grant_along(engine):
    who = Whoever()
    drawn = dict.fromkeys(("hours", "revoked")) | {
        "study": 0,
        "owner": "42001",
        "mo": "42002",
        "login": "",
        "label": True,
    }
    plain = {"owners": ["42001"], "patients": ["P1"], "hours": 0, "forged": False, "state": "behind"}
    world = build(engine, plain | {"grants": [drawn]}, who)
    person = PEOPLE[2]
    assert world.visibility.find(person, {"Level": "Study", "Query": {}}) == [world.studies[0].id]
    with engine.begin() as connection:
        connection.execute(update(study).values(owner="42003"))
    assert world.visibility.find(person, {"Level": "Study", "Query": {}}) == []
