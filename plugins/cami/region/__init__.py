"""The registry of a region, ``region.yaml``: its МО, their proxies, devices and links, and the people's accounts.

`load_region` reads the file once and refuses a wrong one with messages that name file, line and field; what it
returns is frozen, so every part of the system (the command line, Orthanc's configuration, the plugin) reads the
same registry. Passwords and keys are never in it.
"""

from cami.region.consultations import ConsultationRoute, Consultations, Deadlines, span_of
from cami.region.hl7 import Facility, Hl7, Listen, Send, System
from cami.region.journal import Collector, Journal
from cami.region.load import load_region
from cami.region.model import (
    Account,
    Alarms,
    Centre,
    Coercion,
    Destination,
    DicomNode,
    DicomWebServer,
    Disk,
    Link,
    Night,
    NightWindow,
    Organization,
    Prefetch,
    Proxy,
    RateWindow,
    Region,
    Responsible,
    Retention,
)
from cami.region.nodes import CentreAccess, CharacterSets, Device, DeviceCoercion, Node, Place, Service, Workstation
from cami.region.people import (
    MO_ROLES,
    REGION_ROLES,
    ROLES,
    Lock,
    PasswordRules,
    People,
    Provider,
    ProviderRole,
    Role,
    SecondFactor,
    SessionRules,
)

__all__ = [
    "MO_ROLES",
    "REGION_ROLES",
    "ROLES",
    "Account",
    "Alarms",
    "Centre",
    "CentreAccess",
    "CharacterSets",
    "Coercion",
    "Collector",
    "ConsultationRoute",
    "Consultations",
    "Deadlines",
    "Destination",
    "Device",
    "DeviceCoercion",
    "DicomNode",
    "DicomWebServer",
    "Disk",
    "Facility",
    "Hl7",
    "Journal",
    "Link",
    "Listen",
    "Lock",
    "Night",
    "NightWindow",
    "Node",
    "Organization",
    "PasswordRules",
    "People",
    "Place",
    "Prefetch",
    "Provider",
    "ProviderRole",
    "Proxy",
    "RateWindow",
    "Region",
    "Responsible",
    "Retention",
    "Role",
    "SecondFactor",
    "Send",
    "Service",
    "SessionRules",
    "System",
    "Workstation",
    "load_region",
    "span_of",
]
