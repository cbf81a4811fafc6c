"""The line breaks, in each of the ways that lines have."""

import time

import pytest

OUTAGE = 60.0
#: Seconds of one span of the line, up and down together, and the part of it that the line is down.
SPAN, DOWN = 10.0, 0.3
#: Long enough for what a swallowed request waits for its answer (`cami.delivery.transport.ANSWER_TIMEOUT`).
WAYS = ("refuse", "freeze", "swallow")


@pytest.mark.parametrize("way", ["refuse", "freeze"])
def test_an_outage_of_a_minute_in_the_middle(hospital, way):
    device = hospital.send()
    hospital.wait_delivered(0.4)
    getattr(hospital.line, way)()
    hospital.tell(f"the line is down ({way}) for {OUTAGE:.0f} s")
    before = hospital.line.carried
    time.sleep(OUTAGE)
    hospital.line.restore()
    began, delivered = time.monotonic(), hospital.delivered
    while hospital.delivered == delivered:
        time.sleep(0.1)
    hospital.tell(f"delivering again {time.monotonic() - began:.1f} s after the line; {before} bytes until the outage")
    hospital.check(device)


def test_a_line_that_is_down_for_30_percent_of_the_time(hospital):
    device = hospital.send()
    outages, down = 0, 0.0
    began = time.monotonic()
    while hospital.delivered < len(hospital.sent.files):
        # Somewhere in each span, for 30 % of it on the average.
        gone = hospital.rng.uniform(0.1, 2 * DOWN - 0.1) * SPAN
        before = hospital.rng.uniform(0.0, SPAN - gone)
        way = hospital.rng.choice(WAYS[:2])
        time.sleep(before)
        getattr(hospital.line, way)()
        time.sleep(gone)
        hospital.line.restore()
        time.sleep(SPAN - before - gone)
        outages, down = outages + 1, down + gone
        hospital.tell(f"outage {outages} ({way}) lasted {gone:.1f} s; {hospital.delivered} images at the centre")
    share = down / (time.monotonic() - began)
    hospital.tell(f"{outages} outages, the line was down for {share:.0%} of the time")
    assert share > 0.2
    hospital.check(device)


def test_connections_that_are_left_half_open(hospital):
    device = hospital.send()
    for share in sorted(hospital.rng.uniform(0.1, 0.9) for _ in range(2)):
        hospital.wait_delivered(share)
        hospital.line.swallow()
        began, delivered = time.monotonic(), hospital.delivered
        while hospital.delivered - delivered < 20 and hospital.delivered < len(hospital.sent.files):
            time.sleep(0.2)
        hospital.tell(f"half-open connections; delivering again after {time.monotonic() - began:.1f} s")
    hospital.check(device)
