"""Where requests come from: Orthanc tells its filter the address, and not the handler that it calls after it.

Filter and handler of one request run one after the other in the same thread of Orthanc's. ``threading.local`` would
lose what is kept in it between the two, as Python forgets a foreign thread when its callback returns.
"""

import threading
from collections.abc import Mapping

from cami.web import SOURCE_HEADER, address_behind


class Sources:
    """Puts the address into the headers, for filter and handler alike. Thread-safe.

    A request without any headers is one of Orthanc's own and stays as it is.
    """

    def __init__(self) -> None:
        self._by_thread: dict[int, str] = {}  # as many as Orthanc has HTTP threads

    def seen(self, peer: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Note where the request of this thread comes from, and return its headers with it."""
        self._by_thread[threading.get_ident()] = address_behind(peer, headers.get("x-forwarded-for", ""))
        return self.marked(headers)

    def marked(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Return the headers of the request that this thread handles, with where it comes from."""
        if not headers:
            return headers
        return {**headers, SOURCE_HEADER: self._by_thread.get(threading.get_ident(), "")}
