"""Signing in with a password on the login page."""

from dataclasses import dataclass

from cami.errors import Transient
from cami.people.accounts import Accounts, Reason, Refusal
from cami.people.identity import Identity
from cami.people.sessions import Sessions
from cami.people.signing import SignInRecord


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody was let in."""

    token: str
    """For the cookie `cami.people.sessions.COOKIE`."""
    identity: Identity


class SignIn:
    """Opens a session for whoever knows the password."""

    def __init__(self, accounts: Accounts, sessions: Sessions, record: SignInRecord | None = None) -> None:
        """Make it; `record` writes down how each try ended."""
        self._accounts = accounts
        self._sessions = sessions
        self._record = record

    def sign_in(self, login: str, password: str) -> SignedIn | Refusal:
        """Check the password and open a session; say why not otherwise."""
        try:
            outcome = self._accounts.check(login, password)
            if self._record:
                self._record.note(login, outcome, "form")
        except Transient:
            return Refusal(Reason.BUSY)
        if isinstance(outcome, Refusal):
            return outcome
        return SignedIn(self._sessions.open(outcome.login), outcome)

    def sign_out(self, token: str) -> None:
        """Close the session of `token`; an unknown one is no error."""
        self._sessions.close(token)
