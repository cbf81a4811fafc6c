"""What happens while an object comes in over DICOM, before Orthanc stores it.

Orthanc answers "success" to an object whose identifiers it has already and drops it, whatever its content
(``OverwriteInstances`` off; version 1.13 does so before its C-STORE filter). To the device that object was accepted,
so it must not vanish: one with other content goes to the quarantine. This runs under a lock that holds up every
reception, and waits for Python's lock whenever it comes back from Orthanc: in the usual case Orthanc is not asked at
all (`cami.delivery.newcomers`). What Orthanc cannot file (no Patient ID, Study, Series or SOP Instance UID) it refuses
itself, with status A700 and a line in its log that names what is missing.
"""

import hashlib
import logging

from sqlalchemy.exc import SQLAlchemyError

from cami.archive import Archive
from cami.delivery.direct import DirectReception, Status
from cami.delivery.newcomers import Newcomers
from cami.delivery.quarantine import OTHER_CONTENT, Quarantine
from cami.edge import sdk
from cami.edge.guard import guarded
from cami.edge.logs import describe
from cami.errors import Denied, Permanent
from cami.query_retrieve import Nodes
from cami.query_retrieve.journal import DicomJournal

log = logging.getLogger(__name__)

_Verdict = tuple[sdk.ReceivedInstanceAction, bytes | None]
_KEEP: _Verdict = (sdk.ReceivedInstanceAction.KEEP_AS_IS, None)
#: The only way to make Orthanc answer a failure from here: what it cannot parse it does not accept. To a discarded
#: object it answers "success".
_REFUSE: _Verdict = (sdk.ReceivedInstanceAction.MODIFY, b"refused")
_DISCARD: _Verdict = (sdk.ReceivedInstanceAction.DISCARD, None)
#: Where a DICOM file has its Media Storage SOP Instance UID (0002,0003), explicit VR little endian (PS3.10 §7.1).
_SOP_UID_TAG = b"\x02\x00\x03\x00UI"


def receive_at_proxy(archive: Archive, newcomers: Newcomers, quarantine: Quarantine) -> None:
    """Register the reception hooks of a proxy."""

    @guarded("received_instance", verdict=_KEEP)
    def received(dicom: bytes, origin: sdk.InstanceOrigin) -> _Verdict:
        try:
            arrival = newcomers.hear(dicom)
        except Permanent as error:
            log.warning("an object is left to Orthanc: %s", error)
            return _KEEP
        known = None if arrival.new else archive.stored_md5(arrival.instance_id)
        if known is None:
            newcomers.tell(arrival)
            return _KEEP
        if origin != sdk.InstanceOrigin.DICOM_PROTOCOL or known == _md5(dicom):
            return _KEEP
        try:
            quarantine.keep(dicom, archive.parse(dicom), source="device", reason=OTHER_CONTENT)
        except (OSError, SQLAlchemyError) as error:
            log.critical("the quarantine cannot be written (%s); the device is told to keep its image", describe(error))
            return _REFUSE
        log.error("an object with known identifiers and other content is kept in quarantine")
        return _DISCARD

    sdk.on_received_instance(received)


def receive_at_centre(archive: Archive, nodes: Nodes, direct: DirectReception, journal: DicomJournal) -> None:
    """Register the centre's hooks: it takes images over DICOM from nodes that the operator lets in, and no others."""

    # Orthanc says "success" to an object that it has already, and drops it. One with other content stays with the node.
    @guarded("received_instance", verdict=_REFUSE)
    def received(dicom: bytes, origin: sdk.InstanceOrigin) -> _Verdict:
        if origin != sdk.InstanceOrigin.DICOM_PROTOCOL or not _seen(dicom):
            return _KEEP
        known = archive.stored_md5(archive.parse(dicom).instance_id)
        same = known in (None, _md5(dicom))
        return _KEEP if same else _REFUSE

    @guarded("cstore", verdict=int(Status.NOT_AUTHORIZED))
    def filter_cstore(instance: sdk.DicomInstance) -> int:
        aet = instance.GetInstanceRemoteAet()
        try:
            caller = nodes.caller(aet, "", "store")
        except Denied as error:
            log.error("C-STORE from %s refused (0124): %s", aet, error)  # noqa: TRY400
            return int(Status.NOT_AUTHORIZED)
        status = direct.admit(caller.mo, aet, instance.GetInstanceData())
        if status is Status.NOT_AUTHORIZED:
            journal.refused(aet, caller.mo, caller.address, "C-STORE", "collision")
        return int(status)

    sdk.on_received_instance(received)
    sdk.on_cstore(filter_cstore)


def _md5(dicom: bytes) -> str:
    return hashlib.md5(dicom, usedforsecurity=False).hexdigest()


def _seen(dicom: bytes) -> bool:
    place = dicom.find(_SOP_UID_TAG, 128, 1024)
    if place < 0:
        return True
    start = place + len(_SOP_UID_TAG) + 2
    length = int.from_bytes(dicom[start - 2 : start], "little")
    uid = dicom[start : start + length].rstrip(b"\0 ").decode("ascii", "replace")
    try:
        return bool(sdk.lookup_instance(uid))
    except sdk.OrthancException:
        return False
