"""A destination that takes images by C-STORE."""

from collections.abc import Callable

from cami.delivery import Pace
from cami.dimse import Caller as Association
from cami.dimse import NoAssociation, NotAccepted, Peer, echo, holds
from cami.routing.objects import Header
from cami.routing.outcomes import Refused, Unavailable, check_status

Transcode = Callable[[bytes, str], bytes | None]


class DicomNodeWay:
    """Sends to an AE title (PS3.4 annex B). For one thread."""

    def __init__(self, peer: Peer, transcode: Transcode, pace: Pace | None = None) -> None:
        """Make a way.

        Parameters
        ----------
        peer
            Whom to call.
        transcode
            Puts an object into another transfer syntax, or returns None if it cannot; for peers that take few.
        pace
            Of the line that the destination shares; None: it is not on that line.
        """
        self._peer = peer
        self._transcode = transcode
        self._association = Association(peer, pace.take if pace is not None else None)

    def store(self, dicom: bytes, header: Header) -> None:
        """Store an image; raises what `cami.routing.outcomes` has."""
        try:
            try:
                status = self._association.store(dicom, header.sop_class, header.syntax)
            except NotAccepted as error:
                status = self._store_otherwise(dicom, header, error)
        except NoAssociation as error:
            raise Unavailable(error.code, error.detail) from error
        except NotAccepted as error:
            raise Refused("not-supported", final=True) from error
        check_status(status)

    def holds(self, header: Header) -> bool:
        """Ask whether the destination finds an image."""
        self._association.close()
        try:
            return holds(self._peer, header.study_uid, header.series_uid, header.sop_uid)
        except NoAssociation as error:
            raise Unavailable(error.code, error.detail) from error
        except NotAccepted as error:
            raise Unavailable("no-search") from error

    def greet(self) -> None:
        """Say hello (C-ECHO), to see whether the destination is there."""
        try:
            status = echo(self._peer)
        except NoAssociation as error:
            raise Unavailable(error.code, error.detail) from error
        except NotAccepted:
            return  # it has answered our request for an association, which is what was to be seen
        if status:
            raise Unavailable("refused", f"0x{status:04X}")

    def close(self) -> None:
        """End the association: there is nothing more to send now."""
        self._association.close()

    def _store_otherwise(self, dicom: bytes, header: Header, error: NotAccepted) -> int:
        """Send in a transfer syntax that the destination takes, if there is one and Orthanc can make it."""
        for syntax in error.syntaxes:
            other = self._transcode(dicom, syntax)
            if other is not None:
                return self._association.store(other, header.sop_class, syntax)
        raise error
