"""A destination that takes images by STOW-RS (PS3.18 §10.5), with each answer read to the end.

HTTP 200 alone proves nothing: the answer lists what was stored and what was not, and only what it lists counts.
"""

import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from cami.delivery import Pace
from cami.delivery.right_of_way import Passage
from cami.delivery.transport import ANSWER_TIMEOUT, CONNECT_TIMEOUT, PacedBody
from cami.routing.objects import Header
from cami.routing.outcomes import Refused, Unavailable, check_status

#: Referenced SOP Sequence and Failed SOP Sequence of the answer, and in them the SOP Instance UID and Failure Reason.
_STORED, _FAILED, _UID, _REASON = "00081199", "00081198", "00081155", "00081197"
_JSON = "application/dicom+json"


@dataclass(frozen=True, slots=True)
class Server:
    """Where it is and how we sign in."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None


class _Adapter(HTTPAdapter):
    """Uses our TLS context: the destination's own certification authority, our certificate."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        named["ssl_context"] = self._context
        super().init_poolmanager(*arguments, **named)


class DicomWebWay:
    """Sends to a DICOMweb server. For one thread."""

    def __init__(self, server: Server, pace: Pace | None = None) -> None:
        """Make a way; `pace` is that of the line which the destination shares, None if it is not on that line."""
        self._server = server
        self._pace = pace or Pace()
        self._session: requests.Session | None = None

    def store(self, dicom: bytes, header: Header) -> None:
        """Store an image; raises what `cami.routing.outcomes` has."""
        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
        body = head + dicom + f"\r\n--{boundary}--\r\n".encode("ascii")
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        answer = self._ask("POST", "/studies", {"Content-Type": kind, "Accept": _JSON}, body)
        if answer.status_code in (200, 202, 409):
            _check_answer(_document(answer), header.sop_uid, answer.status_code)
            return
        _refuse(answer.status_code)

    def holds(self, header: Header) -> bool:
        """Ask whether the destination finds an image (QIDO-RS, PS3.18 §10.6)."""
        path = f"/studies/{header.study_uid}/series/{header.series_uid}/instances?SOPInstanceUID={header.sop_uid}"
        answer = self._ask("GET", path, {"Accept": _JSON})
        if answer.status_code in (204, 404):
            return False
        if answer.status_code != 200:
            _refuse(answer.status_code)
        return header.sop_uid in _values(_document(answer), "00080018")

    def greet(self) -> None:
        """Ask for one study, to see whether the destination is there and lets us in."""
        answer = self._ask("GET", "/studies?limit=1", {"Accept": _JSON})
        if answer.status_code in (401, 403) or answer.status_code >= 500:
            _refuse(answer.status_code)

    def close(self) -> None:
        """Close the connection: there is nothing more to send now."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> requests.Response:
        if self._session is None:
            self._session = requests.Session()
            self._session.trust_env = False
            if self._server.tls is not None:
                self._session.mount("https://", _Adapter(self._server.tls))
        try:
            return self._session.request(
                method,
                self._server.url + path,
                headers={**headers, **self._server.headers},
                data=PacedBody(body, self._pace, Passage(urgent=False)) if body else None,
                timeout=(CONNECT_TIMEOUT, ANSWER_TIMEOUT),
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            self.close()
            raise Unavailable("tls") from error
        except requests.RequestException as error:
            self.close()
            raise Unavailable("unreachable", type(error).__name__) from error


def _check_answer(document: Any, sop_uid: str, http: int) -> None:
    """Find the image in the answer of STOW-RS (PS3.18 table 10.5.3-1)."""
    answer = document[0] if isinstance(document, list) and document else document
    entries = answer if isinstance(answer, Mapping) else {}
    for failed in _items(entries, _FAILED):
        if sop_uid in _value(failed, _UID) or not _value(failed, _UID):
            reasons = _value(failed, _REASON)
            check_status(int(reasons[0]) if reasons and str(reasons[0]).isdecimal() else 0xC000)
            return  # a reason that says that it is there already
    if any(sop_uid in _value(stored, _UID) for stored in _items(entries, _STORED)):
        return
    raise Refused("unconfirmed", f"HTTP {http}")


def _refuse(status: int) -> None:
    detail = f"HTTP {status}"
    if status in (401, 403):
        raise Unavailable("not-authorized", detail)
    if status == 507:
        raise Unavailable("out-of-resources", detail)
    if status in (404, 405, 408, 429) or status >= 500 or status < 400:
        # An address that is wrong (404, 405, a redirection) refuses everything, no single image.
        raise Unavailable("server-error", detail)
    raise Refused("not-supported" if status in (406, 413, 415) else "refused", detail, final=status in (406, 413, 415))


def _document(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise Unavailable("server-error", "no DICOM JSON") from error


def _items(document: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    return [item for item in _value(document, tag) if isinstance(item, Mapping)]


def _value(item: Mapping[str, Any], tag: str) -> list[Any]:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return values if isinstance(values, list) else []


def _values(document: Any, tag: str) -> list[Any]:
    items = document if isinstance(document, list) else []
    return [value for item in items if isinstance(item, Mapping) for value in _value(item, tag)]
