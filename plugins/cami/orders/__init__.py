"""Orders for imaging studies and the patients they are for: the truth at the centre, whoever sent them.

`Patients` knows people by identifiers (the MIS's number, then СНИЛС, then ЕНП; never by name), merges and unmerges them
without moving anything; `Orders` issues accession numbers and Study Instance UIDs and lets an order change only as the
table of `states` allows. Writes take the caller's connection and append an event in its transaction (`cami.events`).
Public names: `Orders`, `Order`, `NewOrder`, `OpenOrder`, `State`, `OrderQuery`, `find_orders`,
`next_page`; `Patients`, `Patient`, `Person`, `Identifier`,
`canonical`, `SNILS`, `ENP`.
"""

from cami.orders.finding import OrderQuery, find_orders, next_page
from cami.orders.identifiers import ENP, SNILS, Identifier, Kind, canonical
from cami.orders.order import NewOrder, OpenOrder, Order
from cami.orders.orders import Orders
from cami.orders.patients import Known, Patient, Patients, Person
from cami.orders.states import State

__all__ = [
    "ENP",
    "SNILS",
    "Identifier",
    "Kind",
    "Known",
    "NewOrder",
    "OpenOrder",
    "Order",
    "OrderQuery",
    "Orders",
    "Patient",
    "Patients",
    "Person",
    "State",
    "canonical",
    "find_orders",
    "next_page",
]
