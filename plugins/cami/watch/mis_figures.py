"""Figures of what is to be told to the МИС, and the alarm when something was given up."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from cami.clock import Clock
from cami.mis.messages import Messages
from cami.watch.figures import Source


def of_mis(messages: Messages, clock: Clock) -> Source:
    """Return the figures of outgoing messages."""

    def collect() -> Iterator[Metric]:
        counts = messages.counts().values()
        states = GaugeMetricFamily("cami_mis_messages", "Messages to the MIS by state", labels=["state"])
        states.add_metric(["queued"], float(sum(each.queued for each in counts)))
        states.add_metric(["parked"], float(sum(each.parked for each in counts)))
        yield states
        oldest = min((each.oldest for each in counts if each.oldest), default=None)
        waiting = (clock.now() - oldest).total_seconds() if oldest else 0.0
        yield GaugeMetricFamily("cami_mis_oldest_seconds", "How long the oldest message has waited", value=waiting)
        parked = any(each.parked for each in counts)
        yield GaugeMetricFamily(
            "cami_mis_alarm", "1 if messages were given up: somebody must look", value=float(parked)
        )

    return collect
