"""What goes first, and that nothing starves."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cami.archive import InstanceIdentity
from cami.delivery.order import NOMINAL_RATE, PATIENCE, Part, Priority, offset, part_of


def instance(study, number, *, size=500_000, modality="CT", image_type="", thickness=""):
    return InstanceIdentity(
        f"{study}-{number}", "series", study, f"1.{number}", "1", study, modality, "", size, image_type, thickness
    )


@pytest.fixture
def proxy(region):
    made = region.proxy("42001")

    def arrive(*identities):
        seq = made.queue.cursor()
        made.queue.record([(seq + 1 + place, one) for place, one in enumerate(identities)], seq + len(identities))

    def order():
        taken = []
        while (item := made.queue.take()) is not None:
            taken.append(item.instance_id)
        return taken

    return SimpleNamespace(arrive=arrive, order=order, queue=made.queue, clock=region.clock)


@pytest.mark.parametrize(
    ("modality", "image_type", "thickness", "part"),
    [
        ("CT", "ORIGINAL\\PRIMARY\\LOCALIZER", "1", Part.LEADING),
        ("SR", "", "", Part.LEADING),
        ("KO", "", "", Part.LEADING),
        ("CT", "ORIGINAL\\PRIMARY\\AXIAL", "5.0", Part.MAIN),
        ("CT", "ORIGINAL\\PRIMARY\\AXIAL", "0.625", Part.THIN),
        ("MR", "", "1", Part.THIN),
        ("DX", "", "1", Part.MAIN),
        ("CT", "", "thin", Part.MAIN),
        ("CT", "", "nan", Part.MAIN),
        ("CT", "", "0", Part.MAIN),
    ],
)
def test_the_parts_of_a_study(modality, image_type, thickness, part):
    assert part_of(modality, image_type, thickness) is part


def test_localizers_and_reports_first_then_thick_then_thin(proxy):
    proxy.arrive(
        instance("s", "thin1", thickness="0.6"),
        instance("s", "thick1", thickness="5"),
        instance("s", "thick2", thickness="5"),
        instance("s", "localizer", image_type="ORIGINAL\\PRIMARY\\LOCALIZER"),
        instance("s", "report", modality="SR"),
    )
    order = proxy.order()
    assert order[-1] == "s-thin1"
    assert order.index("s-localizer") < order.index("s-thick2")
    assert order.index("s-report") < order.index("s-thick2")
    assert order.index("s-thick1") < order.index("s-thick2")


def test_a_small_study_does_not_wait_for_the_tail_of_a_large_one(proxy):
    proxy.arrive(*(instance("large", number) for number in range(100)))
    proxy.clock.pass_(seconds=10)
    proxy.arrive(instance("small", 0), instance("small", 1))
    order = proxy.order()
    assert order.index("small-1") < 30
    assert order[-1] == "large-99"


def test_an_emergency_goes_before_everything_at_once(proxy):
    proxy.arrive(*(instance("large", number) for number in range(20)))
    proxy.clock.pass_(seconds=1)
    proxy.arrive(instance("urgent", 0))
    proxy.queue.take()
    assert proxy.queue.set_priority("urgent", Priority.EMERGENCY)
    assert proxy.order()[0] == "urgent-0"


def test_what_comes_later_of_an_urgent_study_is_urgent_too(proxy):
    proxy.arrive(instance("urgent", 0), *(instance("large", number) for number in range(20)))
    proxy.queue.set_priority("urgent", Priority.AWAITED)
    proxy.arrive(instance("urgent", 1))
    assert proxy.order()[:2] == ["urgent-0", "urgent-1"]


def test_a_class_can_be_taken_back(proxy):
    proxy.arrive(instance("a", 0), instance("b", 0))
    proxy.queue.set_priority("b", Priority.EMERGENCY)
    proxy.queue.set_priority("b", Priority.BACKFILL)
    assert proxy.order() == ["a-0", "b-0"]


def test_of_an_unknown_study_nothing_can_be_set(proxy):
    assert not proxy.queue.set_priority("unknown", Priority.EMERGENCY)


def test_backfill_waits_for_the_day_but_not_for_ever(proxy):
    proxy.arrive(instance("old", 0))
    proxy.queue.set_priority("old", Priority.BACKFILL)
    proxy.clock.pass_(hours=1)
    proxy.arrive(instance("today", 0))
    proxy.clock.pass_(hours=30)
    proxy.arrive(instance("tomorrow", 0))
    assert proxy.order() == ["today-0", "old-0", "tomorrow-0"]


@given(st.sampled_from(Priority), st.sampled_from(Part), st.integers(0, 10**12))
def test_every_turn_comes(priority, part, before):
    """A turn lies at most the line's time and the class's patience after the arrival: later studies cannot pass it."""
    latest = before / NOMINAL_RATE + 65 + PATIENCE[priority].total_seconds()
    assert 0 <= offset(part, before) + PATIENCE[priority].total_seconds() <= latest + 1e-6
