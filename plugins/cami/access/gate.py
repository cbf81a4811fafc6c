"""The HTTP filter: lets a request through, or not. Deny by default; whatever goes wrong is a refusal."""

import logging
from collections.abc import Mapping

from sqlalchemy import Engine

from cami.access.hygiene import acceptable_headers, clean_path, forged
from cami.access.owners import study_owners
from cami.access.policy import allowed
from cami.access.routes import Match, Rule, match
from cami.access.sight import Sight
from cami.archive import Archive
from cami.clock import Clock, SystemClock
from cami.people.authenticator import Authenticator
from cami.people.identity import Identity
from cami.people.roles import Action
from cami.settings import Role as ServerRole

log = logging.getLogger(__name__)


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
        clock: Clock | None = None,
    ) -> None:
        self._role = role
        self._authenticator = authenticator
        self._sight = Sight(study_owners(role, mo, engine, clock or SystemClock()), archive)

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
        if found.rule is Rule.NOBODY:
            return False
        if found.rule in (Rule.PUBLIC, Rule.SELF):
            return True
        identity = self._authenticator.identify(headers)
        return identity is not None and self._may(identity, found)

    def _may(self, identity: Identity, found: Match) -> bool:
        if found.rule is Rule.SIGNED_IN:
            return True
        if found.rule is Rule.FIGURES:
            return allowed(identity.role, Action.METRICS_READ, self._role)
        if found.rule is Rule.ADMIN_READ:
            return allowed(identity.role, Action.ARCHIVE_INSPECT, self._role)
        if not allowed(identity.role, Action.STUDIES_READ, self._role):
            return False
        if found.rule is Rule.SCOPED:
            return True
        return (
            found.rule is Rule.RESOURCE
            and found.level is not None
            and self._sight.sees(identity, found.level, found.resource)
        )
