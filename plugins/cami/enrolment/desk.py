"""What the operator does with proxies: the calls of `scripts/cami mo` and `ca`, and of the page at the centre."""

import logging
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cami.access import Action, Authenticator, Identity, allowed
from cami.clock import iso
from cami.delivery.tokens import PublicKeys
from cami.enrolment import codes
from cami.enrolment.membership import CODE_DAYS, Membership
from cami.errors import Misconfigured, NotFound
from cami.people.monitor import MonitorToken
from cami.people.roles import Role
from cami.web import Endpoint, Request, Response, answer_json, answer_text

log = logging.getLogger(__name__)

API = "/cami/api/proxies"
#: File among the centre's secrets: whoever reads it may act as the operator's command line.
OPERATOR_TOKEN = "operator.token"  # noqa: S105 - the name of a file
#: File among the centre's secrets with the public key that bundles are signed for.
SIGNER = "bundle.pub"


class Desk:
    """What the operator does with proxies: `scripts/cami mo`, `ca`, and the page at the centre."""

    def __init__(
        self,
        members: Membership,
        secrets: Path,
        authenticator: Authenticator,
        folder: Callable[[str], PublicKeys],
        organizations: Callable[[], Mapping[str, str]],
    ) -> None:
        """Make it; `folder` knows the keys of the folder, `organizations` the names of the МО that have a proxy."""
        self._members = members
        self._secrets = secrets
        self._authenticator = authenticator
        self._folder = folder
        self._organizations = organizations
        self._token = MonitorToken(secrets / OPERATOR_TOKEN, Identity("operator-cli", "", Role.OPERATOR, ""))

    def endpoints(self) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(API, self._listing, ("GET",), "Which proxies have joined"),
            Endpoint(f"{API}/restart", self._changing(self._restart), ("POST",), "Take up a changed registry"),
            Endpoint(f"{API}/([0-9a-z-]{{1,16}})/code", self._changing(self._invite), ("POST",), "A code to join with"),
            Endpoint(f"{API}/([0-9a-z-]{{1,16}})/revoke", self._changing(self._revoke), ("POST",), "End its keys"),
        ]

    def invite(self, mo: str, by: str, days: int = CODE_DAYS) -> dict[str, str]:
        """Make a code.

        Raises
        ------
        cami.errors.Misconfigured
            The centre has no authority, or nothing to sign bundles with.
        """
        try:
            signer = codes.fingerprint((self._secrets / SIGNER).read_bytes())
        except OSError as error:
            raise Misconfigured("the centre has no key for bundles yet: scripts/cami ca init") from error
        made = self._members.invite(mo, signer, by, days)
        return {"mo": mo, "code": made.code, "expires_at": iso(made.expires_at)}

    def revoke(self, mo: str, by: str, why: str) -> int:
        """End all keys of the proxy of an МО."""
        return self._members.revoke(mo, by, why, self._folder(mo))

    def rows(self) -> list[dict[str, Any]]:
        """Return how the proxy of each МО stands."""
        standings = self._members.standings()
        found = []
        for mo, name in self._organizations().items():
            standing = standings.get(mo)
            files = self._folder(mo)
            state = "joined" if standing and standing.kid else "folder" if files else "waits"
            found.append(
                {
                    "mo": mo,
                    "name": name,
                    "state": state,
                    "kid": standing.kid if standing else "",
                    "certificate_until": _moment(standing.not_after if standing else None),
                    "code_until": _moment(standing.code_until if standing else None),
                }
            )
        return found

    def _listing(self, request: Request) -> Response:
        who = self._who(request)
        if isinstance(who, Response):
            return who
        return answer_json({"proxies": self.rows()})

    def _invite(self, request: Request, who: str) -> Response:
        days = int(request.json().get("days", CODE_DAYS)) if request.body else CODE_DAYS
        return answer_json(self.invite(request.groups[0], who, min(max(days, 1), 60)))

    def _revoke(self, request: Request, who: str) -> Response:
        why = str(request.json().get("reason", "")) if request.body else ""
        return answer_json({"mo": request.groups[0], "ended": self.revoke(request.groups[0], who, why)})

    @staticmethod
    def _restart(_request: Request, who: str) -> Response:
        log.warning("%s has asked for a restart, to take up a changed registry", who)
        ask_for_restart()
        return answer_json({})

    def _changing(self, handler: Callable[[Request, str], Response]) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            who = self._who(request)
            if isinstance(who, Response):
                return who
            if request.method != "POST":
                return answer_text(405, "this address answers POST only")
            try:
                return handler(request, who)
            except (ValueError, TypeError, AttributeError):
                return answer_text(400, "expected JSON")
            except NotFound as error:
                return answer_text(404, str(error))
            except Misconfigured as error:
                return answer_text(503, str(error))

        return handle

    def _who(self, request: Request) -> str | Response:
        token = self._token.identify(request.headers.get("authorization", ""))
        identity = token or self._authenticator.identify(request.headers)
        if identity is None:
            return answer_text(401, "sign in first")
        if not allowed(identity.role, Action.PROXIES_MANAGE, "central"):
            return answer_text(403, "not for this role")
        return identity.login


def ask_for_restart() -> None:
    """Have the process that supervises Orthanc start it anew, with the registry as it is by then (`cami.boot`)."""
    os.kill(os.getppid(), signal.SIGHUP)


def _moment(moment: Any) -> str | None:
    return None if moment is None else iso(moment)
