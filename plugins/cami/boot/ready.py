"""The word between the plugin inside Orthanc and its starter: "I guard the door" - "then open it"."""

import os
import socket
from collections.abc import MutableMapping

from cami.errors import Misconfigured

#: Number of the inherited socket.
VARIABLE = "CAMI_READY_FD"

READY = b"ready\n"
GO = b"go\n"

_ANSWER_SECONDS = 30.0
_NOBODY = "cami.boot cannot be reached: start the server with python3 -m cami.boot"


def announce_ready(environ: MutableMapping[str, str] = os.environ) -> socket.socket | None:
    """Tell `cami.boot` that every hook is registered, and wait until it has given up Orthanc's ports.

    To be called last in Orthanc's entry script: Orthanc opens its ports after the script. Does nothing if Orthanc was
    not started by `cami.boot`, or restarts by itself.

    Returns
    -------
    socket.socket or None
        Where the starter tells of callers that Orthanc refuses (`cami.boot.log_watch.Refusal`), a line each; None if
        there is no starter.

    Raises
    ------
    cami.errors.Misconfigured
        The starter does not answer; Orthanc ends when its script fails.
    """
    number = environ.pop(VARIABLE, "")
    if not number:
        return None
    try:
        starter = socket.socket(fileno=int(number))
    except (OSError, ValueError) as error:
        raise Misconfigured(_NOBODY) from error
    try:
        _agree(starter)
    except BaseException:
        starter.close()
        raise
    return starter


def _agree(starter: socket.socket) -> None:
    try:
        starter.settimeout(_ANSWER_SECONDS)
        starter.sendall(READY)
        answer = starter.recv(len(GO))
    except OSError as error:
        raise Misconfigured(_NOBODY) from error
    if answer != GO:
        raise Misconfigured("cami.boot has not let the server start")
