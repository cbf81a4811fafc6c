"""Who somebody is: accounts of people and machines, their passwords and roles, signing in, sessions.

It says who sent a request; what they may do and see is decided by `cami.access`, which hands on the names of this
package. Domain code: no Orthanc, no thread, nothing at import. Public names:

* `Identity`, `Role`, `Action`, `Place`: who somebody is and where, and what can be done here;
* `Accounts`, `AccountRecord`, `Directory`, `Passwords`, `hash_password`: people as the database knows them;
* `Sessions`, `SignIn`, `SignedIn`, `Client`, `Standing`, `Step`, `Refusal`, `Reason`: in and out, step by step;
* `SignInRecord`: who came in, and who was not let in, in the journal;
* `Authenticator`: headers to `Identity`; `MonitorToken`: that of the monitoring system;
* `Administration`, `Person`: those who look after accounts; `PeopleServices`, `people_services`: all of it, wired.
"""

from cami.people.accounts import Accounts
from cami.people.administration import Administration
from cami.people.authenticator import Authenticator
from cami.people.directory import AccountRecord, Directory
from cami.people.identity import Identity
from cami.people.monitor import MonitorToken
from cami.people.oversight import Person
from cami.people.passwords import Passwords, hash_password
from cami.people.places import Place
from cami.people.refusals import Reason, Refusal
from cami.people.roles import Action, Role
from cami.people.services import PeopleServices, people_services
from cami.people.sessions import COOKIE, Sessions, Standing, Step
from cami.people.signin import Client, SignedIn, SignIn
from cami.people.signing import SignInRecord

__all__ = [
    "COOKIE",
    "AccountRecord",
    "Accounts",
    "Action",
    "Administration",
    "Authenticator",
    "Client",
    "Directory",
    "Identity",
    "MonitorToken",
    "Passwords",
    "PeopleServices",
    "Person",
    "Place",
    "Reason",
    "Refusal",
    "Role",
    "Sessions",
    "SignIn",
    "SignInRecord",
    "SignedIn",
    "Standing",
    "Step",
    "hash_password",
    "people_services",
]
