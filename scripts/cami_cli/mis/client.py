"""A МИС's side of HTTP: a token when it is needed, FHIR JSON, an Idempotency-Key that is kept over retries."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from cami_cli.errors import Trouble

Json = dict[str, Any]
_AGAIN = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Access:
    """Where ЦАМИ is, and how a client proves itself."""

    fhir: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)


def read_access(state: Path) -> Access:
    """Return what ``region.json`` in a state folder says for the МИС.

    Raises
    ------
    Trouble
        No region runs there.
    """
    try:
        known = json.loads((state / "region.json").read_text("utf-8"))["mis"]
    except (OSError, ValueError, KeyError) as error:
        raise Trouble(f"no region runs in {state}", "start one: scripts/cami region up --detach") from error
    return Access(known["fhir"], known["token_url"], known["client_id"], known["client_secret"])


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of ЦАМИ."""

    status: int
    body: Json
    headers: Mapping[str, str]

    @property
    def codes(self) -> list[str]:
        """Codes of an OperationOutcome."""
        issues = self.body.get("issue", []) if self.body.get("resourceType") == "OperationOutcome" else []
        return [issue["details"]["coding"][0]["code"] for issue in issues if "details" in issue]

    @property
    def words(self) -> str:
        """What an OperationOutcome says, for people."""
        issues = self.body.get("issue", []) if self.body.get("resourceType") == "OperationOutcome" else []
        return "; ".join(issue.get("details", {}).get("text", "") for issue in issues)

    def resource(self, type_: str) -> Json:
        """Return the first resource of a type in a Bundle."""
        entries = self.body.get("entry", [])
        found = [each["resource"] for each in entries if each.get("resource", {}).get("resourceType") == type_]
        if not found:
            raise Trouble(f"the answer has no {type_}: {self.status} {self.words}", "see the log of the centre")
        return dict(found[0])


class FhirClient:
    """Calls ЦАМИ as a МИС. One thread at a time."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session = requests.Session()
        self._session.trust_env = False
        self._token = ""
        self._until = 0.0

    def call(
        self, method: str, path: str, body: Json | None = None, *, query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None, key: str = "", again: bool = True,
    ) -> Answer:  # fmt: skip
        """Call an address below the FHIR base.

        Parameters
        ----------
        key
            Idempotency-Key of a POST; empty: a new one, the same for each try of this call.
        again
            Whether to try again when nobody answers or the server is busy.
        """
        sent = {"Accept": "application/fhir+json", "Authorization": f"Bearer {self.token()}", **(headers or {})}
        data = None
        if body is not None:
            data = json.dumps(body, ensure_ascii=False).encode()
            sent.setdefault("Content-Type", "application/fhir+json")
        if method == "POST":
            sent["Idempotency-Key"] = key or str(uuid4())
        for pause in (*_AGAIN, None) if again else (None,):
            try:
                answer = self._session.request(
                    method, f"{self._access.fhir}{path}", params=query, data=data, headers=sent, timeout=30
                )
                if answer.status_code < 500 or pause is None:
                    return Answer(answer.status_code, _json(answer), dict(answer.headers))
            except requests.RequestException as error:
                if pause is None:
                    raise Trouble(f"{self._access.fhir} does not answer", "is the centre running?") from error
            time.sleep(pause or 0)
        raise AssertionError("unreachable")

    def token(self) -> str:
        """Return a bearer token that holds for a while yet.

        Raises
        ------
        Trouble
            The client is not known.
        """
        if time.monotonic() < self._until:
            return self._token
        answer = self._session.post(
            self._access.token_url,
            data={"grant_type": "client_credentials"},
            auth=(self._access.client_id, self._access.client_secret),
            timeout=30,
        )
        if answer.status_code != 200:
            raise Trouble(f"no token: {answer.status_code}", "are the client id and secret right?")
        granted = answer.json()
        self._token = granted["access_token"]
        self._until = time.monotonic() + granted["expires_in"] * 0.8
        return self._token


def _json(answer: requests.Response) -> Json:
    try:
        parsed = answer.json()
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
