"""Which role may do what, at which kind of server: one table, and what it does not list is refused.

The table says what a role may do *at all*; whose studies it may do it with is `cami.access.owners`.
"""

from collections.abc import Mapping

from cami.people.identity import Identity
from cami.people.roles import Action, Role
from cami.settings import Role as ServerRole

_EVERYWHERE: frozenset[ServerRole] = frozenset({"central", "proxy"})
_AT_CENTRE: frozenset[ServerRole] = frozenset({"central"})
_AT_PROXY: frozenset[ServerRole] = frozenset({"proxy"})

#: The whole policy. МО administrators, operators, dispatchers, auditors and the MIS see no images: none of them treats
#: the patient (152-ФЗ art. 10, 323-ФЗ art. 13). Consultants read by grants alone.
TABLE: Mapping[Role, Mapping[Action, frozenset[ServerRole]]] = {
    Role.AUDITOR: {
        Action.ACCESSES_READ: _AT_CENTRE,
        Action.CONSULTATIONS_STATISTICS: _AT_CENTRE,
        Action.JOURNAL_READ: _AT_CENTRE,
        Action.PEOPLE_MANAGE: _AT_CENTRE,
    },
    Role.CLINICIAN: {
        Action.CONSULTATIONS_ASK: _AT_CENTRE,
        Action.CONSULTATIONS_READ: _AT_CENTRE,
        Action.GRANTS_EMERGENCY: _AT_CENTRE,
        Action.GRANTS_GIVE: _AT_CENTRE,
        Action.GRANTS_READ: _AT_CENTRE,
        Action.DELIVERY_READ: _EVERYWHERE,
        Action.RETRIEVAL_REQUEST: _EVERYWHERE,
        Action.STUDIES_OWN: _EVERYWHERE,
        Action.STUDIES_READ: _EVERYWHERE,
    },
    Role.CONSULTANT: {
        Action.DOCUMENTS_STORE: _AT_CENTRE,
        Action.CONSULTATIONS_ANSWER: _AT_CENTRE,
        Action.CONSULTATIONS_READ: _AT_CENTRE,
        Action.GRANTS_READ: _AT_CENTRE,
        Action.RETRIEVAL_REQUEST: _EVERYWHERE,
        Action.STUDIES_READ: _AT_CENTRE,
    },
    Role.DISPATCHER: {
        Action.CONSULTATIONS_DISPATCH: _AT_CENTRE,
        Action.CONSULTATIONS_READ: _AT_CENTRE,
        Action.CONSULTATIONS_STATISTICS: _AT_CENTRE,
        Action.RETRIEVAL_REQUEST: _EVERYWHERE,
    },
    Role.MIS: {},
    Role.MO_ADMIN: {
        Action.FLEET_READ: _AT_CENTRE,
        Action.ACCESSES_READ: _AT_CENTRE,
        Action.GRANTS_GIVE: _AT_CENTRE,
        Action.GRANTS_READ: _AT_CENTRE,
        Action.GRANTS_REVIEW: _AT_CENTRE,
        Action.COMPLETENESS_READ: _EVERYWHERE,
        Action.CONSULTATIONS_STATISTICS: _AT_CENTRE,
        Action.DELIVERY_READ: _EVERYWHERE,
        Action.DELIVERY_RECONCILE: _AT_PROXY,
        Action.DELIVERY_RESEND: _AT_PROXY,
        Action.METRICS_READ: _AT_PROXY,
        Action.PEOPLE_MANAGE: _AT_CENTRE,
        Action.NODES_READ: _AT_PROXY,
        Action.QUARANTINE_DECIDE: _AT_PROXY,
        Action.QUARANTINE_READ: _AT_PROXY,
        Action.REMOVAL_CONFIRM: _AT_CENTRE,
        Action.REMOVAL_MARK: _AT_CENTRE,
        Action.REMOVAL_READ: _AT_CENTRE,
        Action.RETRIEVAL_REQUEST: _EVERYWHERE,
        Action.RETRIEVAL_SCHEDULE: _AT_PROXY,
        Action.ROUTING_CHANGE: _AT_PROXY,
        Action.ROUTING_READ: _AT_PROXY,
        Action.WORKLIST_READ: _AT_PROXY,
    },
    Role.GUEST: {Action.STUDIES_READ: _AT_CENTRE},
    Role.MONITOR: {Action.METRICS_READ: _EVERYWHERE},
    Role.OPERATOR: {
        Action.FLEET_READ: _AT_CENTRE,
        Action.PROXIES_MANAGE: _AT_CENTRE,
        Action.MIS_WATCH: _AT_CENTRE,
        Action.COMPLETENESS_READ: _EVERYWHERE,
        Action.CONSULTATIONS_STATISTICS: _AT_CENTRE,
        Action.DELIVERY_READ: _EVERYWHERE,
        Action.METRICS_READ: _EVERYWHERE,
        Action.NODES_READ: _EVERYWHERE,
        Action.QUARANTINE_DECIDE: _AT_CENTRE,
        Action.QUARANTINE_READ: _AT_CENTRE,
        Action.RETRIEVAL_REQUEST: _EVERYWHERE,
        Action.ROUTING_READ: _AT_CENTRE,
    },
    Role.RADIOLOGIST: {
        Action.CONSULTATIONS_ANSWER: _AT_CENTRE,
        Action.CONSULTATIONS_ASK: _AT_CENTRE,
        Action.CONSULTATIONS_READ: _AT_CENTRE,
        Action.GRANTS_EMERGENCY: _AT_CENTRE,
        Action.GRANTS_GIVE: _AT_CENTRE,
        Action.GRANTS_READ: _AT_CENTRE,
        Action.DELIVERY_PRIORITIZE: _AT_PROXY,
        Action.DELIVERY_READ: _EVERYWHERE,
        Action.DOCUMENTS_STORE: _EVERYWHERE,
        Action.REMOVAL_MARK: _AT_CENTRE,
        Action.REMOVAL_READ: _AT_CENTRE,
        Action.RETRIEVAL_REQUEST: _EVERYWHERE,
        Action.STUDIES_OWN: _EVERYWHERE,
        Action.STUDIES_READ: _EVERYWHERE,
        Action.STUDIES_STORE: _EVERYWHERE,
        Action.WORKLIST_READ: _AT_PROXY,
    },
    Role.REGION_ADMIN: {
        Action.FLEET_READ: _AT_CENTRE,
        Action.PROXIES_MANAGE: _AT_CENTRE,
        Action.MIS_WATCH: _AT_CENTRE,
        Action.ARCHIVE_INSPECT: _EVERYWHERE,
        Action.COMPLETENESS_READ: _EVERYWHERE,
        Action.CONSULTATIONS_STATISTICS: _AT_CENTRE,
        Action.DELIVERY_READ: _EVERYWHERE,
        Action.NODES_READ: _EVERYWHERE,
        Action.QUARANTINE_DECIDE: _EVERYWHERE,
        Action.QUARANTINE_READ: _EVERYWHERE,
        Action.REMOVAL_CONFIRM: _AT_CENTRE,
        Action.REMOVAL_READ: _AT_CENTRE,
        Action.RETRIEVAL_REQUEST: _EVERYWHERE,
        Action.METRICS_READ: _EVERYWHERE,
        Action.PEOPLE_MANAGE: _AT_CENTRE,
        Action.ROUTING_CHANGE: _AT_CENTRE,
        Action.ROUTING_READ: _AT_CENTRE,
        Action.STUDIES_OWN: _EVERYWHERE,
        Action.STUDIES_READ: _EVERYWHERE,
        Action.WORKLIST_READ: _AT_PROXY,
    },
    Role.TECHNOLOGIST: {
        Action.COMPLETENESS_READ: _AT_PROXY,
        Action.DELIVERY_PRIORITIZE: _AT_PROXY,
        Action.DELIVERY_READ: _EVERYWHERE,
        Action.DELIVERY_RECONCILE: _AT_PROXY,
        Action.NODES_READ: _AT_PROXY,
        Action.QUARANTINE_DECIDE: _EVERYWHERE,
        Action.QUARANTINE_READ: _EVERYWHERE,
        Action.REMOVAL_MARK: _AT_CENTRE,
        Action.REMOVAL_READ: _AT_CENTRE,
        Action.RETRIEVAL_REQUEST: _EVERYWHERE,
        Action.RETRIEVAL_SCHEDULE: _AT_PROXY,
        Action.DELIVERY_RESEND: _AT_PROXY,
        Action.ROUTING_READ: _AT_PROXY,
        Action.STUDIES_OWN: _EVERYWHERE,
        Action.STUDIES_READ: _EVERYWHERE,
        Action.STUDIES_STORE: _EVERYWHERE,
        Action.MATCHING_DECIDE: _AT_CENTRE,
        Action.WORKLIST_READ: _AT_PROXY,
        Action.WORKLIST_WRITE: _AT_PROXY,
    },
}


def allowed(role: Role, action: Action, server_role: ServerRole) -> bool:
    """Say whether `role` may do `action` at a server of that kind."""
    return server_role in TABLE.get(role, {}).get(action, frozenset())


def may_store(identity: Identity, server_role: ServerRole) -> bool:
    """Say whether somebody may store anything at all by HTTP."""
    return any(allowed(identity.role, action, server_role) for action in (Action.STUDIES_STORE, Action.DOCUMENTS_STORE))
