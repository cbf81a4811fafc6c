"""The desks of consultations: two hundred people at once on a year of requests, on SQLite and on PostgreSQL.

A centre of its own, with 50 МО that have no proxies: what is measured is the portal and the database. The rows are
written straight into the database; what people then do goes through Orthanc, the gate, the journal and the workflow.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import yaml

from cami_cli.answering import http
from cami_cli.bench.cpu import seconds_of
from cami_cli.bench.report import Report, Row, alone
from cami_cli.errors import Trouble
from cami_cli.places import HOME
from cami_cli.ports import choose_free
from cami_cli.progress import Progress
from cami_cli.runtime.base import Suite
from cami_cli.runtime.native import NativeRuntime

_WORK = HOME / "build" / "bench" / "consultations"
_POSTGRES = Path("/usr/lib/postgresql")
_PAGE, _ACT, _NOTICE = 300.0, 500.0, 2.0


def measure(
    suite: Suite, *, users: int, requests: int, seconds: float, rate: float, postgresql: bool, steps: Progress
) -> Report:
    """Run the benchmark and return its report."""
    rows, runs = [], {}
    for name in ("SQLite", "PostgreSQL") if postgresql else ("SQLite",):
        try:
            found, run = _on(name, suite, users, requests, seconds=seconds, rate=rate, steps=steps)
        except Trouble as trouble:
            found, run = [alone(f"queue page, p95, {name}", None, "ms", _PAGE, f"{trouble.problem}")], {}
        rows += found
        runs[name] = run
    return Report("consultations", {"Orthanc": NativeRuntime(suite).orthanc_version(), "suite": suite}, rows, runs)


def _on(
    name: str, suite: Suite, users: int, requests: int, *, seconds: float, rate: float, steps: Progress
) -> tuple[list[Row], dict[str, Any]]:
    from cami.db import open_engine  # noqa: PLC0415 - the database library comes with the development lock only
    from cami_cli.bench.consultation_load import Load, busy  # noqa: PLC0415
    from cami_cli.bench.consultation_rows import fill  # noqa: PLC0415

    shutil.rmtree(_WORK, ignore_errors=True)
    with _database(name) as url, _centre(suite, url, steps) as (central, process):
        file = url or f"sqlite:///{_WORK}/servers/central/data/cami.sqlite"
        engine = open_engine(file)
        with steps.step(f"{name}: {requests:,} requests"):
            filled = fill(engine, users=users, requests=requests, drafts=max(users, round(seconds * rate)))
        engine.dispose()
        with steps.step(f"{name}: {users} people for {seconds:.0f} s") as step:
            before, began = seconds_of(process), time.monotonic()
            times = Load(central, filled, seconds=seconds, rate=rate).run()
            spent = (seconds_of(process) - before) / (time.monotonic() - began)
            step.show(f"{len(times.pages)} pages, median {1000 * median(times.pages):.0f} ms; refused: {times.refused}")
    load = f"{busy(filled)}; {rate:g} acts/s; the server uses {100 * spent:.0f} % of one processor"
    acts = {what: _p95(values) for what, values in times.acts.items()}
    refused = f"; refused: {times.refused}" if times.refused else ""
    rows = [
        _row(name, "queue page", times.pages, _PAGE, f"{load}{refused}"),
        _row(name, "pulse", times.pulses, _PAGE, "every open page asks each second or two"),
        _row(name, "take", times.acts.get("take", []), _ACT, ""),
        _row(name, "sign", times.acts.get("sign", []), _ACT, f"PDF made before: p95 {acts.get('document', 0):.0f} ms"),
        _row(name, "send", times.acts.get("send", []), _ACT, ""),
        alone(
            f"notice on a dispatcher's screen, p95, {name}", round(_p95(times.notices) / 1000, 2), "s", _NOTICE,
            f"from the press; slowest {max(times.notices, default=0):.2f} s; not before the end: {times.unseen}",
        ),
    ]  # fmt: skip
    return rows, {"pages": times.pages, "pulses": times.pulses, "notices": times.notices, **times.acts}


def _row(name: str, what: str, times: list[float], target: float, note: str) -> Row:
    if not times:
        return alone(f"{what}, p95, {name}", None, "ms", target, f"none was answered; {note}")
    told = f"median {1000 * median(times):.0f} ms of {len(times)}"
    return alone(f"{what}, p95, {name}", round(_p95(times), 1), "ms", target, f"{told}; {note}" if note else told)


def _p95(times: list[float]) -> float:
    """Return milliseconds."""
    return 1000 * (quantiles(times, n=20)[18] if len(times) > 1 else sum(times))


@contextmanager
def _centre(suite: Suite, database: str, steps: Progress) -> Iterator[tuple[str, int]]:
    """Start a region of a centre alone; on another database, start it once more."""
    _WORK.mkdir(parents=True, exist_ok=True)
    registry = _WORK / "region.yaml"
    registry.write_text(yaml.safe_dump(_registry(), allow_unicode=True), "utf-8")
    cami = HOME / "scripts" / "cami"
    up = [cami, "region", "up", "--state", _WORK, "--region", registry, "--suite", suite, "--detach", "--json"]
    try:
        with steps.step("a centre"):
            about = json.loads(_run(up))
            if database:
                _run([cami, "region", "stop", "central", "--state", _WORK])
                file = _WORK / "servers" / "central" / "config" / "orthanc.json"
                configuration = json.loads(file.read_text("utf-8"))
                configuration["Cami"]["Database"] = database
                file.write_text(json.dumps(configuration), "utf-8")
                _run([cami, "region", "start", "central", "--state", _WORK])
        url = str(about["central"]["url"])
        with http() as client:
            client.get(f"{url}/cami/health", timeout=10).raise_for_status()
        yield url, _process(about)
    finally:
        subprocess.run([cami, "region", "down", "--state", _WORK], capture_output=True, check=False)


def _process(about: dict[str, Any]) -> int:
    """Return the process that listens on the centre's port, or 0."""
    port = str(about["central"]["url"]).rpartition(":")[2].strip("/")
    told = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=False).stdout
    with contextlib.suppress(ValueError, IndexError):
        return int(told.partition("pid=")[2].partition(",")[0])
    return 0


def _run(command: list[Any]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"{' '.join(map(str, command[1:4]))} ended with {done.returncode}", done.stderr[-500:])
    return done.stdout


def _registry() -> dict[str, Any]:
    """Return a registry of the МО of the run: nobody has a proxy, everybody may ask all who answer."""
    from cami_cli.bench.consultation_rows import ANSWERING, ASKING, route_of  # noqa: PLC0415

    known: dict[str, Any] = yaml.safe_load((HOME / "orthanc-config" / "region.yaml").read_text("utf-8"))
    organizations = [
        {"code": code, "oid": f"1.2.643.5.1.13.13.12.2.42.{code}", "full_name": f"Больница {code}", "short_name": code}
        for code in (*ASKING, *ANSWERING)
    ]
    profiles = [profile["code"] for profile in known["consultations"]["profiles"]]
    routes = [
        {"name": f"to-{mo}", "title": mo, "to": [mo], "profiles": profiles,
         "from": [each for each in ASKING if route_of(each) == f"to-{mo}"]}
        for mo in ANSWERING
    ]  # fmt: skip
    accounts = [{"login": "operator", "name": "Оператор", "role": "operator"}]
    return {
        "name": known["name"], "time_zone": known["time_zone"], "centre": known["centre"],
        "organizations": organizations, "accounts": accounts, "people": known["people"],
        "consultations": {"profiles": known["consultations"]["profiles"], "routes": routes},
    }  # fmt: skip


@contextmanager
def _database(name: str) -> Iterator[str]:
    """Start a PostgreSQL of the run's own; of SQLite nothing, and no address."""
    if name == "SQLite":
        yield ""
        return
    programs = next(iter(sorted(_POSTGRES.glob("*/bin"), reverse=True)), None)
    if programs is None:
        raise Trouble("there is no PostgreSQL on this machine", "apt install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="cami-bench-"))
    user: list[Any] = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        user = ["runuser", "-u", "postgres", "--"]
    (port,) = choose_free(1)
    control = [*user, programs / "pg_ctl", "-D", folder / "data", "-w"]
    try:
        _run([*user, programs / "initdb", "-D", folder / "data", "-A", "trust", "-E", "UTF8"])
        _run([*control, "-o", f"-c listen_addresses=127.0.0.1 -p {port} -k {folder}", "-l", folder / "log", "start"])
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
