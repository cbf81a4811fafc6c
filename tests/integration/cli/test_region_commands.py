"""``scripts/cami region`` on a real region, as people and scripts use it (design §7)."""

import json
import os
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest
import requests

from cami_cli.ports import choose_free, is_free
from tests.live import CAMI, LiveRegion, cami, wait_until


def processes_of(state: Path) -> list[str]:
    """Command lines of living processes that name the state folder: each sandbox does, in its mounts."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(state / "servers") in line:
            found.append(line)
    return found


def orthancs_listening(about: dict) -> list[int]:
    ports = [about["central"]["dicom"]["port"], *(proxy["dicom"]["port"] for proxy in about["proxies"])]
    listening = []
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                listening.append(port)
    return listening


def test_the_object_is_that_of_the_contract_and_is_kept_private(region):
    about = region.about
    assert set(about) == {"runtime", "orthanc_version", "central", "proxies", "accounts", "mis"}
    assert set(about["central"]) == {"url", "portal", "dicomweb", "dicom"}
    assert [proxy["mo"] for proxy in about["proxies"]] == ["42001", "42002"]
    assert all(set(proxy) == {"mo", "name", "url", "dicom", "devices"} for proxy in about["proxies"])
    assert all(set(account) == {"login", "password", "role", "mo"} for account in about["accounts"])
    assert set(about["mis"]) == {"fhir", "token_url", "client_id", "client_secret"}
    kept = region.state / "region.json"
    assert json.loads(kept.read_text()) == about
    exposed = [path for path in region.state.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077]
    assert exposed == []
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_everybody_can_sign_in_at_the_centre_and_at_their_proxy(region):
    assert len(region.about["accounts"]) == 14
    for account in region.about["accounts"]:
        places = [region.central] + [p["url"] for p in region.about["proxies"] if p["mo"] == account["mo"]]
        for place in places:
            answer = requests.get(f"{place}/cami/whoami", auth=(account["login"], account["password"]), timeout=30)
            assert answer.json()["login"] == account["login"], (account["login"], place)


def test_up_again_changes_nothing_and_returns(region):
    before = processes_of(region.state)
    again = cami("region", "up", "--state", region.state, "--json")  # without --detach: it has nothing to stay for
    assert json.loads(again.stdout) == region.about
    assert processes_of(region.state) == before


def test_status_tells_who_is_well(region):
    told = json.loads(cami("region", "status", "--state", region.state, "--json").stdout)
    assert [server["name"] for server in told["servers"]] == ["central", "proxy-42001", "proxy-42002"]
    assert all(server["running"] and server["healthy"] for server in told["servers"])


@pytest.mark.parametrize("verb", ["kill", "stop"])
def test_one_server_goes_and_comes_back_and_no_other_notices(region, verb):
    before = len(processes_of(region.state))
    region.server(verb, "proxy-42001")
    down = cami("region", "status", "--state", region.state, "--json", check=False)
    assert down.returncode == 3
    assert {s["name"]: s["healthy"] for s in json.loads(down.stdout)["servers"]} == {
        "central": True,
        "proxy-42001": False,
        "proxy-42002": True,
    }
    assert region.proxy("42001")["dicom"]["port"] not in orthancs_listening(region.about)
    region.server(verb, "proxy-42001")  # again: nothing to do, no error
    region.server("start", "proxy-42001")
    assert region.session("radiologist", "42001").get(region.proxy("42001")["url"] + "/cami/whoami").json()["login"]
    assert len(processes_of(region.state)) == before


@pytest.mark.parametrize(
    ("arguments", "problem", "remedy"),
    [
        (("region", "kill", "proxy-1"), "no server proxy-1", "central, proxy-42001, proxy-42002"),
        (("region", "up", "--base-port", "20000"), "runs on other ports", "region down"),
        (("region", "up", "--suite", "{other}"), "was made with the suite", "--state"),
    ],
)
def test_what_cannot_be_done_is_told_in_two_lines(region, arguments, problem, remedy):
    suite = json.loads((region.state / "state.json").read_text())["suite"]
    other = "trixie" if suite == "forky" else "forky"
    filled = [argument.format(other=other) for argument in arguments]
    refused = cami(*filled, "--state", region.state, check=False, SUITE="")
    assert refused.returncode == 1
    assert refused.stdout == ""
    lines = refused.stderr.splitlines()
    assert len(lines) == 2, refused.stderr
    assert problem in lines[0]
    assert remedy in lines[1]


def test_a_second_region_lives_beside_the_first_and_down_leaves_no_process(region, tmp_path):
    second = LiveRegion(tmp_path / "second")
    try:
        second.up()
        assert not set(orthancs_listening(second.about)) & set(orthancs_listening(region.about))
        assert len(orthancs_listening(second.about)) == 3
        mine, theirs = second.session("radiologist", "42001"), region.session("radiologist", "42001")
        assert mine.auth[1] != theirs.auth[1]
        assert mine.get(f"{region.central}/cami/whoami", timeout=30).json() == {"login": None}
    finally:
        second.down()
    wait_until("the second region has no process", lambda: not processes_of(second.state), 5)
    assert orthancs_listening(second.about) == []
    assert len(orthancs_listening(region.about)) == 3
    second.down()  # again: nothing to do, no error


def test_a_port_in_use_is_told_and_nothing_is_left_running(tmp_path):
    # Below what the kernel gives to outgoing connections: there, one of the others' ports may be in use as well.
    base = next(base for base in iter(lambda: choose_free(1)[0], None) if all(map(is_free, range(base, base + 6))))
    with socket.create_server(("127.0.0.1", base + 3)):
        refused = cami("region", "up", "--state", tmp_path / "s", "--base-port", str(base), check=False)
    assert refused.returncode == 1
    assert f"port {base + 3} is in use, proxy-42001 needs it" in refused.stderr
    assert processes_of(tmp_path / "s") == []


def test_a_server_that_cannot_start_is_told_with_the_end_of_its_log_and_the_others_are_taken_down(tmp_path):
    live = LiveRegion(tmp_path / "s")
    try:
        live.up()
        live.down()
        database = next((live.state / "servers" / "central" / "data").glob("cami.sqlite"))
        database.write_bytes(b"this is no database" * 100)
        refused = cami("region", "up", "--state", live.state, "--detach", check=False)
        assert refused.returncode == 1
        assert "central ended while starting" in refused.stderr
        assert str(live.state / "servers" / "central" / "server.log") in refused.stderr
        assert "Traceback" not in refused.stderr
        assert len(refused.stderr.splitlines()) < 30
        wait_until("nothing is left running", lambda: not processes_of(live.state), 5)
    finally:
        live.down()


def _as_from_a_terminal():
    """Undo what a shell does to what it runs in the background, and CI may be such a thing: it ignores these."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_without_detach_the_region_ends_with_the_command(tmp_path, number):
    state = tmp_path / "s"
    with subprocess.Popen(
        [CAMI, "region", "up", "--state", state, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
        start_new_session=True,
        preexec_fn=_as_from_a_terminal,  # noqa: PLW1509 - pytest has no threads here
    ) as up:
        try:
            told = ""
            while line := up.stdout.readline():
                told += line
                if line == "}\n":
                    break
            assert told, up.stderr.read()
            about = json.loads(told)
            assert len(orthancs_listening(about)) == 3
            time.sleep(0.5)
            os.killpg(up.pid, number)  # as a terminal does: the whole group gets it
            assert up.wait(60) == 0
        finally:
            up.kill()
    wait_until("the region has no process", lambda: not processes_of(state), 5)
    assert orthancs_listening(about) == []
