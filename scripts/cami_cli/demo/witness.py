"""Collects the facts that the checks judge, from a running region."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.pixels.decoders.base import JPEGLSLosslessDecoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEGLSLossless

from cami_cli.api_client import ApiClient, orthanc_id
from cami_cli.demo.checks import (
    HIDDEN,
    UNKNOWN,
    Check,
    check_answers,
    check_delivery,
    check_names,
    check_pixels,
    check_shared_patient,
    check_sight,
)
from cami_cli.demo.table import Row
from cami_cli.phantoms import WrittenStudy
from cami_cli.phantoms.people import SHARED
from cami_cli.region_file import Account, Region

_DOCTOR = "radiologist"
#: What lists or counts patients, studies or people, or tells about the server.
_LISTS = (
    "/system",
    "/statistics",
    "/changes",
    "/patients",
    "/studies",
    "/series",
    "/instances",
    "/dicom-web/studies",
    "/dicom-web/instances",
    "/app/explorer.html",
)
#: As viewers ask (OHIF too): in the encoding that is stored. PS3.18's default would have the server decode, which it
#: cannot for every syntax.
_AS_STORED = 'multipart/related; type="{}"; transfer-syntax=*'
_FIND: dict[str, Any] = {"Level": "Study", "Query": {}, "Expand": False}


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object, or something of its study, can be had."""

    name: str
    """As it is shown: without identifiers."""
    path: str
    accept: str = "*/*"


@dataclass(frozen=True, slots=True)
class Sample:
    """One object of a study and the ids by which it is addressed."""

    path: Path
    study_id: str
    series_id: str
    instance_id: str
    study_uid: str
    series_uid: str
    sop_uid: str

    def addresses(self) -> list[Address]:
        """Return every kind of address at which the object, or its study, can be had."""
        web = f"/dicom-web/studies/{self.study_uid}"
        series = f"{web}/series/{self.series_uid}"
        instance = f"{series}/instances/{self.sop_uid}"
        return [
            Address("/studies/{id}", f"/studies/{self.study_id}"),
            Address("/studies/{id}/series", f"/studies/{self.study_id}/series"),
            Address("/series/{id}/instances", f"/series/{self.series_id}/instances"),
            Address("/instances/{id}", f"/instances/{self.instance_id}"),
            Address("/instances/{id}/tags", f"/instances/{self.instance_id}/tags"),
            Address("/instances/{id}/file", f"/instances/{self.instance_id}/file"),
            Address("WADO-RS study metadata", f"{web}/metadata"),
            Address("WADO-RS series metadata", f"{series}/metadata"),
            Address("WADO-RS instance", instance, _AS_STORED.format("application/dicom")),
            Address("WADO-RS frame", f"{instance}/frames/1", _AS_STORED.format("application/octet-stream")),
        ]


def sample(folder: Path, study: WrittenStudy) -> list[Sample]:
    """Return the first, the middle and the last object of a study."""
    paths = sorted((folder / study.folder).glob("*.dcm"))
    chosen = dict.fromkeys([paths[0], paths[len(paths) // 2], paths[-1]])
    return [_sample(path, study) for path in chosen]


def _sample(path: Path, study: WrittenStudy) -> Sample:
    header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID", "SOPInstanceUID"])
    uids = [study.study_uid, str(header.SeriesInstanceUID), str(header.SOPInstanceUID)]
    ids = [orthanc_id(study.patient_id, *uids[:depth]) for depth in (1, 2, 3)]
    return Sample(path, *ids, *uids)


class Witness:
    """Looks at a region with the eyes of its doctors, and of nobody."""

    def __init__(self, region: Region, folder: Path, written: Sequence[WrittenStudy]) -> None:
        self._region = region
        self._folder = folder
        self._written = written
        self._mos = sorted({study.mo for study in written})

    def checks(self, rows: Sequence[Row]) -> Iterator[Check]:
        """Yield every check when it has been made."""
        yield check_delivery(rows)
        for mo in self._mos:
            yield self._sight(mo)
        if shared := self._shared():
            yield shared
        for mo in self._mos:
            yield from self._addresses(mo)
        yield self._strangers()
        yield self._names()
        yield self._pixels()

    def _doctor(self, mo: str) -> Account:
        return self._region.account(_DOCTOR, mo)

    def _central(self, mo: str) -> ApiClient:
        return ApiClient(self._region.central_url, self._doctor(mo))

    def _own(self, mo: str) -> set[str]:
        """Return the studies that the МО's proxy says it has delivered: also those of earlier runs."""
        with ApiClient(self._region.proxy(mo).url, self._doctor(mo)) as proxy:
            delivered = {study.study_uid for study in proxy.delivery()}
        return delivered | {study.study_uid for study in self._written if study.mo == mo}

    def _sight(self, mo: str) -> Check:
        with self._central(mo) as central:
            ways = {
                "QIDO-RS": central.qido_studies(),
                "/tools/find": central.find_studies(),
                "/cami/api/studies": {study.study_uid for study in central.studies()},
            }
        return check_sight(f"the doctor of {mo}", ways, self._own(mo))

    def _shared(self) -> Check | None:
        own = {
            mo: {s.study_uid for s in self._written if s.mo == mo and s.patient_id == SHARED.patient_id}
            for mo in self._mos
        }
        if not all(own.values()):
            return None
        seen = {}
        for mo in self._mos:
            with self._central(mo) as central:
                seen[mo] = central.qido_studies(f"?PatientID={SHARED.patient_id}")
                seen[mo] |= central.find_studies({"PatientID": SHARED.patient_id})
        return check_shared_patient(seen, own)

    def _addresses(self, mo: str) -> Iterator[Check]:
        """Yield what the doctor of `mo` gets at direct addresses of the own МО's studies, and of the others'."""
        others = [other for other in self._mos if other != mo]
        with self._central(mo) as central:
            own = _statuses(central, self._samples(mo), mo)
            foreign: dict[str, int] = {}
            for other in others:
                foreign |= _statuses(central, self._samples(other), other)
        yield check_answers(f"the doctor of {mo} opens the own studies by direct address", own, {200})
        yield check_answers(f"the doctor of {mo} opens no study of another МО by direct address", foreign, HIDDEN)
        elsewhere: dict[str, int] = {}
        for other in others:
            with ApiClient(self._region.proxy(other).url, self._doctor(mo)) as proxy:
                # One study: each of these is a failed sign-in there, and their number is limited.
                elsewhere |= _statuses(proxy, self._samples(other)[:1], f"proxy {other}")
        yield check_answers(f"the doctor of {mo} is nobody at the proxy of another МО", elsewhere, UNKNOWN)

    def _strangers(self) -> Check:
        """Return what somebody without an account gets, at every server."""
        answers: dict[str, int] = {}
        servers = [("centre", self._region.central_url, self._mos, "/cami/api/studies")]
        servers += [(f"proxy {mo}", self._region.proxy(mo).url, [mo], "/cami/api/delivery") for mo in self._mos]
        for name, url, mos, progress in servers:
            with ApiClient(url) as stranger:
                for path in (*_LISTS, progress):
                    answers[f"{path} at {name}"] = stranger.status(path)
                answers[f"/tools/find at {name}"] = stranger.status("/tools/find", body=_FIND)
                for mo in mos:
                    answers |= _statuses(stranger, self._samples(mo), f"{mo} at {name}")
        return check_answers("somebody without an account gets nothing, anywhere", answers, UNKNOWN)

    def _samples(self, mo: str) -> list[Sample]:
        """Return one object of each study of an МО."""
        return [sample(self._folder, study)[0] for study in self._written if study.mo == mo]

    def _names(self) -> Check:
        read = {}
        for mo in self._mos:
            with self._central(mo) as central:
                names = central.patient_names()
            for study in self._written:
                if study.mo == mo:
                    read[f"{mo} {study.modality}"] = names.get(study.study_uid) == study.patient_name
        return check_names(read, sum(not study.text_is_right for study in self._written))

    def _pixels(self) -> Check:
        compared = {}
        for study in self._written:
            with self._central(study.mo) as central:
                for chosen in sample(self._folder, study):
                    name = f"{study.mo} {study.modality} {chosen.path.name}"
                    compared[name] = same_pixels(chosen.path, central.file(chosen.instance_id))
        return check_pixels(compared)


def _statuses(client: ApiClient, samples: Sequence[Sample], of: str) -> dict[str, int]:
    """Return the status of every address of `samples`, by a name that says which address and whose."""
    return {
        f"{address.name} of {of} ({number})": client.status(address.path, accept=address.accept)
        for number, chosen in enumerate(samples, start=1)
        for address in chosen.addresses()
    }


def same_pixels(path: Path, stored: bytes | None) -> bool | None:
    """Return whether the archive's file has the pixels of the file at `path`; None if this Python cannot decode them.

    What the device compressed must come as the very same bytes. What it did not may have been made JPEG-LS for the
    way: then every decoded sample must be the same.
    """
    if stored is None:
        return False
    ours, theirs = pydicom.dcmread(path), pydicom.dcmread(io.BytesIO(stored))
    sent, held = ours.file_meta.TransferSyntaxUID, theirs.file_meta.TransferSyntaxUID
    if sent == held:
        return bool(ours.PixelData == theirs.PixelData)
    if sent.is_compressed or held != JPEGLSLossless:
        return False
    if not JPEGLSLosslessDecoder.is_available:  # CPython 3.14: docs/dependencies.md
        return None
    return bool(np.array_equal(pixel_array(theirs, raw=True), pixel_array(ours, raw=True)))
