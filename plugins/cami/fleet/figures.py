"""Figures of the whole fleet for a monitoring system, by МО; the alert rules of ``monitoring/`` go by them."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from cami.clock import Clock
from cami.fleet.register import Fleet
from cami.watch.figures import Source


def of_fleet(fleet: Fleet, clock: Clock) -> Source:
    """Return the figures."""

    def collect() -> Iterator[Metric]:
        now = clock.now()
        names = {
            "silent_seconds": "How long ago the proxy was heard",
            "waiting_images": "Images that wait at the proxy",
            "oldest_seconds": "How long the oldest image waits that does not wait for the night",
            "disk_free_bytes": "Free space at the proxy",
            "clock_skew_seconds": "How far the proxy's clock is from the centre's",
            "certificate_seconds": "Until the certificate of the proxy ends",
        }
        gauges = {name: GaugeMetricFamily(f"cami_fleet_{name}", words, labels=["mo"]) for name, words in names.items()}
        troubles = GaugeMetricFamily(
            "cami_fleet_trouble", "1 for what is wrong with a proxy", labels=["mo", "reason", "level"]
        )
        for member in fleet.members():
            for trouble in member.troubles:
                troubles.add_metric([member.mo, trouble.reason, trouble.level], 1.0)
            vitals, heard = member.vitals, member.heard_at
            if vitals is None or heard is None:
                continue
            values = {
                "silent_seconds": (now - heard).total_seconds(),
                "waiting_images": float(vitals.waiting),
                "oldest_seconds": (now - vitals.oldest_urgent).total_seconds() if vitals.oldest_urgent else 0.0,
                "disk_free_bytes": float(vitals.disk_free),
                "clock_skew_seconds": (vitals.at - heard).total_seconds(),
            }
            if vitals.certificate_until is not None:
                values["certificate_seconds"] = (vitals.certificate_until - now).total_seconds()
            for name, value in values.items():
                gauges[name].add_metric([member.mo], value)
        yield from gauges.values()
        yield troubles

    return collect
