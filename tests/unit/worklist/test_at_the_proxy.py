"""What a proxy does by itself: which number a study is sent with, and which entries have their images."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, text

from cami.db.tables import delivery_item
from cami.errors import Transient
from cami.retrieval.columns import Columns, Described
from cami.worklist import Arrivals, Numbering, State


@pytest.fixture
def numbering(proxy, centre):
    return Numbering(proxy.engine, centre.clock)


def test_a_study_with_the_uid_of_an_order_gets_its_number(centre, proxy, numbering):
    order = centre.place()
    proxy.pull()
    assert numbering(order.study_uid, "4512207", "") == order.accession
    assert numbering("1.2.3", "4512207", "") == ""
    again = Numbering(proxy.engine, centre.clock)
    centre.act("cancel", order.number, "x", "", by="mis")
    centre.clock.pass_(days=200)
    proxy.pull()
    assert again(order.study_uid, "somebody else", "other") == order.accession, "what was decided stays"


def test_another_patient_or_another_orders_number_is_for_a_person(centre, proxy, numbering):
    one, two = centre.place(), centre.place("two")
    proxy.pull()
    assert numbering(one.study_uid, "another patient", "") == ""
    assert numbering(two.study_uid, "4512207", one.accession) == ""
    assert Numbering(proxy.engine, centre.clock)(one.study_uid, "4512207", "") == "", "what was decided stays"


def test_a_study_that_a_person_has_linked_gets_the_number(centre, proxy, numbering):
    from dataclasses import replace

    from cami.worklist.entries import Page

    order = centre.place()
    proxy.pull()
    listed = proxy.entries.of_number(str(order.number))
    linked = replace(listed.entry, studies=("1.2.30", "1.2.3"))
    at = proxy.entries.place()
    proxy.entries.apply(Page(at.epoch, False, [(at.place + 1, linked)], [], at.place + 1, False))
    assert numbering("1.2.3", "typed", "WRONG") == order.accession
    assert numbering("1.2", "typed", "WRONG") == ""


def test_without_the_database_nothing_is_decided(proxy, numbering):
    with proxy.engine.begin() as connection:
        connection.execute(text("DROP TABLE accession_stamp"))
    with pytest.raises(Transient):
        numbering("1.2.3", "1", "")


def study(uid, accession="", patient="4512207", study_id="s1"):
    return Described(study_id, uid, "", "", "", Columns(patient_id=patient, accession=accession))


def arrived(proxy, moment, instance="i1", study_id="s1"):
    blank = {"study_uid": "", "sop_uid": instance, "modality": "CT", "description": "", "size": 1, "seq": 1}
    with proxy.engine.begin() as connection:
        connection.execute(
            insert(delivery_item).values(
                **blank, instance_id=instance, study_id=study_id, state="confirmed", received_at=moment
            )
        )


def test_images_take_an_entry_off_the_worklist_without_the_line(centre, proxy):
    order = centre.place()
    proxy.pull()
    arrivals = Arrivals(proxy.engine, centre.clock, proxy.entries, timedelta(minutes=15))
    number = str(order.number)
    assert arrivals.came([study(order.study_uid, patient="another")]) == 0
    assert arrivals.came([study("1.2.3")]) == 0
    assert arrivals.came([study("1.2.3", accession=order.accession)]) == 1
    arrived(proxy, centre.clock.now())
    assert proxy.entries.of_number(number).state is State.STARTED
    assert proxy.numbers() == [order.accession], "a device may ask again while it works"
    centre.clock.pass_(minutes=10)
    arrived(proxy, centre.clock.now(), "i2")
    centre.clock.pass_(minutes=10)
    assert arrivals.end() == 0
    centre.clock.pass_(minutes=6)
    assert arrivals.end() == 1
    assert proxy.numbers() == []
    centre.act("change", order.number, {"note": "что-то ещё"}, by="mis")
    proxy.pull()
    listed = proxy.entries.of_number(number)
    assert (listed.state, listed.entry.note) == (State.COMPLETED, "что-то ещё"), "the feed does not put it back"
    assert proxy.numbers() == []


def test_what_the_centre_says_of_the_end_holds(centre, proxy):
    order = centre.place()
    proxy.pull()
    arrivals = Arrivals(proxy.engine, centre.clock, proxy.entries, timedelta())
    arrivals.came([study(order.study_uid)])
    arrived(proxy, centre.clock.now())
    assert arrivals.end() == 1
    centre.act("started", order.number, by="system")
    centre.act("completed", order.number, by="system")
    proxy.pull()
    assert proxy.entries.of_number(str(order.number)).state is State.COMPLETED
    assert proxy.numbers() == []
    centre.act("released", order.number, by="lab")
    proxy.pull()
    assert proxy.numbers() == [order.accession]
