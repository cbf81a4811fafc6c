"""Store and forward: what a proxy has to send, sending it, and receiving it at the centre under its owner.

Nothing that must be sent lives in memory only: the change log of the proxy's Orthanc is the source (`feed`), the table
``delivery_item`` the queue (`queue`), and a study counts as delivered once its manifest agreed on both sides
(`courier`, `receiver`). What must not be joined to the archive is kept apart with the reason (`quarantine`).
"""

from cami.delivery.central_readings import CentralReadings, CentralReadingsFollower
from cami.delivery.coercing import Coercing
from cami.delivery.commitment import Commitment
from cami.delivery.commitment_reports import CommitmentReports
from cami.delivery.completeness import completeness_endpoints
from cami.delivery.confirming import Confirming
from cami.delivery.controls import Controls, control_endpoints
from cami.delivery.courier import Courier
from cami.delivery.disk import DiskState, DiskWatch
from cami.delivery.event_report import EventReports, Listener
from cami.delivery.feed import ChangeFeed
from cami.delivery.holdings import Holdings
from cami.delivery.intake import CentralKeeper, Keeper, ProxyKeeper, intake
from cami.delivery.line import Line
from cami.delivery.link import CentralLink
from cami.delivery.lossless import Lossless
from cami.delivery.manifests import Manifests
from cami.delivery.meter import Meter
from cami.delivery.pace import Pace, Timetable
from cami.delivery.quarantine import Quarantine
from cami.delivery.queue import DeliveryQueue
from cami.delivery.readings import Readings
from cami.delivery.recall import Recall
from cami.delivery.receiver import Receiver
from cami.delivery.reconciliation import Reconciliation
from cami.delivery.repeat import Repeats
from cami.delivery.reports import ProxyReports, Reporting
from cami.delivery.retention import Retention
from cami.delivery.runs import Night, Runs
from cami.delivery.scrub import Scrub
from cami.delivery.tokens import TokenIssuer, TokenVerifier
from cami.delivery.uploads import Uploads
from cami.delivery.wire import ROOT as WIRE_ROOT
from cami.delivery.wire import for_proxies, wire_endpoints

__all__ = [
    "WIRE_ROOT",
    "CentralKeeper",
    "CentralLink",
    "CentralReadings",
    "CentralReadingsFollower",
    "ChangeFeed",
    "Coercing",
    "Commitment",
    "CommitmentReports",
    "Confirming",
    "Controls",
    "Courier",
    "DeliveryQueue",
    "DiskState",
    "DiskWatch",
    "EventReports",
    "Holdings",
    "Keeper",
    "Line",
    "Listener",
    "Lossless",
    "Manifests",
    "Meter",
    "Night",
    "Pace",
    "ProxyKeeper",
    "ProxyReports",
    "Quarantine",
    "Readings",
    "Recall",
    "Receiver",
    "Reconciliation",
    "Repeats",
    "Reporting",
    "Retention",
    "Runs",
    "Scrub",
    "Timetable",
    "TokenIssuer",
    "TokenVerifier",
    "Uploads",
    "completeness_endpoints",
    "control_endpoints",
    "for_proxies",
    "intake",
    "wire_endpoints",
]
