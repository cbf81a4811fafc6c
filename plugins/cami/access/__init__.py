"""Who may see and do what: policy, the route table, and the scoping of every query.

Three locks stand behind each other. The `Gate` refuses every HTTP request that the route table does not let through;
`Visibility` answers ``/tools/find`` (and with it all of DICOMweb) from the studies that the person may see; `overrides`
answers instead of those of Orthanc's routes that would mix several МО. Domain code: no Orthanc, no thread, nothing at
import. Public names:

* `allowed`: the policy;
* `GrantBook`, `NewGrant`, `Cause`: who else than its owner may see a study;
* `Gate`: may this HTTP request go on; `Visibility`: scoped searches; `overrides`: our answers to Orthanc's routes;
* `Witness`, `Recorder`: what the gate decides and what our handlers answer, in the journal;
* those of `cami.people` (`Identity`, `Role`, `Action`, `Accounts`, `Authenticator`, …), handed on.
"""

from cami.access.gate import Gate
from cami.access.gateway import Gateway, Origin, cleaned
from cami.access.grants import Cause, GrantBook, NewGrant
from cami.access.jobs import OwnJobs
from cami.access.limits import Limits
from cami.access.overrides import overrides
from cami.access.owners import owner_label, study_owners
from cami.access.policy import allowed, may_store
from cami.access.recorder import Recorder
from cami.access.subjects import ArchiveSubjects, CentralSubjects
from cami.access.visibility import Visibility
from cami.access.witness import Witness
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
    SignInRecord,
    hash_password,
)

__all__ = [
    "COOKIE",
    "AccountRecord",
    "Accounts",
    "Action",
    "ArchiveSubjects",
    "Authenticator",
    "Cause",
    "CentralSubjects",
    "Directory",
    "Gate",
    "Gateway",
    "GrantBook",
    "Identity",
    "Limits",
    "MonitorToken",
    "NewGrant",
    "Origin",
    "OwnJobs",
    "Passwords",
    "Reason",
    "Recorder",
    "Refusal",
    "Role",
    "Sessions",
    "SignIn",
    "SignInRecord",
    "SignedIn",
    "Visibility",
    "Witness",
    "allowed",
    "cleaned",
    "hash_password",
    "may_store",
    "overrides",
    "owner_label",
    "study_owners",
]
