"""The Task of a consultation as it comes in: a new one goes to the desk, a known one may be withdrawn (I9)."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from cami.events import EventLog, NewEvent
from cami.mis import consultations_out
from cami.mis.asked import Asked, AskedConsultations
from cami.mis.consultation_requests import Lookup
from cami.mis.message import Caller, Incoming, Written
from cami.mis.problems import refuse


class ConsultationIntake:
    """Takes Tasks of consultations, in the caller's transaction. Thread-safe."""

    def __init__(
        self, asked: AskedConsultations, events: EventLog, *, oid_of: Callable[[str], str], zone: ZoneInfo
    ) -> None:
        self._asked = asked
        self._events = events
        self._oid_of = oid_of
        self._zone = zone

    def take(
        self, connection: Connection, stored: Written, incoming: Incoming, caller: Caller, lookup: Lookup
    ) -> Written:
        """Hand a Task that was just stored to the desk.

        Raises
        ------
        Refusal
            It says of no patient, or the desk does not take it.
        """
        task = incoming.resource
        if not stored.patient:
            raise refuse(422, "CAMI-0010", incoming.place + ".for")
        number = self._asked.place(
            connection, task, stored.address, lookup, patient=stored.patient, client=caller.client,
            place=incoming.place,
        )  # fmt: skip
        payload = {"number": number, "task": stored.address, "by": caller.source}
        self._events.append(connection, NewEvent("consultation.requested", stored.patient, payload))
        return self._shown(self._of(connection, stored.address.partition("/")[2], incoming, caller), incoming, new=True)

    def again(self, connection: Connection, id_: str, incoming: Incoming, caller: Caller, lookup: Lookup) -> Written:
        """Withdraw a consultation that was asked for; the same request once more changes nothing.

        Raises
        ------
        Refusal
            There is none, it is of another version or has ended, or something else is to be changed of it.
        """
        asked = self._of(connection, id_, incoming, caller)
        if incoming.version is not None and incoming.version != asked.version:
            raise refuse(412, "CAMI-0040", incoming.place)
        if incoming.resource.get("status") == "cancelled":
            self._asked.withdraw(connection, asked, incoming.resource, lookup, incoming.place)
            asked = self._of(connection, id_, incoming, caller)
        elif incoming.id is not None:
            raise refuse(422, "CAMI-0043", incoming.place + ".status")
        return self._shown(asked, incoming, new=False)

    def _of(self, connection: Connection, id_: str, incoming: Incoming, caller: Caller) -> Asked:
        asked = self._asked.of_task(connection, id_, caller.client)
        if asked is None:
            raise refuse(404, "CAMI-0034", incoming.place)
        return asked

    def _shown(self, asked: Asked, incoming: Incoming, *, new: bool) -> Written:
        resource = consultations_out.asked_task(
            asked, incoming.resource, state=asked.state, version=asked.version, zone=self._zone, oid_of=self._oid_of
        )
        return Written(f"Task/{asked.task}", asked.version, new, resource, patient=asked.patient)
