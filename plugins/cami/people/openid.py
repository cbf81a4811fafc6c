"""Signing in through an OpenID Connect provider: the authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636).

``state`` and ``nonce`` are kept in a row, bound to the browser by a cookie, and good once; so the answer may come to
another replica, and nobody can slip their own sign-in into somebody else's browser. An account that a provider vouches
for has no password here. A login that is here already belongs to who has it: no claim takes it over.
"""

import base64
import hashlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.engine import Connection

from cami.audit import AuditEvent, AuditTrail, Kind
from cami.clock import Clock
from cami.db.tables import account, provider_visit
from cami.errors import Denied, Transient
from cami.people.accounts import Accounts
from cami.people.claims import Claimed, read_claims
from cami.people.credentials import NO_PASSWORD
from cami.people.places import places_in, replace_places
from cami.people.provider_line import ProviderLine
from cami.people.refusals import Reason, Refusal
from cami.people.sessions import Sessions
from cami.people.signin import Client, SignedIn, SignIn
from cami.region import Provider

log = logging.getLogger(__name__)

#: How long somebody may take at the provider.
PATIENCE = timedelta(minutes=10)
#: With an age at all a provider has to say when it has asked. Not 0: some then ask for ever, since a second has passed.
MAX_AGE = "60"
#: Seconds by which the provider's clock may be behind ours.
CLOCKS_DIFFER = 5.0


@dataclass(frozen=True, slots=True)
class Departure:
    """Somebody who is sent to the provider."""

    address: str
    browser: str
    """For a cookie of the browser, which has to come back with it."""
    visit: str
    """What names this visit and no other: the `state` of the flow."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The provider has just asked somebody again who they are, because they want to sign."""

    login: str
    visit: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who came back."""

    outcome: SignedIn | Refusal | Confirmed
    next: str


class OpenId:
    """Sign-in through one provider. Thread-safe."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        provider: Provider,
        line: ProviderLine,
        *,
        accounts: Accounts,
        sessions: Sessions,
        sign_in: SignIn,
        organizations: frozenset[str],
        trail: AuditTrail | None = None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._provider = provider
        self._line = line
        self._accounts = accounts
        self._sessions = sessions
        self._sign_in = sign_in
        self._organizations = organizations
        self._trail = trail

    @property
    def title(self) -> str:
        """What stands on the button."""
        return self._provider.title

    @property
    def portal(self) -> str:
        """The centre as browsers see it, if the registry says; else nothing."""
        return self._provider.portal or ""

    def depart(self, return_to: str, wanted: str, *, again: str = "") -> Departure:
        """Send somebody to the provider; `again` is the login of who is to prove anew that it is them.

        Then the provider must ask, whatever session it has (OpenID Connect Core 1.0 §3.1.2.1: ``prompt``, ``max_age``).

        Raises
        ------
        cami.errors.Transient
            It cannot be reached.
        cami.errors.Denied
            It is not what the registry says.
        """
        address = self._line.endpoint("authorization_endpoint")
        state, nonce, browser = (secrets.token_urlsafe(32) for _ in range(3))
        verifier = secrets.token_urlsafe(64)
        now = self._clock.now()
        with self._engine.begin() as connection:
            connection.execute(delete(provider_visit).where(provider_visit.c.began_at < now - PATIENCE))
            connection.execute(
                insert(provider_visit).values(
                    state_hash=_digest(state),
                    browser_hash=_digest(browser),
                    nonce=nonce,
                    verifier=verifier,
                    return_to=return_to,
                    next=wanted,
                    login=again,
                    began_at=now,
                )
            )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=")
        asked = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": return_to,
            "scope": self._provider.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.decode("ascii"),
            "code_challenge_method": "S256",
        }
        asked |= {"prompt": "login", "max_age": MAX_AGE} if again else {}
        return Departure(f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", browser, state)

    def arrive(self, state: str, code: str, browser: str, client: Client) -> Arrival:
        """Let somebody in who comes back from the provider."""
        digest = _digest(state)
        with self._engine.begin() as connection:
            visit = connection.execute(select(provider_visit).where(provider_visit.c.state_hash == digest)).first()
            gone = connection.execute(delete(provider_visit).where(provider_visit.c.state_hash == digest)).rowcount
        fresh = visit is not None and timedelta(0) <= self._clock.now() - visit.began_at < PATIENCE
        if visit is None or not gone or not fresh or not secrets.compare_digest(visit.browser_hash, _digest(browser)):
            return Arrival(self._sign_in.refuse("", Reason.PROVIDER, "provider"), "")
        try:
            claims = self._line.claims(code, visit.verifier, visit.nonce, visit.return_to)
        except (Denied, Transient) as error:
            log.warning("sign-in through the identity provider: %s", error)
            return Arrival(self._sign_in.refuse("", Reason.PROVIDER, "provider"), visit.next)
        claimed = read_claims(self._provider, claims, self._organizations)
        if visit.login:
            return Arrival(self._confirm(visit.login, visit.began_at, claimed, claims, state), visit.next)
        outcome = self._admit(claimed, client)
        if isinstance(outcome, SignedIn) and (there := claims.get("sid")):
            self._sessions.note_provider_session(outcome.token, _digest(str(there)))
        return Arrival(outcome, visit.next)

    def signed_out(self, token: str) -> int:
        """End the sessions of somebody who has signed out at the provider, by its word; return how many.

        Of one session there, those that began with it; where the provider names none, all that it has vouched for.

        Raises
        ------
        cami.errors.Denied
            The word is not this provider's.
        cami.errors.Transient
            It cannot be checked now.
        """
        departed = self._line.logout(token)
        there = _digest(departed.session) if departed.session else None
        with self._engine.begin() as connection:
            login = None
            if departed.subject:
                known = (account.c.issuer == self._provider.issuer, account.c.subject == _digest(departed.subject))
                login = connection.scalar(select(account.c.login).where(*known))
                if login is None:
                    return 0
            ended = self._sessions.close_provided_in(connection, login, there)
            if ended and self._trail is not None:
                for each in sorted(set(ended)):
                    event = AuditEvent(Kind.SIGN_OUT, each, subject=each, details={"way": "provider"})
                    self._trail.record_in(connection, event)
        return len(ended)

    def vouches_for(self, login: str) -> bool:
        """Return whether an account is the provider's, so that its person has no password here."""
        row = self._accounts.row(login)
        return row is not None and row.issuer == self._provider.issuer

    def _confirm(
        self, login: str, began_at: datetime, claimed: Claimed | None, claims: Mapping[str, Any], visit: str
    ) -> Confirmed | Refusal:
        """See that the provider has asked this person, and after they left for it (Core 1.0 §2: ``auth_time``)."""
        asked_at = claims.get("auth_time")
        fresh = isinstance(asked_at, int | float) and asked_at >= began_at.timestamp() - CLOCKS_DIFFER
        row = self._accounts.row(login)
        known = row is not None and claimed is not None and not row.disabled and claimed.login == login
        if not known or not fresh or row is None or claimed is None:
            log.warning("signing through the identity provider: it has not asked the person anew, or asked another one")
            return self._sign_in.refuse(login, Reason.PROVIDER, "provider")
        if (row.issuer, row.subject) != (self._provider.issuer, _digest(claimed.subject)):
            return self._sign_in.refuse(login, Reason.NOT_MAPPED, "provider")
        return Confirmed(login, visit)

    def farewell(self, back: str) -> str:
        """Return where a browser is sent to sign out at the provider too (RP-Initiated Logout 1.0), or nothing."""
        try:
            address = self._line.endpoint("end_session_endpoint")
        except (Denied, Transient):
            return ""
        asked = urlencode({"client_id": self._provider.client_id, "post_logout_redirect_uri": back})
        return f"{address}{'&' if '?' in address else '?'}{asked}" if address else ""

    def _admit(self, claimed: Claimed | None, client: Client) -> SignedIn | Refusal:
        if claimed is None:
            return self._sign_in.refuse("", Reason.NOT_MAPPED, "provider")
        with self._engine.begin() as connection:
            taken = self._take_over(connection, claimed, client)
        row = self._accounts.row(claimed.login)
        if not taken or row is None:
            log.warning("sign-in through the identity provider: a login is somebody else's here")
            return self._sign_in.refuse(claimed.login, Reason.NOT_MAPPED, "provider")
        if row.disabled:
            return self._sign_in.refuse(claimed.login, Reason.DISABLED, "provider")
        state = self._accounts.state(claimed.login)
        if state is None:
            return self._sign_in.refuse(claimed.login, Reason.DISABLED, "provider")
        return self._sign_in.let_in(state.identity, client, provider=True)

    def _take_over(self, connection: Connection, claimed: Claimed, client: Client) -> bool:
        """Make the account what the provider says of it; False if the login is not the provider's to give."""
        issuer, subject = self._provider.issuer, _digest(claimed.subject)
        row = connection.execute(select(account).where(account.c.login == claimed.login)).first()
        own = claimed.places[0]
        values: dict[str, Any] = {"name": claimed.name, "role": own.role, "mo": own.mo}
        if row is None:
            connection.execute(
                insert(account).values(
                    login=claimed.login,
                    password_hash=NO_PASSWORD,
                    disabled=False,
                    failures=0,
                    changed_at=self._clock.now(),
                    must_change=False,
                    issuer=issuer,
                    subject=subject,
                    **values,
                )
            )
            replace_places(connection, claimed.login, claimed.places[1:])
            self._note(connection, claimed, client, "created")
            return True
        if (row.issuer, row.subject) != (issuer, subject):
            return False
        if tuple(places_in(connection, claimed.login)) != claimed.places:
            values["changed_at"] = self._clock.now()
            replace_places(connection, claimed.login, claimed.places[1:])
            self._sessions.close_in(connection, claimed.login)
            self._note(connection, claimed, client, "role")
        connection.execute(update(account).where(account.c.login == claimed.login).values(**values))
        return True

    def _note(self, connection: Connection, claimed: Claimed, client: Client, act: str) -> None:
        if self._trail is not None:
            details = {f"place{number}": f"{each.mo}:{each.role}" for number, each in enumerate(claimed.places[:10])}
            event = AuditEvent(
                Kind.ADMINISTRATION, "provider", source=client.address, subject=claimed.login, reason=act,
                details=details,
            )  # fmt: skip
            self._trail.record_in(connection, event)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
