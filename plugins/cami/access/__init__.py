"""Who may see and do what: accounts, sessions, roles, policy, the route table, and the scoping of every query.

Three locks stand behind each other. The `Gate` refuses every HTTP request that the route table does not let through;
`Visibility` answers ``/tools/find`` (and with it all of DICOMweb) from the studies that the person may see; `overrides`
answers instead of those of Orthanc's routes that would mix several МО. Domain code: no Orthanc, no thread, nothing at
import. Public names:

* `Role`, `Action`, `allowed`: the policy;
* `Identity`, `Accounts`, `Directory`, `hash_password`: people; `Sessions`, `SignIn`, `SignedIn`, `Refusal`, `Reason`;
* `Authenticator`: headers to `Identity`; `MonitorToken`: that of the monitoring system;
* `GrantBook`, `NewGrant`, `Cause`: who else than its owner may see a study;
* `Gate`: may this HTTP request go on; `Visibility`: scoped searches; `overrides`: our answers to Orthanc's routes.
"""

from cami.access.accounts import Accounts, Reason, Refusal
from cami.access.authenticator import Authenticator
from cami.access.directory import AccountRecord, Directory
from cami.access.gate import Gate
from cami.access.grants import Cause, GrantBook, NewGrant
from cami.access.identity import Identity
from cami.access.monitor import MonitorToken
from cami.access.overrides import overrides
from cami.access.owners import owner_label
from cami.access.passwords import Passwords, hash_password
from cami.access.policy import allowed
from cami.access.roles import Action, Role
from cami.access.sessions import ABSOLUTE_LIMIT, COOKIE, IDLE_LIMIT, Sessions
from cami.access.signin import SignedIn, SignIn
from cami.access.visibility import Visibility

__all__ = [
    "ABSOLUTE_LIMIT",
    "COOKIE",
    "IDLE_LIMIT",
    "AccountRecord",
    "Accounts",
    "Action",
    "Authenticator",
    "Cause",
    "Directory",
    "Gate",
    "GrantBook",
    "Identity",
    "MonitorToken",
    "NewGrant",
    "Passwords",
    "Reason",
    "Refusal",
    "Role",
    "Sessions",
    "SignIn",
    "SignedIn",
    "Visibility",
    "allowed",
    "hash_password",
    "overrides",
    "owner_label",
]
