"""C-STORE as a device does it (PS3.4 annex B): files go out with the encoding that they have on disk, never another.

A presentation context is proposed for each pair of SOP class and transfer syntax, as many associations as they need
(PS3.8 9.3.2: an association has 128). A broken association is opened again once for each file.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS, code_to_category

from cami.dimse import Parking, send_at_once, send_from_files
from cami_cli.dicom_folder import DicomFile
from cami_cli.region_file import DicomAddress

MAXIMUM_CONTEXTS = 128
_CONNECT_SECONDS = 10
#: Orthanc never answers for a data set that DCMTK cannot parse, so this is also what each such file costs.
_ANSWER_SECONDS = 30
#: So many files in a row without an answer mean that nobody will answer for the others either.
_SILENT_FILES = 3
_SILENCE = "the server does not answer, as Orthanc does not for a data set that it cannot parse"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    file: DicomFile
    stored: bool
    reason: str = ""
    """Why it was refused, or what the archive warned of."""


@dataclass(slots=True)
class Summary:
    """What became of all files."""

    sent: int = 0
    sent_size: int = 0
    seconds: float = 0.0
    refused: list[Outcome] = field(default_factory=list)
    warned: list[Outcome] = field(default_factory=list)
    skipped: int = 0
    """Files that are no DICOM."""

    def add(self, outcome: Outcome) -> None:
        """Count one file."""
        if not outcome.stored:
            self.refused.append(outcome)
            return
        self.sent += 1
        self.sent_size += outcome.file.size
        if outcome.reason:
            self.warned.append(outcome)


OnOutcome = Callable[[Outcome], None]


def split_by_contexts(files: Sequence[DicomFile], limit: int = MAXIMUM_CONTEXTS) -> list[list[DicomFile]]:
    """Split `files` into runs that need no more than `limit` presentation contexts each; their order is kept."""
    runs: list[list[DicomFile]] = []
    pairs: set[tuple[str, str]] = set()
    for file in files:
        pair = (file.sop_class, file.transfer_syntax)
        if not runs or (pair not in pairs and len(pairs) == limit):
            runs.append([])
            pairs = set()
        pairs.add(pair)
        runs[-1].append(file)
    return runs


def store_files(files: Sequence[DicomFile], to: DicomAddress, calling: str, on_outcome: OnOutcome) -> None:
    """Store `files` at `to` from the AE title `calling`; `on_outcome` hears of each when it is decided."""
    send_from_files()
    for file in files:
        if file.fault:
            on_outcome(Outcome(file, stored=False, reason=file.fault))
    for run in split_by_contexts([file for file in files if not file.fault]):
        for outcome in _store_run(run, to, calling):
            on_outcome(outcome)


def _store_run(run: Sequence[DicomFile], to: DicomAddress, calling: str) -> Iterator[Outcome]:
    link = _Link(run, to, calling)
    try:
        for file in run:
            yield Outcome(file, stored=False, reason=link.dead) if link.dead else link.store(file)
    finally:
        link.close()


class _Link:
    """The associations, one at a time, over which a run of files goes."""

    def __init__(self, run: Sequence[DicomFile], to: DicomAddress, calling: str) -> None:
        self._pairs = list(dict.fromkeys((file.sop_class, file.transfer_syntax) for file in run))
        self._to = to
        self._entity = AE(ae_title=calling)
        self._entity.connection_timeout = self._entity.acse_timeout = _CONNECT_SECONDS
        self._entity.dimse_timeout = self._entity.network_timeout = _ANSWER_SECONDS
        self._association: Association | None = None
        self._parking = Parking()
        self._silent = 0
        self.dead = ""
        """Why nothing more can be sent: no association, or a server that does not answer any more."""

    def store(self, file: DicomFile) -> Outcome:
        """Store one file, over a new association if the old one broke; twice at most."""
        for _ in range(2):
            association = self._opened()
            began = time.monotonic()
            outcome = _store(association, file) if association else None
            if outcome is not None:
                self._silent = 0
                return outcome
            self._drop()
            if self.dead:
                return Outcome(file, stored=False, reason=self.dead)
            if time.monotonic() - began >= _ANSWER_SECONDS:
                return self._unanswered(file)
        return Outcome(
            file, stored=False, reason="the server broke the association instead of answering, as for an unknown device"
        )

    def _unanswered(self, file: DicomFile) -> Outcome:
        self._silent += 1
        if self._silent >= _SILENT_FILES:
            self.dead = f"the server has not answered {self._silent} times in a row"
        return Outcome(file, stored=False, reason=_SILENCE)

    def close(self) -> None:
        """Release the association."""
        if self._association is not None:
            self._association.release()
        self._drop()

    def _drop(self) -> None:
        """Leave a broken association to its reactor, which notices that it has ended."""
        self._association = None
        self._parking.leave()

    def _opened(self) -> Association | None:
        """Return an open association, or None with the reason in `dead`."""
        if self._association is None:
            association = self._entity.associate(
                self._to.host,
                self._to.port,
                contexts=[build_context(sop_class, syntax) for sop_class, syntax in self._pairs],
                ae_title=self._to.aet,
                evt_handlers=[(evt.EVT_CONN_OPEN, send_at_once)],
            )
            self.dead = "" if association.is_established else self._refusal(association)
            if not self.dead:
                self._parking = Parking()
                self._association = association if self._parking.park(association) else None
        return self._association

    def _refusal(self, association: Association) -> str:
        answer = association.acceptor.primitive
        if association.is_rejected and answer is not None:
            return f"association rejected: {answer.reason_str}".lower()
        if association.rejected_contexts and not association.accepted_contexts:
            return "the server takes none of these SOP classes and transfer syntaxes"
        return f"no DICOM server answers at {self._to.host}:{self._to.port}"


def _store(association: Association, file: DicomFile) -> Outcome | None:
    """Store one file; None if the association ended before the answer."""
    try:
        answer = association.send_c_store(file.path)
    except ValueError:
        return Outcome(file, stored=False, reason="SOP class or transfer syntax not accepted by the server")
    except RuntimeError:
        return None
    except OSError as error:
        return Outcome(file, stored=False, reason=f"cannot be read: {error.strerror}")
    if "Status" not in answer:
        return None
    status = int(answer.Status)
    if status == 0:
        return Outcome(file, stored=True)
    _, meaning = STORAGE_SERVICE_CLASS_STATUS.get(status, ("", "Unknown status"))
    return Outcome(file, stored=code_to_category(status) == "Warning", reason=f"0x{status:04X} {meaning}")
