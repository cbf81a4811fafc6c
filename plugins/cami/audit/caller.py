"""Where the request that a thread works on comes from.

What Orthanc tells its HTTP filter (the address of the connection) it does not tell the handlers; but both, and what the
DICOMweb plugin asks of us on the way, run in the same thread (reference/orthanc.md §1.3), told apart by its number:
``threading.local`` does not outlive a callback.
"""

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has sent a request, as far as the network tells."""

    source: str = ""
    """Network address."""
    method: str = ""
    path: str = ""
    """Of the client's own request, not of what a plugin makes of it."""


_NOBODY = Caller()
_CALLERS: dict[int, Caller] = {}


def note_caller(caller: Caller) -> None:
    """Say that this thread works for `caller` from now on."""
    _CALLERS[threading.get_ident()] = caller


def caller() -> Caller:
    """Return for whom this thread works; nobody that is known outside of requests."""
    return _CALLERS.get(threading.get_ident(), _NOBODY)
