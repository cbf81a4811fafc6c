"""Who somebody is: accounts of people and machines, their passwords and roles, signing in, sessions.

It says who sent a request; what they may do and see is decided by `cami.access`, which hands on the names of this
package. Domain code: no Orthanc, no thread, nothing at import. Public names:

* `Identity`, `Role`, `Action`: who somebody is, and what can be done here;
* `Accounts`, `AccountRecord`, `Directory`, `Passwords`, `hash_password`: people as the database knows them;
* `Sessions`, `SignIn`, `SignedIn`, `Refusal`, `Reason`: in and out;
* `SignInRecord`: who came in, and who was not let in, in the journal;
* `Authenticator`: headers to `Identity`; `MonitorToken`: that of the monitoring system.
"""

from cami.people.accounts import Accounts, Reason, Refusal
from cami.people.authenticator import Authenticator
from cami.people.directory import AccountRecord, Directory
from cami.people.identity import Identity
from cami.people.monitor import MonitorToken
from cami.people.passwords import Passwords, hash_password
from cami.people.roles import Action, Role
from cami.people.sessions import ABSOLUTE_LIMIT, COOKIE, IDLE_LIMIT, Sessions
from cami.people.signin import SignedIn, SignIn
from cami.people.signing import SignInRecord

__all__ = [
    "ABSOLUTE_LIMIT",
    "COOKIE",
    "IDLE_LIMIT",
    "AccountRecord",
    "Accounts",
    "Action",
    "Authenticator",
    "Directory",
    "Identity",
    "MonitorToken",
    "Passwords",
    "Reason",
    "Refusal",
    "Role",
    "Sessions",
    "SignIn",
    "SignInRecord",
    "SignedIn",
    "hash_password",
]
