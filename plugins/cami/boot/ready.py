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


def announce_ready(environ: MutableMapping[str, str] = os.environ) -> None:
    """Tell `cami.boot` that every hook is registered, and wait until it has given up Orthanc's ports.

    To be called last in Orthanc's entry script: Orthanc opens its ports after the script. Does nothing if Orthanc was
    not started by `cami.boot`, or restarts by itself.

    Raises
    ------
    cami.errors.Misconfigured
        The starter does not answer; Orthanc ends when its script fails.
    """
    number = environ.pop(VARIABLE, "")
    if not number:
        return
    try:
        with socket.socket(fileno=int(number)) as starter:
            starter.settimeout(_ANSWER_SECONDS)
            starter.sendall(READY)
            answer = starter.recv(len(GO))
    except (OSError, ValueError) as error:
        raise Misconfigured("cami.boot cannot be reached: start the server with python3 -m cami.boot") from error
    if answer != GO:
        raise Misconfigured("cami.boot has not let the server start")
