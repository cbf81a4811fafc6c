"""The HTTP filter: lets a request through, or not. Deny by default; whatever goes wrong is a refusal."""

import logging
from collections.abc import Mapping

from sqlalchemy import Engine

from cami.access.hygiene import acceptable_body, acceptable_headers, clean_path, forged
from cami.access.jobs import OwnJobs
from cami.access.limits import Limits
from cami.access.owners import study_owners
from cami.access.policy import allowed, may_store
from cami.access.route_table import Rule
from cami.access.routes import Match, match
from cami.access.sight import Sight
from cami.archive import Archive
from cami.clock import Clock, SystemClock
from cami.people.authenticator import Authenticator
from cami.people.identity import Identity
from cami.people.roles import Action
from cami.settings import Role as ServerRole
from cami.web import source_of

log = logging.getLogger(__name__)


#: What each rule asks of a role.
_ACTIONS: Mapping[Rule, Action] = {
    Rule.ADMIN_READ: Action.ARCHIVE_INSPECT,
    Rule.FIGURES: Action.METRICS_READ,
    Rule.OWN_JOB: Action.STUDIES_READ,
    Rule.RESOURCE: Action.STUDIES_READ,
    Rule.SCOPED: Action.STUDIES_READ,
}
_SIGN_IN = frozenset({"/cami/login", "/cami/oauth/token"})


class Gate:
    """Decides about every HTTP request before Orthanc or a handler of ours sees it. Thread-safe.

    A resource of another МО and one that does not exist are refused alike.
    """

    def __init__(
        self,
        role: ServerRole,
        mo: str,
        authenticator: Authenticator,
        archive: Archive,
        engine: Engine,
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._role = role
        self._authenticator = authenticator
        self._sight = Sight(study_owners(role, mo, engine, clock or SystemClock()), archive)
        self._jobs = OwnJobs(engine, archive, self._sight, clock or SystemClock())
        self._limits = limits or Limits()

    def allows(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        """Say whether the request may go on.

        Parameters
        ----------
        method
            As Orthanc means to treat it, in capitals.
        path
            Decoded, without query string.
        query
            Arguments of a GET.
        headers
            Names in lower case.
        """
        try:
            return self._allows(method, path, query, headers)
        except Exception as error:  # noqa: BLE001 - a failing lock stays shut
            # Neither the path nor the error's text is logged: they may hold identifiers.
            log.error("the gate refused a %s because it failed: %s", method, type(error).__name__)  # noqa: TRY400
            return False

    def _allows(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        clean = clean_path(path)
        if clean is None or not acceptable_headers(headers) or forged(method, headers):
            return False
        found = match(method, clean, query)
        if found.rule is Rule.NOBODY or not acceptable_body(method, headers, found.body):
            return False
        if found.rule in (Rule.PUBLIC, Rule.SELF):
            return self._may_try(method, clean, source_of(headers))
        identity = self._identify(headers, source_of(headers))
        return identity is not None and self._may(identity, method, found)

    def _may_try(self, method: str, path: str, source: str) -> bool:
        if method == "POST" and path in _SIGN_IN:
            return self._limits.sign_ins.take(source)
        return self._limits.requests.take(source)

    def _identify(self, headers: Mapping[str, str], source: str) -> Identity | None:
        """Return who asks, unless he asks too much."""
        identity = self._authenticator.identify(headers)
        if not self._limits.requests.take(f"@{identity.login}" if identity else source):
            return None
        return identity

    def _may(self, identity: Identity, method: str, found: Match) -> bool:
        if found.rule is Rule.SIGNED_IN:
            return True
        if found.rule is Rule.STORE:
            return may_store(identity, self._role)
        action = _ACTIONS.get(found.rule)
        if action is None or not allowed(identity.role, action, self._role):
            return False
        if found.rule is Rule.RESOURCE:
            return found.level is not None and self._sight.sees(identity, found.level, found.resource)
        if found.rule is Rule.OWN_JOB:
            inspects = method == "GET" and allowed(identity.role, Action.ARCHIVE_INSPECT, self._role)
            return inspects or self._jobs.mine(identity, found.resource)
        return True
