"""Asking a server as a stranger: whoever is not signed in must be refused."""

import http.client
from enum import Enum

#: What a stranger must not get: server, studies, search, and the same by the DICOMweb plugin's own routes.
_ROUTES = (
    ("GET", "/system", None),
    ("GET", "/studies", None),
    ("POST", "/tools/find", b'{"Level":"Study","Query":{}}'),
    ("GET", "/dicom-web/studies", None),
)
_REFUSALS = (401, 403)
_SECONDS = 5.0


class Finding(Enum):
    """What a stranger has met."""

    REFUSED = "refused"
    SILENT = "silent"
    """Nobody answers (yet), or not in time: harmless."""


class Answered(Exception):
    """A stranger was answered."""

    def __init__(self, method: str, path: str, status: int) -> None:
        super().__init__(f"a stranger's {method} {path} was answered with status {status} instead of 401 or 403")


def ask_as_stranger(address: str, port: int) -> Finding:
    """Ask for what strangers must not get.

    Raises
    ------
    Answered
        The server did something else than refuse.
    """
    for method, path, body in _ROUTES:
        connection = http.client.HTTPConnection(address, port, timeout=_SECONDS)
        try:
            connection.request(method, path, body)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return Finding.SILENT
        finally:
            connection.close()
        if status not in _REFUSALS:
            raise Answered(method, path, status)
    return Finding.REFUSED
