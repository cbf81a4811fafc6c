"""Figures for Orthanc's ``/tools/metrics-prometheus``, which takes a name and a number, no labels."""

from collections.abc import Mapping

from sqlalchemy import Engine

from cami.clock import Clock
from cami.delivery.order import Priority
from cami.edge import sdk
from cami.watch.progress import queue_totals, waiting_by_class


def publish_queue(engine: Engine, clock: Clock) -> None:
    """Publish a proxy's queue: by class P0 to P4 what waits (instances, bytes, seconds), and by state the instances."""
    waiting = {entry.priority: entry for entry in waiting_by_class(engine)}
    now = clock.now()
    for priority in Priority:
        entry = waiting.get(priority)
        name = f"cami_delivery_p{priority.value}_waiting"
        _publish(f"{name}_instances", entry.instances if entry else 0)
        _publish(f"{name}_bytes", entry.size if entry else 0)
        _publish(f"{name}_oldest_seconds", (now - entry.oldest).total_seconds() if entry else 0)
    totals = queue_totals(engine)
    _publish("cami_delivery_sending_instances", totals.sending)
    _publish("cami_delivery_stored_instances", totals.stored)
    _publish("cami_delivery_confirmed_instances", totals.confirmed)
    _publish("cami_delivery_quarantined_instances", totals.quarantined)


def publish_coercion(counted: Mapping[str, int]) -> None:
    """Publish what was noticed while objects were coerced, since the server started (`cami.coercion.Note`)."""
    for note, count in counted.items():
        _publish(f"cami_coercion_{note.replace('-', '_')}_objects", count)


def _publish(name: str, value: float) -> None:
    sdk.set_metric(name, value, sdk.MetricsType.DEFAULT)
