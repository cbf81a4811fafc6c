"""What people upload at the centre is put right as what devices send is, and comes out the same the next time."""

import io
from pathlib import Path
from types import SimpleNamespace

import pydicom
import pytest

from cami.db.tables import received_instance
from cami.delivery.uploaded import UploadCoercing, UploadedHere
from cami.region import load_region
from tests.unit.coercion.builder import Build
from tests.unit.delivery.conftest import dicom, region  # noqa: F401 - a fixture

REGION = load_region(Path("orthanc-config/region.yaml"))
OWNER = REGION.organization("42001")


@pytest.fixture
def coercing(region):  # noqa: F811
    return UploadCoercing(REGION, region.central, region.central_db, region.clock)


def what(instance_id="an-instance"):
    return SimpleNamespace(instance_id=instance_id, patient_id="P1")


def read(file):
    return pydicom.dcmread(io.BytesIO(file))


def written():
    build = Build()
    institution = build.element((0x0008, 0x0080), "LO", "Где-то".encode("iso8859-5"))
    return build.file(institution, charset="ISO_IR 144", name="Иванов^Пётр".encode("iso8859-5"))


def test_text_origin_and_issuer_are_put_right_and_the_originals_kept(coercing):
    got = read(coercing.prepare("42001", written(), what(), from_outside=False).dicom)
    assert got.SpecificCharacterSet == "ISO_IR 192"
    assert str(got.PatientName) == "Иванов^Пётр"
    assert got.InstitutionName == OWNER.short_name
    assert OWNER.oid in got.IssuerOfPatientID
    (original,) = got.OriginalAttributesSequence
    assert original.ModifyingSystem.endswith(REGION.centre.aet)
    assert original.ModifiedAttributesSequence[0].InstitutionName == "Где-то"


def test_a_document_of_another_mo_keeps_its_own_institution(coercing):
    got = read(coercing.prepare("42001", written(), what(), from_outside=True).dicom)
    assert got.InstitutionName == "Где-то"
    assert OWNER.oid in got.IssuerOfPatientID, "the Patient ID is the owner's"


def test_sent_again_it_is_the_same(coercing, region):  # noqa: F811
    first = coercing.prepare("42001", written(), what(), from_outside=False)
    region.receiver.receive("42001", dicom())
    (stored,) = region.central.files
    with region.central_db.begin() as connection:
        connection.execute(received_instance.update().values(uploaded_at=first.at))
    region.clock.pass_(minutes=7)
    again = coercing.prepare("42001", written(), what(stored), from_outside=False)
    assert again.dicom == first.dicom
    assert coercing.prepare("42001", written(), what("another"), from_outside=False).dicom != first.dicom


def test_what_was_downloaded_and_is_sent_back_stays_as_it_is(coercing, region):  # noqa: F811
    region.receiver.receive("42001", dicom())
    (stored,) = region.central.files
    assert coercing.prepare("42001", dicom(), what(stored), from_outside=False).dicom == dicom()


@pytest.mark.parametrize("file", [b"no DICOM", dicom()])
def test_what_cannot_be_put_right_is_kept_as_it_is(coercing, file):
    assert coercing.prepare("42001", file, what(), from_outside=False).dicom == file
    assert coercing.prepare("49999", written(), what(), from_outside=False).dicom == written(), "no such МО"


def test_a_proxy_remembers_what_was_uploaded(region):  # noqa: F811
    uploads = UploadedHere(region.central_db, region.clock)
    assert not uploads.has("a")
    uploads.note("a", "tech1")
    uploads.note("a", "tech1")
    assert uploads.has("a")
    assert not uploads.has("b")
