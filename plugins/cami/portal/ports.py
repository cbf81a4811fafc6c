"""What the pages need of others, as small protocols: whose studies somebody sees, and how far each has come."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cami.access import Identity


class Identifier(Protocol):
    """Tells who sent a request; `cami.access.Authenticator` does."""

    def identify(self, headers: Mapping[str, str]) -> Identity | None:
        """Return who sent a request with these headers (names in lower case), or None."""
        ...


class StudyFinder(Protocol):
    """Finds studies among those that somebody may see, and no others; `cami.access.Visibility` does."""

    def find(self, identity: Identity, query: Mapping[str, Any]) -> list[Any]:
        """Answer a query of ``/tools/find`` as Orthanc would for an archive that holds only what is visible."""
        ...

    def newest(self, identity: Identity, words: str, days: str, limit: int) -> list[Any] | None:
        """Return the newest studies that words find on those days; None if all have to be looked through."""
        ...


class StudyProgress(Protocol):
    """How far one study has come.

    At the centre `received` counts what has come out of the `expected` of the proxy's last manifest. At a proxy
    `expected` is what the proxy holds and `received` what the centre has answered for.
    """

    @property
    def owner(self) -> str:
        """Code of the МО that owns the study; empty if nobody does (yet)."""
        ...

    @property
    def received(self) -> int:
        """Instances that are at the centre."""
        ...

    @property
    def expected(self) -> int | None:
        """Instances of the whole study; None while nobody has said."""
        ...

    @property
    def state(self) -> str:
        """One of the keys of `cami.portal.wording.STATES`."""
        ...


class ProgressReader(Protocol):
    """Knows the progress of studies; `cami.watch` does."""

    def progress(self, study_ids: Sequence[str]) -> Mapping[str, StudyProgress]:
        """Return what is known, by Orthanc id; a study that nothing is known of is left out."""
        ...
