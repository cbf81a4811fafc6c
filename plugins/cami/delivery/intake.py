"""Objects that people send by HTTP: ``POST /instances``, and with it each part of a STOW-RS request (PS3.18 §10.5).

The DICOMweb plugin stores each part through ``POST /instances`` with the client's headers, so this one place decides
about both. Whose an object is, `decide` says, as for what proxies deliver, before Orthanc sees it:

* of the own МО it may be anything;
* into a study of another МО that somebody sees, by a grant, it may only be a document about it: a report, marked
  images, a presentation. The study stays its owner's.

What may not join the archive is refused and not kept, since the sender is told and still has it. All refusals look
alike, so that nobody learns from them what another МО has.
"""

import hashlib
import logging
from collections.abc import Callable
from typing import Protocol

from cami.access import Action, Authenticator, Identity, Visibility, allowed, may_store
from cami.archive import Archive, ObjectIdentity, orthanc_id
from cami.delivery.disk import NoRoom
from cami.delivery.ownership import KnownInstance, decide
from cami.delivery.quarantine import OTHER_CONTENT
from cami.delivery.receiver import Receiver
from cami.delivery.squeeze import TooLarge, expanded
from cami.delivery.uploaded import UploadCoercing, UploadedHere
from cami.errors import CamiError, Denied, Invalid, Permanent
from cami.settings import Role as ServerRole
from cami.web import Handler, Request, Response, answer_json, answer_text

log = logging.getLogger(__name__)

#: More than this is not unpacked for anybody.
LARGEST = 1 << 30
_ZIP = b"PK\x03\x04"

#: SOP classes of what people write about a study (PS3.4 B.5): structured reports and key object selection, presentation
#: states, segmentations, encapsulated documents.
DOCUMENTS = (
    "1.2.840.10008.5.1.4.1.1.88.",
    "1.2.840.10008.5.1.4.1.1.11.",
    "1.2.840.10008.5.1.4.1.1.66.",
    "1.2.840.10008.5.1.4.1.1.104.",
)


class Keeper(Protocol):
    """Stores an object for somebody, or refuses."""

    def keep(self, identity: Identity, dicom: bytes, what: ObjectIdentity) -> bool:
        """Store it; return whether it was there already.

        Raises
        ------
        cami.errors.Denied
            It may not join the archive.
        cami.errors.Transient
            It cannot be stored now.
        """
        ...


class CentralKeeper:
    """The centre: many МО, each object under its owner."""

    def __init__(self, receiver: Receiver, visibility: Visibility, coercing: UploadCoercing) -> None:
        self._receiver = receiver
        self._visibility = visibility
        self._coercing = coercing

    def keep(self, identity: Identity, dicom: bytes, what: ObjectIdentity) -> bool:
        """Store an object of the own МО, or a document about a study that is seen."""
        mo = self._for_whom(identity, what)
        prepared = self._coercing.prepare(mo, dicom, what, from_outside=mo != identity.mo)
        reception = self._receiver.upload(mo, prepared.dicom, what, identity.login, prepared.at)
        if reception.outcome not in ("stored", "present"):
            raise Denied(reception.reason)
        return reception.outcome == "present"

    def attach(self, dicom: bytes, what: ObjectIdentity, by: str) -> None:
        """Store a document that this server has made, under the owner of its study; one that is there stays.

        Raises
        ------
        cami.errors.Permanent
            Nobody owns the study, or it may not join it.
        cami.errors.Transient
            It cannot be stored now.
        """
        owner = self._receiver.owner_of(what.study_uid)
        if owner is None:
            raise Permanent("nobody's study")
        reception = self._receiver.upload(owner, dicom, what, by, None)
        if reception.outcome == "rejected" and reception.reason != OTHER_CONTENT.code:
            raise Permanent(reception.reason)

    def _for_whom(self, identity: Identity, what: ObjectIdentity) -> str:
        owner = self._receiver.owner_of(what.study_uid)
        if identity.mo and owner in (None, identity.mo) and allowed(identity.role, Action.STUDIES_STORE, "central"):
            return identity.mo
        if (
            owner is not None
            and is_document(what)
            and allowed(identity.role, Action.DOCUMENTS_STORE, "central")
            and self._visibility.sees(identity, "studies", what.study_id)
        ):
            return owner
        raise Denied("another МО's study" if owner else "nobody's study")


class ProxyKeeper:
    """A proxy: everything is its own МО's, and goes to the centre with all else."""

    def __init__(self, mo: str, archive: Archive, uploads: UploadedHere, require_room: Callable[[], None]) -> None:
        self._mo = mo
        self._archive = archive
        self._uploads = uploads
        self._require_room = require_room

    def keep(self, identity: Identity, dicom: bytes, what: ObjectIdentity) -> bool:
        """Store an object, unless another one has its identifiers."""
        if identity.mo != self._mo or not allowed(identity.role, Action.STUDIES_STORE, "proxy"):
            raise Denied("not of this МО, or documents only")
        self._require_room()
        known = self._archive.stored_md5(what.instance_id)
        namesakes = [KnownInstance(what.instance_id, self._mo, known, stored=True)] if known else []
        digest = hashlib.md5(dicom, usedforsecurity=False).hexdigest()
        decision = decide(self._mo, digest, what, self._mo, namesakes)
        if decision.reason is not None:
            raise Denied(decision.reason.code)
        if not decision.store:
            return True
        # First, so that nobody who reads of it in the change log takes it for something that came back.
        self._uploads.note(what.instance_id, identity.login)
        outcome = self._archive.store(dicom)
        if outcome.already_stored and self._archive.stored_md5(what.instance_id) != digest:
            raise Denied("other-content")
        return outcome.already_stored


def is_document(what: ObjectIdentity) -> bool:
    """Say whether an object is something written about a study, and no image."""
    return what.sop_class.startswith(DOCUMENTS)


def intake(authenticator: Authenticator, archive: Archive, keeper: Keeper, server: ServerRole) -> Handler:
    """Return the handler of ``POST /instances``. It asks for itself who sends: DICOMweb passes the gate by."""

    def store(request: Request) -> Response:
        identity = authenticator.identify(request.headers)
        if identity is None or not may_store(identity, server):
            return answer_text(403, "")
        try:
            dicom = _body(request)
            what = archive.parse(dicom)
            present = keeper.keep(identity, dicom, what)
        except (CamiError, OSError) as error:
            return _refusal(error)
        return answer_json(_told(what, present=present))

    return store


def _refusal(error: CamiError | OSError) -> Response:
    if isinstance(error, Denied):
        log.warning("an object sent by HTTP was refused: %s", error)
        return answer_text(403, "")
    if isinstance(error, Invalid | Permanent):
        return answer_text(413 if isinstance(error, TooLarge) else 400, str(error))
    if isinstance(error, NoRoom):
        return answer_text(507, "no room now: try again later")
    return answer_text(503, "try again later")


def _body(request: Request) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Invalid("the body's Content-Encoding must be gzip or none")
    dicom = expanded(request.body, LARGEST) if encoding == "gzip" else request.body
    if dicom.startswith(_ZIP):
        raise Invalid("one object a request: no ZIP")
    if not dicom:
        raise Invalid("the body is empty")
    return dicom


def _told(what: ObjectIdentity, *, present: bool) -> dict[str, str]:
    """Answer as Orthanc does, which the DICOMweb plugin reads."""
    return {
        "ID": what.instance_id,
        "ParentPatient": orthanc_id(what.patient_id),
        "ParentSeries": what.series_id,
        "ParentStudy": what.study_id,
        "Path": f"/instances/{what.instance_id}",
        "Status": "AlreadyStored" if present else "Success",
    }
