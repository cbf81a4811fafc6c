"""Text and origin of what a device sends, put right on the way to the centre; the proxy keeps the original."""

import hashlib
import io

import numpy as np
import pydicom
import pytest
import yaml
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)
from pynetdicom import AE

from tests.live import ROOT, LiveRegion, wait_until
from tests.unit.coercion.builder import Build

MO = "42001"
NAME = "Щёголев^Пётр^Ильич"
OID = "1.2.643.5.1.13.13.12.2.42.9901"


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """One proxy, which also sends as JPEG-LS what it can."""
    content = yaml.load((ROOT / "orthanc-config" / "region.yaml").read_text(), Loader=yaml.BaseLoader)
    content["organizations"][1].pop("proxy")
    content["organizations"][1].pop("devices")
    content["organizations"][0]["proxy"]["link"]["compression"] = "jpeg-ls"
    path = tmp_path_factory.mktemp("registry") / "region.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True))
    live = LiveRegion(tmp_path_factory.mktemp("region"))
    try:
        yield live.up(path)
    finally:
        live.down()


class Device:
    """A console that stores what it has, as the bytes are."""

    def __init__(self, region, aet):
        self.region = region
        self.aet = aet

    def store(self, dicom):
        dataset = pydicom.dcmread(io.BytesIO(dicom), force=True)
        syntax = dataset.file_meta.TransferSyntaxUID
        entity = AE(ae_title=self.aet)
        entity.add_requested_context(SecondaryCaptureImageStorage, syntax)
        address = self.region.proxy(MO)["dicom"]
        association = entity.associate(address["host"], address["port"], ae_title=address["aet"])
        assert association.is_established
        try:
            # Not decoded: pynetdicom writes the elements as they were read.
            assert association.send_c_store(dataset).Status == 0
        finally:
            association.release()
        return str(dataset.StudyInstanceUID)


def image(*, declared, codec, name=NAME, patient=b"COERCE-1", syntax=ExplicitVRLittleEndian):
    """A small picture with text in `codec`, whatever it declares."""
    build = Build(syntax)
    study, number = generate_uid(), np.arange(64 * 64, dtype="<u2")

    def uid(tag, value):
        return build.element(tag, "UI", value)

    def short(tag, value):
        return build.element(tag, "US", value.to_bytes(2, "little"))

    nested = build.item(build.element((0x0040, 0x0007), "LO", "Снимок".encode(codec)))
    return build.file(
        uid((0x0008, 0x0016), SecondaryCaptureImageStorage),
        uid((0x0008, 0x0018), generate_uid()),
        uid((0x0020, 0x000D), study),
        uid((0x0020, 0x000E), generate_uid()),
        build.element((0x0008, 0x0060), "CS", "OT"),
        build.element((0x0008, 0x0080), "LO", "HOSPITAL"),
        build.element((0x0008, 0x1030), "LO", "Снимок №1".encode(codec, "replace")),
        build.sequence((0x0040, 0x0275), nested),
        short((0x0028, 0x0002), 1),
        build.element((0x0028, 0x0004), "CS", "MONOCHROME2"),
        short((0x0028, 0x0010), 64),
        short((0x0028, 0x0011), 64),
        short((0x0028, 0x0100), 16),
        short((0x0028, 0x0101), 16),
        short((0x0028, 0x0102), 15),
        short((0x0028, 0x0103), 0),
        charset=declared,
        name=name.encode(codec),
        patient=patient,
        tail=build.element((0x7FE0, 0x0010), "OW", number.tobytes()),
    )


def file_of(session, base, study_uid):
    """The one file of a study, as that server holds it; None before it is there."""
    question = {"Level": "Instance", "Query": {"StudyInstanceUID": study_uid}}
    found = session.post(base + "/tools/find", json=question, timeout=30).json()
    return session.get(f"{base}/instances/{found[0]}/file", timeout=30).content if found else None


def arrived(region, study_uid):
    """Wait until a study is confirmed; return its file at the centre."""

    def confirmed():
        return [s for s in region.delivery(MO)["studies"] if s["study_uid"] == study_uid and s["confirmed"] == 1]

    wait_until("confirmed", confirmed, 30)
    return file_of(region.session("radiologist", MO), region.central, study_uid)


def named(region, study_uid):
    """What QIDO-RS at the centre calls the patient."""
    answer = region.session("radiologist", MO).get(
        region.central + "/dicom-web/studies",
        params={"StudyInstanceUID": study_uid},
        headers={"Accept": "application/dicom+json"},
        timeout=30,
    )
    (study,) = answer.json()
    return study["00100010"]["Value"][0]["Alphabetic"]


@pytest.mark.parametrize(
    ("aet", "declared", "codec"),
    [
        ("US42001", "ISO_IR 100", "cp1251"),  # override: windows-1251
        ("US42001", None, "cp1251"),
        ("DX42001", None, "cp1251"),  # default: windows-1251
        ("DX42001", "ISO_IR 192", "cp1251"),  # the bytes disprove what it declares
        ("CT42001", None, "iso8859_5"),  # default: ISO_IR 144
        ("CT42001", "ISO_IR 144", "iso8859_5"),
        ("MR42001", None, "utf-8"),  # default: ISO_IR 192
    ],
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_names_are_right_at_the_centre(region, aet, declared, codec, syntax):
    dicom = image(declared=declared, codec=codec, syntax=syntax)
    uid = Device(region, aet).store(dicom)
    there = pydicom.dcmread(io.BytesIO(arrived(region, uid)))
    assert named(region, uid) == NAME
    assert there.PatientName == NAME
    assert there.RequestAttributesSequence[0].ScheduledProcedureStepDescription == "Снимок"
    assert there.SpecificCharacterSet == "ISO_IR 192"
    assert there.file_meta.TransferSyntaxUID == JPEGLSLossless  # coerced, then compressed, then compared by Orthanc
    assert (there.pixel_array.reshape(-1) == np.arange(64 * 64)).all()
    assert (there.InstitutionName, there.IssuerOfPatientID) == ("ГБ № 1", f"MO:{OID}")
    assert there.InstitutionCodeSequence[0].LongCodeValue == OID
    assert there.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == OID
    (original,) = there.OriginalAttributesSequence
    assert original.ModifyingSystem == "CAMI PROXY42001"
    assert original.SourceOfPreviousValues == aet
    assert original.ModifiedAttributesSequence[0].InstitutionName == "HOSPITAL"
    # The МО's own archive has what the device sent.
    here = file_of(region.session("radiologist", MO), region.proxy(MO)["url"], uid)
    assert dicom[dicom.index(b"\x08\x00\x16\x00") :] in here


def test_what_nobody_can_read_is_kept_and_counted(region):
    uid = Device(region, "MR42001").store(image(declared=None, codec="cp1251"))
    there = pydicom.dcmread(io.BytesIO(arrived(region, uid)))
    told = there.OriginalAttributesSequence[0].NonconformingModifiedAttributesSequence
    values = {item.SelectorAttribute: item.NonconformingDataElementValue.rstrip(b" \0") for item in told}
    assert values[0x00100010] == NAME.encode("cp1251")
    proxy = region.proxy(MO)["url"]

    def counted():
        answer = region.session("region_admin").get(proxy + "/tools/metrics-prometheus", timeout=30).text
        lines = dict(line.split()[:2] for line in answer.splitlines() if line and not line.startswith("#"))
        return float(lines.get("cami_coercion_unreadable_text_objects", 0)) == 1

    wait_until("counted", counted, 15)
    log = (region.state / "servers" / "proxy-42001" / "server.log").read_text()
    assert "objects of MR42001: unreadable-text" in log
    assert NAME not in log


def test_a_patient_id_in_a_wrong_character_set_names_the_same_study_on_both_sides(region):
    """Orthanc's identifiers are made of it: were it put right, the centre would have another study."""
    uid = Device(region, "US42001").store(image(declared="ISO_IR 100", codec="cp1251", patient="12-А".encode("cp1251")))
    there = pydicom.dcmread(io.BytesIO(arrived(region, uid)))
    assert there.PatientName == NAME
    assert there.PatientID == "12-А".encode("cp1251").decode("latin_1")
    uid = Device(region, "DX42001").store(image(declared=None, codec="cp1251", patient="12-А".encode("cp1251")))
    there = pydicom.dcmread(io.BytesIO(arrived(region, uid)))
    assert there.PatientID == "12-"
    assert named(region, uid) == NAME


def test_both_archives_still_agree(region):
    technologist = region.session("technologist", MO)
    proxy = region.proxy(MO)["url"]
    run = technologist.post(proxy + "/cami/api/delivery/reconcile", json={}, timeout=30).json()["run"]

    def ended():
        runs = technologist.get(proxy + "/cami/api/delivery/completeness", timeout=30).json()["runs"]
        return next((r for r in runs if r["run"] == run and r["ended_at"]), None)

    result = wait_until("compared", ended, 60)
    assert result["instances"] > 10
    assert [result[key] for key in ("unknown", "missing", "different", "lost", "absent")] == [0] * 5


def test_the_same_object_gives_the_same_bytes_after_the_proxy_has_lost_its_queue(region):
    """What the centre has is known again by its digest: no image comes as other content."""
    dicom = image(declared="ISO_IR 100", codec="cp1251")
    uid = Device(region, "US42001").store(dicom)
    before = hashlib.sha256(arrived(region, uid)).hexdigest()
    queue = region.delivery(MO)["queue"]
    region.server("stop", f"proxy-{MO}")
    data = region.state / "servers" / f"proxy-{MO}" / "data"
    for path in data.glob("cami.sqlite*"):
        path.unlink()
    region.server("start", f"proxy-{MO}")
    region.settle(MO, sum(queue.values()))
    assert region.delivery(MO)["queue"]["quarantined"] == 0
    assert hashlib.sha256(arrived(region, uid)).hexdigest() == before
