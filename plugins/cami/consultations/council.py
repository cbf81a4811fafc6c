"""Консилиум: the consultant who has the request invites others; each gives an opinion, one conclusion is signed.

Members see the request and its studies while somebody has it; their opinions are messages that both sides read.
"""

from sqlalchemy import Connection, Engine, insert

from cami.access import Identity
from cami.clock import Clock
from cami.consultations.notices import Target, Told, notify
from cami.consultations.ports import Act, Journal
from cami.consultations.request import Case, Person, load
from cami.consultations.service import Consultations
from cami.consultations.states import Actor
from cami.consultations.terms import Kind, MessageKind, Part
from cami.consultations.workflow import Workflow, record
from cami.db.tables import consultation_member
from cami.errors import Conflict, Denied, Invalid, NotFound

#: Members of one консилиум beside the consultant.
MOST = 12


class Council:
    """Members of requests of the kind консилиум."""

    def __init__(
        self, engine: Engine, clock: Clock, *, consultations: Consultations, workflow: Workflow, journal: Journal
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._consultations = consultations
        self._workflow = workflow
        self._journal = journal

    def may_invite(self, identity: Identity, case: Case) -> bool:
        """Return whether somebody may invite others."""
        has_it = Actor.CONSULTANT in self._consultations.actors(identity, case)
        return has_it and case.request.held and case.request.kind is Kind.COUNCIL

    def invite(self, identity: Identity, number: int, login: str) -> Case:
        """Let another consultant read and give an opinion.

        Raises
        ------
        cami.errors.Denied
            Somebody else has the request, or it is no консилиум.
        cami.errors.Invalid
            Nobody of that login may answer, or they belong to it already.
        """

        def add(connection: Connection, case: Case) -> Case:
            if not self.may_invite(identity, case):
                raise Denied("not in this part: invite")
            person = self._consultations.consultants.find(connection, login)
            taken = {case.request.consultant, *(member.login for member in case.members)}
            if person is None or person.mo == case.request.mo or login in taken or len(case.members) >= MOST:
                raise Invalid("to")
            now, me = self._clock.now(), Person.of(identity)
            values = {"login": login, "name": person.name, "mo": person.mo, "part": Part.MEMBER.value}
            connection.execute(insert(consultation_member).values(number=number, added_at=now, **values))
            after = load(connection, number)
            if after is None:
                raise NotFound("no such request")
            self._workflow.rights(connection, case, after, me)
            state = case.request.state.value
            record(connection, after, me, "member", at=now, before=state, subject=person.name)
            notify(connection, after, now, Told.ASSIGNED, [Target(login=login)])
            studies = tuple(study.study_uid for study in case.studies)
            details = {"member": login}
            self._journal.record_in(
                connection, Act(number, "member", me.login, me.role, me.mo, case.request.mo, studies, details=details)
            )
            return after

        added: Case = self._consultations.within(identity, number, add)
        return added

    def opine(self, identity: Identity, number: int, text: str) -> int:
        """Give one's opinion.

        Raises
        ------
        cami.errors.Denied
            Somebody is no member.
        cami.errors.Conflict
            The conclusion is signed, or nobody has the request.
        """

        def say(connection: Connection, case: Case) -> int:
            if not member_of(identity, case):
                raise Denied("not in this part: opinion")
            if not case.request.held:
                raise Conflict("the request is not in work")
            return self._consultations.talk.add(connection, identity, case, text, MessageKind.OPINION)

        said: int = self._consultations.within(identity, number, say)
        return said


def member_of(identity: Identity, case: Case) -> bool:
    """Return whether somebody was invited."""
    return any(member.login == identity.login and member.part == Part.MEMBER for member in case.members)
