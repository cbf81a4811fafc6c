"""Sub-operations of a C-MOVE: images sent by C-STORE to the target of a caller (PS3.4 annex B)."""

import logging
import ssl
from pathlib import Path

from cami.archive import Archive
from cami.dimse import Caller as Association
from cami.dimse import NoAssociation, NotAccepted, Peer
from cami.errors import Misconfigured, Permanent, Transient
from cami.query_retrieve.moving import Unreachable
from cami.query_retrieve.nodes import Caller, Target
from cami.routing.objects import Header, read_header

log = logging.getLogger(__name__)

#: Statuses with which an image has arrived: success, a warning, or it was there (PS3.4 B.2.3, PS3.7 annex C).
_ARRIVED = frozenset({0x0000, 0x0001, 0x0111})
_WARNINGS = range(0xB000, 0xC000)


class StationCertificates:
    """TLS with workstations of an МО: what they must show, and what we show.

    In the folder: ``MO.ca.pem``, the certificates that workstations of an МО may show; ``centre.pem``, ours with key.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, mo: str) -> ssl.SSLContext:
        """Return the settings for an МО.

        Raises
        ------
        cami.errors.Misconfigured
            A file is missing, or is no certificate.
        """
        try:
            context = ssl.create_default_context(cafile=self._folder / f"{mo}.ca.pem")
            context.load_cert_chain(self._folder / "centre.pem")
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(f"no usable certificates of МО {mo} in {self._folder}") from error
        return context


class StoreSender:
    """Sends to one target. For one thread."""

    def __init__(
        self,
        own_aet: str,
        archive: Archive,
        caller: Caller,
        target: Target,
        *,
        message: int,
        certificates: StationCertificates | None = None,
    ) -> None:
        """Make it; `message` is the Message ID of the C-MOVE request."""
        tls = certificates.of(caller.mo) if target.tls and certificates is not None else None
        self._archive = archive
        self._target = target
        self._association = Association(
            Peer(target.host, target.port, target.aet, own_aet, tls), originator=(caller.aet, message)
        )
        self._instead: dict[tuple[str, str], tuple[str, ...]] = {}

    def send(self, instance_id: str) -> bool:
        """Send one image; False if the target does not take it, or it is gone."""
        try:
            dicom = self._archive.read(instance_id)
            header = read_header(dicom) if dicom is not None else None
        except (Permanent, Transient) as error:
            log.warning("an image cannot be read for a retrieve: %s", error)
            return False
        if dicom is None or header is None:
            return False
        try:
            status = self._store(dicom, header)
        except NoAssociation as error:
            log.warning("%s cannot be reached: %s", self._target.aet, error)
            raise Unreachable(str(error)) from error
        except NotAccepted:
            log.warning("%s takes no objects of class %s", self._target.aet, header.sop_class)
            return False
        if status in _ARRIVED or status in _WARNINGS:
            return True
        log.warning("%s refuses an image with status %04X", self._target.aet, status)
        return False

    def close(self) -> None:
        """End the association."""
        self._association.close()

    def _store(self, dicom: bytes, header: Header) -> int:
        """Send an image as it is stored, else in a transfer syntax that the target takes.

        What it takes instead is remembered: asking anew would be an association for each image.
        """
        asked = (header.sop_class, header.syntax)
        if asked not in self._instead:
            try:
                return self._association.store(dicom, header.sop_class, header.syntax)
            except NotAccepted as error:
                self._instead[asked] = error.syntaxes
        for syntax in self._instead[asked]:
            other = self._archive.transcoded(dicom, syntax)
            if other is not None:
                return self._association.store(other, header.sop_class, syntax)
        raise NotAccepted
