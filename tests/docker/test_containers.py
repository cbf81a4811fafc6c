"""What a container of ours may do, and what becomes of the images in it."""

import json
import random
import threading

import pytest

from cami_cli.runtime.docker_engine import run_once
from tests.live import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

SERVERS = ("central", "proxy-42001", "proxy-42002")
USER = "10001"
HEALTHCHECK = ["python3", "-I", "-S", "/opt/cami/bin/healthcheck.py"]

PROCESSES = """
import json, pathlib
files = pathlib.Path("/proc").glob("[0-9]*/status")
print(json.dumps([dict(line.split(":\\t", 1) for line in file.read_text().splitlines()) for file in files]))
"""

SIGNAL = """
import os, pathlib, signal, sys
for file in pathlib.Path("/proc").glob("[0-9]*/comm"):
    if file.read_text() == "Orthanc\\n":
        os.kill(int(file.parent.name), getattr(signal, sys.argv[1]))
"""


def inside(container, *argv):
    """Run a program in a container: exit code and output."""
    code, output = container.exec_run(list(argv))
    return code, output.decode()


def writable(container, path):
    """Try to write: the empty string, or why not."""
    program = "import sys\ntry:\n open(sys.argv[1], 'w').close()\nexcept OSError as error:\n print(error.strerror)"
    return inside(container, "python3", "-c", program, path)[1].strip()


@pytest.mark.parametrize("name", SERVERS)
def test_every_process_is_nobodys_user_without_capabilities(container_of, name):
    _, text = inside(container_of(name), "python3", "-c", PROCESSES)
    processes = json.loads(text)
    assert {"python3", "Orthanc"} <= {process["Name"] for process in processes}
    for process in processes:
        assert set(process["Uid"].split()) == set(process["Gid"].split()) == {USER}
        assert {int(process[field], 16) for field in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
        assert process["NoNewPrivs"] == "1"
        assert process["Seccomp"] == "2"


@pytest.mark.parametrize("name", SERVERS)
def test_only_data_and_tmp_can_be_written(container_of, name):
    container = container_of(name)
    assert container.attrs["HostConfig"]["ReadonlyRootfs"] is True
    for path in (
        "/x",
        "/etc/x",
        "/opt/cami/plugins/x.py",
        "/usr/bin/x",
        "/run/x",
        "/var/tmp/x",
        "/etc/cami/orthanc.json",
    ):
        assert writable(container, path) in ("Read-only file system", "Permission denied"), path
    assert writable(container, "/etc/cami/x") == "Read-only file system"
    assert writable(container, "/tmp/x") == ""
    assert writable(container, "/var/lib/cami/written-by-a-test") == ""
    assert inside(container, "rm", "/tmp/x", "/var/lib/cami/written-by-a-test")[0] == 0


def test_no_program_of_the_image_raises_privileges(engine, image):
    def find(mode):
        done = run_once(engine, image, ["find", "/usr", "/etc", "/opt", "-type", "f", "-perm", mode], user="0")
        assert done.returncode == 0
        return done.stdout.split()

    assert find("/6000") == []
    assert "/usr/bin/passwd" in find("/111")


@pytest.mark.parametrize("name", SERVERS)
def test_data_and_configuration_are_named_volumes(container_of, engine, name):
    mounts = {mount["Destination"]: mount for mount in container_of(name).attrs["Mounts"]}
    assert set(mounts) == {"/etc/cami", "/var/lib/cami"}
    assert {mount["Type"] for mount in mounts.values()} == {"volume"}
    assert mounts["/var/lib/cami"]["RW"] is True
    assert mounts["/etc/cami"]["RW"] is False
    for mount in mounts.values():
        assert mount["Name"].endswith((f"-{name}-data", f"-{name}-config"))
        assert engine.volumes.get(mount["Name"]).attrs["Labels"]["ru.cami.server"] == name


@pytest.mark.parametrize(("name", "secret"), [("proxy-42001", "link.key"), ("central", "accounts.json")])
def test_secrets_are_the_servers_alone(container_of, name, secret):
    _, listed = inside(
        container_of(name), "stat", "--format=%u:%g %a", "/etc/cami/secrets", f"/etc/cami/secrets/{secret}"
    )
    assert listed.split("\n")[:2] == [f"{USER}:{USER} 500", f"{USER}:{USER} 400"]


def test_nothing_of_a_site_is_in_the_image(engine, image):
    program = (
        "import json, os; print(json.dumps({'etc': os.listdir('/etc/cami'), 'opt': sorted(os.listdir('/opt/cami')), "
        "'data': os.listdir('/var/lib/cami'), 'packages': sorted(os.listdir('/opt/cami/plugins'))}))"
    )
    found = json.loads(run_once(engine, image, ["python3", "-c", program], user="0", network_mode="none").stdout)
    assert found["etc"] == found["data"] == []
    assert found["opt"] == ["bin", "ohif", "plugins", "site-packages"]
    assert {"cami", "central.py", "proxy.py"} <= set(found["packages"])
    settings = engine.images.get(image).attrs["Config"]
    assert settings["User"] == f"{USER}:{USER}"
    assert not [entry for entry in settings["Env"] if "KEY" in entry or "PASSWORD" in entry or "TOKEN" in entry]
    assert settings["Labels"]["org.opencontainers.image.licenses"] == "AGPL-3.0-or-later"


@pytest.mark.parametrize("name", SERVERS)
def test_the_engine_sees_that_a_server_is_healthy(container_of, name):
    wait_until(f"{name} is healthy", lambda: container_of(name).attrs["State"]["Health"]["Status"] == "healthy")


def test_a_server_that_hangs_is_not_healthy(container_of):
    container = container_of("proxy-42002")
    assert inside(container, *HEALTHCHECK) == (0, "ok\n")
    assert inside(container, "python3", "-c", SIGNAL, "SIGSTOP") == (0, "")
    try:
        code, said = inside(container, *HEALTHCHECK)
        assert (code, "does not answer" in said) == (1, True), said
    finally:
        inside(container, "python3", "-c", SIGNAL, "SIGCONT")
    wait_until("it answers again", lambda: inside(container, *HEALTHCHECK)[0] == 0, 30)


def test_a_server_knows_its_own_name_without_dns(container_of):
    program = "import socket; n = socket.gethostname(); print(n, socket.gethostbyname(n))"
    assert inside(container_of("central"), "python3", "-c", program)[1].split() == ["central", "127.0.0.1"]


def test_images_stored_by_dcmtk_reach_the_centre_and_outlive_containers(region, runtime, container_of, phantoms):
    """storescu → proxy → centre; both containers removed and made again; both killed while a device sends."""
    files = {mo: sorted((phantoms / mo).rglob("*.dcm")) for mo in ("42001", "42002")}
    proxy = region.proxy("42001")
    first = [file for file in files["42001"] if "/CT-" in str(file)]
    assert len(first) > 2
    done = runtime.tool(
        ["storescu", "-aet", "CT42001", "-aec", proxy["dicom"]["aet"], "127.0.0.1", str(proxy["dicom"]["port"]),
         "+sd", "+r", str(first[0].parent)],
        binds=[phantoms],
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    region.settle("42001", len(first))

    for name in ("central", "proxy-42001"):
        before = container_of(name)
        volume = next(m["Name"] for m in before.attrs["Mounts"] if m["Destination"] == "/var/lib/cami")
        region.server("stop", name)
        assert container_of(name) is None
        region.server("start", name)
        after = container_of(name)
        assert after.id != before.id
        assert volume in [m["Name"] for m in after.attrs["Mounts"]]
    region.settle("42001", len(first))
    assert [(s["owner"], s["instances"]) for s in region.studies()] == [("42001", len(first))]

    def kill_both():
        for name in random.sample(["central", "proxy-42001"], 2):
            container_of(name).kill("SIGKILL")
            wait_until(f"{name} has ended", lambda name=name: container_of(name).status == "exited")
            region.server("start", name)

    rest = [file for file in files["42001"] if file not in first]
    sender = threading.Thread(target=lambda: region.send(phantoms / "42001", "42001", check=False))
    sender.start()
    kill_both()
    sender.join()
    region.send(phantoms / "42001", "42001")  # a device sends again what was not answered
    region.settle("42001", len(first) + len(rest), 120)
    assert sum(s["instances"] for s in region.studies()) == len(files["42001"])


def test_the_log_of_a_container_is_in_the_servers_file(region):
    text = (region.state / "servers" / "central" / "server.log").read_text()
    assert "Orthanc has started" in text
    assert text.count("Orthanc has started") >= 1


def test_down_leaves_data_but_no_container_and_no_secret(engine, region, container_of):
    region.down()
    names = {volume.name for volume in engine.volumes.list(filters={"label": "ru.cami=server"})}
    for name in SERVERS:
        assert container_of(name) is None
        assert not [volume for volume in names if volume.endswith(f"{name}-config")]
        assert [volume for volume in names if volume.endswith(f"{name}-data")]
    region.up()
    assert len(region.studies()) > 0
