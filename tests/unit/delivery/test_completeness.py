"""«Полнота передачи»: what it counts, and who sees it."""

import json
from datetime import date, timedelta

import pytest

from cami.access import Identity, Role
from cami.clock import iso
from cami.errors import Invalid
from cami.region import load_region
from cami.watch.completeness import completeness
from cami.watch.completeness_api import completeness_api
from cami.web import Request
from tests.live import ROOT

from .images import slice_of
from .whole import MO, ZONE, counts, with_real_files


@pytest.fixture
def region(tmp_path):
    made, made.sender = with_real_files(tmp_path)
    yield made
    for engine in made.engines:
        engine.dispose()


@pytest.fixture
def proxy(region):
    return region.sender


class Door:
    def __init__(self, role, mo=""):
        self.identity = Identity("x", "x", role, mo) if role else None

    def identify(self, _headers):
        return self.identity


REGISTRY = load_region(ROOT / "orthanc-config" / "region.yaml")


def ask(region, door, method="GET", **query):
    names = {name.rstrip("_"): value for name, value in query.items()}
    (endpoint,) = completeness_api(REGISTRY, door, region.central_db, region.clock)
    return endpoint.handler(Request(method, endpoint.pattern, query=names))


@pytest.mark.parametrize(
    ("role", "mo", "seen"),
    [
        (Role.OPERATOR, "", ["42001", "42002"]),
        (Role.REGION_ADMIN, "", ["42001", "42002"]),
        (Role.MO_ADMIN, "42002", ["42002"]),
        (Role.MO_ADMIN, "", []),
        (Role.RADIOLOGIST, "42001", 403),
        (Role.TECHNOLOGIST, "42001", 403),
        (Role.AUDITOR, "", 403),
        (None, "", 401),
    ],
)
def test_who_sees_whose_completeness(region, role, mo, seen):
    answer = ask(region, Door(role, mo))
    if isinstance(seen, int):
        assert answer.status == seen
    else:
        assert [entry["mo"] for entry in json.loads(answer.body)["organizations"]] == seen


@pytest.mark.parametrize(
    "query", [{"to": "01.02.2026"}, {"from_": "2026-02-02", "to": "2026-02-01"}, {"from_": "2020-01-01"}], ids=str
)
def test_days_that_make_no_sense_are_told_so(region, query):
    assert ask(region, Door(Role.OPERATOR), **query).status == 400
    assert ask(region, Door(Role.OPERATOR), method="POST").status == 405


def test_days_are_those_of_the_region(region, proxy):
    region.clock.time = region.clock.time.replace(hour=16, minute=30)  # 23:30 in Kuzbass
    proxy.archive.store(slice_of("1.2.3.4.1", study="1.2.3"))
    proxy.work(3)
    region.clock.pass_(hours=1)
    proxy.archive.store(slice_of("1.2.3.4.2", study="1.2.4"))
    proxy.work(3)
    first = date(2026, 1, 1)
    (mo,) = completeness(region.central_db, [MO], first, first + timedelta(days=5), ZONE)
    assert [(day.day, day.counts.studies) for day in mo.days] == [(first, 1), (first + timedelta(days=1), 1)]
    assert (mo.total.studies, mo.total.received, mo.total.confirmed) == (2, 2, 2)
    (mo,) = completeness(region.central_db, [MO], first, first, ZONE)
    assert mo.total.studies == 1


def test_a_study_that_is_on_its_way_is_told_as_such(region, proxy):
    for number in range(3):
        proxy.archive.store(slice_of(f"1.2.3.4.{number}"))
    proxy.feed.advance()
    proxy.courier.send_next()
    found = counts(region)
    assert (found.studies, found.unannounced_studies, found.received, found.series) == (1, 1, 1, 1)
    assert (found.confirmed_studies, found.confirmed, found.pixels_verified) == (0, 0, 0)
    proxy.work(5)
    found = counts(region)
    assert (found.unannounced_studies, found.received, found.confirmed, found.pixels_verified) == (0, 3, 3, 3)
    assert (found.series, found.expected_series, found.expected) == (1, 1, 3)


REPORT = {"cause": "nightly", "studies": 2, "instances": 3, "unknown": 0, "missing": 1, "different": 0, "lost": 0}
REPORT |= {"absent": 0, "started_at": "2026-01-01T02:00:00.000Z", "ended_at": "2026-01-01T02:05:00.000Z"}


def test_the_last_run_of_each_proxy_is_shown(region, proxy):
    proxy.line.report([REPORT])
    proxy.line.report(
        [REPORT | {"missing": 0, "started_at": "2026-01-02T02:00:00Z", "ended_at": "2026-01-02T02:01:00Z"}]
    )
    proxy.line.report([REPORT])
    (first, second) = json.loads(ask(region, Door(Role.OPERATOR)).body)["organizations"]
    assert (first["last_run"]["started_at"], first["last_run"]["clean"]) == ("2026-01-02T02:00:00.000Z", True)
    assert first["last_run"]["reported_at"] == iso(region.clock.now())
    assert second["last_run"] is None


@pytest.mark.parametrize(
    "change",
    [{"cause": "first"}, {"missing": -1}, {"missing": 2**40}, {"started_at": "2026-01-01T02:00:00"}, {"lost": "x"}],
)
def test_what_is_no_report_is_refused(proxy, change):
    with pytest.raises(Invalid):
        proxy.line.report([REPORT | change])
