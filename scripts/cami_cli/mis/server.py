"""HTTP of the simulated МИС: its pages, the web hook, and JSON for tests. On this machine only."""

import base64
import hmac
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cami_cli.errors import Trouble
from cami_cli.mis.messages import SimulatedPatient
from cami_cli.mis.pages import Pages
from cami_cli.mis.simulator import Simulator

_LONGEST = 40_000_000
_SAFE = "default-src 'none'; style-src 'unsafe-inline'; form-action *; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int = 200
    body: bytes = b""
    kind: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


class Site:
    """What each address answers."""

    def __init__(self, simulator: Simulator, pages: Pages) -> None:
        self._simulator = simulator
        self._pages = pages
        self._ways: list[tuple[str, re.Pattern[str], Callable[..., Reply]]] = [
            ("GET", re.compile("/"), self._list),
            ("GET", re.compile("/patients/([^/]+)"), self._card),
            ("POST", re.compile("/patients/([^/]+)/orders"), self._order),
            ("POST", re.compile("/orders/([^/]+)/cancel"), self._cancel),
            ("POST", re.compile("/orders/([^/]+)/images"), self._images),
            ("POST", re.compile("/orders/([^/]+)/consultation"), self._ask),
            ("GET", re.compile("/documents/([^/]+)"), self._document),
            ("POST", re.compile("/hook"), self._hook),
            ("GET", re.compile("/api/told"), lambda _: _json(self._simulator.book.told())),
            ("GET", re.compile("/api/orders"), lambda _: _json(self._simulator.book.orders())),
            ("POST", re.compile("/api/patients"), self._add_patient),
            ("POST", re.compile("/api/orders"), self._order_json),
            ("GET", re.compile("/api/consultations"), lambda _: _json(self._simulator.book.asked())),
            ("GET", re.compile("/api/health"), lambda _: _json({"subscribed": self._simulator.subscribed})),
        ]

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Reply:
        """Answer a request."""
        address = urlsplit(target)
        for known, pattern, way in self._ways:
            found = pattern.fullmatch(unquote(address.path))
            if found and known == method:
                query = {name: values[0] for name, values in parse_qs(address.query).items()}
                return way((headers, body, query), *found.groups())
        return Reply(404, "Такой страницы нет".encode())

    def _list(self, _request: Any) -> Reply:
        book = self._simulator.book
        counts = Counter(each["patient"] for each in book.orders())
        return Reply(
            body=self._pages.render("list", "Пациенты", patients=book.patients(), counts=counts, told=len(book.told()))
        )

    def _card(self, request: Any, number: str, notice: str = "") -> Reply:
        book = self._simulator.book
        card = book.patient(number)
        if card is None:
            return Reply(404, "Такой карты нет".encode())
        notice = notice or request[2].get("notice", "")
        found = self._pages.render(
            "card", card.family, notice, card=card, orders=book.orders(number), documents=book.documents(number),
            asked=book.asked(number),
        )  # fmt: skip
        return Reply(body=found)

    def _order(self, request: Any, number: str) -> Reply:
        answer = self._simulator.order(number, _form(request[1]))
        if answer.status != 200:
            return self._card(request, number, f"ЦАМИ не приняла направление: {answer.words}")
        return Reply(303, headers={"Location": f"/patients/{number}"})

    def _order_json(self, request: Any) -> Reply:
        form = json.loads(request[1])
        answer = self._simulator.order(form["patient"], form)
        return _json({"status": answer.status, "codes": answer.codes, "body": answer.body})

    def _add_patient(self, request: Any) -> Reply:
        self._simulator.book.add_patient(SimulatedPatient(**json.loads(request[1])))
        return _json({})

    def _cancel(self, request: Any, number: str) -> Reply:
        answer = self._simulator.cancel(number, "patient-refused")
        order = self._simulator.book.order(number) or {"patient": ""}
        if answer.status != 200:
            return self._card(request, order["patient"], f"Отменить нельзя: {answer.words}")
        return Reply(303, headers={"Location": f"/patients/{order['patient']}"})

    def _images(self, request: Any, number: str) -> Reply:
        answer = self._simulator.launch(number)
        if answer.status != 200:
            order = self._simulator.book.order(number) or {"patient": ""}
            return self._card(request, order["patient"], f"Снимки не открылись: {answer.words or answer.status}")
        url = next(each["valueUrl"] for each in answer.body["parameter"] if each["name"] == "url")
        return Reply(303, headers={"Location": url})

    def _ask(self, request: Any, number: str) -> Reply:
        answer = self._simulator.ask(number, _form(request[1]))
        order = self._simulator.book.order(number) or {"patient": ""}
        if answer.status != 200:
            return self._card(request, order["patient"], f"Заявка не принята: {answer.words}")
        return Reply(303, headers={"Location": f"/patients/{order['patient']}"})

    def _document(self, _request: Any, id_: str) -> Reply:
        found = self._simulator.book.document(id_)
        if found is None:
            return Reply(404, "Такого документа нет".encode())
        return Reply(body=base64.b64decode(found["data"]), kind=found["kind"])

    def _hook(self, request: Any) -> Reply:
        headers, body, _ = request
        if not hmac.compare_digest(headers.get("Authorization", ""), f"Bearer {self._simulator.secret}"):
            return Reply(401)
        self._simulator.book.hear(
            headers["X-Event-Id"], int(headers["X-Event-Seq"]), headers.get("X-Event-Kind", ""), json.loads(body)
        )
        return Reply(204)


def serve(site: Site, port: int) -> ThreadingHTTPServer:
    """Return a server on the loopback that answers when its ``serve_forever`` runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length <= _LONGEST else b""
            try:
                reply = site.answer(self.command, self.path, self.headers, body)
            except Trouble as trouble:
                reply = Reply(502, str(trouble).encode(), "text/plain; charset=utf-8")
            except (KeyError, ValueError, TypeError):
                reply = Reply(400, "Запрос не понят".encode(), "text/plain; charset=utf-8")
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(reply.body)))
            self.send_header("Content-Security-Policy", _SAFE)
            self.send_header("Cache-Control", "no-store")
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = _do  # noqa: N815 - the names that the server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing: addresses hold numbers of cards."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def _form(body: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _json(value: Any) -> Reply:
    return Reply(body=json.dumps(value, ensure_ascii=False).encode(), kind="application/json; charset=utf-8")
