"""The N-EVENT-REPORT of storage commitment, sent by ourselves over an association of its own (PS3.4 J.3.3).

Orthanc tries once, and what it could try again does not survive its restart (version 1.13 writes the job down and
cannot read it). Here the answer of the device is known, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom import Dataset
from pynetdicom import AE, build_role
from pynetdicom.sop_class import (  # type: ignore[attr-defined] # made when the module is imported
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from cami.delivery.commitment import Verdict
from cami.errors import Transient

#: Event types of PS3.4 table J.3-2.
ALL_COMMITTED, SOME_FAILED = 1, 2
#: Failure reasons of PS3.3 C.14.1.1. "Not yet" has none of its own: the device keeps the image and asks again.
_REASONS = {
    Verdict.UNKNOWN: 0x0112,
    Verdict.OTHER_CLASS: 0x0119,
    Verdict.DAMAGED: 0x0110,
    Verdict.NOT_YET: 0x0110,
}
#: Seconds for connecting, and for each answer.
_PATIENCE = 20


@dataclass(frozen=True, slots=True)
class Listener:
    """A device that waits for reports."""

    aet: str
    host: str
    port: int


class EventReports:
    """Sends reports from an AE title."""

    def __init__(self, own_aet: str, listeners: Mapping[str, Listener]) -> None:
        """Make a sender.

        Parameters
        ----------
        own_aet
            Of this proxy.
        listeners
            By AE title.
        """
        self._own_aet = own_aet
        self._listeners = listeners

    def knows(self, aet: str) -> bool:
        """Say whether the registry tells where a device listens."""
        return aet in self._listeners

    def send(self, aet: str, transaction_uid: str, verdicts: Mapping[tuple[str, str], Verdict]) -> int:
        """Send one report and return the status that the device answered; 0 is success.

        Parameters
        ----------
        verdicts
            By SOP Class UID and SOP Instance UID.

        Raises
        ------
        cami.errors.Transient
            The device cannot be reached, takes no reports, or did not answer.
        """
        listener = self._listeners[aet]
        entity = AE(ae_title=self._own_aet)
        entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _PATIENCE
        entity.add_requested_context(StorageCommitmentPushModel)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        association = entity.associate(listener.host, listener.port, ae_title=listener.aet, ext_neg=[role])
        if not association.is_established:
            raise Transient(f"no association with {aet}")
        try:
            answer, _ = association.send_n_event_report(
                _information(transaction_uid, verdicts),
                SOME_FAILED if _failed(verdicts) else ALL_COMMITTED,
                StorageCommitmentPushModel,
                StorageCommitmentPushModelInstance,
            )
        except (ValueError, RuntimeError) as error:
            raise Transient(f"{aet} takes no report of storage commitment") from error
        finally:
            association.release()
        if "Status" not in answer:
            raise Transient(f"no answer of {aet}")
        return int(answer.Status)


def _failed(verdicts: Mapping[tuple[str, str], Verdict]) -> dict[tuple[str, str], Verdict]:
    return {item: verdict for item, verdict in verdicts.items() if verdict is not Verdict.COMMITTED}


def _information(transaction_uid: str, verdicts: Mapping[tuple[str, str], Verdict]) -> Dataset:
    """Make the event information of PS3.4 table J.3-2."""
    failed = _failed(verdicts)
    report = Dataset()
    report.TransactionUID = transaction_uid
    committed = [_reference(*item) for item in verdicts if item not in failed]
    if committed:
        report.ReferencedSOPSequence = committed
    if failed:
        report.FailedSOPSequence = [_reference(*item, _REASONS[verdict]) for item, verdict in failed.items()]
    return report


def _reference(sop_class_uid: str, sop_instance_uid: str, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
    if reason is not None:
        item.FailureReason = reason
    return item
