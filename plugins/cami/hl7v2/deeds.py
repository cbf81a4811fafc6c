"""What messages do: orders and patients, by the same ways as the FHIR face."""

from sqlalchemy import Connection

from cami.audit import AuditEvent, Kind
from cami.errors import Conflict
from cami.hl7v2.answers import Answer
from cami.hl7v2.intake import Deed
from cami.hl7v2.message import Message, Segment
from cami.hl7v2.orders_in import OrderReader
from cami.hl7v2.patients_in import patient
from cami.hl7v2.peers import Peer, Peers, numbers
from cami.hl7v2.problems import Refused, Wrong, reject, wrong
from cami.mis import Caller, Incoming, MisService, acts_of
from cami.mis.problems import Problem
from cami.orders import Kind as NumberKind
from cami.orders import Orders, Patient, Patients, canonical

_ORDERS = (("OMI", "O23"), ("ORM", "O01"))
#: ADT events that bring a patient up to date: registered, changed (A08), a person's data (A28, A31).
_UPDATES = tuple(("ADT", event) for event in ("A01", "A04", "A05", "A08", "A28", "A31"))
_MERGE = ("ADT", "A40")


class Deeds:
    """Carries out messages in the caller's transaction. Thread-safe."""

    def __init__(self, peers: Peers, mis: MisService, orders: Orders, patients: Patients) -> None:
        self._peers = peers
        self._mis = mis
        self._orders = orders
        self._patients = patients

    def all(self) -> dict[tuple[str, str], Deed]:
        """Return what is done for which message type and event."""
        known: dict[tuple[str, str], Deed] = dict.fromkeys(_ORDERS, self._place)
        return known | dict.fromkeys(_UPDATES, self._update) | {_MERGE: self._merge}

    def _place(
        self, connection: Connection, message: Message, peer: Peer, caller: Caller
    ) -> tuple[Answer, list[AuditEvent]]:
        reader = OrderReader(self._peers, lambda *number: self._orders.of_placer_in(connection, *number))
        asked = reader.read(message, peer)
        written = self._mis.transactions.run(connection, asked.bundle(), caller)
        warnings = [wrong(each.code, severity="W") for entry in written for each in entry.warnings]
        told = []
        for system, number, control in asked.placers:
            order = self._orders.of_placer_in(connection, system, number)
            if order is None:
                raise Refused("AE", [wrong("CAMI-0034")])
            told.append((control, order))
        return Answer("AA", _once([*asked.warnings, *warnings]), told), acts_of(written, caller)

    def _update(
        self, connection: Connection, message: Message, peer: Peer, caller: Caller
    ) -> tuple[Answer, list[AuditEvent]]:
        _, warnings, act = self._put(connection, _required(message, "PID"), peer, caller)
        return Answer("AA", _once(warnings)), [act]

    def _merge(
        self, connection: Connection, message: Message, peer: Peer, caller: Caller
    ) -> tuple[Answer, list[AuditEvent]]:
        """Merge the patient of each MRG into that of its PID; whom we do not know there is nothing to merge of."""
        _required(message, "MRG")
        acts, warnings = [], []
        for group in message.groups("PID"):
            target, found, act = self._put(connection, group[0], peer, caller)
            acts.append(act)
            warnings += found
            for segment in group:
                if segment.name == "MRG":
                    warnings += self._join(connection, segment, target, peer, caller)
        return Answer("AA", _once(warnings)), acts

    def _join(
        self, connection: Connection, segment: Segment, target: Patient, peer: Peer, caller: Caller
    ) -> list[Wrong]:
        named = [canonical(each["system"], each["value"]) for each in numbers(peer.system, segment, 1)]
        own = [each for each in named if each.kind is NumberKind.MIS]
        if not own:
            raise Refused("AE", [wrong("CAMI-0012", "MRG")])
        warnings = []
        for number in own:
            source = next(iter(self._patients.of_identifier(number)), None)
            if source is None:
                warnings.append(wrong("CAMI-0034", "MRG", "W"))
            elif self._patients.root_in(connection, source.key) != self._patients.root_in(connection, target.key):
                try:
                    self._patients.merge(connection, source.key, target.key, caller.source)
                except Conflict as error:
                    raise Refused("AE", [wrong("CAMI-0044")]) from error
        return warnings

    def _put(
        self, connection: Connection, segment: Segment, peer: Peer, caller: Caller
    ) -> tuple[Patient, list[Wrong], AuditEvent]:
        incoming = Incoming(patient(segment, peer.system), "Patient")
        written = self._mis.intake.write(connection, incoming, caller)
        found = self._patients.get_in(connection, [written.patient])[written.patient]
        act = AuditEvent(
            Kind.CHANGE, caller.source, source=caller.address, patient=found.key, subject=f"patient {found.key}"
        )
        return found, [_warning(each) for each in written.warnings], act


def _required(message: Message, name: str) -> Segment:
    found = message.first(name)
    if found is None:
        raise reject("CAMI-0076", name)
    return found


def _warning(problem: Problem) -> Wrong:
    return wrong(problem.code, severity="W")


def _once(warnings: list[Wrong]) -> list[Wrong]:
    return list(dict.fromkeys(warnings))
