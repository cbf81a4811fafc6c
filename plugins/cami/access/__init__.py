"""Who may see and do what: policy, the route table, and the scoping of every query.

Three locks stand behind each other. The `Gate` refuses every HTTP request that the route table does not let through;
`Visibility` answers ``/tools/find`` (and with it all of DICOMweb) from the studies that the person may see; `overrides`
answers instead of those of Orthanc's routes that would mix several МО. Domain code: no Orthanc, no thread, nothing at
import. Public names:

* `allowed`: the policy;
* `Gate`: may this HTTP request go on; `Visibility`: scoped searches; `overrides`: our answers to Orthanc's routes;
* those of `cami.people` (`Identity`, `Role`, `Action`, `Accounts`, `Authenticator`, …), handed on.
"""

from cami.access.gate import Gate
from cami.access.overrides import overrides
from cami.access.owners import owner_label
from cami.access.policy import allowed
from cami.access.visibility import Visibility
from cami.people import (
    COOKIE,
    AccountRecord,
    Accounts,
    Action,
    Authenticator,
    Directory,
    Identity,
    MonitorToken,
    Passwords,
    Reason,
    Refusal,
    Role,
    Sessions,
    SignedIn,
    SignIn,
    hash_password,
)

__all__ = [
    "COOKIE",
    "AccountRecord",
    "Accounts",
    "Action",
    "Authenticator",
    "Directory",
    "Gate",
    "Identity",
    "MonitorToken",
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
