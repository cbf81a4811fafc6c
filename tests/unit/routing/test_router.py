"""From the change log to rows: nothing is missed, nothing is entered twice, the centre is never held up."""

from io import BytesIO

import pydicom
import pytest
from sqlalchemy import select

from cami.db.tables import delivery_item, delivery_study, routed_study
from cami.delivery import Holdings
from cami.delivery.order import Priority
from cami.errors import Transient
from cami.routing import FactReader, Text, studies_unread, studies_waiting
from tests.unit.routing.conftest import MO, rule

CT_TO_RSC = rule("{tag: Modality, equals: CT}", "{send_to: rsc}")


def priority_of(proxy, study="s1"):
    with proxy.engine.connect() as connection:
        return connection.scalar(select(delivery_study.c.priority).where(delivery_study.c.study_id == study))


def test_what_a_rule_wants_is_entered_and_nothing_else(proxy):
    proxy.rules(CT_TO_RSC)
    proxy.archive.add("ct")
    proxy.archive.add("mr", study="s2", Modality="MR")
    proxy.read()
    assert proxy.wanted() == {("rsc", "ct"): "queued"}
    with proxy.engine.connect() as connection:  # and all of it goes to the centre
        assert set(connection.scalars(select(delivery_item.c.instance_id))) == {"ct", "mr"}


def test_without_rules_nothing_is_asked_of_orthanc(proxy, monkeypatch):
    proxy.archive.add("ct")
    while proxy.feed.advance():
        pass
    monkeypatch.setattr(proxy.archive, "get", pytest.fail)
    monkeypatch.setattr(proxy.archive, "changes", lambda since, limit: pytest.fail("changes"))
    assert not proxy.router.advance()
    proxy.rules(CT_TO_RSC)
    assert not proxy.router.advance()  # rules are for what comes in later


def test_routing_stays_behind_delivery(proxy):
    proxy.rules(CT_TO_RSC)
    proxy.archive.add("ct")
    assert not proxy.router.advance()
    assert proxy.wanted() == {}
    proxy.read()
    assert len(proxy.wanted()) == 1


def test_several_rules_add_up_and_the_most_urgent_class_counts(proxy):
    proxy.rules(
        CT_TO_RSC
        + "  - {name: b, when: {device: CT42001}, then: {send_to: [web, rsc], priority: P1, share_with: '42002'}}\n"
        + "  - {name: c, when: {always: true}, then: {priority: P0}}\n"
        + "  - {name: off, enabled: false, when: {always: true}, then: {send_to: web}}\n"
    )
    proxy.archive.add("ct", device="MR42001")
    proxy.archive.add("ct2")
    proxy.read()
    assert set(proxy.wanted()) == {("rsc", "ct"), ("rsc", "ct2"), ("web", "ct2")}
    assert priority_of(proxy) == Priority.EMERGENCY
    notice = proxy.notices.due()
    assert (notice.study_id, notice.study_uid, notice.mo, notice.rule) == ("s1", "1.2.s1", "42002", "b")


def test_what_is_looked_at_twice_is_entered_once(proxy, monkeypatch):
    """A crash after the rows were written cannot happen before the cursor moved: they are one transaction."""
    proxy.rules(CT_TO_RSC)
    for number in range(5):
        proxy.archive.add(f"ct{number}")
    while proxy.feed.advance():
        pass
    with monkeypatch.context() as crash:
        crash.setattr("cami.routing.router.move_cursor", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            proxy.router.advance()
    assert proxy.wanted() == {}
    proxy.restart()
    proxy.read()
    assert len(proxy.wanted()) == 5
    task = proxy.forwardings.take("rsc")
    proxy.forwardings.deliver(task)
    # The index was replaced: its change log begins anew, and is shorter than what was read of the old one.
    proxy.archive.log[:] = proxy.archive.log[:3]
    proxy.read()
    proxy.archive.add("new")
    proxy.read()
    assert sorted(proxy.wanted().values()) == ["delivered"] + ["queued"] * 5


def test_what_came_back_from_the_centre_is_not_routed(proxy):
    proxy.rules(CT_TO_RSC)
    proxy.archive.add("prior", origin="Plugins")
    proxy.archive.add("uploaded", origin="Plugins")
    proxy.router._facts = FactReader(
        proxy.archive, MO, "Asia/Novokuznetsk", proxy.clock, uploaded=lambda instance: instance == "uploaded"
    )
    proxy.read()
    assert set(proxy.wanted()) == {("rsc", "uploaded")}, "our plugin stores both"


def test_an_image_that_orthanc_cannot_tell_of_holds_up_nobody(proxy):
    proxy.rules(CT_TO_RSC)
    proxy.archive.add("broken")
    proxy.archive.add("ct")
    proxy.archive.failing.add("broken")
    while proxy.feed.advance():
        pass
    for _ in range(4):
        with pytest.raises(Transient):
            proxy.router.advance()
    proxy.router.advance()
    assert set(proxy.wanted()) == {("rsc", "ct")}


def test_an_image_that_is_gone_is_passed_over(proxy):
    proxy.rules(CT_TO_RSC)
    proxy.archive.add("gone")
    while proxy.feed.advance():
        pass
    del proxy.archive.images["gone"]
    assert not proxy.router.advance()
    assert proxy.wanted() == {}


def test_the_class_that_somebody_has_chosen_stays(proxy):
    proxy.rules(rule("{always: true}", "{priority: P4}"))
    proxy.archive.add("a")
    proxy.read()
    assert priority_of(proxy) == Priority.BACKFILL
    proxy.queue.set_priority("s1", Priority.EMERGENCY)
    proxy.archive.add("b")
    proxy.read()
    assert priority_of(proxy) == Priority.EMERGENCY
    with proxy.engine.connect() as connection:
        row = connection.execute(select(routed_study)).one()
    assert (row.priority, row.rule, row.version) == (Priority.BACKFILL, "r", 1)


def test_a_later_image_may_make_a_study_more_urgent(proxy):
    proxy.rules(
        rule("{always: true}", "{priority: P3}")
        + "  - {name: b, when: {tag: BodyPartExamined, equals: HEAD}, then: {priority: P0, send_to: rsc}}\n"
    )
    proxy.archive.add("a")
    proxy.read()
    assert priority_of(proxy) == Priority.PRIOR
    proxy.archive.add("b", BodyPartExamined="HEAD")
    proxy.read()
    assert priority_of(proxy) == Priority.EMERGENCY
    assert proxy.queue.take().priority == Priority.EMERGENCY


def test_a_condition_on_the_class_sees_it_as_it_is(proxy):
    proxy.rules(rule("{priority: P1}", "{send_to: rsc}"))
    proxy.archive.add("a")
    proxy.read()
    proxy.queue.set_priority("s1", Priority.AWAITED)
    proxy.archive.add("b")
    proxy.read()
    assert set(proxy.wanted()) == {("rsc", "b")}


def test_rules_read_text_as_the_centre_gets_it(proxy):
    """A device that writes windows-1251 and declares nothing: Orthanc's own reading of it is no text."""

    def put_right(dicom, source, at):
        assert (dicom, source, f"{at:%H:%M}") == (b"dx", "DX42001", "10:00")
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.SpecificCharacterSet, dataset.StudyDescription = "ISO_IR 192", "Грудная клетка"
        dataset.OtherPatientNames, dataset.InstitutionalDepartmentName = ["А", "Б"], None
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = pydicom.uid.CTImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2"
        written = BytesIO()
        dataset.save_as(written, enforce_file_format=True)
        return written.getvalue()

    text = Text({"DX42001"}, put_right)
    proxy.router._facts = FactReader(proxy.archive, MO, "Asia/Novokuznetsk", proxy.clock, text)
    proxy.rules(rule("{tag: StudyDescription, matches: грудн}", "{send_to: rsc}"))
    proxy.archive.add("dx", device="DX42001", StudyDescription="????")
    proxy.archive.add("ct", device="CT42001", StudyDescription="ГРУДНАЯ")
    proxy.archive.add("mr", device="MR42001", StudyDescription="")
    proxy.read()
    assert set(proxy.wanted()) == {("rsc", "dx"), ("rsc", "ct")}
    proxy.router._facts = FactReader(proxy.archive, MO, "Asia/Novokuznetsk", proxy.clock, Text({"DX42001"}, None))
    proxy.archive.add("other", device="DX42001", StudyDescription="????")
    proxy.read()  # what cannot be put right is taken as Orthanc reads it
    assert ("rsc", "other") not in proxy.wanted()


def confirm_all(proxy):
    while (item := proxy.queue.take()) is not None:
        proxy.queue.accept(item, "0" * 64, "0" * 64)
    for study in ("s1", "s2"):
        proxy.queue.confirm(proxy.queue.manifest(study))


def test_what_still_has_to_be_forwarded_is_not_let_go_of(proxy):
    holdings = Holdings(proxy.engine, proxy.clock, [studies_waiting(), studies_unread()])

    def candidates():
        return [
            candidate.study_id
            for candidate in holdings.candidates(10, unread_for=proxy.clock.now() - proxy.clock.now())
        ]

    proxy.rules(CT_TO_RSC)
    proxy.archive.add("ct")
    proxy.archive.add("mr", study="s2", Modality="MR")
    while proxy.feed.advance():
        pass
    confirm_all(proxy)
    assert candidates() == []  # routing has not looked at them yet
    proxy.read()
    assert candidates() == ["s2"]
    assert not holdings.begin_eviction("s1", ["ct"])
    proxy.forwardings.deliver(proxy.forwardings.take("rsc"))
    assert sorted(candidates()) == ["s1", "s2"]
    assert holdings.begin_eviction("s1", ["ct"])
