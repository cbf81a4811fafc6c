"""Orders and patients by HL7 v2: the same as by FHIR, answered by HL7's rules."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from cami.db.tables import audit_record, imaging_order
from cami.hl7v2.framing import Broken, Framing, framed
from cami.hl7v2.message import read
from cami.hl7v2.peers import Origin
from cami.hl7v2.problems import Refused, markdown
from cami.orders import Identifier, State
from tests.unit.hl7v2.conftest import HOME, MERGE, OID, OMI, ORM, edit

PLACER = (f"urn:oid:{OID}.59", "2611-0004512")


def order_of(centre, number=PLACER):
    with centre.engine.connect() as connection:
        return centre.orders.of_placer_in(connection, *number)


def patient_of(centre, value):
    return centre.patients.of_identifier(Identifier(f"urn:oid:{OID}.10", value))[0]


@pytest.mark.parametrize("message", [OMI, ORM])
def test_an_order_is_placed_and_its_numbers_come_back(centre, message):
    told = centre.tell(message)
    order = order_of(centre)
    assert told.verdicts == ["AA"]
    assert (order.mo, order.device_aet, order.modality, order.priority) == ("42001", "CT42001", "CT", "stat")
    assert (order.procedure_code, order.requester) == ("A06.30.005.002", "Образцов Илья Сергеевич")
    assert order.scheduled_at.isoformat() == "2026-11-22T07:30:00+00:00"
    person = patient_of(centre, "4512207").person
    assert (person.family, person.middle, person.birth_date, person.sex) == ("Тестова", "Петровна", "1961-03-14", "F")
    assert told.last.first("ORC").text(3) == order.accession
    uid = told.last.first("IPC" if message == OMI else "ZDS").text(3 if message == OMI else 1)
    assert uid == order.study_uid
    assert told.codes == ["CAMI-0018" if message == OMI else "101"]  # the purpose is not said: a warning


def test_the_same_message_again_is_the_same_answer(centre):
    centre.tell(OMI)
    first = centre.last
    later = edit(OMI, "KZ000002", MSH_7="20261122130999+0700")
    assert centre.tell(later).verdicts == ["AA"]
    assert centre.last == first
    with centre.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(imaging_order)) == 1
    # The same number with something else in it is another matter.
    other = centre.tell(edit(OMI, "KZ000002", PID_8="M"))
    assert (other.verdicts, other.codes) == (["AE"], ["CAMI-0045"])


def test_an_order_is_changed_and_cancelled(centre):
    centre.tell(OMI)
    changed = centre.tell(edit(OMI, "C1", ORC_1="XO", TQ1_9="R"))
    assert (changed.verdicts, changed.last.first("ORC").text(1)) == (["AA"], "XR")
    assert order_of(centre).priority == "routine"
    cancelled = centre.tell(edit(OMI, "C2", ORC_1="CA", ORC_16="no-show^Неявка"))
    assert (cancelled.verdicts, cancelled.last.first("ORC").text(5)) == (["AA"], "CA")
    order = order_of(centre)
    assert (order.state, order.state_reason, order.state_text) == (State.CANCELLED, "no-show", "Неявка")


def test_what_has_begun_is_not_cancelled(centre):
    centre.tell(OMI)
    number = order_of(centre).number
    with centre.engine.begin() as connection:
        centre.orders.started(connection, number, by="system")
    told = centre.tell(edit(OMI, "C2", ORC_1="CA"))
    assert (told.verdicts, told.codes) == (["AE"], ["CAMI-0041"])
    assert centre.hl7.kept.listed()[0].reasons == ("CAMI-0041 ORC-1",)


def test_patients_are_brought_up_to_date_and_merged(centre):
    centre.tell(OMI)
    update = "ADT^A08^ADT_A01"
    told = centre.tell(
        edit(MERGE.replace("ADT^A40^ADT_A39", update), "P1", PID_3="4512207^^^KUZDRAV", PID_7="19610315")
    )
    assert told.verdicts == ["AA"]
    assert patient_of(centre, "4512207").person.birth_date == "1961-03-15"
    assert centre.tell(MERGE).verdicts == ["AA"]
    assert patient_of(centre, "4512207").merged_into == patient_of(centre, "3300518").key
    # Told again under another number nothing happens; whom we do not know there is nothing to merge of.
    assert centre.tell(edit(MERGE, "P2")).verdicts == ["AA"]
    unknown = centre.tell(edit(MERGE, "P3", MRG_1="777^^^KUZDRAV^PI"))
    assert (unknown.verdicts, unknown.codes) == (["AA"], ["CAMI-0034"])


@pytest.mark.parametrize(("name", "codec"), [("8859/5", "iso8859-5"), ("CP1251", "cp1251"), ("UNICODE UTF-8", "utf-8")])
def test_character_sets(centre, name, codec):
    told = centre.tell(edit(OMI, "K1", MSH_18=name), codec=codec)
    assert told.verdicts == ["AA"]
    assert patient_of(centre, "4512207").person.family == "Тестова"
    assert "контрастированием" in centre.last[0].decode(codec)


def test_text_in_another_character_set_than_it_says(centre):
    told = centre.tell(OMI, codec="cp1251")
    assert (told.verdicts, told.codes) == (["AR"], ["CAMI-0073"])
    assert told.last.first("MSA").text(2) == "KZ000002"


def test_escape_sequences(centre):
    note = "NTE|1||Вес 80 кг \\T\\ рост 1\\F\\80\\.br\\Вторая \\X41\\ строка\\E\\"
    centre.tell(OMI.replace("IPC|", note + "\rIPC|"))
    assert order_of(centre).note == "Вес 80 кг & рост 1|80\nВторая A строка\\"


@pytest.mark.parametrize(
    ("fields", "verdict", "code"),
    [
        ({"MSH_9": "MDM^T02"}, "AR", "CAMI-0071"),
        ({"MSH_12": "3.0"}, "AR", "CAMI-0075"),
        ({"MSH_11": "T"}, "AR", "CAMI-0077"),
        ({"MSH_10": ""}, "AR", "CAMI-0078"),
        ({"MSH_3": "OTHER"}, "AR", "CAMI-0072"),
        ({"MSH_4": "XX01"}, "AR", "CAMI-0072"),
        ({"MSH_4": "RB01^1.2.3^ISO"}, "AR", "CAMI-0072"),
        ({"MSH_18": "EBCDIC"}, "AR", "CAMI-0073"),
        ({"PID_3": ""}, "AE", "CAMI-0012"),
        ({"PID_7": "1961-03"}, "AE", "CAMI-0013"),
        ({"ORC_1": "ZZ"}, "AE", "CAMI-0093"),
        ({"ORC_1": "CA", "ORC_2": "none"}, "AE", "CAMI-0034"),
        ({"OBR_4": "^КТ"}, "AE", "CAMI-0014"),
        ({"IPC_5": "XX"}, "AE", "CAMI-0025"),
        ({"IPC_9": "NOBODY"}, "AE", "CAMI-0032"),
    ],
)
def test_what_is_wrong_is_told_and_kept(centre, fields, verdict, code):
    told = centre.tell(edit(OMI, "B1", **fields))
    assert (told.verdicts, code in told.codes) == ([verdict], True)
    kept = centre.hl7.kept.listed()
    assert len(kept) == 1
    assert code in kept[0].reasons[0]
    assert order_of(centre) is None


def test_who_calls_from_elsewhere_is_nobody(centre):
    assert centre.tell(OMI, Origin("10.42.0.7")).verdicts == ["AA"]
    assert centre.tell(edit(OMI, "X2"), Origin("10.43.0.7")).codes == ["CAMI-0072"]


def test_a_refused_message_is_carried_out_after_a_mend(centre):
    """What the registry did not know is in it now: the operator has the message tried again, and the МИС hears."""
    wrong = edit(OMI, "M1", ORC_1="CA")
    assert centre.tell(wrong).codes == ["CAMI-0034"]
    centre.tell(wrong)
    kept = centre.hl7.kept.listed()
    assert [(each.control, each.times) for each in kept] == [("M1", 2)]
    assert centre.hl7.repeat(None, "operator") == (0, 1)
    centre.tell(OMI)
    assert centre.hl7.repeat(kept[0].number, "operator") == (1, 0)
    assert order_of(centre).state is State.CANCELLED
    assert centre.hl7.kept.listed() == []


def test_what_comes_again_put_right_is_dealt_with(centre):
    centre.tell(edit(OMI, "M2", PID_3=""))
    assert centre.hl7.kept.waiting() == 1
    centre.tell(edit(OMI, "M2"))
    assert centre.hl7.kept.waiting() == 0


@pytest.mark.parametrize(
    ("asked", "wrong", "verdicts"),
    [
        (("AL", "AL"), False, ["CA", "AA"]),
        (("AL", "NE"), False, ["CA"]),
        (("NE", "AL"), False, ["AA"]),
        (("AL", "NE"), True, ["CE"]),
        (("AL", "ER"), False, ["CA"]),
        (("AL", "ER"), True, ["CA", "AE"]),
        (("NE", "NE"), True, []),
    ],
)
def test_enhanced_mode(centre, asked, wrong, verdicts):
    fields = {"MSH_15": asked[0], "MSH_16": asked[1]} | ({"PID_3": ""} if wrong else {})
    assert centre.tell(edit(OMI, "E1", **fields)).verdicts == verdicts


def test_an_answer_is_answered_by_nothing(centre):
    assert centre.tell(edit(OMI, "A1", MSH_9="ACK")).verdicts == []


def test_orders_by_hl7_are_in_the_journal_without_names(centre):
    centre.tell(OMI)
    with centre.engine.connect() as connection:
        records = list(connection.scalars(select(audit_record.c.content)))
    assert any(order_of(centre).accession in each and "mis:kuzdrav" in each for each in records)
    assert not any("Тестова" in each for each in records)


def test_several_orders_are_all_or_none(centre):
    second = OMI[OMI.index("ORC") :].replace("2611-0004512", "2611-0004513")
    assert centre.tell(edit(OMI + second.replace("CT42001", "NOBODY"), "S1")).verdicts == ["AE"]
    assert order_of(centre) is None
    told = centre.tell(edit(OMI + second, "S2"))
    assert [each.text(1) for each in told.last.segments if each.name == "ORC"] == ["OK", "OK"]


def test_a_stream_is_cut_into_messages():
    framing = Framing(100)
    whole = framed(b"MSH|one") + b"\n" + framed(b"MSH|two")[:-1] + framed(b"MSH|three")
    found = [each for place in range(len(whole)) for each in framing.feed(whole[place : place + 1])]
    assert found == [b"MSH|one", b"MSH|two", b"MSH|three"]
    assert framing.feed(b"\x0bMSH|half\x0bMSH|new\x1c\r") == [b"MSH|new"]
    assert framing.halves == 1
    with pytest.raises(Broken):
        framing.feed(b"GET / HTTP/1.1\r\n")
    with pytest.raises(Broken):
        Framing(10).feed(b"\x0b" + b"x" * 11)


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes_are_read_or_refused(data):
    for each in (data, b"MSH|^~\\&|" + data):
        with suppress(Refused):
            read(each)


_PIECES = st.lists(
    st.one_of(
        st.sampled_from(["|", "^", "~", "&", "\\", "\r", "PID", "ORC", "OBR", "MRG", "NW", '""', "\\X4", "\\.br"]),
        st.text(max_size=4),
    ),
    max_size=30,
)  # fmt: skip


@given(st.integers(0, len(OMI) - 1), _PIECES, st.integers(0, 40), st.sampled_from([OMI, ORM, MERGE]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_message_is_answered(centre, place, pieces, dropped, message):
    broken = message[:place] + "".join(pieces) + message[place + dropped :]
    frames = centre.hl7.intake.take(broken.encode("utf-8", "replace"), HOME)
    for each in frames:
        answer = read(next(iter(Framing(10**6).feed(each))))
        msa = answer.first("MSA")
        assert msa.text(1) in ("AA", "AE", "AR", "CA", "CE", "CR")
        # "the server failed" is never what a message is answered, whatever is in it
        assert not any(each.text(5) == "CAMI-0094" for each in answer.segments if each.name == "ERR")


def test_the_contract_shows_our_codes():
    text = Path("docs/mis-contract.md").read_text("utf-8")
    shown = text.split("<!-- hl7-errors -->\n")[1].split("\n<!-- /hl7-errors -->")[0]
    assert shown == markdown(), f"put this into docs/mis-contract.md:\n{markdown()}"
