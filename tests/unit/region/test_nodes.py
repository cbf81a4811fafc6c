"""Devices and workstations of the registry: what each may do, and that nobody sends images past the МО."""

import pytest

from tests.unit.region.test_load_region import GOOD, load, refusals

STATION = "{aet: WS1, name: АРМ, address: 10.1.1.7, port: 11112}"


def with_stations(*stations, more=""):
    listed = "".join(f"      - {station}\n" for station in stations)
    return GOOD.replace("accounts:", f"    workstations:\n{listed}{more}accounts:")


def test_what_nodes_usually_may(tmp_path):
    text = with_stations(STATION, "{aet: WS2, name: АРМ, address: 10.1.1.8}")
    (organization,) = load(tmp_path, text).organizations
    (device,) = organization.devices
    first, second = organization.workstations
    assert device.may() == {"store", "echo", "worklist"}
    assert device.model_copy(update={"port": 104}).may() == {"store", "echo", "worklist", "commitment"}
    assert first.may() == {"echo", "find", "move"}
    assert first.destinations() == {"WS1"}
    assert second.may() == {"echo", "find"}
    assert second.destinations() == frozenset()
    assert organization.nodes("central") == ()
    assert organization.nodes("proxy") == (device, first, second)


def test_what_is_written_holds(tmp_path):
    text = with_stations(STATION, "{aet: WS2, name: АРМ, address: 10.1.1.8, services: [find, move], targets: [WS1]}")
    second = load(tmp_path, text).organizations[0].workstations[1]
    assert second.may() == {"find", "move"}
    assert second.destinations() == {"WS1"}


@pytest.mark.parametrize(
    ("stations", "more", "field", "message"),
    [
        (["{aet: WS1, name: АРМ, address: 10.1.1.7, services: [get]}"], "", "services[0]", ""),
        (["{aet: WS1, name: АРМ, address: 10.1.1.7, services: [move]}"], "", "", "write the port"),
        (["{aet: WS1, name: АРМ, address: 10.1.1.7, services: [commitment]}"], "", "", "needs a port"),
        (["{aet: WS1, name: АРМ, address: 10.1.1.7, targets: [OTHER]}"], "", "targets[0]", "is no device"),
        (["{aet: WS1, name: АРМ, address: 10.1.1.7, targets: [CT42001]}"], "", "targets[0]", "does not listen"),
        (["{aet: ct42001, name: АРМ, address: 10.1.1.7}"], "", "aet", "is taken"),
        (["{aet: WS1, name: АРМ, address: station.local}"], "", "address", "no IP address"),
        (["{aet: WS1, name: АРМ, address: 10.1.1.7, archive: central}"], "", "archive", "centre_dicom"),
        (["{aet: WS1, name: АРМ, address: 10.1.1.7, tls: true}"], "", "tls", "remove it"),
        ([STATION], "    centre_dicom: {source: 127.0.0.1, port: 2762}\n", "source", "of its own"),
        ([STATION], "    centre_dicom: {source: 10.0.0.1, port: 2762}\n", "source", "of its own"),
    ],
)
def test_refused(tmp_path, stations, more, field, message):
    problems = refusals(tmp_path, with_stations(*stations, more=more))
    assert any(place.endswith(field) and message in told for _, place, told in problems), problems


def test_each_mo_has_a_terminator_of_its_own(tmp_path):
    access = "    centre_dicom: {source: 127.0.42.1, port: 2762}\n"
    second = (
        "  - code: '42002'\n    oid: 1.2.643.5.1.13.13.12.2.42.9902\n"
        "    full_name: Другая\n    short_name: Другая\n" + access
    )
    text = GOOD.replace("accounts:", f"{access}{second}accounts:")
    assert [place for _, place, _ in refusals(tmp_path, text)] == [
        "organizations[1].centre_dicom.source",
        "organizations[1].centre_dicom.port",
    ]


def test_a_station_of_an_mo_without_a_proxy_asks_the_centre(tmp_path):
    other = (
        "  - code: '42900'\n    oid: 1.2.643.5.1.13.13.12.2.42.9900\n    full_name: КЦ\n    short_name: КЦ\n"
        "    workstations:\n      - {aet: WS9, name: АРМ, address: 10.1.1.7, port: 104}\n"
    )
    problems = refusals(tmp_path, GOOD.replace("accounts:", other + "accounts:"))
    assert [(place, told) for _, place, told in problems] == [
        ("organizations[1].workstations[0].archive", "this МО has no proxy: write archive: central")
    ]
