"""HTTP over a thin line that breaks: paced bodies, sockets that notice a dead line, stale connections replaced."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from cami.delivery.pace import Pace
from cami.delivery.right_of_way import Passage, StoodBackError
from cami.errors import Misconfigured, Transient

#: Seconds for a connection, and for each piece of a body, to get through.
CONNECT_TIMEOUT = 10
#: Seconds to wait for an answer: the centre may have to store 500 MB first. A dead line is noticed sooner (below).
ANSWER_TIMEOUT = 120
#: Seconds after which a line that acknowledges nothing counts as dead. Left to itself TCP tries for 15 minutes, with
#: pauses of up to two, and would sleep through the moment at which the line is back.
DEAD_AFTER = 10
#: Bytes that a socket may hold unsent. They leave before what is urgent, and past the pace when a line recovers.
UNSENT = 16 * 1024
#: What a request and its head weigh besides the body.
HEAD = 1024
#: A connection that the centre has closed while idle shows it within a round trip. If no more than this was written,
#: the request is tried again on a new one.
EARLY = 64 * 1024


def _options(unsent: int) -> list[tuple[int, int, int]]:
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    wanted = {
        "TCP_KEEPIDLE": DEAD_AFTER,
        "TCP_KEEPINTVL": 3,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": DEAD_AFTER * 1000,
        "TCP_NOTSENT_LOWAT": unsent,
    }
    options += [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)
    ]
    return options


@dataclass(frozen=True, slots=True)
class Certificates:
    """By what the two ends of the line know each other in TLS, as files in PEM."""

    authorities: Path | None = None
    """Who may have signed the centre's; None: whom browsers trust."""
    own: Path | None = None
    """What this proxy shows, if the centre's TLS asks for it."""
    own_key: Path | None = None

    def __post_init__(self) -> None:
        """Refuse files that cannot be used, when the server starts and not when it first sends.

        Raises
        ------
        cami.errors.Misconfigured
            One of them cannot.
        """
        try:
            if self.authorities is not None:
                ssl.create_default_context(cafile=self.authorities)
            if self.own is not None:
                ssl.create_default_context().load_cert_chain(self.own, self.own_key)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(
                f"the certificates of the line cannot be used: {self.authorities or '–'}, {self.own or '–'}, "
                f"{self.own_key or '–'}: {error.strerror or error}"
            ) from error


class LineBroken(Transient):
    """No answer: the line or the centre is down, or went down on the way."""


class _Adapter(HTTPAdapter):
    def __init__(self, unsent: int) -> None:
        self._unsent = unsent
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        named["socket_options"] = _options(self._unsent)
        super().init_poolmanager(*arguments, **named)


class PacedBody:
    """A request's body that `requests` reads in small pieces, each when the right of way and the pace allow it."""

    def __init__(
        self,
        body: bytes,
        pace: Pace,
        passage: Passage,
        most: int = UNSENT,
        on_written: Callable[[], None] = lambda: None,
    ) -> None:
        self._view = memoryview(body)
        self._pace = pace
        self._passage = passage
        self._most = most
        self._on_written = on_written
        self._waited = 0.0
        self.sent = 0

    def __len__(self) -> int:
        return len(self._view)

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read():
            yield piece

    def head(self) -> None:
        """Return when the request may begin."""
        self._may_go(HEAD)

    def read(self, size: int = -1) -> bytes:
        """Return the next piece, at most `size` bytes, when it may be written; empty at the end."""
        left = len(self._view) - self.sent
        amount = min(left, self._pace.piece(), self._most, size if size >= 0 else left)
        if amount:
            self._may_go(amount)
        else:
            self._on_written()
        piece = bytes(self._view[self.sent : self.sent + amount])
        self.sent += amount
        return piece

    def _may_go(self, amount: int) -> None:
        self._waited = self._passage.wait(self._waited)
        self._pace.take(amount, urgent=self._passage.urgent)
        self._pace.meter.sent(amount, self._passage.load)


class Transport:
    """Connections of a proxy to the centre, one for each thread, kept open between requests."""

    def __init__(self, pace: Pace, unsent: int = UNSENT, certificates: Certificates | None = None) -> None:
        """Make connections that keep to `pace` and hold at most some `unsent` bytes each that are not on the line."""
        self._pace = pace
        self._certificates = certificates or Certificates()
        self._unsent = unsent
        # requests does not promise that a session may be used by several threads: each has its own.
        self._local = threading.local()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        passage: Passage,
        *,
        on_written: Callable[[], None] = lambda: None,
    ) -> requests.Response:
        """Send a request and return the answer, whatever its status; `on_written` is called when its body is written.

        Raises
        ------
        LineBroken
            There was no answer.
        cami.delivery.right_of_way.StoodBackError
            It was broken off for what is urgent.
        """
        paced = PacedBody(body, self._pace, passage, self._unsent, on_written)
        try:
            try:
                return self._send(method, url, headers, paced)
            except requests.ConnectionError:
                if not self._drop() or paced.sent > EARLY:
                    raise
                paced.sent = 0
                return self._send(method, url, headers, paced)
        except StoodBackError:
            self._drop()
            raise
        except requests.RequestException as error:
            self._drop()
            raise LineBroken(f"no line to the centre ({type(error).__name__})") from error

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: PacedBody) -> requests.Response:
        body.head()
        response = self._session().request(
            method,
            url,
            headers=headers,
            data=body if len(body) else b"",
            timeout=(CONNECT_TIMEOUT, ANSWER_TIMEOUT),
            allow_redirects=False,
        )
        self._local.used = True
        return response

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            self._local.used = False
            # Proxies of the environment, .netrc and the like are not for this line.
            session.trust_env = False
            known = self._certificates
            if known.authorities is not None:
                session.verify = str(known.authorities)
            if known.own is not None:
                session.cert = (str(known.own), str(known.own_key))
            session.mount("http://", _Adapter(self._unsent))
            session.mount("https://", _Adapter(self._unsent))
        return session

    def _drop(self) -> bool:
        """Close this thread's connection; return whether it had carried a request before."""
        session: requests.Session | None = getattr(self._local, "session", None)
        used = bool(getattr(self._local, "used", False))
        if session is not None:
            session.close()
        self._local.session, self._local.used = None, False
        return used
