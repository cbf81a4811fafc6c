"""Orders live as the table of states says, whatever comes in whatever order."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cami.errors import CamiError, Conflict, Invalid
from cami.orders import NewOrder, State
from cami.orders.states import REPEATED, TRANSITIONS, Command, markdown
from tests.unit.orders.conftest import make
from tests.unit.orders.test_patients import merge, person, put


def new(patient, number="2611-0001", **more):
    values = {
        "placer_system": "urn:oid:1.2.643.5.1.13.13.12.2.42.9999.100.1.1.59",
        "placer_number": number,
        "patient": patient.key,
        "mo": "42001",
        "modality": "CT",
        "procedure_text": "КТ органов брюшной полости",
        "source": "mis:kuzdrav",
    }
    return NewOrder(**{**values, **more})


def place(centre, order):
    with centre.engine.begin() as connection:
        return centre.orders.place(connection, order)


def do(centre, name, *arguments, **more):
    with centre.engine.begin() as connection:
        return getattr(centre.orders, name)(connection, *arguments, by="test", **more)


@pytest.fixture
def patient(centre):
    return put(centre, person("1")).patient


@pytest.fixture
def order(centre, patient):
    return place(centre, new(patient))[0]


def kinds(centre):
    return [event.kind for event in centre.events.after(0, (), 1000)]


def test_numbers_are_issued_as_dicom_wants_them(centre, order):
    assert order.accession == "K2601010000001"
    assert len(order.accession) <= 16
    assert order.accession.isascii()
    assert order.study_uid.startswith("2.25.")
    assert len(order.study_uid) <= 64
    assert centre.orders.of_accession("42001", order.accession) == order
    assert centre.orders.of_accession("42002", order.accession) is None
    assert centre.orders.of_study_uid(order.study_uid) == order


def test_the_same_number_again_is_the_same_order(centre, patient, order):
    again, made = place(centre, new(patient, modality="MR"))
    assert not made
    assert again == order
    assert kinds(centre) == ["order.accepted"]


def test_a_change_makes_a_version_and_an_event_once(centre, order):
    changed = do(centre, "change", order.number, {"priority": "stat", "device_aet": "CT42001"}, version=1)
    assert (changed.version, changed.priority) == (2, "stat")
    assert do(centre, "change", order.number, {"priority": "stat"}) == changed
    with pytest.raises(Conflict):
        do(centre, "change", order.number, {"priority": "routine"}, version=1)
    with pytest.raises(Invalid):
        do(centre, "change", order.number, {"accession": "X"})
    assert kinds(centre) == ["order.accepted", "order.changed"]
    assert centre.events.after(0, ["order.changed"], 1)[0].payload["changed"] == ["device_aet", "priority"]


def test_after_the_start_only_what_spares_the_images_changes(centre, order):
    do(centre, "started", order.number)
    assert do(centre, "change", order.number, {"priority": "stat", "note": "хуже"}).changed_after_start
    with pytest.raises(Conflict):
        do(centre, "change", order.number, {"modality": "MR", "priority": "routine"})
    with pytest.raises(Conflict):
        do(centre, "cancel", order.number, "clinical", "")
    assert centre.orders.get(order.number).priority == "stat"
    assert do(centre, "annul", order.number, "entered-in-error", "").state is State.ANNULLED


def test_nothing_is_kept_of_a_transaction_that_fails(centre, patient):
    def fail():
        with centre.engine.begin() as connection:
            centre.orders.place(connection, new(patient))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert kinds(centre) == []
    assert centre.orders.open_for("42001") == []


def test_the_worklist_shows_who_the_patient_is_today(centre, patient, order):
    other = put(centre, person("2", family="Правильная")).patient
    merge(centre, patient, other)
    (shown,) = centre.orders.open_for("42001")
    assert (shown.order.number, shown.patient.key, shown.patient.person.family) == (
        order.number,
        other.key,
        "Правильная",
    )
    assert centre.orders.get(order.number).patient == patient.key


def test_a_manual_order_gives_way_to_that_of_the_mis(centre, patient):
    manual, _ = place(
        centre,
        new(patient, "1", placer_system="urn:cami:manual:42001", source="manual:lab.42001", accession="M42001-7"),
    )
    do(centre, "started", manual.number)
    do(centre, "completed", manual.number)
    order, _ = place(centre, new(patient))
    do(centre, "replaced", manual.number, order.number)
    assert centre.orders.of_accession("42001", "M42001-7").number == order.number
    assert centre.orders.of_study_uid(manual.study_uid).number == order.number
    assert centre.orders.get(order.number).state is State.COMPLETED
    with pytest.raises(Conflict):
        do(centre, "replaced", order.number, manual.number)


def test_a_manual_order_of_another_patient_does_not(centre, patient, order):
    other = put(centre, person("2")).patient
    manual, _ = place(centre, new(other, "1", placer_system="urn:cami:manual:42001", source="manual:lab"))
    with pytest.raises(Conflict):
        do(centre, "replaced", manual.number, order.number)


def test_the_table_in_the_documents_is_made_from_the_code():
    text = Path("docs/architecture.md").read_text("utf-8")
    shown = text.partition("<!-- order-states -->\n")[2].partition("\n<!-- /order-states -->")[0]
    assert shown == markdown(), f"put this into docs/architecture.md:\n{markdown()}"


class Life(RuleBasedStateMachine):
    """One order, any commands: its state is what the table says, and events tell exactly of its versions."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.centre = make(Path(self.folder.name) / "centre.sqlite")

    def teardown(self):
        self.centre.engine.dispose()
        self.folder.cleanup()

    @initialize()
    def placed(self):
        patient = put(self.centre, person("1")).patient
        self.number = place(self.centre, new(patient))[0].number
        self.state, self.events = State.ACCEPTED, ["order.accepted"]

    def _expect(self, command, act):
        known = (self.state, command)
        try:
            act()
            refused = False
        except CamiError:
            refused = True
        assert refused == (known not in TRANSITIONS and known not in REPEATED)
        if known in TRANSITIONS:
            self.state, event = TRANSITIONS[known]
            self.events.append(event)

    @rule(value=st.integers(0, 10**6))
    def change(self, value):
        order = self.centre.orders.get(self.number)
        if order.body_part != str(value):
            self._expect(Command.CHANGE, lambda: do(self.centre, "change", self.number, {"body_part": str(value)}))

    @rule(value=st.text(max_size=5))
    def annotate(self, value):
        if self.centre.orders.get(self.number).note != value:
            self._expect(Command.ANNOTATE, lambda: do(self.centre, "change", self.number, {"note": value}))

    @rule()
    def cancel(self):
        self._expect(Command.CANCEL, lambda: do(self.centre, "cancel", self.number, "clinical", ""))

    @rule()
    def annul(self):
        self._expect(Command.ANNUL, lambda: do(self.centre, "annul", self.number, "other", ""))

    @rule()
    def start(self):
        self._expect(Command.START, lambda: do(self.centre, "started", self.number))

    @rule()
    def complete(self):
        self._expect(Command.COMPLETE, lambda: do(self.centre, "completed", self.number))

    @rule()
    def release(self):
        self._expect(Command.RELEASE, lambda: do(self.centre, "released", self.number))

    @invariant()
    def the_table_holds(self):
        order = self.centre.orders.get(self.number)
        assert order.state is self.state
        assert kinds(self.centre) == self.events
        assert order.version == len(self.events)
        assert bool(self.centre.orders.open_for("42001")) == (self.state in (State.ACCEPTED, State.STARTED))


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=15, stateful_step_count=12)
