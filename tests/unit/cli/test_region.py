"""What a region decides before anything starts, and what it says when it runs."""

import json
import stat
from dataclasses import replace

import pytest

from cami_cli import region as regions
from cami_cli.answering import tail
from cami_cli.errors import Trouble
from cami_cli.progress import Progress
from cami_cli.region import Wish, describe
from cami_cli.runtime.base import START_OF_LOG
from cami_cli.servers import Configurations, mo_of, names
from cami_cli.state import Kept, StateFolder

pytestmark = pytest.mark.usefixtures("quick_hashes")


class Idle:
    """A runtime in which nothing runs but what it is told."""

    kind = "native"

    def __init__(self, *running):
        self.names = set(running)

    def orthanc_version(self):
        return "1.13.0"

    def running(self, server):
        return server.name in self.names

    def stop(self, server):
        self.names.discard(server.name)


@pytest.fixture
def state(tmp_path):
    return StateFolder(tmp_path / "state")


@pytest.fixture
def kept():
    return Kept(
        "native",
        "forky",
        {"central": (18042, 14242), "proxy-42001": (18043, 14243)},
        {"rad.42001": "pw-rad", "operator": "pw-op", "mis": "pw-mis"},
    )


def test_servers_are_the_centre_and_the_mo_that_have_a_proxy(region):
    assert names(region) == ["central", "proxy-42001"]
    assert [mo_of(name) for name in names(region)] == ["", "42001"]


def test_the_report_is_the_contract(region, state, kept):
    assert describe(region, state, kept, Idle()) == {
        "runtime": "native",
        "orthanc_version": "1.13.0",
        "central": {
            "url": "http://127.0.0.1:18042",
            "portal": "http://127.0.0.1:18042/cami/",
            "dicomweb": "http://127.0.0.1:18042/dicom-web",
            "dicom": {"host": "127.0.0.1", "port": 14242, "aet": "CAMI"},
        },
        "proxies": [
            {
                "mo": "42001",
                "name": "Б1",
                "url": "http://127.0.0.1:18043",
                "dicom": {"host": "127.0.0.1", "port": 14243, "aet": "PROXY42001"},
                "devices": [{"aet": "CT42001", "modality": "CT"}, {"aet": "MR42001", "modality": "MR"}],
            }
        ],
        "accounts": [
            {"login": "rad.42001", "password": "pw-rad", "role": "radiologist", "mo": "42001"},
            {"login": "operator", "password": "pw-op", "role": "operator", "mo": ""},
        ],
        "mis": {
            "fhir": "http://127.0.0.1:18042/cami/fhir",
            "token_url": "http://127.0.0.1:18042/cami/oauth/token",
            "client_id": "mis",
            "client_secret": "pw-mis",
        },
    }


def test_ports_are_chosen_once_and_kept(region, registry, kept):
    fresh = Kept("native", "forky", dict.fromkeys(names(region), (0, 0)))
    chosen = regions._ports(fresh, Wish(registry), region)
    assert list(chosen) == ["central", "proxy-42001"]
    assert len({port for pair in chosen.values() for port in pair}) == 4
    assert 0 not in {port for pair in chosen.values() for port in pair}
    assert regions._ports(kept, Wish(registry), region) == kept.ports


def test_a_new_mo_gets_ports_and_the_others_keep_theirs(region, registry, kept):
    kept.ports.pop("proxy-42001")
    chosen = regions._ports(kept, Wish(registry), region)
    assert chosen["central"] == (18042, 14242)
    assert 0 not in chosen["proxy-42001"]


def test_ports_follow_the_base_port_centre_first(region, registry, kept):
    assert regions._ports(kept, Wish(registry, base_port=9000), region) == {
        "central": (9000, 9001),
        "proxy-42001": (9002, 9003),
    }


def test_other_ports_are_refused_while_a_server_runs(state, registry, kept):
    wish = Wish(registry, base_port=9000)
    regions._refuse_moving(state, kept, wish, Idle())
    with pytest.raises(Trouble, match="runs on other ports"):
        regions._refuse_moving(state, kept, wish, Idle("proxy-42001"))
    regions._refuse_moving(state, kept, replace(wish, base_port=None), Idle("proxy-42001"))


@pytest.mark.parametrize("wish", [{"runtime": "docker"}, {"suite": "trixie"}])
def test_a_region_stays_with_its_runtime_and_suite(state, registry, region, kept, wish):
    with state.exclusive():
        state.save(kept)
    with pytest.raises(Trouble, match="was made with"):
        regions._settle(state, Wish(registry, **wish), region)
    assert regions._settle(state, Wish(registry, runtime="native", suite="forky"), region) == kept
    assert regions._settle(state, Wish(registry), region) == kept


def test_a_proxy_that_left_the_registry_is_ended(state, region, kept):
    kept.ports["proxy-42777"] = (1, 2)
    runtime = Idle("central", "proxy-42001", "proxy-42777")
    regions._retire(state, kept, region, runtime, Progress())
    assert runtime.names == {"central", "proxy-42001"}


def test_an_unknown_server_is_told_with_those_that_there_are(state, kept):
    with state.exclusive():
        state.save(kept)
    with pytest.raises(Trouble, match="no server proxy-1") as caught:
        regions.find(state, "proxy-1")
    assert "central, proxy-42001" in caught.value.remedy


def test_configurations_are_written_private_whole_and_only_when_changed(region, registry, state, kept):
    configurations = Configurations(region, registry, state, kept)
    central, proxy = state.servers(kept)
    assert configurations.changed(central)
    for server in (central, proxy):
        configurations.write(server)
        assert not configurations.changed(server)
    for path in (state.folder / "servers").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    written = json.loads((proxy.configuration / "orthanc.json").read_text())
    assert written["Cami"]["CentralUrl"] == "http://127.0.0.1:18042"
    assert (written["HttpPort"], written["DicomPort"]) == (18043, 14243)
    assert (proxy.configuration / "secrets" / "link.key").is_file()
    assert (central.configuration / "keys" / "42001.pem").is_file()
    assert not (central.configuration / "secrets" / "link.key").exists()
    assert not (proxy.configuration / "secrets" / "accounts.json").exists()
    registry.write_text(registry.read_text() + "\n")
    assert Configurations(region, registry, state, kept).changed(central)


def test_the_key_of_a_proxy_that_left_the_registry_is_taken_from_the_centre(region, registry, state, kept):
    configurations = Configurations(region, registry, state, kept)
    central = state.servers(kept)[0]
    configurations.write(central)
    (central.configuration / "keys" / "42777.pem").write_text("of somebody who left")
    configurations.write(central)
    assert [key.name for key in (central.configuration / "keys").iterdir()] == ["42001.pem"]


def test_the_end_of_a_log_is_that_of_the_last_start_and_fit_for_a_terminal(tmp_path):
    log = tmp_path / "server.log"
    assert "nothing" in tail(log)
    lines = [
        f"{START_OF_LOG}x",
        "of the first start",
        f"{START_OF_LOG}x now",
        *map(str, range(30)),
        "a\x1b[2Jb" + "c" * 999,
    ]
    log.write_text("\n".join(lines))
    told = tail(log).splitlines()
    assert len(told) == 15
    assert "\x1b" not in tail(log)
    assert max(map(len, told)) <= 204
    log.write_text("\n".join([*lines[:3], "only this"]))
    assert "of the first start" not in tail(log)
    assert tail(log).endswith("only this")
