"""Routing rules (F-09): where images go besides the centre, and which class their studies get.

A proxy holds each image that comes in against the rules in force (`router`), and what they want is as durable as the
way to the centre: a row for each image and destination (`forwardings`), a sender for each destination (`forwarder`).
Rules are typed values (`rules`), every version of them is kept (`versions`), and a trial run tells what a draft would
have done (`dry_run`). Sharing with another МО goes through the centre (`shares`). Rules that the centre makes for
several МО (`central`) are brought down to their proxies (`pulling`) and hold beside their own (`together`).
"""

from cami.routing.central import CentralRules
from cami.routing.central_endpoints import central_routing_endpoints, rules_wire_endpoints
from cami.routing.dry_run import DryRun, StudyOutcome
from cami.routing.endpoints import routing_endpoints
from cami.routing.facts import FactReader, Text
from cami.routing.forwarder import Forwarder
from cami.routing.forwardings import Forwardings, studies_waiting
from cami.routing.from_centre import RulesFromCentre
from cami.routing.pulling import RulesPulling
from cami.routing.reading import InvalidRules, known_everywhere, known_to, read_rules
from cami.routing.router import Router, studies_unread
from cami.routing.service import RoutingService
from cami.routing.shares import Announcer, Notices, Shares, share_handlers
from cami.routing.together import AllRules
from cami.routing.versions import Versions
from cami.routing.ways import Ways

__all__ = [
    "AllRules",
    "Announcer",
    "CentralRules",
    "DryRun",
    "FactReader",
    "Forwarder",
    "Forwardings",
    "InvalidRules",
    "Notices",
    "Router",
    "RoutingService",
    "RulesFromCentre",
    "RulesPulling",
    "Shares",
    "StudyOutcome",
    "Text",
    "Versions",
    "Ways",
    "central_routing_endpoints",
    "known_everywhere",
    "known_to",
    "read_rules",
    "routing_endpoints",
    "rules_wire_endpoints",
    "share_handlers",
    "studies_unread",
    "studies_waiting",
]
