"""The registry of a region, ``region.yaml``: its МО, their proxies, devices and links, and the people's accounts.

`load_region` reads the file once and refuses a wrong one with messages that name file, line and field; what it
returns is frozen, so every part of the system (the command line, Orthanc's configuration, the plugin) reads the
same registry. Passwords and keys are never in it.
"""

from cami.region.journal import Collector, Journal
from cami.region.load import load_region
from cami.region.model import (
    MO_ROLES,
    REGION_ROLES,
    ROLES,
    Account,
    Centre,
    CharacterSets,
    Coercion,
    Destination,
    Device,
    DeviceCoercion,
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
    Retention,
    Role,
)

__all__ = [
    "MO_ROLES",
    "REGION_ROLES",
    "ROLES",
    "Account",
    "Centre",
    "CharacterSets",
    "Coercion",
    "Collector",
    "Destination",
    "Device",
    "DeviceCoercion",
    "DicomNode",
    "DicomWebServer",
    "Disk",
    "Journal",
    "Link",
    "Night",
    "NightWindow",
    "Organization",
    "Prefetch",
    "Proxy",
    "RateWindow",
    "Region",
    "Retention",
    "Role",
    "load_region",
]
