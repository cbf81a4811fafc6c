"""Orthanc's hooks for C-FIND and C-MOVE: what comes in is handed to `cami.query_retrieve`, a refusal is raised.

A request fails only by an exception here; Orthanc then answers C000, "unable to process", and its log gets the text.
So no exception passes but `RequestRefused`, whose text is a code. Orthanc holds a lock while a C-FIND is answered: one
after the other.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from cami.edge import sdk
from cami.edge.logs import describe
from cami.edge.proxy_retrieval import ProxyRetrieval
from cami.edge.server import Server
from cami.errors import CamiError, Denied, Invalid
from cami.query_retrieve import (
    Caller,
    Findings,
    Move,
    Moves,
    Nodes,
    RetrieveRequest,
    Sender,
    StationCertificates,
    StoreSender,
    Target,
    Unreachable,
)
from cami.query_retrieve.away import AwayAtCentre, Waiting
from cami.query_retrieve.identifier import Element
from cami.query_retrieve.journal import DicomJournal
from cami.region import Service

log = logging.getLogger(__name__)

T = TypeVar("T")
#: Retrieves at the same time: each holds one of Orthanc's DICOM threads (``DicomThreadsCount``: 8), which devices need.
_AT_ONCE = 3
_NAMES = {"find": "C-FIND", "move": "C-MOVE"}


class RequestRefused(Exception):
    """Ends a request with the status C000; the text is a code."""


@dataclass(frozen=True, slots=True)
class _Connection:
    """Who calls, as Orthanc tells it."""

    aet: str
    address: str
    """Empty where Orthanc does not tell (Python plugin before 7.0)."""

    @classmethod
    def of(cls, connection: Any) -> "_Connection":
        return cls(connection.GetConnectionRemoteAet(), connection.GetConnectionRemoteIp())


class QueryRetrieve:
    """The Query/Retrieve SCP of a server."""

    def __init__(
        self, nodes: Nodes, findings: Findings, moves: Moves, journal: DicomJournal, opened: Callable[[str], None]
    ) -> None:
        """Make it; `opened` hears of each study that is sent to somebody, by its Study Instance UID."""
        self._nodes = nodes
        self._findings = findings
        self._moves = moves
        self._journal = journal
        self._opened = opened
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def register(self) -> None:
        """Register the hooks, with those that tell the caller's address where Orthanc has them."""
        if sdk.on_find_from is not None:
            sdk.on_find_from(lambda answers, query, connection: self._find(answers, query, _Connection.of(connection)))
        else:
            sdk.on_find(lambda answers, query, caller, _called: self._find(answers, query, _Connection(caller, "")))
        size: Callable[[Move], int] = lambda move: move.size  # noqa: E731 - Orthanc wants functions, four of them
        if sdk.on_move_from is not None:
            sdk.on_move_from(
                lambda connection, **keys: self._begin(_Connection.of(connection), keys), size, self._step, self._end
            )
        else:
            sdk.on_move(
                lambda **keys: self._begin(_Connection(keys["OriginatorAET"], ""), keys), size, self._step, self._end
            )

    def _find(self, answers: Any, query: Any, connection: _Connection) -> None:
        def answer(caller: Caller) -> None:
            found = self._findings.answer(caller, _elements(query))
            self._journal.searched(caller, found)
            for file in found.files:
                answers.FindAddAnswer(file)
            if not found.complete:
                answers.FindMarkIncomplete()

        self._answered(connection, "find", answer)

    def _begin(self, connection: _Connection, keys: dict[str, Any]) -> Move:
        def begin(caller: Caller) -> Move:
            request = RetrieveRequest.read(
                level=keys["Level"],
                target=keys["TargetAET"],
                patient_id=keys["PatientID"],
                study_uids=keys["StudyInstanceUID"],
                series_uids=keys["SeriesInstanceUID"],
                sop_uids=keys["SOPInstanceUID"],
            )
            if not self._places.acquire(blocking=False):
                raise Denied("too-many-retrieves")
            try:
                move = self._moves.plan(caller, request, int(keys["OriginatorID"]))
                self._journal.sends(caller, move)
                move.begin()
            except BaseException:
                self._places.release()
                raise
            for study_uid in move.studies:
                self._opened(study_uid)
            return move

        return self._answered(connection, "move", begin)

    def _step(self, move: Move) -> None:
        try:
            went_on = move.step()
        except Exception as error:  # noqa: BLE001 - it must end with a status
            log.error("a retrieve failed: %s", describe(error))  # noqa: TRY400
            went_on = False
        if not went_on:
            raise RequestRefused("not-all-sent")

    def _end(self, move: Move) -> None:
        try:
            move.close()
            if move.completed < move.size:
                log.warning(
                    "%s has had %d of %d images sent to %s", move.caller.aet, move.completed, move.size, move.target.aet
                )
                self._journal.sent_part(move)
        except Exception as error:  # noqa: BLE001 - Orthanc has answered already
            log.error("a retrieve could not be closed: %s", describe(error))  # noqa: TRY400
        finally:
            self._places.release()

    def _answered(self, connection: _Connection, service: Service, answer: Callable[[Caller], T]) -> T:
        """Answer a caller that may use a service, or refuse the request."""
        mo = ""
        try:
            caller = self._nodes.caller(connection.aet, connection.address, service)
            mo = caller.mo
            return answer(caller)
        except (Denied, Invalid, Unreachable) as error:
            self._refuse(connection, mo, service, str(error))
        except CamiError as error:
            log.error("%s of %s failed: %s", _NAMES[service], connection.aet, error)  # noqa: TRY400
        except Exception as error:  # noqa: BLE001 - the last line of defence
            log.error("%s of %s failed: %s", _NAMES[service], connection.aet, describe(error))  # noqa: TRY400
        raise RequestRefused("failed") from None

    def _refuse(self, connection: _Connection, mo: str, service: Service, reason: str) -> NoReturn:
        log.warning("%s of %s refused: %s", _NAMES[service], connection.aet, reason)
        try:
            self._journal.refused(connection.aet, mo, connection.address, _NAMES[service], reason)
        except CamiError as error:
            log.error("a refusal is not in the journal: %s", error)  # noqa: TRY400
        raise RequestRefused(reason) from None


def _elements(query: Any) -> list[Element]:
    return [
        (query.GetFindQueryTagGroup(index), query.GetFindQueryTagElement(index), query.GetFindQueryValue(index))
        for index in range(query.GetFindQuerySize())
    ]


def at_proxy(server: Server, retrieval: ProxyRetrieval, own_aet: str) -> None:
    """Answer the devices and workstations of a proxy's МО; what has left the proxy comes back from the centre."""
    away = AwayAtCentre(server.engine, retrieval.catalogue, retrieval.fetches, retrieval.wake)
    findings = Findings(own_aet, server.archive, server.visibility, away)
    moves = Moves(server.visibility, _senders(server, own_aet, None), away, Waiting(server.archive))
    nodes = Nodes(server.region, "proxy", server.settings.mo)
    QueryRetrieve(nodes, findings, moves, DicomJournal(server.audit), _opened(server)).register()


def at_centre(server: Server, nodes: Nodes, own_aet: str) -> None:
    """Answer the workstations that the operator lets in to the centre."""
    findings = Findings(own_aet, server.archive, server.visibility)
    certificates = StationCertificates(server.settings.secrets / "dicom")
    moves = Moves(server.visibility, _senders(server, own_aet, certificates))
    QueryRetrieve(nodes, findings, moves, DicomJournal(server.audit), _opened(server)).register()


def _opened(server: Server) -> Callable[[str], None]:
    """Return what notes that a study was opened: retention keeps what is looked at (`cami.delivery.readings`)."""
    return lambda study_uid: server.readings.note("GET", f"/dicom-web/studies/{study_uid}/retrieve")


def _senders(
    server: Server, own_aet: str, certificates: StationCertificates | None
) -> Callable[[Caller, Target, int], Sender]:
    def make(caller: Caller, target: Target, message: int) -> Sender:
        return StoreSender(own_aet, server.archive, caller, target, message=message, certificates=certificates)

    return make
