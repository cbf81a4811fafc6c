"""What goes to the centre: right text, the МО's stamps, the originals beside; nothing else changed."""

import io
import struct
import warnings
from datetime import UTC, datetime

import pydicom
import pytest

from cami.coercion import Arrival, Institution, Note, Rules, Stamps, coerce
from cami.region import CharacterSets

from .builder import BIG, EXPLICIT, IMPLICIT, NAME, PIXELS, Build

OID = "1.2.643.5.1.13.13.12.2.42.9901"
PLACE = Institution("ГБ № 1", OID, "Отделение лучевой диагностики")
ARRIVAL = Arrival("CT42001", datetime(2026, 7, 27, 10, 11, 12, tzinfo=UTC))
IVANOV = "Иванов^Иван^Иванович"
SYNTAXES = [EXPLICIT, IMPLICIT, BIG]


def rules(default="ISO_IR 192", override=None, *, text=True, stamped=False):
    return Rules(text, CharacterSets(default=default, override=override), Stamps(PLACE, stamped, stamped), "PROXY42001")


def never():
    raise AssertionError("nobody had to ask for the Patient ID")


def sent(dicom, rule, patient_id=never):
    """Coerce, check what must hold of every object, and return the data set and the notes."""
    coerced = coerce(dicom, rule, ARRIVAL, patient_id)
    again = coerce(dicom, rule, ARRIVAL, patient_id)
    assert again.dicom == coerced.dicom
    twice = coerce(coerced.dicom, rule, Arrival("OTHER", datetime(2027, 1, 1, tzinfo=UTC)), patient_id)
    assert twice.dicom == coerced.dicom
    with warnings.catch_warnings():  # pydicom tells of the fault that is to be put right
        warnings.simplefilter("ignore")
        before = read(dicom)
    after = read(coerced.dicom)
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PixelData"):
        assert after.get(keyword) == before.get(keyword)
    return after, coerced.notes


def read(dicom):
    return pydicom.dcmread(io.BytesIO(dicom))


def test_nothing_to_change_changes_nothing():
    dicom = Build().file()
    assert coerce(dicom, rules(), ARRIVAL, never).dicom is dicom


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    ("declared", "codec", "rule"),
    [
        ("ISO_IR 144", "iso8859_5", rules()),
        ("ISO_IR 144", "cp1251", rules(override="windows-1251")),
        ("ISO_IR 100", "cp1251", rules(override="windows-1251")),
        (None, "cp1251", rules("windows-1251")),
        ("", "cp1251", rules("windows-1251")),
        (None, "cp866", rules("ibm866")),
        (None, "koi8_r", rules("koi8-r")),
        (None, "utf-8", rules()),
        (None, "iso8859_5", rules("ISO_IR 144")),
        ("ISO_IR 192", "cp1251", rules("windows-1251")),
        ("WINDOWS-1251", "cp1251", rules()),
        ("ISO_IR_144", "iso8859_5", rules()),
        ("ISO-IR 144", "iso8859_5", rules()),
        ("NONSENSE", "cp1251", rules("windows-1251")),
    ],
)
def test_text_comes_out_right(syntax, declared, codec, rule):
    build = Build(syntax)
    dicom = build.file(
        build.element((0x0008, 0x1030), "LO", "КТ органов".encode(codec)),
        build.element((0x0010, 0x4000), "LT", "Ёлка\\строка\r\nдве".encode(codec)),
        charset=declared,
        name=IVANOV.encode(codec),
    )
    dataset, notes = sent(dicom, rule)
    assert dataset.PatientName == IVANOV
    assert dataset.StudyDescription == "КТ органов"
    assert dataset.PatientComments == "Ёлка\\строка\r\nдве"
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert Note.UNREADABLE_TEXT not in notes
    assert (Note.UNKNOWN_CHARACTER_SET in notes) == (declared == "NONSENSE")


def test_text_that_is_right_already_stays():
    dicom = Build().file(charset="ISO_IR 192", name=IVANOV.encode())
    assert coerce(dicom, rules("windows-1251"), ARRIVAL, never).dicom is dicom


def test_code_extensions_are_read():
    value = b"Ivanov=" + b"\x1b-L" + IVANOV.encode("iso8859_5") + b"\\" + b"\x1b-L" + "Два".encode("iso8859_5")
    build = Build()
    dataset, notes = sent(
        build.file(build.element((0x0010, 0x1001), "PN", value), charset="\\ISO 2022 IR 144"), rules()
    )
    assert [str(name) for name in dataset.OtherPatientNames] == [f"Ivanov={IVANOV}", "Два"]
    assert not notes


def test_after_a_delimiter_the_initial_set_holds_again():
    value = b"\x1b-L" + "Ж".encode("iso8859_5") + b"\\" + "é".encode("latin_1")
    build = Build()
    element = build.element((0x0010, 0x1001), "PN", value)
    dataset, _ = sent(build.file(element, charset="ISO 2022 IR 100\\ISO 2022 IR 144"), rules())
    assert [str(name) for name in dataset.OtherPatientNames] == ["Ж", "é"]


def test_an_escape_sequence_that_was_not_declared_is_unreadable():
    dicom = Build().file(charset="\\ISO 2022 IR 144", name=b"\x1b$)CABC")
    dataset, notes = sent(dicom, rules("ISO_IR 144"))
    assert notes == {Note.UNREADABLE_TEXT}
    (told,) = dataset.OriginalAttributesSequence[0].NonconformingModifiedAttributesSequence
    assert told.NonconformingDataElementValue.rstrip(b" ") == b"\x1b$)CABC"


@pytest.mark.parametrize(
    ("declared", "codec", "name"),
    [("GBK", "gbk", "王^小东"), ("GB18030", "gb18030", "王^小东"), ("\\ISO 2022 IR 87", "iso2022_jp", "山田^太郎")],
)
def test_sets_of_several_bytes_are_left_alone(declared, codec, name):
    dicom = Build().file(charset=declared, name=name.encode(codec))
    assert coerce(dicom, rules("windows-1251"), ARRIVAL, never).dicom is dicom
    dataset, notes = sent(dicom, rules(stamped=True))
    assert name.encode(codec) in coerce(dicom, rules(stamped=True), ARRIVAL, never).dicom
    assert dataset.SpecificCharacterSet == read(dicom).SpecificCharacterSet
    assert dataset.IssuerOfPatientID == f"MO:{OID}"
    if declared == "ISO 2022 IR 87":
        assert notes == {Note.STAMP_NOT_WRITABLE}
        assert "InstitutionName" not in dataset


def test_unreadable_bytes_are_kept_and_told():
    raw = IVANOV.encode("cp1251")
    dataset, notes = sent(Build().file(charset=None, name=raw), rules())
    assert notes == {Note.UNREADABLE_TEXT}
    assert "�" in str(dataset.PatientName)
    (item,) = dataset.OriginalAttributesSequence
    (told,) = item.NonconformingModifiedAttributesSequence
    assert told.SelectorAttribute == (0x0010, 0x0010)
    assert told.NonconformingDataElementValue.rstrip(b" ") == raw
    (previous,) = item.ModifiedAttributesSequence
    assert previous["PatientName"].is_empty
    assert previous["SpecificCharacterSet"].is_empty


def test_what_was_re_read_is_kept_as_every_reader_saw_it():
    dataset, notes = sent(
        Build().file(charset="ISO_IR 100", name="Иванов".encode("cp1251")), rules(override="windows-1251")
    )
    (item,) = dataset.OriginalAttributesSequence
    (previous,) = item.ModifiedAttributesSequence
    assert previous.SpecificCharacterSet == "ISO_IR 100"
    assert previous.PatientName == "Иванов".encode("cp1251").decode("latin_1")
    assert "NonconformingModifiedAttributesSequence" not in item
    assert not notes
    assert item.ModifyingSystem == "CAMI PROXY42001"
    assert item.SourceOfPreviousValues == "CT42001"
    assert item.ReasonForTheAttributeModification == "COERCE"
    assert item.AttributeModificationDateTime == "20260727101112.000000+0000"
    assert dataset.InstanceCoercionDateTime == "20260727101112.000000+0000"


def test_what_only_changed_its_encoding_is_not_repeated():
    dataset, _ = sent(Build().file(charset="ISO_IR 144", name=IVANOV.encode("iso8859_5")), rules())
    (previous,) = dataset.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert {element.keyword for element in previous} == {"SpecificCharacterSet", "InstanceCoercionDateTime"}


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_nested_text_comes_out_right_with_its_original(syntax, undefined):
    build = Build(syntax)
    inner = build.sequence(
        (0x0040, 0x0008),
        build.item(build.element((0x0008, 0x0104), "LO", "Голова".encode("cp1251")), undefined=undefined),
        undefined=undefined,
    )
    request = build.sequence(
        (0x0040, 0x0275),
        build.item(build.element((0x0040, 0x0007), "LO", b"plain")),
        build.item(build.element((0x0040, 0x0007), "LO", "Снимок".encode("cp1251")), inner, undefined=undefined),
        undefined=undefined,
    )
    dataset, _ = sent(build.file(request, charset="ISO_IR 192"), rules("windows-1251"))
    item = dataset.RequestAttributesSequence[1]
    assert item.ScheduledProcedureStepDescription == "Снимок"
    assert item.ScheduledProtocolCodeSequence[0].CodeMeaning == "Голова"
    original = dataset.OriginalAttributesSequence[0]
    previous = original.ModifiedAttributesSequence[0].RequestAttributesSequence
    assert [each.ScheduledProcedureStepDescription for each in previous] == ["plain", ""]
    values = {
        (
            tuple(told.SelectorSequencePointer)
            if told["SelectorSequencePointer"].VM > 1
            else told.SelectorSequencePointer
        ): told.NonconformingDataElementValue.strip(b"\0 ").decode("cp1251")
        for told in original.NonconformingModifiedAttributesSequence
    }
    assert values == {0x00400275: "Снимок", (0x00400275, 0x00400008): "Голова"}
    deep = original.NonconformingModifiedAttributesSequence[1]
    assert list(deep.SelectorSequencePointerItems) == [2, 1]


def test_items_that_declare_a_set_of_their_own_are_left_alone():
    build = Build()
    item = build.item(
        build.element((0x0008, 0x0005), "CS", "ISO_IR 144"),
        build.element((0x0040, 0x0007), "LO", "Снимок".encode("iso8859_5")),
    )
    dicom = build.file(build.sequence((0x0040, 0x0275), item), charset="ISO_IR 100", name="Иванов".encode("cp1251"))
    dataset, _ = sent(dicom, rules(override="windows-1251"))
    assert dataset.PatientName == "Иванов"
    assert dataset.RequestAttributesSequence[0].ScheduledProcedureStepDescription == "Снимок"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_private_text_whose_vr_is_known(syntax):
    build = Build(syntax)
    dicom = build.file(
        build.element((0x0009, 0x0010), "LO", "GEMS_IDEN_01"),
        build.element((0x0009, 0x1002), "SH", "Зал".encode("cp1251")),
        build.element((0x0011, 0x0010), "LO", "NOBODY KNOWS"),
        build.element((0x0011, 0x1002), "UN", "Зал".encode("cp1251")),
        charset="ISO_IR 100",
    )
    result = coerce(dicom, rules(override="windows-1251"), ARRIVAL, never).dicom
    dataset, _ = sent(dicom, rules(override="windows-1251"))
    assert dataset[0x0009, 0x1002].value == "Зал"
    assert "Зал".encode("cp1251") in result.partition(b"\x11\x00\x02\x10" if syntax != BIG else b"\x00\x11\x10\x02")[2]
    previous = dataset.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert previous[0x0009, 0x0010].value == "GEMS_IDEN_01"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_stamps(syntax):
    build = Build(syntax)
    dicom = build.file(
        build.element((0x0008, 0x0080), "LO", "HOSPITAL"),
        build.element((0x0010, 0x0021), "LO", "1"),
        charset="ISO_IR 100",
    )
    dataset, notes = sent(dicom, rules(stamped=True))
    assert dataset.InstitutionName == "ГБ № 1"
    assert dataset.InstitutionalDepartmentName == "Отделение лучевой диагностики"
    (code,) = dataset.InstitutionCodeSequence
    assert (code.LongCodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == (OID, "99FRMO", "ГБ № 1")
    assert dataset.IssuerOfPatientID == f"MO:{OID}"
    (issuer,) = dataset.IssuerOfPatientIDQualifiersSequence
    assert (issuer.UniversalEntityID, issuer.UniversalEntityIDType) == (OID, "ISO")
    (previous,) = dataset.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert (previous.InstitutionName, previous.IssuerOfPatientID) == ("HOSPITAL", "1")
    assert previous["InstitutionCodeSequence"].is_empty
    assert previous["IssuerOfPatientIDQualifiersSequence"].is_empty
    assert not notes


def test_a_name_of_the_mo_in_the_device_s_set_is_replaced_and_kept():
    build = Build()
    dicom = build.file(build.element((0x0008, 0x0080), "LO", "Больница".encode("cp1251")), charset="ISO_IR 100")
    dataset, _ = sent(dicom, rules(override="windows-1251", stamped=True))
    assert dataset.InstitutionName == "ГБ № 1"
    (previous,) = dataset.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert previous.InstitutionName == "Больница".encode("cp1251").decode("latin_1")


def test_an_issuer_from_an_information_system_of_this_mo_stays():
    build = Build()
    entity = build.element((0x0040, 0x0032), "UT", OID + ".100.1.1.10")
    qualifiers = build.sequence((0x0010, 0x0024), build.item(entity, build.element((0x0040, 0x0033), "CS", "ISO")))
    dicom = build.file(qualifiers, build.element((0x0010, 0x0021), "LO", "MIS"))
    dataset, _ = sent(dicom, rules(stamped=True))
    assert dataset.IssuerOfPatientID == "MIS"
    assert dataset.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == OID + ".100.1.1.10"


def test_another_mo_as_issuer_does_not_stay():
    build = Build()
    entity = build.element((0x0040, 0x0032), "UT", OID + "7.1")  # not below, only longer
    qualifiers = build.sequence((0x0010, 0x0024), build.item(entity, build.element((0x0040, 0x0033), "CS", "ISO")))
    dataset, _ = sent(build.file(qualifiers), rules(stamped=True))
    assert [each.UniversalEntityID for each in dataset.IssuerOfPatientIDQualifiersSequence] == [OID]


def test_nobody_issues_an_empty_patient_id():
    dataset, _ = sent(Build().file(patient=b""), rules(stamped=True))
    assert "IssuerOfPatientID" not in dataset


def test_stamps_without_text_are_written_in_the_declared_set():
    dicom = Build().file(charset="ISO_IR 144", name=IVANOV.encode("iso8859_5"))
    dataset, notes = sent(dicom, rules(text=False, stamped=True))
    assert (dataset.SpecificCharacterSet, dataset.InstitutionName) == ("ISO_IR 144", "ГБ № 1")
    assert dataset.PatientName == IVANOV
    assert not notes
    dataset, notes = sent(Build().file(), rules(text=False, stamped=True))
    assert "InstitutionName" not in dataset
    assert dataset.InstitutionCodeSequence[0].CodeMeaning == OID
    assert notes == {Note.STAMP_NOT_WRITABLE}


def test_the_patient_id_stays_what_the_local_archive_reads():
    raw = "12-А".encode("cp1251")
    dataset, notes = sent(Build().file(patient=raw), rules("windows-1251"), lambda: "12-")
    assert dataset.PatientID == "12-"
    assert notes == {Note.UNREADABLE_TEXT}
    (told,) = dataset.OriginalAttributesSequence[0].NonconformingModifiedAttributesSequence
    assert told.NonconformingDataElementValue == raw
    dataset, notes = sent(
        Build().file(charset="ISO_IR 144", patient="12-А".encode("iso8859_5")), rules(), lambda: "12-А"
    )
    assert (dataset.PatientID, notes) == ("12-А", frozenset())


def test_what_others_recorded_stays():
    build = Build()
    other = build.item(
        build.sequence((0x0400, 0x0550), build.item(build.element((0x0010, 0x0020), "LO", "OLD"))),
        build.element((0x0400, 0x0562), "DT", "20250101"),
        build.element((0x0400, 0x0563), "LO", "OTHER PACS"),
        build.element((0x0400, 0x0564), "LO", ""),
        build.element((0x0400, 0x0565), "CS", "CORRECT"),
    )
    dicom = build.file(build.sequence((0x0400, 0x0561), other), charset="ISO_IR 144", name=IVANOV.encode("iso8859_5"))
    dataset, _ = sent(dicom, rules(stamped=True))
    assert [item.ModifyingSystem for item in dataset.OriginalAttributesSequence] == ["OTHER PACS", "CAMI PROXY42001"]


def test_encapsulated_pixels_and_what_follows_them_keep_their_bytes():
    build = Build()
    fragments = build.mark(0xE000, 0) + build.mark(0xE000, 6) + b"abcdef" + build.mark(0xE0DD, 0)
    tail = build.element((0x7FE0, 0x0010), "OB", fragments, 0xFFFFFFFF) + build.element((0xFFFC, 0xFFFC), "OB", b"\0\0")
    build.syntax = "1.2.840.10008.1.2.4.80"
    result = coerce(build.file(tail=tail), rules(stamped=True), ARRIVAL, never).dicom
    assert result.endswith(tail)
    assert PIXELS not in result


def test_encapsulated_pixels_of_an_icon():
    build = Build()
    fragments = build.mark(0xE000, 0) + build.mark(0xE000, 4) + b"\xff\xd8\xff\xd9" + build.mark(0xE0DD, 0)
    icon = build.item(build.element((0x7FE0, 0x0010), "OB", fragments, 0xFFFFFFFF))
    dicom = build.file(build.sequence((0x0088, 0x0200), icon), charset="ISO_IR 144", name=IVANOV.encode("iso8859_5"))
    assert fragments in coerce(dicom, rules(), ARRIVAL, never).dicom
    sent(dicom, rules())


def test_an_unknown_vr_of_undefined_length_is_a_sequence_in_implicit_vr():
    build, implicit = Build(), Build(IMPLICIT)
    items = implicit.item(implicit.element((0x0008, 0x0104), "LO", "Голова".encode("iso8859_5")))
    unknown = build.element((0x0040, 0x0008), "UN", items + build.mark(0xE0DD, 0), 0xFFFFFFFF)
    dataset, _ = sent(build.file(unknown, charset="ISO_IR 144"), rules())
    assert dataset.ScheduledProtocolCodeSequence[0].CodeMeaning == "Голова"


def broken_objects():
    build = Build()
    good = build.file(charset="ISO_IR 144", name=IVANOV.encode("iso8859_5"))
    name = build.element(NAME, "PN", IVANOV.encode("iso8859_5"))
    yield "no DICOM", b"nonsense" * 100
    yield "empty", b""
    yield "cut in the data set", good[: good.index(name) + 10]
    yield "cut in the head", good[:150]
    yield "unknown VR", good.replace(name, name.replace(b"PN", b"??"))
    yield "deflated", Build("1.2.840.10008.1.2.1.99").file(charset="ISO_IR 144", name=IVANOV.encode("iso8859_5"))
    yield "private syntax", Build("1.3.46.670589.33.1.4.1").file()
    yield "disordered", build.file(tail=build.element((0x0008, 0x0060), "CS", "CT"))
    yield "length beyond the end", build.file(tail=build.element((0x0040, 0xA160), "UT", b"x", 1 << 20))
    loop = b""
    for _ in range(100):
        loop = build.sequence((0x0040, 0xA730), build.item(loop, build.element((0x0040, 0xA160), "UT", "Я".encode())))
    yield "too deep", build.file(loop, charset="ISO_IR 144")
    loop = b"".join([build.sequence((0x0040, 0xA730), build.mark(0xE000, 0xFFFFFFFF), undefined=True)[:-8]] * 100)
    yield "too deep, undefined", build.file(tail=loop)
    long = build.element((0x0010, 0x4000), "LT", "Я".encode("iso8859_5") * 40_000)
    yield "would be too long", build.file(long, charset="ISO_IR 144")


@pytest.mark.parametrize(("what", "dicom"), list(broken_objects()))
def test_what_cannot_be_coerced_goes_as_it_is(what, dicom):
    coerced = coerce(dicom, rules(stamped=True), ARRIVAL, never)
    assert coerced.dicom is dicom, what
    assert coerced.notes == {Note.MALFORMED}


def test_a_signed_object_goes_as_it_is():
    build = Build()
    dicom = build.file(build.sequence((0x4FFE, 0x0001), build.item(build.element((0x0400, 0x0005), "US", b"\1\0"))))
    coerced = coerce(dicom, rules(stamped=True), ARRIVAL, never)
    assert coerced.dicom is dicom
    assert coerced.notes == {Note.SIGNED}


def test_group_lengths_that_would_be_wrong_are_left_out():
    build = Build()
    dicom = build.file(build.element((0x0008, 0x0000), "UL", struct.pack("<L", 100)), charset="ISO_IR 144")
    assert coerce(dicom, rules(), ARRIVAL, never).dicom is dicom
    dataset, _ = sent(dicom, rules(stamped=True))
    assert (0x0008, 0x0000) not in dataset
