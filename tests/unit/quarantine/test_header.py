"""What objects say, for people."""

import struct

from cami.quarantine import Header
from tests.unit.coercion.builder import IMPLICIT, Build


def test_every_kind_of_value_is_written_out():
    build = Build()
    dicom = build.file(
        build.element((0x0008, 0x1030), "LO", "КТ\r\nгрудь".encode()),
        build.element((0x0018, 0x0050), "DS", "1.5"),
        build.element((0x0028, 0x0010), "US", struct.pack("<H", 512)),
        build.element((0x0028, 0x0009), "AT", struct.pack("<HH", 0x0018, 0x1063)),
        build.element((0x0009, 0x0010), "LO", "SOMEBODY"),
        build.element((0x0009, 0x1001), "OB", b"\1\2\3\4"),
        build.element((0x0010, 0x4000), "LT", "я".encode() * 300),
        charset="ISO_IR 192",
    )
    found = {attribute.place: attribute for attribute in Header(dicom).attributes}
    assert found["(0008,1030)"].value == "КТ грудь"
    assert found["(0018,0050)"].value == "1.5"
    assert found["(0028,0010)"].value == "512"
    assert found["(0028,0009)"].value == "(0018,1063)"
    assert found["(0009,1001)"].value == "[4]"
    assert (found["(0009,1001)"].keyword, found["(0009,1001)"].description) == ("", "")
    assert len(found["(0010,4000)"].value) == 200
    assert found["(0010,0010)"].keyword == "PatientName"
    assert "(7FE0,0010)" not in found


def test_items_of_sequences_are_told_apart_and_compared():
    def dicom(first, second, *, undefined):
        build = Build(IMPLICIT)
        items = [build.item(build.element((0x0040, 0x0007), "LO", text)) for text in (first, second)]
        return build.file(build.sequence((0x0040, 0x0275), *items, undefined=undefined))

    ours, theirs = Header(dicom("a", "b", undefined=True)), Header(dicom("a", "c", undefined=False))
    (found,) = ours.differences(theirs)
    assert (found.held, found.stored, found.attribute.path) == ("b", "c", ((0x00400275, 1),))
    assert found.attribute.depth == 1


def test_what_only_one_has_is_a_difference_and_records_of_coercion_are_none():
    build = Build()
    record = build.sequence((0x0400, 0x0561), build.item(build.element((0x0400, 0x0563), "LO", "CAMI P")))
    time = build.element((0x0008, 0x0015), "DT", "2026")
    ours = Header(build.file(build.element((0x0008, 0x0050), "SH", "K1")))
    theirs = Header(build.file(record, time))
    assert [(d.attribute.keyword, d.held, d.stored) for d in ours.differences(theirs)] == [
        ("AccessionNumber", "K1", None)
    ]
    assert [(d.attribute.keyword, d.held, d.stored) for d in theirs.differences(ours)] == [
        ("AccessionNumber", None, "K1")
    ]


def test_what_is_no_dicom_says_nothing():
    header = Header(b"nonsense")
    assert (header.attributes, header.readable, header.text(0x00100010)) == ([], False, "")


def test_the_beginning_of_a_file_is_enough():
    build = Build()
    dicom = build.file(name=b"IVANOV")
    assert Header(dicom[:-1000]).text(0x00100010) == "IVANOV"
