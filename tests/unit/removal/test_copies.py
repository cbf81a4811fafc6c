"""A deletion takes the copy at the МО's proxy too, whatever the line does, and ends what others were granted."""

import pytest
from sqlalchemy import func, select

from cami.access import GrantBook, NewGrant
from cami.audit import AuditTrail
from cami.db.tables import audit_record, delivery_item, known_study, sent_content, study_grant
from cami.errands import UNKNOWN, Errand, Kind, Outcome, Runner, Study
from cami.errors import Transient
from cami.removal import ProxyCopies, ProxyRemoval, Removals, State
from tests.unit.removal.test_removals import ADM1, ROOT, TECH1, WHY
from tests.unit.retrieval.conftest import Impatient, country, fill, hospital  # noqa: F401 - fixtures


@pytest.fixture
def trails(country, hospital):  # noqa: F811
    made = [AuditTrail(engine, country.clock, name) for name, engine in
            (("central", country.central_db), ("proxy-42001", hospital.engine))]  # fmt: skip
    yield made
    for trail in made:
        trail.close()


@pytest.fixture
def removals(country, trails):  # noqa: F811
    copies = ProxyCopies(country.book, GrantBook(country.clock), ["42001"])
    return Removals(country.central_db, country.central, trails[0], country.clock, copies=copies)


@pytest.fixture
def runner(country, hospital, trails):  # noqa: F811
    removal = ProxyRemoval("42001", hospital.archive, hospital.engine, trails[1], country.clock)
    return Runner(Impatient(hospital.line), {Kind.REMOVE: removal.remove}, country.clock)


def decided(removals, study):
    number = removals.mark(TECH1, study, WHY)
    removals.confirm(ADM1, number)
    removals.confirm(ROOT, number)
    return number


def known(hospital, study):  # noqa: F811
    with hospital.engine.connect() as connection:
        return sum(
            connection.scalar(select(func.count()).select_from(table)) for table in (delivery_item, known_study)
        ) + connection.scalar(select(func.count()).select_from(sent_content))


def test_the_copy_at_the_proxy_goes_too(country, hospital, removals, runner):  # noqa: F811
    study = fill(hospital)
    hospital.arrive()
    hospital.work(4)
    decided(removals, study)
    assert removals.carry_out() == 1
    (found,) = removals.listing(ADM1)
    assert (found.state, found.copy) == (State.DELETED, "asked")
    assert len(hospital.archive.files) == 3, "the proxy has not heard of it yet"
    runner.step()
    assert hospital.archive.files == {}
    assert known(hospital, study) == 0
    assert removals.listing(ADM1)[0].copy == "removed"
    with hospital.engine.connect() as connection:
        *_, told = connection.execute(select(audit_record.c.content).order_by(audit_record.c.seq)).scalars()
    assert '"delete"' in told
    assert "1.1" in told


@pytest.mark.parametrize("fault", ["cut", "answer lost"])
def test_a_line_that_breaks_only_delays_it(country, hospital, removals, runner, fault):  # noqa: F811
    study = fill(hospital)
    hospital.arrive()
    hospital.work(4)
    decided(removals, study)
    removals.carry_out()
    hospital.line.faults = [fault]
    with pytest.raises(Transient):
        runner.step()
    runner.step()
    assert hospital.archive.files == {}
    assert removals.listing(ADM1)[0].copy == "removed"


def test_a_centre_that_dies_between_asking_and_writing_asks_once(country, hospital, removals, monkeypatch):  # noqa: F811
    study = fill(hospital)
    hospital.arrive()
    hospital.work(4)
    decided(removals, study)
    monkeypatch.setattr(removals, "_move", lambda *_: (_ for _ in ()).throw(RuntimeError("power cut")))
    with pytest.raises(RuntimeError):
        removals.carry_out()
    monkeypatch.undo()
    assert removals.listing(ADM1)[0].state is State.DELETING
    assert removals.carry_out() == 1
    asked = [entry for entry in country.book.history("42001", 10) if entry.errand.kind == Kind.REMOVE]
    assert len(asked) == 1


def test_a_proxy_that_dies_in_the_middle_goes_on(country, hospital, removals, runner):  # noqa: F811
    study = fill(hospital)
    hospital.arrive()
    hospital.work(4)
    decided(removals, study)
    removals.carry_out()
    delete, left = hospital.archive.delete_instance, iter([None])

    def crash(instance):
        if next(left, "over") == "over":
            raise Transient("power cut")
        delete(instance)

    hospital.archive.delete_instance = crash
    runner.step()
    assert len(hospital.archive.files) == 2
    hospital.archive.delete_instance = delete
    country.clock.pass_(seconds=11)
    runner.step()
    assert hospital.archive.files == {}
    assert known(hospital, study) == 0


def test_what_was_never_sent_is_removed_as_well(country, hospital, removals, runner):  # noqa: F811
    study = fill(hospital)
    hospital.arrive()
    hospital.work(4)
    decided(removals, study)
    fill(hospital, count=5)
    removals.carry_out()
    runner.step()
    assert hospital.archive.files == {}


def test_other_studies_stay(country, hospital, removals, runner):  # noqa: F811
    study, _other = fill(hospital), fill(hospital, study="1.2")
    hospital.arrive()
    hospital.work(4)
    decided(removals, study)
    removals.carry_out()
    runner.step()
    assert len(hospital.archive.files) == len(country.central.files) == 3
    with hospital.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(delivery_item)) == 3


def test_an_errand_about_no_study_removes_nothing(country, hospital, trails):  # noqa: F811
    fill(hospital)
    removal = ProxyRemoval("42001", hospital.archive, hospital.engine, trails[1], country.clock)
    errand = Errand(1, Kind.REMOVE, Study(), 1, "removal")
    assert removal.remove(errand) == UNKNOWN
    assert len(hospital.archive.files) == 3


def test_grants_of_the_study_end_with_it(country, hospital, removals):  # noqa: F811
    study = fill(hospital)
    hospital.arrive()
    hospital.work(4)
    book = GrantBook(country.clock)
    with country.central_db.begin() as connection:
        book.give(connection, NewGrant("1.1", "42001", "42002", by="rad1"))
        book.give(connection, NewGrant("1.2", "42001", "42002", by="rad1"))
    decided(removals, study)
    removals.carry_out()
    with country.central_db.connect() as connection:
        ended = dict(connection.execute(select(study_grant.c.study_uid, study_grant.c.ended_why)).all())
    assert ended == {"1.1": "study-deleted", "1.2": None}


def test_an_old_proxy_is_seen_to_keep_its_copy(country, hospital, removals):  # noqa: F811
    study = fill(hospital)
    hospital.arrive()
    hospital.work(4)
    decided(removals, study)
    removals.carry_out()
    Runner(Impatient(hospital.line), {}, country.clock).step()
    assert removals.listing(ROOT)[0].copy == "kept"
    (entry,) = country.book.history("42001", 1)
    assert entry.outcome == Outcome.UNSUPPORTED
