"""Who came in, and who was not let in: on record before the answer leaves (приказ ФСТЭК № 21, РСБ.3).

A browser signs in once for a session; a program sends its password with every request, so of one that goes on working
there is one event in a while. Each wrong password is an event; what a lock turns away unread is counted.
"""

from datetime import timedelta

from cami.audit import AuditEvent, AuditTrail, Kind, Outcome
from cami.audit.caller import caller
from cami.audit.recent import Recent
from cami.clock import Clock
from cami.people.directory import is_login, normal_login
from cami.people.identity import Identity
from cami.people.refusals import Reason, Refusal

#: A program that goes on sending its password is recorded again after so long.
PROGRAMS = timedelta(minutes=30)
#: Tries that were refused without looking at the password are counted for so long.
LOCKED = timedelta(minutes=1)


class SignInRecord:
    """Records signing in and out. Thread-safe."""

    def __init__(self, trail: AuditTrail, clock: Clock) -> None:
        self._trail = trail
        self._programs = Recent(clock, PROGRAMS)
        self._locked = Recent(clock, LOCKED)

    def note(self, login: str, outcome: Identity | Refusal, way: str, *, program: bool = False) -> None:
        """Record how a try ended.

        Parameters
        ----------
        login
            As it was given; only what can be a login is recorded.
        way
            A code: ``form``, ``basic``, …
        program
            Whether it is sent again and again, with every request.

        Raises
        ------
        cami.errors.Transient
            The journal cannot be written: nobody is let in.
        """
        source = caller().source
        name = normal_login(login)
        name = name if is_login(name) else ""
        if isinstance(outcome, Identity):
            # A wrong password in between is no reason to be silent about the next right one.
            key = (outcome.login, source, way)
            if program:
                self._programs.once(key, lambda more: self._write(name, outcome, source, way, more))
            else:
                self._write(name, outcome, source, way, 0)
        elif outcome.reason in (Reason.LOCKED, Reason.BUSY):
            self._locked.once(
                (name, source, outcome.reason), lambda more: self._write(name, outcome, source, way, more)
            )
        else:
            self._write(name, outcome, source, way, 0)

    def _write(self, login: str, outcome: Identity | Refusal, source: str, way: str, more: int) -> None:
        details = {"way": way} | ({"more": str(more)} if more else {})
        if isinstance(outcome, Identity):
            event = AuditEvent(
                Kind.SIGN_IN, outcome.login, outcome.role, outcome.mo, source, subject=outcome.login, details=details
            )
        else:
            event = AuditEvent(
                Kind.SIGN_IN,
                login,
                source=source,
                outcome=Outcome.FAILURE,
                subject=login,
                reason=outcome.reason,
                details=details,
            )
        self._trail.record(event)
