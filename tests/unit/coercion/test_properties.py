"""Whatever text, character set and layout: what is promised of coercion holds."""

import io
import warnings
from datetime import UTC, datetime

import pydicom
from hypothesis import given
from hypothesis import strategies as st

from cami.coercion import Arrival, Institution, Rules, Stamps, coerce
from cami.coercion.layout import take_apart
from cami.errors import Invalid
from cami.region import CharacterSets

from .builder import BIG, EXPLICIT, IMPLICIT, PIXELS, Build

SETS = ["ISO_IR 192", "ISO_IR 144", "ISO_IR 100", "windows-1251", "ibm866", "koi8-r"]
CODECS = ["utf-8", "iso8859_5", "latin_1", "cp1251", "cp866", "koi8_r"]
DECLARED = [None, "", "ISO_IR 192", "ISO_IR 144", "ISO_IR 100", "\\ISO 2022 IR 144", "GBK", "WINDOWS-1251", "NONSENSE"]
LETTERS = st.text(st.sampled_from("АБВГДЕЁЖЗабвгдеёжз №«»ABC^=\\-1"), max_size=20)
BYTES = st.one_of(
    st.binary(max_size=20), st.tuples(LETTERS, st.sampled_from(CODECS)).map(lambda it: it[0].encode(it[1], "replace"))
)
EARLY = Arrival("CT42001", datetime(2026, 1, 1, tzinfo=UTC))
LATE = Arrival("", datetime(2027, 1, 1, tzinfo=UTC))
PLACE = Institution("ГБ № 1", "1.2.643.5.1.13.13.12.2.42.9901")


@st.composite
def rule(draw):
    device = CharacterSets(default=draw(st.sampled_from(SETS)), override=draw(st.none() | st.sampled_from(SETS)))
    stamps = Stamps(PLACE, draw(st.booleans()), draw(st.booleans()))
    return Rules(draw(st.booleans()), device, stamps, "PROXY42001")


@st.composite
def image(draw):
    build = Build(draw(st.sampled_from([EXPLICIT, IMPLICIT, BIG])))
    undefined = draw(st.booleans())
    inner = [build.element((0x0040, 0x0007), "LO", draw(BYTES))]
    if draw(st.booleans()):
        inner.insert(0, build.element((0x0008, 0x0005), "CS", draw(st.sampled_from(DECLARED[1:]))))
    nested = build.sequence((0x0040, 0x0275), build.item(*inner, undefined=undefined), undefined=undefined)
    return build.file(
        nested,
        build.element((0x0008, 0x0080), "LO", draw(BYTES)),
        build.element((0x0010, 0x4000), "LT", draw(BYTES)),
        charset=draw(st.sampled_from(DECLARED)),
        name=draw(BYTES),
        patient=draw(st.sampled_from([b"", b"P1", "12-А".encode("cp1251")])),
    )


def read(dicom):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(dicom))
        str(dataset)  # every value, nested ones too
    return dataset


@given(image(), rule())
def test_promises(dicom, rules):
    coerced = coerce(dicom, rules, EARLY, lambda: "12-").dicom
    assert coerce(dicom, rules, EARLY, lambda: "12-").dicom == coerced
    assert coerce(coerced, rules, LATE, lambda: "12-").dicom == coerced
    assert coerced.endswith(PIXELS)
    before, after = read(dicom), read(coerced)
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "PixelData"):
        assert after[keyword].value == before[keyword].value
    if after.get("SpecificCharacterSet") == "ISO_IR 192" and rules.text:
        for tag in ("PatientName", "PatientComments", "PatientID", "InstitutionName"):
            take_apart(coerced).dataset.raw(pydicom.tag.Tag(tag)).decode("utf-8")


@given(st.binary(max_size=300))
def test_no_bytes_do_any_harm(rest):
    dicom = Build().head() + rest
    coerce(dicom, Rules(True, CharacterSets(), Stamps(PLACE, True, True), "PROXY42001"), EARLY, lambda: "")


@given(image())
def test_taking_apart_and_joining_changes_nothing(dicom):
    assert take_apart(dicom).joined() == dicom


@given(image(), st.integers(132, 400))
def test_a_file_that_is_cut_is_refused_or_whole(dicom, length):
    try:
        file = take_apart(dicom[:length])
    except Invalid:
        return
    assert file.joined() == dicom[:length]
