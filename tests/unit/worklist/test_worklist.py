"""From an order at the centre to what a device of the right МО finds."""

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cami.clock import iso
from cami.errors import Invalid, Transient
from cami.orders import ENP, SNILS, Identifier
from cami.region import CharacterSets
from cami.region.model import Worklist
from cami.worklist.entry import Entry, State
from cami.worklist.feed import Standing
from cami.worklist.latin import in_latin
from cami.worklist.query import ANY_TIME, parse
from tests.unit.worklist.conftest import MIS, MO, MORNING, OTHER, REGION, Proxy, query


def test_an_order_is_on_the_worklist_of_its_device_and_nobody_elses(centre, both):
    order = centre.place()
    both.own.pull()
    both.other.pull()
    (found,) = both.own.find()
    assert (found.AccessionNumber, found.PatientID, found.StudyInstanceUID) == (
        order.accession,
        "4512207",
        order.study_uid,
    )
    assert (str(found.PatientName), found.PatientBirthDate, found.PatientSex) == (
        "Тестова^Анна^Петровна",
        "19610314",
        "F",
    )
    assert found.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == MIS.removeprefix("urn:oid:")
    assert str(found.ReferringPhysicianName) == "Образцов^Илья^Сергеевич"
    (code,) = found.RequestedProcedureCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("A06.30.005.002", "99NMU")
    (step,) = found.ScheduledProcedureStepSequence
    assert (step.Modality, step.ScheduledStationAETitle) == ("CT", "CT42001")
    assert (step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime) == ("20260101", "100000")
    assert found.ReferencedStudySequence == []
    assert both.own.find("MR42001") == []
    assert both.other.find("CT42002") == []
    assert both.own.find("CT42002") == [], "a device of another МО finds nothing, whatever its query"
    assert both.own.find("CT42001", ScheduledStationAETitle="MR42001") == []
    assert centre.rung == [MO]


def test_an_order_for_no_device_is_for_every_device_of_its_kind(centre, proxy):
    order = centre.place(device_aet="", modality="CR")
    proxy.pull()
    (found,) = proxy.find("DX42001", Modality="DX")
    assert found.ScheduledProcedureStepSequence[0].Modality == "DX"
    assert found.ScheduledProcedureStepSequence[0].ScheduledStationAETitle == "DX42001"
    assert found.AccessionNumber == order.accession
    assert proxy.find("CT42001") == []


def test_changes_and_withdrawals_come_down(centre, proxy):
    order = centre.place()
    proxy.pull()
    centre.act("change", order.number, {"device_aet": "MR42001", "modality": "MR"}, by="mis")
    proxy.pull()
    assert proxy.numbers("MR42001") == [order.accession]
    assert proxy.numbers("CT42001") == []
    centre.act("cancel", order.number, "patient", "не пришёл", by="mis")
    proxy.pull()
    assert proxy.numbers("MR42001") == []
    assert proxy.entries.of_number(str(order.number)).state is State.CANCELLED


def test_who_is_examined_elsewhere_leaves_the_worklist(centre, both):
    order = centre.place()
    both.own.pull()
    centre.act("change", order.number, {"mo": OTHER, "device_aet": "CT42002"}, by="mis")
    both.own.pull()
    both.other.pull()
    assert both.own.entries.of_number(str(order.number)) is None
    assert both.other.numbers("CT42002") == [order.accession]


def test_a_patient_who_is_merged_or_renamed_is_so_on_the_worklist(centre, proxy):
    old, new = centre.patient("1"), centre.patient("2", family="Новикова")
    centre.place(patient=old)
    proxy.pull()
    assert [found.PatientID for found in proxy.find()] == ["1"]
    with centre.engine.begin() as connection:
        centre.patients.merge(connection, old, new, "mis")
    proxy.pull()
    assert [(found.PatientID, str(found.PatientName)[:8]) for found in proxy.find()] == [("2", "Новикова")]
    with centre.engine.begin() as connection:
        centre.patients.unmerge(connection, old, "mis")
    proxy.pull()
    assert [found.PatientID for found in proxy.find()] == ["1"]


def test_a_proxy_that_was_away_reads_each_order_once(centre, proxy, monkeypatch):
    monkeypatch.setattr("cami.worklist.feed.MOST", 2)
    monkeypatch.setattr("cami.worklist.feed.Feed.read.__defaults__", (2,))
    patient = centre.patient()
    orders = [centre.place(f"n{number}", patient, scheduled_at=MORNING) for number in range(5)]
    proxy.pull()
    for _ in range(3):
        centre.act("change", orders[0].number, {"note": f"{_}"}, by="mis")
    centre.act("cancel", orders[1].number, "patient", "", by="mis")
    asked = len(proxy.line.calls)
    proxy.line.cut = ["before", "after", ""]
    for _ in range(2):
        with pytest.raises(Transient):
            proxy.pull()
    proxy.pull()
    assert proxy.entries.place().place == centre.feed.last(MO)
    assert len(proxy.numbers()) == 4
    assert len(proxy.line.calls) - asked <= 6
    assert centre.feed.standing(str(orders[1].number)) in (Standing.WAITING, Standing.SENT)
    proxy.pulling.read_all()
    assert centre.feed.standing(str(orders[1].number)) is Standing.SENT


def test_a_proxy_begins_again_when_the_centre_was_restored_or_has_forgotten(centre, proxy, tmp_path):
    gone, stays = centre.place("gone"), centre.place("stays")
    proxy.pull()
    from sqlalchemy import delete, update

    from cami.db.tables import worklist_feed, worklist_head

    with centre.engine.begin() as connection:
        connection.execute(delete(worklist_feed).where(worklist_feed.c.order_number == str(gone.number)))
        connection.execute(update(worklist_head).values(epoch="abc"))
    proxy.pulling.read_all()
    assert proxy.entries.of_number(str(gone.number)) is None
    assert proxy.numbers() == [stays.accession]
    centre.act("cancel", stays.number, "patient", "", by="mis")
    centre.follow()
    centre.clock.pass_(days=91)
    centre.feed.tidy()
    centre.clock.pass_(days=91)
    centre.feed.tidy()
    proxy.pulling.read_all()
    assert proxy.entries.of_number(str(stays.number)) is None, "its removal was forgotten: the whole feed was read"


def test_the_call_that_waits_for_errands_tells_of_news_once(centre, proxy):
    proxy.runner.step()
    assert proxy.woken == 0
    centre.place()
    centre.follow()
    proxy.runner.step()
    assert proxy.woken == 1
    proxy.runner.step()
    assert proxy.woken == 1, "who was told and has not read is not told again"
    proxy.pulling.read_all()
    proxy.runner.step()
    centre.place("another")
    centre.follow()
    proxy.runner.step()
    assert proxy.woken == 2


def test_earlier_studies_are_expected_when_somebody_is_new_or_comes_on_another_day(centre, proxy):
    order = centre.place()
    proxy.pull()
    centre.act("change", order.number, {"note": "аллергия на йод"}, by="mis")
    proxy.pull()
    assert [entry.patient_id for entry in proxy.expected] == ["4512207"]
    later = MORNING.replace(day=3)
    centre.act("change", order.number, {"scheduled_at": later}, by="mis")
    proxy.pull()
    assert [entry.scheduled_at for entry in proxy.expected] == [MORNING, later]


def test_days_and_hours(centre, proxy):
    patient = centre.patient()
    early = centre.place("early", patient, scheduled_at=MORNING.replace(hour=1))
    late = centre.place("late", patient, scheduled_at=MORNING.replace(hour=9))
    tomorrow = centre.place("tomorrow", patient, scheduled_at=MORNING.replace(day=2))
    whenever = centre.place("whenever", patient, scheduled_at=None)
    old = centre.place("old", patient, scheduled_at=MORNING.replace(year=2025, month=11))
    proxy.pull()
    today = [early.accession, late.accession, whenever.accession]

    def day(asked, clock=""):
        return sorted(proxy.numbers(ScheduledProcedureStepStartDate=asked, ScheduledProcedureStepStartTime=clock))

    assert day("20260101") == sorted(today)
    assert day("20260101-20260102") == sorted([*today, tomorrow.accession])
    assert day("20260102-") == [tomorrow.accession]
    assert day("-20260101") == sorted(today)
    assert day("20260101", "0700-0900") == sorted([early.accession, whenever.accession])
    assert day("20260101", "12-") == sorted([late.accession, whenever.accession])
    assert old.accession not in proxy.numbers()
    assert proxy.numbers(AccessionNumber=old.accession) == [old.accession], "by its number it is found, however old"


def test_names_are_found_in_both_scripts(centre, proxy):
    order = centre.place(patient=centre.patient(family="Щёголев", given="Юрий"))
    centre.place("other", centre.patient("2"))
    proxy.pull()
    for asked in ("Щеголев*", "щёголев^ю*", "SHCHEGOLEV*", "shcheg*"):
        assert proxy.numbers(PatientName=asked) == [order.accession], asked
    assert proxy.numbers(PatientName="Щеголев") == []
    assert proxy.numbers(PatientName="Ива*") == []


def test_names_are_read_as_the_device_writes_them(centre, proxy):
    order = centre.place(device_aet="US42001", modality="US")
    proxy.pull()
    asked = pydicom.dcmread(pydicom.filebase.DicomBytesIO(query(charset="", PatientName="TESTOVA*")))
    assert str(asked.PatientName) == "TESTOVA*"
    raw = query(charset="", PatientName="XXXXXXX*").replace(b"XXXXXXX*", "Тестова*".encode("cp1251"))
    (found,) = proxy.finding.answer(raw, "US42001").entries
    assert order.accession.encode() in found


def test_other_keys_of_the_step_are_compared_with_the_answer(centre, proxy):
    order = centre.place()
    proxy.pull()
    assert proxy.numbers(ScheduledProcedureStepStatus="SCHEDULED") == [order.accession]
    assert proxy.numbers(ScheduledProcedureStepStatus="ARRIVED") == []
    assert proxy.numbers(Modality="CT") == [order.accession]
    assert proxy.numbers(Modality="MR") == []
    assert proxy.numbers(ScheduledStationAETitle="*", PatientID="4512*") == [order.accession]


def test_a_console_without_cyrillic_gets_latin_letters(centre, proxy):
    proxy.devices["CT42001"] = proxy.devices["CT42001"].model_copy(update={"transliterate": True})
    centre.place()
    proxy.pull()
    (found,) = proxy.find(PatientName="TESTOVA*")
    assert str(found.PatientName) == "TESTOVA^ANNA^PETROVNA"
    assert found.RequestedProcedureDescription == "KT OBP S BOLIUSNYM KONTRASTIROVANIEM"
    assert in_latin("Щёголев № 7") == "SHCHEGOLEV N 7"
    assert in_latin("xRay") == "xRay"


def test_values_are_as_long_as_dicom_allows(centre, proxy):
    centre.place(procedure_text="и" * 200, note="\\первая строка\nвторая", requester="А" * 80)
    proxy.pull()
    (found,) = proxy.find()
    assert found.RequestedProcedureDescription == "и" * 64
    assert found.MedicalAlerts == "первая строка вторая"


def test_more_than_a_console_can_show_is_cut_and_said_so(centre, proxy, monkeypatch):
    monkeypatch.setattr("cami.worklist.finding.MOST", 3)
    patient = centre.patient()
    for number in range(4):
        centre.place(f"n{number}", patient)
    proxy.pull()
    answers = proxy.finding.answer(query(), "CT42001")
    assert (len(answers.entries), answers.complete) == (3, False)


@pytest.mark.parametrize("broken", [b"", b"\0" * 200, query()[:-5]])
def test_a_broken_query_is_refused(broken, proxy):
    with pytest.raises(Invalid):
        proxy.finding.answer(broken, "CT42001")


def test_a_date_that_is_none_is_refused():
    with pytest.raises(Invalid):
        parse(query(ScheduledProcedureStepStartTime="23").replace(b"23", b"2X"), CharacterSets())
    assert parse(query(ScheduledProcedureStepStartTime=""), CharacterSets()).clock == ANY_TIME


texts = st.text(max_size=40)
entries = st.builds(
    Entry,
    number=st.text(min_size=1, max_size=20),
    accession=st.text("K0123456789", min_size=1, max_size=16),
    study_uid=st.just("2.25.1"),
    modality=st.sampled_from(["CT", "MR", "DX"]),
    patient_id=texts,
    patient_name=texts,
    state=st.sampled_from(State),
    scheduled_at=st.none() | st.datetimes().map(lambda moment: moment.replace(tzinfo=MORNING.tzinfo)),
    note=texts,
    manual=st.booleans(),
    studies=st.lists(st.just("1.2.3"), max_size=2).map(tuple),
)


@given(entries)
def test_an_entry_is_read_as_it_was_written(entry):
    assert Entry.parse(entry.to_json()) == entry


@pytest.mark.parametrize(
    "document", [None, {}, {"number": "1"}, {"number": "1", "accession": "1", "study_uid": "1", "modality": "CT",
                                              "patient_id": "", "patient_name": "", "scheduled_at": "2026-01-01"}],
)  # fmt: skip
def test_what_is_no_entry_is_refused(document):
    with pytest.raises(Invalid):
        Entry.parse(document)


def test_the_wire_knows_its_callers(centre):
    from tests.unit.errands.conftest import call

    centre.place()
    centre.follow()
    assert call(centre.endpoints, "GET", "/cami/wire/v1/worklist?after=0", "stranger")[0] == 401
    assert call(centre.endpoints, "GET", "/cami/wire/v1/worklist?after=x", MO)[0] == 400
    status, answer = call(centre.endpoints, "GET", "/cami/wire/v1/worklist?after=0", OTHER)
    assert (status, answer["entries"]) == (200, [])
    status, answer = call(centre.endpoints, "GET", "/cami/wire/v1/worklist?after=0", MO)
    assert (status, len(answer["entries"]), answer["more"]) == (200, 1, False)
    assert iso(MORNING)[:19] == answer["entries"][0][1]["scheduled_at"][:19]


def test_a_proxy_alone_still_answers(centre, proxy):
    order = centre.place()
    proxy.pull()
    proxy.line.cut = ["before"] * 10
    centre.clock.pass_(hours=72)
    with pytest.raises(Transient):
        proxy.pulling.read_all()
    assert proxy.numbers() == [order.accession]
    again = Proxy(centre)
    assert again.numbers() == [order.accession], "also after a restart"
    again.engine.dispose()


def test_snils_and_enp_are_told_only_where_the_mo_wants_it(centre, proxy):
    """Other Patient IDs Sequence (PS3.3 table 10-18); without the setting they do not leave the centre."""
    numbers = (Identifier(MIS, "4512207"), Identifier(SNILS, "70012345618"), Identifier(ENP, "4200000000000018"))
    patient = centre.patient(identifiers=numbers)
    centre.place("silent", patient)
    proxy.pull()
    (found,) = proxy.find(PatientID="4512207")
    assert not found.get("OtherPatientIDsSequence")
    own = REGION.organization(MO)
    telling = own.proxy.model_copy(update={"worklist": Worklist(other_patient_ids=("snils", "enp"))})
    centre.following._organizations[MO] = own.model_copy(update={"proxy": telling})
    centre.place("telling", patient, modality="CT")
    proxy.pull()
    told = [each for each in proxy.find(PatientID="4512207") if each.get("OtherPatientIDsSequence")]
    items = [(each.PatientID, each.IssuerOfPatientID, each.TypeOfPatientID) for each in told[0].OtherPatientIDsSequence]
    assert items == [
        ("70012345618", "1.2.643.100.3", "TEXT"),
        ("4200000000000018", "https://fhir.ru/ig/core/systems/oms", "TEXT"),
    ]
