"""Phantoms: valid objects, the same in every run, of people who do not exist."""

import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from cami_cli.phantoms import WrittenStudy, cache_key, plan, read_phantoms, write_phantoms
from cami_cli.phantoms.people import PEOPLE, SHARED, snils
from cami_cli.phantoms.pixels import available, put_colour, put_grey

#: Type 1 attributes by SOP class (PS3.3, the IOD's mandatory modules); dciodvfy agrees, but is not in every machine.
COMMON_1 = "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality SamplesPerPixel Rows Columns "
COMMON_1 += "PhotometricInterpretation BitsAllocated BitsStored HighBit PixelRepresentation PixelData ImageType"
COMMON_2 = "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime AccessionNumber StudyID "
COMMON_2 += "ReferringPhysicianName SeriesNumber InstanceNumber Manufacturer"
PLANE = "PixelSpacing ImageOrientationPatient ImagePositionPatient FrameOfReferenceUID SliceThickness"
DX = (
    "PresentationIntentType ImageLaterality PixelIntensityRelationship PixelIntensityRelationshipSign RescaleIntercept "
)
DX += "RescaleSlope RescaleType PresentationLUTShape LossyImageCompression BurnedInAnnotation ImagerPixelSpacing "
DX += "AnatomicRegionSequence PatientOrientation WindowCenter WindowWidth"
OF_CLASS = {
    CTImageStorage: f"{PLANE} RescaleIntercept RescaleSlope KVP AcquisitionNumber WindowCenter",
    MRImageStorage: f"{PLANE} ScanningSequence SequenceVariant MRAcquisitionType EchoTime RepetitionTime",
    DigitalXRayImageStorageForPresentation: DX,
    DigitalMammographyXRayImageStorageForPresentation: f"{DX} PositionerType ViewCodeSequence OrganExposed",
    UltrasoundImageStorage: "SequenceOfUltrasoundRegions UltrasoundColorDataPresent",
    UltrasoundMultiFrameImageStorage: "NumberOfFrames FrameTime FrameIncrementPointer",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("phantoms")


@pytest.fixture(scope="module")
def studies(folder: Path) -> list[WrittenStudy]:
    return write_phantoms(folder, small=True)


@pytest.fixture(scope="module")
def files(folder: Path, studies: list[WrittenStudy]) -> dict[Path, Dataset]:
    found = {path: pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))}
    assert len(found) == sum(study.instances for study in studies) > 20
    return found


def test_every_modality_and_class_is_there(files: dict[Path, Dataset]) -> None:
    assert {instance.SOPClassUID for instance in files.values()} == set(OF_CLASS)
    wanted = {ExplicitVRLittleEndian, available(JPEGLSLossless), JPEG2000Lossless, JPEGBaseline8Bit, RLELossless}
    assert {instance.file_meta.TransferSyntaxUID for instance in files.values()} == wanted


def test_mandatory_attributes_have_values(files: dict[Path, Dataset]) -> None:
    for path, instance in files.items():
        for keyword in f"{COMMON_1} {COMMON_2} {OF_CLASS[instance.SOPClassUID]}".split():
            assert keyword in instance, f"{path.parent.name}: {keyword}"
            assert not instance[keyword].is_empty, f"{path.parent.name}: {keyword}"


def test_identifiers_are_valid_and_unique(files: dict[Path, Dataset]) -> None:
    uids = [instance.SOPInstanceUID for instance in files.values()]
    assert len(set(uids)) == len(uids)
    study_of: dict[UID, set[UID]] = defaultdict(set)
    for instance in files.values():
        assert instance.SOPInstanceUID == instance.file_meta.MediaStorageSOPInstanceUID
        for uid in (instance.SOPInstanceUID, instance.SeriesInstanceUID, instance.StudyInstanceUID):
            assert uid.is_valid
            assert uid.startswith("2.25.")
        study_of[instance.SeriesInstanceUID].add(instance.StudyInstanceUID)
    assert all(len(owners) == 1 for owners in study_of.values())


def test_pixels_decode_and_show_something(files: dict[Path, Dataset]) -> None:
    for path, instance in files.items():
        pixels = instance.pixel_array
        assert pixels.shape[-3:-1] == (instance.Rows, instance.Columns) or pixels.shape[-2:] == (
            instance.Rows,
            instance.Columns,
        )
        assert len(np.unique(pixels)) > 40, path


def test_two_runs_write_the_same_bytes(folder: Path, studies: list[WrittenStudy], tmp_path: Path) -> None:
    again = write_phantoms(tmp_path, small=True)
    assert again == studies

    def digests(root: Path) -> dict[Path, str]:
        return {p.relative_to(root): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*.dcm")}

    assert digests(tmp_path) == digests(folder)


def test_another_seed_is_other_studies(tmp_path: Path, studies: list[WrittenStudy]) -> None:
    other = write_phantoms(tmp_path, small=True, only=["MR"], seed=7)
    assert {study.study_uid for study in other}.isdisjoint(study.study_uid for study in studies)


def test_small_and_full_studies_share_no_identifier() -> None:
    small, full = ({planned.study.study_uid for planned in plan(small=size)} for size in (True, False))
    assert small.isdisjoint(full)


def test_names_are_cyrillic_in_the_character_sets_of_real_devices(files: dict[Path, Dataset]) -> None:
    codecs = {("ISO_IR 144", "CT"): "iso8859_5", ("ISO_IR 100", "US"): "cp1251", (None, "DX"): "iso8859_5"}
    seen = set()
    for instance in files.values():
        declared = instance.get("SpecificCharacterSet")
        codec = codecs.get((declared, instance.Modality), "utf-8")
        assert (codec == "utf-8") == (declared == "ISO_IR 192")
        name = instance["PatientName"].value.original_string.decode(codec)
        assert name.rstrip() in {person.name for person in PEOPLE}
        seen.add((declared, codec))
    assert seen == {("ISO_IR 192", "utf-8"), ("ISO_IR 144", "iso8859_5"), ("ISO_IR 100", "cp1251"), (None, "iso8859_5")}


def test_the_index_tells_whose_text_is_declared_wrongly(studies: list[WrittenStudy]) -> None:
    assert {(study.mo, study.modality) for study in studies if not study.text_is_right} == {
        ("42001", "US"),
        ("42002", "DX"),
    }


def test_one_person_was_studied_at_both_mo_and_nobody_else(studies: list[WrittenStudy]) -> None:
    by_mo: dict[str, set[str]] = defaultdict(set)
    for study in studies:
        by_mo[study.mo].add(study.patient_id)
    assert set(by_mo) == {"42001", "42002"}
    assert by_mo["42001"] & by_mo["42002"] == {SHARED.patient_id}


@pytest.mark.parametrize(
    ("number", "digits"), [(700_123_456, "70012345618"), (700_123_457, "70012345719"), (700_123_458, "70012345820")]
)
def test_snils_check_digits(number: int, digits: str) -> None:
    assert snils(number) == digits


@pytest.mark.parametrize("number", [1, 1001998, 1_000_000_000])
def test_snils_refuses_numbers_without_check_digits(number: int) -> None:
    with pytest.raises(ValueError, match="check digits"):
        snils(number)


def test_people_have_ids_of_the_unused_range() -> None:
    ids = [person.patient_id for person in PEOPLE]
    assert len(set(ids)) == len(ids)
    assert all(patient_id.startswith("700123") for patient_id in ids)


def test_ct_is_a_volume_in_hounsfield_units(files: dict[Path, Dataset]) -> None:
    series: dict[UID, list[Dataset]] = defaultdict(list)
    for instance in files.values():
        if instance.Modality == "CT":
            series[instance.SeriesInstanceUID].append(instance)
    assert {slices[0].PixelRepresentation for slices in series.values()} == {0, 1}
    for slices in series.values():
        heights = sorted(float(instance.ImagePositionPatient[2]) for instance in slices)
        assert np.allclose(np.diff(heights), float(slices[0].SliceThickness), atol=0.002)
        middle = slices[len(slices) // 2]
        hu = middle.pixel_array.astype(float) + float(middle.RescaleIntercept)
        centre = hu.shape[0] // 2
        assert -1100 < np.median(hu[: centre // 8, centre - 5 : centre + 5]) < -900, "air above the chest"
        assert -950 < np.median(hu[centre, centre // 2 : centre // 2 + 8]) < -700, "lung"
        assert hu.max() > 300, "bone"


def test_both_photometric_interpretations_of_a_radiograph_look_alike(files: dict[Path, Dataset]) -> None:
    bright = {}
    for instance in files.values():
        if instance.Modality == "DX" and instance.ViewPosition == "PA":
            part = instance.pixel_array / (2**instance.BitsStored - 1)
            middle = instance.Columns // 2
            spine = float(np.median(part[:, middle - 3 : middle + 3]))
            inverted = instance.PhotometricInterpretation == "MONOCHROME1"
            bright[instance.PhotometricInterpretation] = 1 - spine if inverted else spine
    assert set(bright) == {"MONOCHROME1", "MONOCHROME2"}
    assert abs(bright["MONOCHROME1"] - bright["MONOCHROME2"]) < 0.05
    assert min(bright.values()) > 0.5


def _blank() -> Dataset:
    instance = Dataset()
    instance.file_meta = FileMetaDataset()
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return instance


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, available(JPEGLSLossless), JPEG2000Lossless, RLELossless])
@pytest.mark.parametrize("kind", [np.uint16, np.int16])
def test_lossless_encodings_keep_every_value(syntax: UID, kind: type[np.generic]) -> None:
    limits = np.iinfo(kind)
    pixels = np.random.default_rng(1).integers(limits.min, limits.max, (61, 47), dtype=kind, endpoint=True)
    instance = _blank()
    put_grey(instance, pixels, stored=16, syntax=syntax)
    assert instance.file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(instance.pixel_array, pixels)


def test_jpeg_cine_says_that_it_is_lossy_and_how_much() -> None:
    ramp = np.linspace(0, 255, 64 * 48, dtype=np.uint8).reshape(48, 64)
    frames = np.stack([np.repeat(ramp[:, :, None], 3, axis=2)] * 5)
    instance = _blank()
    put_colour(instance, frames, syntax=JPEGBaseline8Bit)
    assert instance.NumberOfFrames == 5
    assert (instance.LossyImageCompression, instance.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    assert float(instance.LossyImageCompressionRatio) > 1
    assert np.abs(instance.pixel_array[..., 0].astype(int) - frames[..., 0]).mean() < 6


def test_unknown_modality_is_named() -> None:
    with pytest.raises(ValueError, match="XA"):
        plan(only=["CT", "XA"])


def test_only_some_modalities() -> None:
    assert {planned.study.modality for planned in plan(only=["CT", "MR"])} == {"CT", "MR"}


class TestCache:
    def test_reads_back_what_was_written(self, tmp_path: Path) -> None:
        written = write_phantoms(tmp_path, small=True, only=["MR"])
        assert read_phantoms(tmp_path, cache_key(small=True, only=["MR"])) == written

    def test_nothing_for_other_arguments(self, tmp_path: Path) -> None:
        write_phantoms(tmp_path, small=True, only=["MR"])
        assert read_phantoms(tmp_path, cache_key(small=False, only=["MR"])) is None

    def test_nothing_if_a_file_is_gone(self, tmp_path: Path) -> None:
        written = write_phantoms(tmp_path, small=True, only=["MR"])
        next((tmp_path / written[0].folder).glob("*.dcm")).unlink()
        assert read_phantoms(tmp_path, cache_key(small=True, only=["MR"])) is None

    def test_nothing_in_an_empty_or_broken_folder(self, tmp_path: Path) -> None:
        assert read_phantoms(tmp_path, "x") is None
        (tmp_path / "phantoms.json").write_text("{", encoding="utf-8")
        assert read_phantoms(tmp_path, "x") is None
