"""Which pages there are, and which of them somebody is shown the way to."""

from collections.abc import Sequence
from dataclasses import dataclass

from cami.access import Action, Identity, allowed
from cami.portal.local_path import HOME
from cami.settings import Role as ServerRole


def _(message: str) -> str:
    return message


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the navigation."""

    path: str
    title: str
    action: Action
    """What one must be allowed to do for it."""
    servers: frozenset[ServerRole] = frozenset({"central", "proxy"})


QUARANTINE = "/cami/quarantine"
DELIVERY = "/cami/delivery"
COMPLETENESS = "/cami/completeness"
ROUTING = "/cami/routing"
MIS = "/cami/mis"
HL7 = "/cami/hl7"
PEOPLE = "/cami/people"
#: Not among the places: one's own name leads there.
ACCOUNT = "/cami/account"
JOURNAL = "/cami/journal"
ACCESSES = "/cami/who"
CONSULTATIONS = "/cami/consultations"
CONSULTATION_STATISTICS = "/cami/consultations/statistics"
GRANTS = "/cami/grants"
EMERGENCY = "/cami/emergency"
NODES = "/cami/nodes"
REMOVALS = "/cami/removals"
WORKLIST = "/cami/worklist"
MATCHING = "/cami/matching"
FLEET = "/cami/fleet"

#: In the order in which they are shown.
PLACES: Sequence[Place] = (
    Place(HOME, _("Исследования"), Action.STUDIES_READ),
    Place(WORKLIST, _("Рабочий список"), Action.WORKLIST_READ, frozenset({"proxy"})),
    Place(MATCHING, _("Сверка"), Action.MATCHING_DECIDE, frozenset({"central"})),
    Place(CONSULTATIONS, _("Консультации"), Action.CONSULTATIONS_READ, frozenset({"central"})),
    Place(
        CONSULTATION_STATISTICS,
        _("Статистика консультаций"),
        Action.CONSULTATIONS_STATISTICS,
        frozenset({"central"}),
    ),
    Place(QUARANTINE, _("Карантин"), Action.QUARANTINE_READ),
    Place(DELIVERY, _("Передача"), Action.DELIVERY_READ, frozenset({"proxy"})),
    Place(COMPLETENESS, _("Полнота передачи"), Action.COMPLETENESS_READ),
    Place(FLEET, _("PACS МО"), Action.FLEET_READ, frozenset({"central"})),
    Place(MIS, _("Обмен с МИС"), Action.MIS_WATCH, frozenset({"central"})),
    Place(HL7, _("Сообщения HL7"), Action.MIS_WATCH, frozenset({"central"})),
    Place(ROUTING, _("Маршрутизация"), Action.ROUTING_READ),
    Place(PEOPLE, _("Сотрудники"), Action.PEOPLE_MANAGE, frozenset({"central"})),
    Place(JOURNAL, _("Журнал"), Action.JOURNAL_READ, frozenset({"central"})),
    Place(ACCESSES, _("Кто смотрел"), Action.ACCESSES_READ, frozenset({"central"})),
    Place(GRANTS, _("Доступы"), Action.GRANTS_READ, frozenset({"central"})),
    Place(EMERGENCY, _("Экстренный доступ"), Action.GRANTS_EMERGENCY, frozenset({"central"})),
    Place(REMOVALS, _("Удаление"), Action.REMOVAL_READ, frozenset({"central"})),
    Place(NODES, _("Узлы DICOM"), Action.NODES_READ),
)


def places_of(identity: Identity | None, server: ServerRole) -> list[Place]:
    """Return the pages that somebody may open at a server of that kind."""
    if identity is None:
        return []
    return [place for place in PLACES if server in place.servers and allowed(identity.role, place.action, server)]
