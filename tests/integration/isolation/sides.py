"""Two МО whose patients share a number, everything that identifies a study of theirs, and the core's routes.

``core_routes.txt`` holds the paths of Orthanc 1.13.0: those of ``Orthanc --openapi`` and those that only its binary
names, with the DICOMweb plugin's that are not below ``/dicom-web/studies``.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

ROUTES = Path(__file__).with_name("core_routes.txt").read_text().split()
#: The only routes of the core that take a POST from people.
OPEN_POSTS = {"/tools/find", "/tools/count-resources", "/tools/lookup", "/instances", "/dicom-web/studies"}
JSON = {"Accept": "application/dicom+json"}
PATIENT = "SHARED-1"


def image(folder, study, *, name="", series=1, number=1, patient=PATIENT, sop="", seed=0):
    """Write one small CT image; UIDs are made of the study's."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = sop or f"{study}.{series}.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.{series}"
    dataset.PatientID, dataset.PatientName, dataset.SpecificCharacterSet = patient, name, "ISO_IR 192"
    dataset.Modality, dataset.StudyDate, dataset.AccessionNumber = "CT", "20260102", "ACC1"
    dataset.StudyDescription = f"Описание {name}"
    dataset.InstanceNumber, dataset.Rows, dataset.Columns = number, 16, 16
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelData = ((np.arange(256) * 7 + seed) % 4096).astype("<u2").tobytes()
    path = folder / f"{series}-{number}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


class Side:
    """One МО with its study, and everything that identifies it."""

    def __init__(self, region, folder, mo, name):
        self.mo, self.name, self.uid = mo, name, generate_uid()[:50]
        for series in (1, 2):
            for number in (1, 2):
                image(folder / mo, self.uid, name=name, series=series, number=number)
        region.send(folder / mo, mo)
        region.settle(mo, 4)
        self.central = region.central
        self.doctor = region.session("radiologist", mo)
        self.study = self.find("Study")[0]
        self.series = self.find("Series", {"SeriesInstanceUID": f"{self.uid}.1"})[0]
        self.instance = self.find("Instance", {"SOPInstanceUID": f"{self.uid}.1.1"})[0]
        self.patient = self.get(f"/studies/{self.study}").json()["ParentPatient"]
        self.ids = {"studies": self.study, "series": self.series, "instances": self.instance, "patients": self.patient}

    def get(self, path, **more):
        return self.doctor.get(self.central + path, timeout=60, **more)

    def find(self, level, query=(), **more):
        body = {"Level": level, "Query": dict(query), **more}
        answer = self.doctor.post(self.central + "/tools/find", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def web(self):
        return f"/dicom-web/studies/{self.uid}"

    def betrayed_by(self, content):
        """Say what of this МО stands in `content`."""
        secrets = (self.name, self.uid, self.study, self.series, self.instance)
        texts = [content]
        if content.startswith(b"PK"):
            archive = zipfile.ZipFile(io.BytesIO(content))
            texts += [name.encode() for name in archive.namelist()] + [
                archive.read(name) for name in archive.namelist()
            ]
        return [secret for secret in secrets if any(secret.encode() in text for text in texts)]


def unhurt(victim):
    """The owner still has all of it, unchanged and readable by every way."""
    assert victim.find("Study") == [victim.study]
    assert len(victim.find("Instance", ParentStudy=victim.study)) == 4
    metadata = victim.get(f"{victim.web}/metadata", headers=JSON)
    assert metadata.status_code == 200
    assert {image["00100010"]["Value"][0]["Alphabetic"] for image in metadata.json()} == {victim.name}
    assert len(metadata.json()) == 4
    frame = victim.get(f"{victim.web}/series/{victim.uid}.1/instances/{victim.uid}.1.1/frames/1")
    assert frame.status_code == 200
    assert (np.arange(256) * 7 % 4096).astype("<u2").tobytes() in frame.content


def named(route, ids):
    """Fill a route's places with the identifiers of a victim, of the level that the route is for."""
    own = ids.get(route.split("/")[1], ids["studies"])
    fill = {
        "id": own,
        "frame": "0",
        "name": "dicom",
        "index": "0",
        "label": "mo-42001",
        "path": "0010-0010",
        "key": "archive",
    }
    for place, value in fill.items():
        route = route.replace("{" + place + "}", value)
    return route
