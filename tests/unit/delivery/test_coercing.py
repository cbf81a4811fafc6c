"""Which rules an instance goes by, and that nothing about tags ever keeps an image from being sent."""

import io
import logging

import pydicom
import pytest

from cami.delivery import Coercing
from cami.delivery.coercing import FAILED
from cami.delivery.items import Item
from cami.errors import NotFound, Transient
from cami.region import Coercion, Device, DeviceCoercion, Organization, Proxy
from tests.unit.coercion.builder import Build

OID = "1.2.643.5.1.13.13.12.2.42.9901"
NAME = "Иванов"


def organization(**proxy):
    devices = [
        {"aet": "CT42001", "department": "Рентген"},
        {"aet": "OLD42001", "character_set": {"default": "ISO_IR 192", "override": "windows-1251"}},
        {"aet": "OFF42001", "coercion": {"institution": False, "character_set": "false"}},
    ]
    return Organization.model_validate(
        {
            "code": "42001",
            "oid": OID,
            "full_name": "Больница",
            "short_name": "ГБ № 1",
            "proxy": {"aet": "PROXY42001", "link": {"mbit_s": 2}, **proxy},
            "devices": [{"name": "Аппарат", "modality": "CT", "address": "10.1.1.5", **device} for device in devices],
        }
    )


class Metadata:
    """The part of an archive that is asked."""

    def __init__(self):
        self.source = "CT42001"
        self.failure = None
        self.received = "20260727T101112"

    def get(self, uri):
        assert uri == "/instances/abc/metadata?expand"
        if self.failure:
            raise self.failure
        return {"RemoteAET": self.source, "ReceptionDate": self.received}


@pytest.fixture
def archive():
    return Metadata()


def prepare(archive, dicom, mo=None):
    mo = mo or organization()
    coercing = Coercing(archive, mo, mo.proxy)
    return coercing.prepare(Item("abc", "study", 0), dicom), coercing.counted()


def read(dicom):
    return pydicom.dcmread(io.BytesIO(dicom))


def test_an_instance_goes_by_the_rules_of_its_device(archive):
    build = Build()
    wrong = build.file(charset="ISO_IR 100", name=NAME.encode("cp1251"))
    assert read(prepare(archive, wrong)[0]).PatientName != NAME
    archive.source = "OLD42001"
    dataset = read(prepare(archive, wrong)[0])
    assert dataset.PatientName == NAME
    assert (dataset.InstitutionName, dataset.IssuerOfPatientID) == ("ГБ № 1", f"MO:{OID}")
    assert "InstitutionalDepartmentName" not in dataset
    assert dataset.OriginalAttributesSequence[0].AttributeModificationDateTime == "20260727101112.000000+0000"
    archive.source = "CT42001"
    assert read(prepare(archive, build.file())[0]).InstitutionalDepartmentName == "Рентген"


def test_a_device_may_be_an_exception(archive):
    archive.source = "OFF42001"
    dataset = read(prepare(archive, Build().file(charset="ISO_IR 100", name=NAME.encode("cp1251")))[0])
    assert dataset.SpecificCharacterSet == "ISO_IR 100"
    assert "InstitutionName" not in dataset
    assert dataset.IssuerOfPatientID == f"MO:{OID}"


def test_an_mo_may_turn_all_of_it_off(archive):
    mo = organization(coercion={"character_set": False, "institution": False, "issuer_of_patient_id": False})
    dicom = Build().file(charset="ISO_IR 144", name=NAME.encode("iso8859_5"))
    assert prepare(archive, dicom, mo)[0] is dicom


def test_what_came_from_no_device_of_the_registry_is_stamped_too(archive):
    archive.source = ""
    dataset = read(prepare(archive, Build().file())[0])
    assert dataset.InstitutionName == "ГБ № 1"
    assert dataset.OriginalAttributesSequence[0].SourceOfPreviousValues == ""


def test_what_cannot_be_coerced_is_sent_and_told_once(archive, caplog):
    mo = organization()
    coercing = Coercing(archive, mo, mo.proxy)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert coercing.prepare(Item("abc", "study", 0), b"no DICOM") == b"no DICOM"
    assert coercing.counted()["malformed"] == 3
    assert [record.message for record in caplog.records] == [
        "objects of CT42001: malformed (told once; counted in the metrics)"
    ]


def test_an_unforeseen_failure_stops_nothing_and_tells_no_names(archive, caplog):
    archive.received = "Иванов"
    dicom = Build().file()
    with caplog.at_level(logging.WARNING):
        sent, counted = prepare(archive, dicom)
    assert sent is dicom
    assert counted[FAILED] == 1
    assert "Иванов" not in caplog.text
    assert "ValueError" in caplog.text


@pytest.mark.parametrize("failure", [Transient("busy"), NotFound("gone")])
def test_an_archive_that_cannot_tell_now_is_asked_again(archive, failure):
    archive.failure = failure
    with pytest.raises(Transient):
        prepare(archive, Build().file())


def test_exceptions_of_devices_override_the_proxy():
    assert Coercion(institution=False).of_device(DeviceCoercion(institution=True)) == Coercion()
    assert Coercion().of_device(DeviceCoercion()) == Coercion()
    assert Device.model_fields["coercion"].default == DeviceCoercion()
    assert Proxy.model_fields["coercion"].default == Coercion()
