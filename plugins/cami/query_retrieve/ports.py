"""What queries and retrieves need of others, as small protocols."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cami.access import Identity
from cami.query_retrieve.nodes import Caller


class Finder(Protocol):
    """Finds among what somebody may see, and nothing else; `cami.access.Visibility` does."""

    def find(self, identity: Identity | None, query: Mapping[str, Any]) -> list[Any]:
        """Answer a query of ``/tools/find`` as Orthanc would for an archive that holds only what is visible."""
        ...


@dataclass(frozen=True, slots=True)
class AwayStudy:
    """A study of which nothing is here, but which can be brought."""

    attributes: Mapping[str, str]
    """By keyword, as an answer at the study level has them."""


@dataclass(frozen=True, slots=True)
class AwayInstance:
    """An image that is not here, but can be brought."""

    instance_id: str
    """The Orthanc id that it has once it is here."""
    study_id: str


class Elsewhere(Protocol):
    """What of the archive is not here but can be brought: at a proxy, what the centre keeps (`cami.retrieval`)."""

    def studies(self, dates: str) -> Sequence[AwayStudy]:
        """List studies that are away, the newest first; `dates` is a range as DICOM writes it, or empty."""
        ...

    def instances(
        self, study_uid: str, *, series_uids: Sequence[str] = (), sop_uids: Sequence[str] = ()
    ) -> Sequence[AwayInstance]:
        """List images of a study that are away, of certain series or images if they are named."""
        ...

    def series(self, study_uids: Sequence[str]) -> Sequence[AwayStudy]:
        """List the series of studies that are away, with attributes of study and patient."""
        ...

    def studies_of(self, patient_id: str) -> Sequence[str]:
        """Return the Study Instance UIDs of a patient's studies, those away included."""
        ...

    def bring(self, study_id: str, caller: Caller) -> None:
        """Have what is away of a study brought, before all that nobody waits for."""
        ...


class Nowhere:
    """There is nothing elsewhere: the centre has all that it knows."""

    def studies(self, dates: str) -> Sequence[AwayStudy]:  # noqa: ARG002
        """Return nothing."""
        return ()

    def instances(
        self,
        study_uid: str,  # noqa: ARG002
        *,
        series_uids: Sequence[str] = (),  # noqa: ARG002
        sop_uids: Sequence[str] = (),  # noqa: ARG002
    ) -> Sequence[AwayInstance]:
        """Return nothing."""
        return ()

    def series(self, study_uids: Sequence[str]) -> Sequence[AwayStudy]:  # noqa: ARG002
        """Return nothing."""
        return ()

    def studies_of(self, patient_id: str) -> Sequence[str]:  # noqa: ARG002
        """Return nothing."""
        return ()

    def bring(self, study_id: str, caller: Caller) -> None:
        """Do nothing."""
