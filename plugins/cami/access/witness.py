"""Records what the gate has decided, before the request goes on: reads, searches, changes, refusals.

Of one study read by one person from one address there is one event in a window (`cami.audit.recent`). Both a foreign
study and one that does not exist cost an event when they are asked for the first time, so that the time tells nothing.
What handlers of ours answer is recorded by `cami.access.recorder`, which knows how it ended.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from cami.access.acts import Act, of_archive, route_of
from cami.access.sight import Sight
from cami.access.subjects import Subject, Subjects
from cami.archive import orthanc_id
from cami.audit import AuditEvent, AuditTrail, Kind, Outcome
from cami.audit.recent import Recent
from cami.clock import Clock
from cami.people import Authenticator, Identity

#: Reads of one study by one person within this time are one event.
WINDOW = timedelta(minutes=5)
#: Attributes by which one searches; their values are never recorded.
_KEYWORD_LENGTH = 40


class Decides(Protocol):
    """The gate."""

    def allows(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        """Say whether the request may go on."""
        ...


class Witness:
    """A gate with a witness: what it decides is on record when the answer is given. Thread-safe."""

    def __init__(
        self,
        gate: Decides,
        *,
        authenticator: Authenticator,
        sight: Sight,
        subjects: Subjects,
        trail: AuditTrail,
        clock: Clock,
        window: timedelta = WINDOW,
    ) -> None:
        self._gate = gate
        self._authenticator = authenticator
        self._sight = sight
        self._subjects = subjects
        self._trail = trail
        # By what was asked for, and by the study that it turned out to be.
        self._asked = Recent(clock, window)
        self._told = Recent(clock, window)

    def allows(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], source: str = ""
    ) -> bool:
        """Say whether the request may go on.

        Raises
        ------
        cami.errors.Transient
            It may, or may not, but the journal cannot be written: it must not go on.
        """
        allowed = self._gate.allows(method, path, query, headers)
        if not allowed:
            # No password is tried a second time for the journal: it would double what guessing costs.
            self._refused(self._authenticator.identified(headers), method, path, source)
        elif (act := of_archive(method, path.rstrip("/") or "/")) is not None:
            identity = self._authenticator.identified(headers)
            if identity is not None:
                self._allowed(identity, act, query, source)
        return allowed

    def _allowed(self, identity: Identity, act: Act, query: Mapping[str, str], source: str) -> None:
        if act.each:
            self._record(identity, act, query, source, 0)
            return
        named = act.study_uid or self._study(act) or act.resource
        asked = frozenset(query.items()) if act.kind is Kind.SEARCH else None
        key = (identity.login, source, act.kind, named or act.route, asked)
        self._asked.once(key, lambda more: self._record(identity, act, query, source, more))

    def _study(self, act: Act) -> str:
        if act.level in (None, "patients") or not act.resource:
            return ""
        return self._sight.study_of(act.level, act.resource) or ""

    def _record(self, identity: Identity, act: Act, query: Mapping[str, str], source: str, more: int) -> None:
        seen, subject = True, Subject()
        if act.study_uid:
            subject, seen = self._subjects.of_uid(identity, act.study_uid)
        elif act.resource and act.level != "patients":
            # He sees it: nothing can be betrayed, and what our tables do not have (yet) the archive knows.
            subject = self._subjects.of_seen(self._study(act) or act.resource)
        elif act.level == "patients":
            subject = Subject(patient=act.resource)
        elif act.kind is Kind.SEARCH:
            subject = Subject(patient=_searched_patient(query))
        details = {"route": act.route} | ({"more": str(more)} if more else {})
        if act.kind is Kind.SEARCH and query:
            details["by"] = ",".join(sorted(name[:_KEYWORD_LENGTH] for name in query if name.isalnum()))
        kind = act.kind if seen else Kind.REFUSAL
        event = _event(kind, identity, source, subject, details)
        if act.each or kind is Kind.SEARCH or not subject.study_uid:
            self._trail.record(event)
        else:
            self._told.once((identity.login, source, kind, subject.study_uid), lambda _more: self._trail.record(event))

    def _refused(self, identity: Identity | None, method: str, path: str, source: str) -> None:
        path = path.rstrip("/") or "/"
        act = of_archive(method, path)
        route = route_of(path)
        if identity is None:
            # A stranger may ask for anything, any number of times: one event a window and kind of address.
            key = ("", source, method, route)
        else:
            named = (act.resource or act.study_uid) if act else ""
            key = (identity.login, source, method, named or route)

        def record(more: int) -> None:
            subject = Subject()
            if identity is not None and act is not None and act.resource and act.level != "patients":
                subject = self._subjects.of_resource(act.level or "studies", act.resource)
            details = {"route": route, "method": method} | ({"more": str(more)} if more else {})
            self._trail.record(_event(Kind.REFUSAL, identity, source, subject, details))

        self._asked.once(key, record)


def _event(
    kind: Kind, identity: Identity | None, source: str, subject: Subject, details: Mapping[str, str]
) -> AuditEvent:
    return AuditEvent(
        kind,
        identity.login if identity else "",
        identity.role if identity else "",
        identity.mo if identity else "",
        source,
        Outcome.FAILURE if kind is Kind.REFUSAL else Outcome.SUCCESS,
        studies=(subject.study_uid,) if subject.study_uid else (),
        patient=subject.patient,
        owner=subject.owner,
        details=details,
    )


def _searched_patient(query: Mapping[str, str]) -> str:
    """Return the key of the one patient whose number is searched for."""
    number = query.get("PatientID") or query.get("00100020") or ""
    return orthanc_id(number) if number and not set(number) & set("*?\\") else ""
