"""What people and machines may know of a server's state: health, and how far each study has come."""

from cami.watch.completeness_api import completeness_api
from cami.watch.endpoints import watch_endpoints
from cami.watch.progress import CentralProgress, DeliveryProgress, QueueTotals

__all__ = ["CentralProgress", "DeliveryProgress", "QueueTotals", "completeness_api", "watch_endpoints"]
