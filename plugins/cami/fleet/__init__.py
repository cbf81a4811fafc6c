"""The PACS Proxies of the region, watched from one screen (F-71): heartbeats, what is wrong and since when, alarms.

A proxy's `Pulse` tells each minute how it is (`Vitals`). At the centre `Fleet` keeps the last word of each, `judge`
says what is wrong with it, and what lasts becomes an alarm that `Herald` carries to people.
"""

from cami.fleet.figures import of_fleet
from cami.fleet.judgement import Finding, Level, Reason, judge
from cami.fleet.pulse import ECHO_INTERVAL, Devices, Pulse
from cami.fleet.register import Fleet, Member, Trouble
from cami.fleet.telling import Herald
from cami.fleet.vitals import DeviceState, Vitals
from cami.fleet.wire import heartbeat_endpoint

__all__ = [
    "ECHO_INTERVAL",
    "DeviceState",
    "Devices",
    "Finding",
    "Fleet",
    "Herald",
    "Level",
    "Member",
    "Pulse",
    "Reason",
    "Trouble",
    "Vitals",
    "heartbeat_endpoint",
    "judge",
    "of_fleet",
]
