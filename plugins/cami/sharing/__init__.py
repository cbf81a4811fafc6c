"""Studies that are shown to others than their owner: by people, in emergencies, by routing rules.

Which grants count is `cami.access`'s to say; this is what gives and ends them, lists them, and carries them to labels
in Orthanc and to the proxies of other МО. Public names:

* `SharingDesk`, `Wish`: people share and take back; `EmergencyDesk`, `Call`, `Opened`, `TooOften`: «Экстренный доступ»;
* `GrantRegister`, `Grant`, `Listed`: which grants there are;
* `LabelMirror`: labels follow the table; `grant_endpoints`: the JSON face;
* `GuestList`, `Caller`, `guest_wire_endpoints` at the centre, `GuestRoom` at a proxy: what rules share with another МО
  comes to its proxy, and leaves when the grant ends.
"""

from cami.sharing.desk import LONGEST, SharingDesk, Wish
from cami.sharing.emergency import Call, EmergencyDesk, Opened, TooOften
from cami.sharing.endpoints import grant_endpoints
from cami.sharing.guest_list import Caller, GuestList, guest_wire_endpoints
from cami.sharing.guests import GuestRoom
from cami.sharing.labels import Differences, LabelMirror
from cami.sharing.register import Grant, GrantRegister, Listed

__all__ = [
    "LONGEST",
    "Call",
    "Caller",
    "Differences",
    "EmergencyDesk",
    "Grant",
    "GrantRegister",
    "GuestList",
    "GuestRoom",
    "LabelMirror",
    "Listed",
    "Opened",
    "SharingDesk",
    "TooOften",
    "Wish",
    "grant_endpoints",
    "guest_wire_endpoints",
]
