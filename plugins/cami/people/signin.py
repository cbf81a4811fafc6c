"""Signing in, step by step, and what somebody does with the own account. Each act is on record before its answer."""

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from cami.audit import AuditEvent, AuditTrail, Kind
from cami.clock import Clock
from cami.db.tables import account
from cami.errors import Denied, Invalid, Transient
from cami.people.accounts import Accounts
from cami.people.credentials import Credentials
from cami.people.guessing import AddressLimit
from cami.people.identity import Identity
from cami.people.refusals import Reason, Refusal
from cami.people.second_factor import SecondFactor
from cami.people.sessions import Sessions, Standing, Step
from cami.people.signing import SignInRecord


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody was let in; perhaps there is a step to do before anything opens."""

    token: str
    """For the cookie `cami.people.sessions.COOKIE`."""
    identity: Identity
    step: Step | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """Where somebody sits."""

    address: str = ""
    browser: str = ""


_NOBODY = Client()


class SignIn:
    """Opens sessions, takes them through their steps, ends them. Thread-safe."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        accounts: Accounts,
        sessions: Sessions,
        *,
        factor: SecondFactor | None = None,
        limit: AddressLimit | None = None,
        trail: AuditTrail | None = None,
        record: SignInRecord | None = None,
    ) -> None:
        """Make it; `record` writes down how each try ended, `trail` what was changed."""
        self._engine = engine
        self._clock = clock
        self._accounts = accounts
        self._sessions = sessions
        self._credentials = Credentials(engine, clock, accounts)
        self._factor = factor or SecondFactor(engine, clock, None)
        self._limit = limit or AddressLimit(accounts.rules.lock.address_failures)
        self._trail = trail
        self._record = record

    def sign_in(self, login: str, password: str, client: Client = _NOBODY) -> SignedIn | Refusal:
        """Check the password and open a session; say why not otherwise."""
        try:
            if self._limit.reached(client.address, self._clock.now()):
                return self.refuse(login, Reason.ADDRESS, "form")
            outcome = self._accounts.check(login, password)
            if isinstance(outcome, Identity):
                return self.let_in(outcome, client)
            if outcome.reason in (Reason.WRONG, Reason.LOCKED):
                self._limit.failed(client.address, self._clock.now())
            return self.refuse(login, outcome.reason, "form")
        except Transient:  # too many at once, or the journal cannot be written
            return Refusal(Reason.BUSY)

    def let_in(self, identity: Identity, client: Client, *, provider: bool = False) -> SignedIn:
        """Open a session for somebody who has proved who it is."""
        if self._record:
            self._record.note(identity.login, identity, "provider" if provider else "form")
        token = self._sessions.open(identity.login, address=client.address, browser=client.browser, provider=provider)
        with self._engine.begin() as connection:
            change = account.update().where(account.c.login == identity.login)
            connection.execute(change.values(signed_in_at=self._clock.now()))
        standing = self._sessions.standing(token)
        return SignedIn(token, identity, None if standing is None else standing.step)

    def standing(self, token: str | None) -> Standing | None:
        """Return how a session stands."""
        return self._sessions.standing(token) if token else None

    def show_code(self, token: str, code: str, client: Client) -> Refusal | None:
        """Take the code of the second factor; wrong ones lock the account."""
        standing = self._require(token, Step.CODE)
        login = standing.identity.login
        if self._limit.reached(client.address, self._clock.now()):
            return self.refuse(login, Reason.ADDRESS, "code")
        if self._accounts.locked(login):
            return self.refuse(login, Reason.LOCKED, "code")
        if not self._factor.check(login, code):
            self._limit.failed(client.address, self._clock.now())
            self._accounts.failed(login)
            if self._accounts.locked(login):
                self._sessions.close(token)
                return self.refuse(login, Reason.LOCKED, "code")
            return self.refuse(login, Reason.CODE, "code")
        with self._engine.begin() as connection:
            self._accounts.forgive(connection, login)
            self._note_in(connection, Kind.SIGN_IN, standing.identity, client, details={"way": "code"})
        self._sessions.factor_shown(token)
        self._sessions.settle(token)
        return None

    def change_password(self, token: str, present: str, wanted: str, client: Client) -> str | None:
        """Change the own password, when it has to be or at will. The other sessions of the account end.

        Returns
        -------
        str or None
            Why not: a `Fault`, or a `Reason`; None when it is changed.

        Raises
        ------
        cami.errors.Denied
            It is not here that this account's password is changed.
        """
        standing = self._sessions.standing(token)
        if standing is None or standing.step not in (None, Step.PASSWORD):
            raise Denied("signed out")
        login = standing.identity.login
        if self._accounts.mirror or standing.provider:
            raise Denied("elsewhere")
        try:
            outcome = self._accounts.check(login, present)
            if isinstance(outcome, Refusal):
                self._limit.failed(client.address, self._clock.now())
                if outcome.reason is Reason.LOCKED:
                    self._sessions.close(token)
                return str(outcome.reason)
            if (fault := self._credentials.fault_of(login, wanted)) is not None:
                return str(fault)
        except Transient:
            return str(Reason.BUSY)
        hashed = self._credentials.hash(wanted)
        with self._engine.begin() as connection:
            self._credentials.choose(connection, login, hashed)
            self._sessions.close_in(connection, login, but=token)
            self._note_in(connection, Kind.ADMINISTRATION, standing.identity, client, reason="password-changed")
        self._sessions.settle(token)
        return None

    def enrolment(self, token: str) -> str:
        """Return the secret of a second factor that is to be set up, for the app."""
        return self._factor.secret(self._enrolling(token).identity.login)

    def enrol(self, token: str, code: str, client: Client) -> list[str] | None:
        """Put a second factor in force if the app's code is right; return recovery codes."""
        standing = self._enrolling(token)
        login = standing.identity.login
        if self._accounts.locked(login):
            raise Denied("locked")
        with self._engine.begin() as connection:
            codes = self._factor.confirm(connection, login, code)
            if codes is not None:
                self._sessions.close_in(connection, login, but=token)
                self._note_in(connection, Kind.ADMINISTRATION, standing.identity, client, reason="factor-on")
        if codes is None:
            self._accounts.failed(login)
            return None
        self._accounts.generation += 1
        self._sessions.factor_shown(token)
        self._sessions.settle(token)
        return codes

    def renew_codes(self, token: str, code: str, client: Client) -> list[str] | None:
        """Replace the recovery codes of the own account, for who shows a code."""
        standing = self._require(token, None)
        login = standing.identity.login
        if not self._shown(login, code, client):
            return None
        with self._engine.begin() as connection:
            codes = self._factor.renew_codes(connection, login)
            self._note_in(connection, Kind.ADMINISTRATION, standing.identity, client, reason="recovery-codes-renewed")
        return codes

    def leave_factor(self, token: str, code: str, client: Client) -> bool:
        """Switch the own second factor off, for who shows a code; where it is demanded it is set up anew at once."""
        standing = self._require(token, None)
        login = standing.identity.login
        if not self._shown(login, code, client):
            return False
        with self._engine.begin() as connection:
            self._factor.switch_off(connection, login)
            self._sessions.close_in(connection, login, but=token)
            self._note_in(connection, Kind.ADMINISTRATION, standing.identity, client, reason="factor-off")
        self._accounts.generation += 1
        return True

    def choose_place(self, token: str, mo: str, client: Client) -> None:
        """Work in another МО from now on.

        Raises
        ------
        cami.errors.Invalid
            The account has no place there.
        """
        standing = self._sessions.standing(token)
        if standing is None or standing.step not in (None, Step.PLACE):
            raise Denied("signed out")
        if not self._sessions.choose(token, mo):
            raise Invalid("place")
        self._note(Kind.SIGN_IN, standing.identity, client, details={"way": "place", "place": mo})
        self._sessions.settle(token)

    def sign_out(self, token: str) -> None:
        """Close the session of `token`; an unknown one is no error. What records requests records this one."""
        self._sessions.close(token)

    def sign_out_everywhere(self, identity: Identity, client: Client) -> None:
        """Close every session of an account."""
        with self._engine.begin() as connection:
            self._sessions.close_in(connection, identity.login)
            self._note_in(connection, Kind.SIGN_OUT, identity, client, details={"sessions": "all"})

    def end_session(self, identity: Identity, key: str, client: Client) -> None:
        """Close one session of the own account."""
        self._sessions.close_one(identity.login, key)
        self._note(Kind.SIGN_OUT, identity, client, details={"sessions": "one"})

    def _shown(self, login: str, code: str, client: Client) -> bool:
        if self._accounts.locked(login):
            return False
        if self._factor.check(login, code):
            return True
        self._limit.failed(client.address, self._clock.now())
        self._accounts.failed(login)
        return False

    def _enrolling(self, token: str) -> Standing:
        standing = self._sessions.standing(token)
        if standing is None or standing.step not in (None, Step.ENROL) or standing.provider or self._accounts.mirror:
            raise Denied("signed out")
        return standing

    def _require(self, token: str, step: Step | None) -> Standing:
        standing = self._sessions.standing(token)
        if standing is None or standing.step is not step:
            raise Denied("signed out")
        return standing

    def refuse(self, login: str, reason: Reason, way: str) -> Refusal:
        """Put on record that somebody is not let in, and say so."""
        refusal = Refusal(reason)
        if self._record:
            self._record.note(login, refusal, way)
        return refusal

    def _note(self, kind: Kind, who: Identity, client: Client, *, details: dict[str, str] | None = None) -> None:
        if self._trail is not None:
            self._trail.record(
                AuditEvent(kind, who.login, who.role, who.mo, client.address, subject=who.login, details=details or {})
            )

    def _note_in(
        self,
        connection: Connection,
        kind: Kind,
        who: Identity,
        client: Client,
        *,
        reason: str = "",
        details: dict[str, str] | None = None,
    ) -> None:
        if self._trail is not None:
            event = AuditEvent(
                kind, who.login, who.role, who.mo, client.address,
                subject=who.login, reason=reason, details=details or {},
            )  # fmt: skip
            self._trail.record_in(connection, event)
