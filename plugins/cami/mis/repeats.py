"""The same request twice: the Idempotency-Key (docs/mis-contract.md, *Repeats*).

The answer is kept in the transaction of what it tells of: there is no moment in which one of them is there alone.
"""

import hashlib
import json
from datetime import timedelta

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select

from cami.clock import Clock
from cami.db.tables import mis_answer
from cami.mis.problems import refuse
from cami.web import Request, Response

KEPT = timedelta(days=7)
_LONGEST_KEY = 64
_BEFORE = select(mis_answer).where(mis_answer.c.client == bindparam("whose"), mis_answer.c.key == bindparam("named"))
_INSERT = insert(mis_answer)


class Answers:
    """The table ``mis_answer``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def before(self, connection: Connection, client: str, key: str, request: Request) -> Response | None:
        """Return what was answered to that key before.

        Raises
        ------
        Refusal
            The key came with another request, or is none.
        """
        if not key or len(key) > _LONGEST_KEY:
            raise refuse(400, "CAMI-0046")
        row = connection.execute(_BEFORE, {"whose": client, "named": key}).first()
        if row is None:
            return None
        if row.request_hash != _digest(request):
            raise refuse(422, "CAMI-0045")
        headers = [*map(tuple, json.loads(row.headers)), ("Idempotency-Replayed", "true")]
        return Response(row.status, row.body, "application/fhir+json; charset=utf-8", headers)

    def keep(self, connection: Connection, client: str, key: str, request: Request, response: Response) -> None:
        """Keep an answer in the caller's transaction."""
        values = {
            "client": client,
            "key": key,
            "request_hash": _digest(request),
            "status": response.status,
            "headers": json.dumps(response.headers),
            "body": response.body,
            "answered_at": self._clock.now(),
        }
        connection.execute(_INSERT, values)

    def tidy(self) -> int:
        """Forget old answers; return how many."""
        with self._engine.begin() as connection:
            old = mis_answer.c.answered_at < self._clock.now() - KEPT
            return connection.execute(delete(mis_answer).where(old)).rowcount


def _digest(request: Request) -> str:
    head = f"{request.method} {request.path}\n".encode()
    return hashlib.sha256(head + request.body).hexdigest()
