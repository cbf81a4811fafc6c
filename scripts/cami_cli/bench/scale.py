"""What the centre takes in from many proxies at once, against stock Orthanc with the same storage and database.

Clients send what proxies send: one object a request, signed with the key of an МО's proxy, over a connection that stays
open; stock Orthanc gets the same files by ``POST /instances``. Both sides have the same configuration but for the
plugins, and take turns. What the centre does after it has answered (reading the file again, the study index, matching)
is counted, too, as processor time until it rests.
"""

import hashlib
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import Any

import requests
from pydicom.uid import ExplicitVRLittleEndian

from cami.clock import SystemClock
from cami.delivery.tokens import HEADER, TokenIssuer
from cami.orthanc_config import render
from cami.region import load_region
from cami_cli.answering import healthy, http, tail
from cami_cli.bench.cpu import resident_mb, seconds_of
from cami_cli.bench.report import Report, Row, compare
from cami_cli.errors import Trouble
from cami_cli.keys import ensure_link_key, ensure_passwords, write_accounts
from cami_cli.phantoms import mr, people
from cami_cli.phantoms.study import UTF8, Device, Study
from cami_cli.places import HOME
from cami_cli.ports import choose_free
from cami_cli.progress import Progress
from cami_cli.runtime import processes
from cami_cli.runtime.base import CONFIGURATION, Server, Suite
from cami_cli.runtime.native import NativeRuntime
from cami_cli.servers import url

_REGISTRY = HOME / "orthanc-config" / "region.yaml"
_STOCK, _OURS = "stock Orthanc", "our centre"
_COMMAND = ("Orthanc", f"{CONFIGURATION}/orthanc.json")
_START_SECONDS = 120.0
#: A server rests when it uses less than this part of a processor; it is given so many seconds.
_RESTING, _REST_SECONDS = 0.15, 60.0

#: Sends an object and returns the HTTP status.
_Send = Callable[[bytes], int]


@dataclass(frozen=True, slots=True)
class Sample:
    """One taking in of all objects."""

    rate: float
    """Objects a second, until the last was answered."""
    cpu_ms: float
    """Processor time of the server for each until then, and until it rested."""
    cpu_ms_rested: float
    mb: float
    """Memory at the end."""


def measure(suite: Suite, *, proxies: int, slices: int, repeats: int, steps: Progress) -> Report:
    """Run the benchmark and return its report."""
    work = HOME / "build" / "bench" / "scale"
    with steps.step(f"{slices} MR slices for each of {proxies} proxies") as step:
        images = [_study(number, slices) for number in range(proxies)]
        size = sum(len(dicom) for study in images for dicom in study)
        step.show(f"{size / 1e6:.0f} MB")
    runtimes = {_STOCK: NativeRuntime(suite, command=_COMMAND), _OURS: NativeRuntime(suite)}
    for runtime in runtimes.values():
        runtime.prepare(steps)
    samples: dict[str, list[Sample]] = {name: [] for name in runtimes}
    for turn in range(repeats):
        for name in sorted(runtimes, reverse=bool(turn % 2)):
            with steps.step(f"{turn + 1}/{repeats} {name}") as step:
                sample = _take_in(runtimes[name], name, work, images, suite)
                step.show(f"{sample.rate:.0f} objects/s, CPU {sample.cpu_ms:.1f} ms each")
                samples[name].append(sample)
    version = next(iter(runtimes.values())).orthanc_version()
    runs = {name: [asdict(sample) for sample in series] for name, series in samples.items()}
    average = size / proxies / slices
    return Report("scale", {"Orthanc": version, "suite": suite}, [row(samples[_OURS], samples[_STOCK], average)], runs)


def row(ours: Sequence[Sample], stock: Sequence[Sample], size: float) -> Row:
    """Compare the two, for objects of `size` bytes."""

    def middle(samples: Sequence[Sample], name: str) -> float:
        return float(median(getattr(sample, name) for sample in samples))

    rates = [[sample.rate for sample in samples] for samples in (ours, stock)]
    parts = [
        f"{middle(ours, 'rate') * size / 1e6:.1f} against {middle(stock, 'rate') * size / 1e6:.1f} MB/s",
        f"CPU {middle(ours, 'cpu_ms'):.1f} against {middle(stock, 'cpu_ms'):.1f} ms each",
        f"{middle(ours, 'cpu_ms_rested'):.1f} against {middle(stock, 'cpu_ms_rested'):.1f} with what comes after",
        f"memory {middle(ours, 'mb'):.0f} against {middle(stock, 'mb'):.0f} MB",
    ]
    metric = "ingest at the centre"
    return compare(metric, rates[0], _STOCK, rates[1], unit="objects/s", target=0.9, note="; ".join(parts))


def _take_in(runtime: NativeRuntime, name: str, work: Path, images: Sequence[Sequence[bytes]], suite: Suite) -> Sample:
    """Let an empty server take in all studies, each from a proxy of its own."""
    with _server(runtime, name, work, suite) as (server, sends):
        mark = processes.read_mark(server.log.with_suffix(".pid"))
        if mark is None:
            raise Trouble(f"{name} has ended", f"see {server.log}")
        _rests(mark.pid)
        before, began = seconds_of(mark.pid), time.monotonic()

        def send(number: int) -> None:
            with sends(number) as one:
                for dicom in images[number]:
                    if (status := one(dicom)) != HTTPStatus.OK:
                        raise Trouble(f"{name} answered {status} to an object", f"see {server.log}")

        with ThreadPoolExecutor(len(images)) as threads:
            list(threads.map(send, range(len(images))))
        seconds, used = time.monotonic() - began, seconds_of(mark.pid) - before
        rested = _rests(mark.pid) - before
        count = sum(map(len, images))
        return Sample(count / seconds, 1000 * used / count, 1000 * rested / count, resident_mb(mark.pid))


def _rests(pid: int) -> float:
    """Wait until a server rests; return the processor seconds that it has used by then."""
    limit = time.monotonic() + _REST_SECONDS
    before = seconds_of(pid)
    while time.monotonic() < limit:
        time.sleep(1)
        now = seconds_of(pid)
        if now - before < _RESTING:
            return now
        before = now
    return before


@contextmanager
def _server(
    runtime: NativeRuntime, name: str, work: Path, suite: Suite
) -> Iterator[tuple[Server, Callable[[int], Any]]]:
    """Run an empty server; give what opens the connection of a proxy, by its number."""
    shutil.rmtree(work, ignore_errors=True)
    for part in ("etc/secrets", "etc/keys", "data"):
        (work / part).mkdir(parents=True)
    http_port, dicom_port = choose_free(2)
    server = Server("central", work / "etc", work / "data", work.with_suffix(".log"), http_port, dicom_port)
    issuers = _configure(server, suite, plugins=name == _OURS)
    runtime.start(server)
    try:
        limit = time.monotonic() + _START_SECONDS
        while not (healthy(server) if name == _OURS else _answers(server)):
            if not runtime.running(server) or time.monotonic() > limit:
                raise Trouble(f"{name} did not start", f"the end of its log:\n{tail(server.log)}")
            time.sleep(0.2)

        @contextmanager
        def sends(number: int) -> Iterator[_Send]:
            with http() as client:
                issuer = issuers[number % len(issuers)]
                yield _as_proxy(client, server, issuer) if name == _OURS else _plainly(client, server)

        yield server, sends
    finally:
        runtime.stop(server)


def _configure(server: Server, suite: Suite, *, plugins: bool) -> Sequence[TokenIssuer]:
    """Write the centre's configuration, for stock Orthanc without plugins; return who signs for its proxies."""
    region = load_region(_REGISTRY)
    configuration = render(region, "central", http_port=server.http_port, dicom_port=server.dicom_port, suite=suite)
    if not plugins:
        for section in ("Cami", "DicomWeb", "Python"):
            configuration.pop(section, None)
        configuration["Plugins"] = []
    (server.configuration / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")
    shutil.copy(_REGISTRY, server.configuration / "region.yaml")
    write_accounts(server.configuration / "secrets" / "accounts.json", region, ensure_passwords(region, {}))
    issuers = []
    for each in region.with_proxy:
        private = server.configuration / "secrets" / f"{each.code}.key"
        ensure_link_key(private, server.configuration / "keys" / f"{each.code}.pem")
        issuers.append(TokenIssuer(each.code, private, SystemClock()))
    return issuers


def _as_proxy(client: requests.Session, server: Server, issuer: TokenIssuer) -> _Send:
    def send(dicom: bytes) -> int:
        headers = {
            HEADER: issuer.issue(),
            "Content-Type": "application/dicom",
            "X-Cami-Sha256": hashlib.sha256(dicom).hexdigest(),
        }
        answer = client.post(f"{url(server)}/cami/wire/v1/instances", data=dicom, headers=headers, timeout=60)
        if answer.status_code == HTTPStatus.OK and answer.json().get("outcome") != "stored":
            raise Trouble(f"the centre answered {answer.text[:200]}", f"see {server.log}")
        return answer.status_code

    return send


def _plainly(client: requests.Session, server: Server) -> _Send:
    return lambda dicom: client.post(f"{url(server)}/instances", data=dicom, timeout=60).status_code


def _answers(server: Server) -> bool:
    try:
        with http() as client:
            return client.get(f"{url(server)}/system", timeout=5).status_code == HTTPStatus.OK
    except requests.RequestException:
        return False


def _study(number: int, slices: int) -> list[bytes]:
    """Draw the study of one proxy."""
    study = Study(
        seed=number,
        key=f"bench/scale/{number}",
        person=people.IVANOV,
        device=Device("Синтетическая больница № 1", "MR PHANTOM", "BENCH", "1"),
        modality="MR",
        description="Ingest",
        text=UTF8,
        date="20261122",
        time="120000",
        accession=f"BENCH{number}",
    )
    files = []
    for instance in mr.instances(study, (slices + 1) // 2, 256, ExplicitVRLittleEndian):
        file = io.BytesIO()
        instance.save_as(file, enforce_file_format=True)
        files.append(file.getvalue())
    return files[:slices]
