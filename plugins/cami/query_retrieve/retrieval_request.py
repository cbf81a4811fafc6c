"""The identifier of a C-MOVE request read strictly (PS3.4 C.4.2.1.4): unique keys only, nothing that stands for all."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cami.errors import Invalid
from cami.query_retrieve.identifier import split_uids
from cami.query_retrieve.keys import Level

_PATIENT_ID = re.compile(r"[^*?\\\x00-\x1f]{1,64}")


@dataclass(frozen=True, slots=True)
class RetrieveRequest:
    """What somebody wants to have sent, and where to."""

    level: Level
    patient_id: str
    study_uids: Sequence[str]
    series_uids: Sequence[str]
    sop_uids: Sequence[str]
    target: str
    """AE title."""

    @classmethod
    def read(
        cls,
        *,
        level: str,
        target: str,
        patient_id: str = "",
        study_uids: str = "",
        series_uids: str = "",
        sop_uids: str = "",
    ) -> Self:
        """Read the keys as Orthanc hands them over.

        Raises
        ------
        cami.errors.Invalid
            A key that the level needs is missing or names no single object; the text is a code.
        """
        try:
            known = Level("IMAGE" if level.strip().upper() == "INSTANCE" else level.strip().upper())
        except ValueError:
            raise Invalid("no-such-level") from None
        patient = patient_id.strip(" \0")
        if patient and not _PATIENT_ID.fullmatch(patient):
            raise Invalid("no-single-patient")
        request = cls(known, patient, _uids(study_uids), _uids(series_uids), _uids(sop_uids), target.strip(" \0"))
        request._require_keys()
        return request

    def _require_keys(self) -> None:
        needed: Sequence[object] = {
            Level.PATIENT: (self.patient_id,),
            Level.STUDY: (self.study_uids,),
            Level.SERIES: (self.series_uids, self.study_uids),
            Level.IMAGE: (self.sop_uids, self.study_uids),
        }[self.level]
        if not all(needed):
            raise Invalid("missing-unique-key")


def _uids(value: str) -> Sequence[str]:
    if not value.strip(" \0"):
        return ()
    uids = split_uids(value)
    if not uids:
        raise Invalid("no-uid")
    return uids
