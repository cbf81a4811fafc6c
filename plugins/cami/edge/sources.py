"""Where requests come from: Orthanc tells its filter the address, and not the handler that it calls after it.

Filter and handler of one request run one after the other in the same thread of Orthanc's. ``threading.local`` would
lose what is kept in it between the two, as Python forgets a foreign thread when its callback returns.
"""

import threading
from collections.abc import Mapping

from cami.access import Gateway, Origin, cleaned
from cami.web import CERTIFICATE_HEADER, SOURCE_HEADER

_NOWHERE = Origin()


class Sources:
    """Puts the origin into the headers, for filter and handler alike, over what a client claims. Thread-safe.

    Behind the trusted gateway it is what that says, else the address of the connection. A request without any headers
    is one of Orthanc's own and stays as it is.
    """

    def __init__(self, gateway: Gateway | None = None) -> None:
        self.gateway = gateway
        self._by_thread: dict[int, Origin] = {}  # as many as Orthanc has HTTP threads

    def seen(self, peer: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Note where the request of this thread comes from, and return its headers with it."""
        origin = self.gateway.origin(peer, headers) if self.gateway else Origin(peer)
        self._by_thread[threading.get_ident()] = origin
        return self.marked(headers)

    def marked(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Return the headers of the request that this thread handles, with where it comes from."""
        if not headers:
            return headers
        origin = self._by_thread.get(threading.get_ident(), _NOWHERE)
        return {**cleaned(headers), SOURCE_HEADER: origin.address, CERTIFICATE_HEADER: origin.certificate}
