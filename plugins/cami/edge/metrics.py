"""Figures for Orthanc's ``/tools/metrics-prometheus``, which takes a name and a number, no labels.

What needs labels is at ``/cami/metrics`` (`cami.watch.figures`); here the class or the bound is part of the name.
"""

from collections.abc import Mapping

from cami.clock import Clock
from cami.delivery.meter import LAG_BOUNDS
from cami.delivery.order import Priority
from cami.edge import sdk
from cami.watch import Transfer


def publish_delivery(transfer: Transfer, clock: Clock) -> None:
    """Publish a proxy's delivery: what waits by class, images by state, what has gone over the line, lags."""
    status = transfer.status()
    now = clock.now()
    for priority in Priority:
        entry = status.queue.by_class.get(priority)
        name = f"cami_delivery_p{priority.value}_waiting"
        _publish(f"{name}_instances", entry.instances if entry else 0)
        _publish(f"{name}_bytes", entry.size if entry else 0)
        _publish(f"{name}_oldest_seconds", (now - entry.oldest).total_seconds() if entry else 0)
    totals, counters = status.queue.totals, status.counters
    _publish("cami_delivery_sending_instances", totals.sending)
    _publish("cami_delivery_stored_instances", totals.stored)
    _publish("cami_delivery_confirmed_instances", totals.confirmed)
    _publish("cami_delivery_quarantined_instances", totals.quarantined)
    _publish("cami_delivery_rate_bytes_per_second", status.rate)
    _publish("cami_delivery_line_up", float(status.outage is None))
    _publish("cami_delivery_sent_bytes_total", counters.sent_bytes)
    _publish("cami_delivery_retries_total", counters.retries)
    _publish("cami_delivery_uploads_resumed_total", counters.resumed)
    for bound, count in zip((*LAG_BOUNDS, "inf"), counters.lags.cumulative, strict=True):
        _publish(f"cami_delivery_lag_seconds_le_{bound}", count)
    _publish("cami_delivery_lag_seconds_sum", counters.lags.total)
    _publish("cami_delivery_lag_seconds_count", counters.lags.cumulative[-1])


def publish_coercion(counted: Mapping[str, int]) -> None:
    """Publish what was noticed while objects were coerced, since the server started (`cami.coercion.Note`)."""
    for note, count in counted.items():
        _publish(f"cami_coercion_{note.replace('-', '_')}_objects", count)


def _publish(name: str, value: float) -> None:
    sdk.set_metric(name, value, sdk.MetricsType.DEFAULT)
