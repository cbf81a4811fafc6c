"""The book of errands, its bell, and a proxy that asks over a line in this process."""

from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import event

from cami.db import open_engine
from cami.db.tables import metadata
from cami.errands import Bell, ErrandBook, errand_endpoints, open_errands
from cami.errors import Denied, NotFound, Transient
from cami.web import Request
from tests.unit.fakes import Hands


class Tokens:
    """Takes the МО's code itself for a token."""

    def verify(self, token):
        if token not in ("42001", "42002"):
            raise Denied("not a proxy")
        return token

    def verify_request(self, headers):
        return self.verify(headers.get("x-cami-token", ""))


class Line:
    """`cami.delivery.CentralLink.ask` without a network: `cut` breaks the next calls, before or after the centre."""

    def __init__(self, endpoints, mo):
        self._endpoints = endpoints
        self.mo = mo
        self.cut = []
        self.calls = []

    def ask(self, method, path, document=None):
        self.calls.append((method, path))
        how = self.cut.pop(0) if self.cut else ""
        if how == "before":
            raise Transient("cut")
        status, answer = call(self._endpoints, method, "/cami/wire/v1" + path, self.mo, document)
        if how == "after":
            raise Transient("cut")
        if status == 404:
            raise NotFound("404")
        assert status == 200, answer
        return answer


def call(endpoints, method, path, mo, document=None):
    """Call an endpoint as Orthanc would; return the status and the answer."""
    import json
    import re

    split = urlsplit(path)
    endpoint = next(found for found in endpoints if re.fullmatch(found.pattern, split.path))
    groups = re.fullmatch(endpoint.pattern, split.path).groups()
    body = b"" if document is None else json.dumps(document).encode()
    query = dict(parse_qsl(split.query)) if method == "GET" else {}
    response = endpoint.handler(Request(method, split.path, {"x-cami-token": mo}, query, body, groups))
    return response.status, json.loads(response.body) if response.status == 200 else response.body.decode()


@pytest.fixture
def centre(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/centre.sqlite")
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    metadata.create_all(engine)
    clock = Hands()
    bell = Bell(lambda: open_errands(engine), 2)
    book = ErrandBook(engine, clock, bell)
    endpoints = errand_endpoints(Tokens(), book, bell)
    yield SimpleNamespace(engine=engine, clock=clock, bell=bell, book=book, endpoints=endpoints)
    engine.dispose()
