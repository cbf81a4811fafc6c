"""Two hundred people at once at the desks of consultations, as their browsers ask (``static/live.js``).

Each has a desk open: it asks for the pulse every second or two, and for the page when the pulse has changed. Meanwhile
requests are sent, taken and signed. A person is a task with one connection; times are of whole answers.
"""

import asyncio
import base64
import html
import json
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

from cami_cli.bench.consultation_rows import ANSWERING, Filled, Somebody
from cami_cli.errors import Trouble

#: Seconds before what is measured.
_WARM = 15.0
_DESKS = {"dispatcher": "dispatch", "consultant": "queue", "clinician": "mine"}
_API = "/cami/api/consultations"
_LIVE = re.compile(rb'data-every="(\d+)"[^>]*data-beat="([^"]*)"')
_LISTED = re.compile(rb'id="request-(\d+)"')


@dataclass(slots=True)
class Times:
    """Seconds of every single answer, by what was asked."""

    pages: list[float] = field(default_factory=list)
    pulses: list[float] = field(default_factory=list)
    acts: dict[str, list[float]] = field(default_factory=dict)
    notices: list[float] = field(default_factory=list)
    """From pressing «Отправить» to the page of each dispatcher that shows the request."""
    refused: dict[str, int] = field(default_factory=dict)
    unseen: int = 0
    """Pairs of a request and a dispatcher who did not get it before the end."""


class Line:
    """One keep-alive connection of somebody who is signed in."""

    def __init__(self, url: str, person: Somebody) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._fixed = f"Host: {self._host}:{self._port}\r\nCookie: cami_session={person.cookie}\r\nX-Cami-Csrf: 1\r\n"
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, document: Any = None) -> tuple[int, bytes, float]:
        """Ask; return status, body and seconds. A connection that the server has ended meanwhile is made anew."""
        body = b"" if document is None else json.dumps(document).encode()
        kind = "" if document is None else "Content-Type: application/json\r\n"
        head = f"{method} {path} HTTP/1.1\r\n{self._fixed}{kind}Content-Length: {len(body)}\r\n\r\n".encode()
        began = time.perf_counter()
        for fresh in (False, True):
            try:
                if self._ends is None or fresh:
                    self._ends = await asyncio.open_connection(self._host, self._port)
                status, answer = await self._once(head + body)
                return status, answer, time.perf_counter() - began
            except (OSError, asyncio.IncompleteReadError):
                if fresh:
                    raise
        raise AssertionError

    async def _once(self, request: bytes) -> tuple[int, bytes]:
        assert self._ends is not None  # noqa: S101 - made by the caller
        reader, writer = self._ends
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = re.search(r"content-length: (\d+)", head)
        return int(head[9:12]), await reader.readexactly(int(length[1])) if length else b""

    def close(self) -> None:
        """End the connection."""
        if self._ends is not None:
            self._ends[1].close()


class Load:
    """The load of one run."""

    def __init__(self, url: str, filled: Filled, *, seconds: float, rate: float) -> None:
        """Make it; `rate` is how many requests are sent, taken or signed in a second."""
        self._url, self._filled, self._seconds, self._rate = url, filled, seconds, rate
        self._dice = random.Random(2)  # noqa: S311 - the same run each time
        self._dispatchers = {person.login for person in filled.people if person.role == "dispatcher"}
        self._pressed: dict[int, float] = {}
        self._seen: dict[int, set[str]] = {}
        self._people = {person.login: person for person in filled.people}
        self._signer = _Signer()
        self.times = Times()

    def run(self) -> Times:
        """Run it to its end."""
        asyncio.run(self._run())
        return self.times

    async def _run(self) -> None:
        end = time.perf_counter() + _WARM + self._seconds
        people = [asyncio.create_task(self._sit(person, end)) for person in self._filled.people]
        # Everybody opens their desk, templates are compiled, first looks are written down; none of that is counted.
        await asyncio.sleep(_WARM)
        self.times.pages.clear()
        self.times.pulses.clear()
        acts = []
        while (now := time.perf_counter()) < end - 3:
            acts.append(asyncio.create_task(self._act()))
            await asyncio.sleep(max(0.0, self._dice.expovariate(self._rate) - (time.perf_counter() - now)))
        for done in await asyncio.gather(*acts, *people, return_exceptions=True):
            if isinstance(done, BaseException):
                self._refuse(type(done).__name__)
        self.times.unseen = sum(len(self._dispatchers - self._seen.get(number, set())) for number in self._pressed)

    async def _sit(self, person: Somebody, end: float) -> None:
        """Have a desk open, as the script of the page does."""
        line, desk = Line(self._url, person), f"/cami/consultations?view={_DESKS[person.role]}"
        await asyncio.sleep(self._dice.random() * _WARM / 2)
        try:
            every, beat, newest = await self._page(line, person, desk, None)
            while time.perf_counter() < end:
                await asyncio.sleep(every)
                status, body, took = await line.ask("GET", f"{_API}/pulse")
                self.times.pulses.append(took)
                if status != 200:
                    self._refuse(f"pulse {status}")
                elif body != beat:
                    beat, told = body, json.loads(body)
                    if told["notice"] > newest:
                        await line.ask("GET", f"{_API}/notices?after={newest}")
                        newest = told["notice"]
                    await self._page(line, person, desk, beat)
        finally:
            line.close()

    async def _page(self, line: Line, person: Somebody, desk: str, beat: bytes | None) -> tuple[float, bytes, int]:
        status, body, took = await line.ask("GET", desk)
        live = _LIVE.search(body)
        if status != 200 or live is None:
            raise Trouble(f"a desk answered {status}", body[:200].decode("utf-8", "replace"))
        self.times.pages.append(took)
        if person.login in self._dispatchers:
            now = time.perf_counter()
            for number in map(int, _LISTED.findall(body)):
                if number in self._pressed and person.login not in self._seen[number]:
                    self._seen[number].add(person.login)
                    self.times.notices.append(now - self._pressed[number])
        told = beat or html.unescape(live[2].decode()).encode()
        return int(live[1]) / 1000, told, int(json.loads(told)["notice"])

    async def _act(self) -> None:
        await self._dice.choice((self._send, self._take, self._sign))()

    async def _send(self) -> None:
        login = self._dice.choice([each for each, numbers in self._filled.drafts.items() if numbers])
        number = self._filled.drafts[login].pop()
        line = Line(self._url, self._people[login])
        self._seen[number] = set()
        self._pressed[number] = time.perf_counter()
        if not await self._timed("send", line, f"{_API}/{number}/send", {}):
            del self._pressed[number]

    async def _take(self) -> None:
        mo = self._dice.choice([each for each, numbers in self._filled.waiting.items() if numbers])
        number = self._filled.waiting[mo].pop()
        login = self._dice.choice([each.login for each in self._filled.people if each.mo == mo])
        await self._timed("take", Line(self._url, self._people[login]), f"{_API}/{number}/take", {})

    async def _sign(self) -> None:
        login = self._dice.choice([each for each, numbers in self._filled.held.items() if numbers])
        number = self._filled.held[login].pop()
        line = Line(self._url, self._people[login])
        try:
            text = {"findings": "Вещество мозга без очагов. " * 20, "conclusion": "Признаков кровоизлияния нет."}
            await line.ask("PUT", f"{_API}/{number}/answer", text)
            status, body, took = await line.ask("POST", f"{_API}/{number}/answer/document", {})
            if status != 200:
                self._refuse(f"document {status}")
                return
            self.times.acts.setdefault("document", []).append(took)
            prepared = json.loads(body)
            signature = self._signer.sign(base64.b64decode(prepared["document"]))
            given = {"sha256": prepared["sha256"], "signature": base64.b64encode(signature).decode()}
            await self._timed("sign", line, f"{_API}/{number}/answer/sign", given)
        finally:
            line.close()

    async def _timed(self, what: str, line: Line, path: str, document: Mapping[str, Any]) -> bool:
        status, _body, took = await line.ask("POST", path, document)
        line.close()
        if status != 200:
            self._refuse(f"{what} {status}")
            return False
        self.times.acts.setdefault(what, []).append(took)
        return True

    def _refuse(self, what: str) -> None:
        self.times.refused[what] = self.times.refused.get(what, 0) + 1


class _Signer:
    """Signs documents as a program of the МО does: a detached CMS, ECDSA."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Замер")])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now)
        made = made.not_valid_after(now + timedelta(days=1))
        self._certificate = made.sign(self._key, hashes.SHA256())

    def sign(self, document: bytes) -> bytes:
        builder = pkcs7.PKCS7SignatureBuilder().set_data(document)
        builder = builder.add_signer(self._certificate, self._key, hashes.SHA256())
        options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
        return builder.sign(Encoding.DER, options)


def busy(filled: Filled) -> str:
    """Say what the run was made of."""
    roles = [person.role for person in filled.people]
    counted = ", ".join(f"{roles.count(role)} {role}s" for role in dict.fromkeys(roles))
    return f"{counted}; {len(ANSWERING)} МО answer"
