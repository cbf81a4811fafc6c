"""What people and machines may know of a server's state: health, how far each study has come, figures, completeness."""

from cami.watch.completeness import completeness
from cami.watch.completeness_api import completeness_api
from cami.watch.daily import central_figures, central_lags, proxy_days
from cami.watch.description import description
from cami.watch.endpoints import watch_endpoints
from cami.watch.index_control import index_endpoints
from cami.watch.progress import CentralProgress, DeliveryProgress, QueueTotals
from cami.watch.transfer import Transfer
from cami.watch.waiting import QueueWatch

__all__ = [
    "CentralProgress",
    "DeliveryProgress",
    "QueueTotals",
    "QueueWatch",
    "Transfer",
    "central_figures",
    "central_lags",
    "completeness",
    "completeness_api",
    "description",
    "index_endpoints",
    "proxy_days",
    "watch_endpoints",
]
