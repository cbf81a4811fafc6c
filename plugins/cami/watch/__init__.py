"""What people and machines may know of a server's state: health, how far each study has come, figures, completeness."""

from cami.watch.completeness import Day, completeness
from cami.watch.endpoints import watch_endpoints
from cami.watch.progress import CentralProgress, DeliveryProgress, QueueTotals
from cami.watch.transfer import Transfer
from cami.watch.waiting import QueueWatch

__all__ = [
    "CentralProgress",
    "Day",
    "DeliveryProgress",
    "QueueTotals",
    "QueueWatch",
    "Transfer",
    "completeness",
    "watch_endpoints",
]
