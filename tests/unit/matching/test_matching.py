"""Studies that come, orders that learn of it, and what people decide."""

import json

import pytest

from cami.errors import Conflict, Invalid, NotFound
from cami.matching import Action, Cause, State
from cami.orders import Identifier
from cami.orders import State as OrderState
from tests.unit.worklist.conftest import MIS, MO, OTHER, Proxy


def test_the_first_image_begins_the_order_and_the_last_completes_it(centre):
    order = centre.place()
    uid = order.study_uid
    study = centre.announce(uid, accession=order.accession)
    began = centre.clock.now()
    centre.match()
    match = centre.decisions.of(study)
    assert (match.state, match.order, match.cause, match.decided_by) == (
        State.LINKED,
        order.number,
        Cause.UID,
        "system",
    )
    assert (centre.state(order), centre.orders.get(order.number).started_at) == (OrderState.STARTED, began)
    centre.store(study, uid)
    centre.match()
    assert centre.state(order) is OrderState.STARTED, "more may come"
    centre.clock.pass_(minutes=10)
    centre.more(study)
    centre.quiet()
    centre.match()
    assert centre.state(order) is OrderState.STARTED, "an image came after the manifest"
    from sqlalchemy import update

    from cami.db.tables import study as table

    with centre.engine.begin() as connection:
        connection.execute(update(table).values(confirmed_at=centre.clock.now()))
    centre.match()
    assert centre.state(order) is OrderState.COMPLETED
    kinds = [event.kind for event in centre.events.after(0, (), 100)]
    assert kinds[-3:] == ["order.started", "study.matched", "order.completed"]
    centre.match()
    assert len(centre.events.after(0, (), 100)) == len(kinds)


def test_what_was_not_announced_is_matched_when_the_index_has_it(centre):
    order = centre.place()
    tags = {"0010,0020": "4512207", "0010,0010": "Тестова^Анна^Петровна", "0008,0050": order.accession}
    centre.store("s1", "1.2.3", tags=json.dumps({tag: {"Value": value} for tag, value in tags.items()}))
    centre.match()
    assert centre.decisions.of("s1").order == order.number


def test_a_study_of_another_mo_is_never_matched_with_an_order(centre):
    order = centre.place()
    study = centre.announce(order.study_uid, OTHER, accession=order.accession)
    centre.match()
    assert centre.decisions.of(study).state is State.UNMATCHED
    assert centre.state(order) is OrderState.ACCEPTED
    with pytest.raises(NotFound):
        centre.desk.look(MO, study)
    with pytest.raises(NotFound):
        centre.desk.link(OTHER, study, order.number, "tech", "почему-то")


def test_an_order_that_comes_after_the_study_finds_it(centre):
    study = centre.announce("1.2.3")
    centre.match()
    assert centre.decisions.of(study).state is State.UNMATCHED
    order = centre.place(scheduled_at=None)
    centre.match()
    assert (centre.decisions.of(study).order, centre.state(order)) == (order.number, OrderState.STARTED)


def test_a_person_links_undoes_and_the_system_does_not_link_again(centre):
    order = centre.place()
    study = centre.announce("1.2.3", patient_id="by-hand", accession="WRONG")
    centre.match()
    assert centre.decisions.of(study).state is State.SUGGESTED
    (match,) = centre.desk.studies(MO)
    shown = centre.desk.look(MO, match.study.study_id)
    (meant,) = shown.candidates
    lines = {line.name: line for line in centre.desk.lines(match.study, meant)}
    assert (lines["accession"].study, lines["accession"].order, lines["accession"].same) == (
        "WRONG",
        order.accession,
        False,
    )
    assert lines["name"].same
    assert lines["patient"].same is None
    with pytest.raises(Invalid):
        centre.desk.link(MO, study, order.number, "tech.42001", "  ")
    centre.desk.link(MO, study, order.number, "tech.42001", "пациент тот же")
    assert centre.state(order) is OrderState.STARTED
    centre.desk.part(MO, study, "tech.42001", "ошибка")
    assert centre.state(order) is OrderState.ACCEPTED
    centre.place("another", modality="MR")
    centre.match()
    match = centre.decisions.of(study)
    assert match.state in (State.UNMATCHED, State.SUGGESTED)
    told = [(one.action, one.order, one.by, one.reason) for one in centre.desk.look(MO, study).history]
    assert told == [
        (Action.PART, order.number, "tech.42001", "ошибка"),
        (Action.LINK, order.number, "tech.42001", "пациент тот же"),
    ]
    with pytest.raises(Conflict):
        centre.desk.part(MO, study, "tech.42001", "ещё раз")
    centre.desk.set_apart(MO, study, "tech.42001", "снимок для проверки аппарата")
    centre.match()
    assert centre.decisions.of(study).state is State.APART
    assert centre.desk.studies(MO) == []


def test_linking_to_another_order_releases_the_first(centre):
    first, second = centre.place(), centre.place("second", modality="MR")
    study = centre.announce(first.study_uid, accession=first.accession)
    centre.match()
    centre.desk.link(MO, study, second.number, "tech", "не то направление")
    assert (centre.state(first), centre.state(second)) == (OrderState.ACCEPTED, OrderState.STARTED)
    centre.act("cancel", first.number, "x", "", by="mis")
    with pytest.raises(Conflict):
        centre.desk.link(MO, study, first.number, "tech", "всё же то")


def test_an_order_with_two_studies_is_released_with_the_last(centre):
    order = centre.place()
    one = centre.announce(order.study_uid, accession=order.accession)
    two = centre.announce("1.2.3", accession=order.accession)
    centre.match()
    centre.desk.part(MO, one, "tech", "раз")
    assert centre.state(order) is OrderState.STARTED
    centre.desk.part(MO, two, "tech", "два")
    assert centre.state(order) is OrderState.ACCEPTED


def test_a_link_by_hand_comes_down_to_the_proxy(centre):
    order = centre.place()
    proxy = Proxy(centre)
    study = centre.announce("1.2.3", patient_id="by-hand")
    centre.match()
    centre.desk.link(MO, study, order.number, "tech", "тот же человек")
    proxy.pull()
    assert proxy.entries.of_number(str(order.number)).entry.studies == ("1.2.3",)
    centre.desk.part(MO, study, "tech", "нет")
    proxy.pull()
    assert proxy.entries.of_number(str(order.number)).entry.studies == ()
    proxy.engine.dispose()


def by_hand(proxy, **more):
    from cami.worklist import Written

    said = {
        "family": "Тестова", "given": "Аня", "birth_date": "19610314", "sex": "F", "patient_id": "4512207",
        "issuer": MIS, "modality": "CT", "device": "CT42001", "procedure": "КТ",
    } | more  # fmt: skip
    proxy.manual.write(Written(**said), "tech.42001")
    proxy.manual.send()
    return proxy.centre.orders.open_for(MO)[-1]


def test_what_is_typed_changes_nothing_about_whom_the_mis_knows(centre):
    proxy = Proxy(centre)
    key = centre.patient()
    assert by_hand(proxy).patient.key == key
    assert centre.patients.get(key).person.given == "Анна"
    other = by_hand(proxy, family="Другая", birth_date="20000101")
    assert other.patient.key != key, "somebody else's number"
    assert other.patient.person.family == "Другая"
    assert centre.patients.get(key).person.family == "Тестова"
    card = {"issuer": "", "patient_id": "7"}
    first = by_hand(proxy, **card).patient.key
    assert by_hand(proxy, **card).patient.key == first
    assert by_hand(proxy, **card, sex="M", family="Сосед").patient.key != first
    proxy.engine.dispose()


def test_an_order_by_hand_gives_way_to_the_mis(centre):
    proxy = Proxy(centre)
    from cami.worklist import Written

    entry = proxy.manual.write(
        Written(
            family="Тестова", given="Анна", middle="Петровна", birth_date="19610314", sex="F", patient_id="карта 7",
            modality="CT", device="CT42001", procedure="КТ головы",
        ),
        "tech.42001",
    )  # fmt: skip
    assert proxy.numbers() == [entry.accession], "at once, also without the line"
    proxy.line.cut = ["after"]
    with pytest.raises(Exception, match="cut"):
        proxy.manual.send()
    proxy.manual.send()
    proxy.pull()
    assert proxy.numbers() == [entry.accession], "the same, once"
    manual = centre.orders.of_accession(MO, entry.accession)
    study = centre.announce(entry.study_uid, patient_id="карта 7", accession=entry.accession)
    centre.match()
    assert centre.state(manual) is OrderState.STARTED
    assert centre.desk.pairs(MO) == []
    order = centre.place("from the mis", scheduled_at=None)
    (pair,) = centre.desk.pairs(MO)
    assert (pair.manual.order.number, pair.other.order.number) == (manual.number, order.number)
    with pytest.raises(NotFound):
        centre.desk.replace(OTHER, manual.number, order.number, "tech")
    centre.desk.replace(MO, manual.number, order.number, "tech.42001")
    assert (centre.state(manual), centre.state(order)) == (OrderState.REPLACED, OrderState.STARTED)
    assert centre.decisions.of(study).order == order.number
    assert centre.orders.of_accession(MO, entry.accession).number == order.number
    person = centre.patients.standing_for(manual.patient).person
    assert Identifier(f"urn:cami:local:{MO}", "карта 7") not in person.identifiers or person.family == "Тестова"
    assert centre.desk.pairs(MO) == []
    centre.store(study, entry.study_uid)
    centre.quiet()
    centre.match()
    assert centre.state(order) is OrderState.COMPLETED
    proxy.engine.dispose()
