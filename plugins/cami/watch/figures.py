"""Figures of a server in Prometheus' text format (version 0.0.4), at ``/cami/metrics``.

Orthanc's own page takes a name and a number, no labels (`cami.edge.metrics` publishes there what fits); here is what
needs labels or a histogram. Names of classes, states and МО, never of people or studies.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from sqlalchemy import Engine, func, select

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import quarantined_object, study, upload
from cami.delivery.disk import DiskState, DiskWatch
from cami.delivery.meter import LAG_BOUNDS, Counters, Lags
from cami.delivery.order import Priority
from cami.delivery.states import State
from cami.watch.transfer import Transfer
from cami.watch.waiting import Queue

#: What `exposition` returns.
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

Source = Callable[[], Iterable[Metric]]


class _Sources(Collector):
    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = tuple(sources)

    def collect(self) -> Iterator[Metric]:
        for source in self._sources:
            yield from source()


def exposition(sources: Iterable[Source]) -> bytes:
    """Return the figures of all `sources` as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Sources(sources))
    return generate_latest(registry)


def of_disk(disk: DiskWatch) -> Source:
    """Return the figures of a server's volume."""

    def collect() -> Iterator[Metric]:
        yield _gauge("cami_disk_free_bytes", "Free space of the volume with the images", disk.room.free)
        yield _gauge("cami_disk_size_bytes", "Size of the volume with the images", disk.room.total)
        state = GaugeMetricFamily("cami_disk_state", "1 for the state that the volume is in", labels=["state"])
        for known in DiskState:
            state.add_metric([known], float(disk.state is known))
        yield state

    return collect


def of_proxy(transfer: Transfer, clock: Clock) -> Source:
    """Return the figures of delivery from a proxy."""

    def collect() -> Iterator[Metric]:
        status = transfer.status()
        yield from _queue(status.queue, clock)
        yield from _counts(status.counters)
        yield _lags(status.counters.lags)
        yield _gauge("cami_delivery_rate_bytes_per_second", "Bytes on the line in the last seconds", status.rate)
        yield _gauge("cami_delivery_line_up", "1 if the centre answers, as far as is known", float(not status.outage))

    return collect


def of_centre(engine: Engine) -> Source:
    """Return the figures of what the centre has received, by МО."""

    def collect() -> Iterator[Metric]:
        whole = study.c.confirmed_at.is_not(None)
        with reading(engine).connect() as connection:
            studies = connection.execute(
                select(study.c.owner, whole.label("whole"), func.count().label("number")).group_by(study.c.owner, whole)
            ).all()
            open_uploads = connection.execute(select(upload.c.mo, func.count()).group_by(upload.c.mo)).all()
            kept_apart = connection.execute(
                select(quarantined_object.c.source, func.count()).group_by(quarantined_object.c.source)
            ).all()
        family = GaugeMetricFamily("cami_centre_studies", "Studies by owner", labels=["mo", "state"])
        for row in studies:
            family.add_metric([row.owner, "confirmed" if row.whole else "receiving"], row.number)
        yield family
        yield _by_mo("cami_centre_open_uploads", "Large objects that have come in part", open_uploads)
        yield _by_mo("cami_centre_quarantined_objects", "Objects that are kept apart", kept_apart)

    return collect


def of_journal(waiting: Mapping[str, Callable[[], float]]) -> Source:
    """Return how long the journal waits for those that it is handed on to: an alarm, if that grows."""

    def collect() -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "cami_journal_waiting_seconds", "Age of the oldest record that was not handed on", labels=["reader"]
        )
        for reader, age in waiting.items():
            family.add_metric([reader], age())
        yield family

    return collect


def _queue(queue: Queue, clock: Clock) -> Iterator[Metric]:
    count = GaugeMetricFamily("cami_delivery_waiting_instances", "Images that wait, by class", labels=["class"])
    size = GaugeMetricFamily("cami_delivery_waiting_bytes", "Bytes that wait, by class", labels=["class"])
    age = GaugeMetricFamily("cami_delivery_waiting_oldest_seconds", "Age of the oldest, by class", labels=["class"])
    now = clock.now()
    for priority in Priority:
        waiting, label = queue.by_class.get(priority), [f"p{priority.value}"]
        count.add_metric(label, waiting.instances if waiting else 0)
        size.add_metric(label, waiting.size if waiting else 0)
        age.add_metric(label, max((now - waiting.oldest).total_seconds(), 0) if waiting else 0)
    yield from (count, size, age)
    states = GaugeMetricFamily("cami_delivery_instances", "Images by their state", labels=["state"])
    for state in State:
        states.add_metric([state], getattr(queue.totals, state.value))
    yield states


def _counts(counters: Counters) -> Iterator[Metric]:
    yield _counter("cami_delivery_sent_bytes", "Bytes given to the line since the start", counters.sent_bytes)
    yield _counter("cami_delivery_delivered_instances", "Images that the centre has stored", counters.delivered)
    yield _counter("cami_delivery_retries", "Images that went back to the queue", counters.retries)
    yield _counter("cami_delivery_uploads_resumed", "Large objects that went on after a break", counters.resumed)


def _lags(lags: Lags) -> Metric:
    bounds = [*(str(float(bound)) for bound in LAG_BOUNDS), "+Inf"]
    return HistogramMetricFamily(
        "cami_delivery_lag_seconds",
        "From the device to the centre, image by image",
        buckets=[(bound, float(count)) for bound, count in zip(bounds, lags.cumulative, strict=True)],
        sum_value=lags.total,
    )


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value)


def _counter(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(name, words, value)


def _by_mo(name: str, words: str, rows: Iterable[tuple[str, int]]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=["mo"])
    for mo, number in rows:
        family.add_metric([mo], number)
    return family
