"""Events: the transactional outbox through which orders, consultations and the MIS meet without importing each other.

Who changes something appends an event *in the transaction of the change* (`EventLog.append`): both are there or neither
is. Who wants to know reads what came after its cursor (`Reader.read`), does its work, and moves the cursor in the
transaction that keeps the outcome: each event has its effect once in the database, and at least once outside of it.

Kinds are dotted names: ``order.accepted``, ``order.changed``, ``order.cancelled``, ``order.started``,
``order.completed``, ``order.released``, ``order.replaced``, ``patient.changed``, ``patient.merged``,
``patient.unmerged``, ``study.available``, ``study.matched``, ``report.signed``, ``consultation.state``. The key is what
events are kept in order by: a patient's key, or a Study Instance UID. The payload has ids, codes and states, never a
name. Public names: `EventLog`, `NewEvent`, `Event`, `Reader`.
"""

from cami.events.log import Event, EventLog, NewEvent
from cami.events.reader import Reader

__all__ = ["Event", "EventLog", "NewEvent", "Reader"]
