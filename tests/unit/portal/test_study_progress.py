from datetime import UTC, datetime

import pytest

from cami.portal.study_progress import at_centre, at_proxy
from cami.watch.progress import CentralProgress, DeliveryProgress

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("instances", "expected", "confirmed", "state"),
    [
        (180, 600, None, "receiving"),
        (180, None, None, "receiving"),
        (600, 600, None, "receiving"),
        (600, 600, NOW, "complete"),
        (600, 601, NOW, "receiving"),
    ],
)
def test_complete_is_what_a_manifest_has_confirmed(instances, expected, confirmed, state):
    study = CentralProgress("id", "1.2", "42001", "CT", "", instances, expected, NOW, NOW, confirmed)
    assert at_centre(study).state == state


def test_what_was_evicted_is_at_the_centre():
    counts = (0, 0, 1, 3, 0)
    study = DeliveryProgress("id", "1.2", "CT", "", 9, *counts, NOW, NOW, None, None, "", evicted=5)
    assert (at_proxy(study, "42001").state, at_proxy(study, "42001").received) == ("stored", 9)
    study = DeliveryProgress("id", "1.2", "CT", "", 9, 0, 0, 0, 4, 0, NOW, NOW, None, None, "", evicted=5)
    assert at_proxy(study, "42001").state == "confirmed"
    study = DeliveryProgress("id", "1.2", "CT", "", 9, 0, 0, 0, 4, 0, NOW, NOW, None, None, "", evicted=4, lost=1)
    assert at_proxy(study, "42001").state == "lost"


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ((9, 0, 0, 0, 0), "queued"),
        ((8, 1, 0, 0, 0), "sending"),
        ((8, 0, 1, 0, 0), "sending"),
        ((0, 0, 9, 0, 0), "stored"),
        ((0, 0, 4, 5, 0), "stored"),
        ((0, 0, 0, 9, 0), "confirmed"),
        ((0, 0, 0, 8, 1), "quarantined"),
    ],
)
def test_the_instances_furthest_behind_decide(counts, state):
    study = DeliveryProgress("id", "1.2", "CT", "", 9, *counts, NOW, NOW, None, None, "")
    found = at_proxy(study, "42001")
    assert (found.state, found.received, found.expected, found.owner) == (state, counts[2] + counts[3], 9, "42001")
