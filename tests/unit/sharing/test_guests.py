"""Studies that are shared with another МО come to its proxy as guests: seen, never delivered, gone with the grant."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from cami.access import Cause, GrantBook, Identity, NewGrant, Role
from cami.access.guests import WITHOUT_WORD, Guests
from cami.access.owners import ProxyOwners
from cami.db.tables import announced_study, delivery_item, guest_instance, guest_study, study
from cami.delivery import ChangeFeed
from cami.errands import Kind, Runner
from cami.errors import NotFound, Transient
from cami.retrieval import Catalogue, Shelves
from cami.sharing import Caller, GuestList, GuestRoom, guest_wire_endpoints
from cami.sharing.guests import INTERVAL, WHEN_WHOLE, WHILE_COMING
from tests.unit.errands.conftest import Tokens
from tests.unit.retrieval.conftest import Country, Hospital, Impatient, fill, study_id

DOCTOR = Identity("rad2", "", Role.RADIOLOGIST, "42002")
COMES = study_id()
UID = "1.1"


class Host(Hospital):
    """A proxy that guests come to."""

    def restart(self):
        super().restart()
        clock, engine = self.region.clock, self.engine
        self.guests = Guests(engine, clock)
        self.feed = ChangeFeed(self.archive, self.queue, guests=self.guests.instances)
        self.catalogue = Catalogue(self.archive, engine, clock, guests=self.guests.studies)
        self.owners = ProxyOwners(self.mo, self.guests)
        self.room = GuestRoom(
            engine, clock, archive=self.archive, link=self.line, downloads=self.downloads, disk=self.disk
        )
        self.runner = Runner(Impatient(self.line), {Kind.GUESTS: self.room.called}, clock)

    def settle(self, steps=60):
        """Let everything happen; the line's faults are waited out."""
        for _ in range(steps):
            try:
                if self.room.step() == INTERVAL:
                    break
            except Transient:
                self.region.clock.pass_(seconds=1)
        while self.feed.advance():
            pass
        self.catalogue.advance()

    def seen(self):
        here = self.archive.instances_of(COMES)
        return here if self.owners.visible(DOCTOR, [COMES]) else []


class World:
    """42001 has delivered a study; 42002 has a proxy."""

    def __init__(self, folder):
        self.country = country = Country(folder)
        self.clock = country.clock
        self.engine = country.central_db
        self.book = GrantBook(country.clock)
        shelves = Shelves(country.central, country.central_db, country.clock)
        country.endpoints += guest_wire_endpoints(Tokens(), GuestList(self.engine, self.clock), shelves)
        self.caller = Caller(self.engine, self.clock, country.book, ["42001", "42002"])
        self.owner = country.proxy("42001")
        fill(self.owner)
        self.owner.arrive()
        self.owner.work(4)
        self.host = Host(country, "42002", self.owner.rules)
        self.host.settle()

    def give(self, **values):
        given = {"mo": "42002", "cause": Cause.ROUTING, "reference": "r", "by": "proxy-42001"} | values
        with self.engine.begin() as connection:
            return self.book.give(connection, NewGrant(UID, "42001", **given))

    def revoke(self, number):
        with self.engine.begin() as connection:
            self.book.revoke(connection, [number], by="rad1", why="не нужно")

    def call(self):
        """The centre calls the proxy, as its worker does at once after a change."""
        self.caller.step()
        self.host.runner.step()
        self.host.settle()

    def rows(self, table, engine=None):
        with (engine or self.host.engine).connect() as connection:
            return connection.execute(select(table)).all()


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    for engine in made.country.engines:
        engine.dispose()


def test_a_shared_study_comes_and_leaves_with_the_grant(world):
    number = world.give()
    world.call()
    assert len(world.host.seen()) == 3
    assert world.rows(guest_study)[0].owner == "42001"
    world.revoke(number)
    world.call()
    assert world.host.seen() == []
    assert world.host.archive.files == {}
    assert world.rows(guest_study) == world.rows(guest_instance) == []


def test_a_guest_is_nothing_for_delivery(world):
    world.give()
    world.call()
    world.host.arrive()
    world.host.work(4)
    assert world.rows(delivery_item) == []
    assert [row.owner for row in world.rows(study, world.engine)] == ["42001"]
    assert [row for row in world.rows(announced_study, world.engine) if row.owner == "42002"] == []
    # Not even if Orthanc's index was restored and everything is read again.
    assert world.host.feed.rescan() == 0
    assert world.host.feed.enter(world.host.archive.instances_of(COMES)) == 0
    assert world.rows(delivery_item) == []


def test_it_is_hidden_the_moment_that_its_time_is_over(world):
    world.give(until=world.clock.now() + timedelta(hours=1))
    world.call()
    assert len(world.host.seen()) == 3
    world.host.line.faults = ["cut"] * 1000
    world.clock.pass_(hours=1)
    assert world.host.seen() == [], "without a line, before anything was removed"
    world.host.settle()
    assert world.host.archive.files == {}


def test_without_word_from_the_centre_it_is_not_shown_for_ever(world):
    world.give()
    world.call()
    world.host.line.faults = ["cut"] * 1000
    world.clock.pass_(hours=WITHOUT_WORD.total_seconds() / 3600 - 1)
    assert len(world.host.seen()) == 3
    world.clock.pass_(hours=1)
    assert world.host.seen() == []
    world.host.settle(3)
    assert world.host.archive.files == {}
    world.host.line.faults = []
    world.host.settle()
    assert len(world.host.seen()) == 3, "it comes again with the line"


def test_a_revocation_is_heard_without_a_call(world):
    number = world.give()
    world.host.settle()
    world.clock.pass_(seconds=WHEN_WHOLE.total_seconds())
    world.host.settle()
    assert len(world.host.seen()) == 3
    world.revoke(number)
    world.clock.pass_(seconds=WHEN_WHOLE.total_seconds())
    world.host.settle()
    assert world.host.seen() == []


def test_what_still_comes_at_the_centre_follows(world):
    world.give()
    world.call()
    fill(world.owner, count=5)
    world.owner.arrive()
    world.owner.work(4)
    world.clock.pass_(seconds=max(WHEN_WHOLE, WHILE_COMING).total_seconds())
    world.host.settle()
    assert len(world.host.seen()) == 5


@pytest.mark.parametrize("when", range(1, 8))
def test_a_cut_line_or_a_crash_loses_and_doubles_nothing(world, when):
    world.give()
    world.host.line.faults = [""] * when + ["cut", "answer lost"]
    for _ in range(4):
        try:
            world.call()
        except Transient:
            world.clock.pass_(seconds=30)
        world.host.restart()
    world.clock.pass_(minutes=11)
    world.host.settle()
    assert len(world.host.seen()) == 3
    assert world.rows(delivery_item) == []


def test_only_what_was_brought_is_removed(world):
    """A device of the МО has sent an image of the same study before: it stays, and goes the way of all own images."""
    number = world.give()
    fill(world.host, count=1)
    world.host.arrive(told=False)
    own = world.host.archive.instances_of(COMES)
    world.call()
    assert len(world.host.archive.instances_of(COMES)) == 3
    world.revoke(number)
    world.call()
    assert world.host.archive.instances_of(COMES) == own
    assert [row.instance_id for row in world.rows(delivery_item)] == own


@pytest.mark.parametrize(
    "values",
    [{"mo": "42003"}, {"mo": "42002", "login": "rad2"}, {"cause": Cause.CONSULTATION}],
    ids=["to another МО", "to one person", "for a consultation"],
)
def test_other_grants_bring_nothing(world, values):
    world.give(**values)
    world.call()
    assert world.host.archive.files == {}


def test_a_proxy_gets_no_byte_of_what_is_not_granted(world):
    (image,) = world.country.central.instances_of(COMES)[:1]
    shelves = Shelves(world.country.central, world.engine, world.clock)
    for call in (
        lambda: shelves.granted_manifest("42002", COMES),
        lambda: shelves.part("42002", image, 0, 100),
        lambda: shelves.manifest("42002", COMES),
    ):
        with pytest.raises(NotFound):
            call()
    number = world.give()
    assert shelves.granted_manifest("42002", COMES)["owner"] == "42001"
    assert shelves.part("42002", image, 0, 100).content
    with pytest.raises(NotFound):
        shelves.manifest("42002", COMES)
    world.revoke(number)
    with pytest.raises(NotFound):
        shelves.part("42002", image, 0, 100)
