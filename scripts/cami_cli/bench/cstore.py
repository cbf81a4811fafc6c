"""C-STORE of CT slices: what Nagle's algorithm costs, and what our plugin costs a device.

DCMTK, at both ends, waits on Nagle's algorithm and delayed acknowledgements for some 40 ms per C-STORE unless
``TCP_NODELAY=1`` is in its environment. Each run stores the same slices into an empty server; the variants take turns,
each round beginning with another one, so that a machine that grows slower does so for all of them.
"""

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import Any

import requests
from pydicom.uid import ExplicitVRLittleEndian

from cami.orthanc_config import render
from cami.region import load_region
from cami_cli.answering import healthy, http
from cami_cli.bench.cpu import resident_mb, seconds_of
from cami_cli.bench.report import Report, Row, alone, compare
from cami_cli.errors import Trouble
from cami_cli.keys import ensure_link_key
from cami_cli.phantoms import ct, people
from cami_cli.phantoms.study import UTF8, Device, Study
from cami_cli.places import HOME
from cami_cli.ports import choose_free
from cami_cli.progress import Progress
from cami_cli.runtime import processes
from cami_cli.runtime.base import BOOT, CONFIGURATION, Server, Suite
from cami_cli.runtime.native import NativeRuntime
from cami_cli.servers import url

_MO = "42001"
_AET = "CT42001"
_START_SECONDS = 60.0
#: What Orthanc's index calls an instance (ResourceType_Instance).
_INSTANCE = 4


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to receive, and to send to it."""

    name: str
    title: str
    server_nodelay: bool
    client_nodelay: bool
    plugin: bool = False

    @property
    def command(self) -> Sequence[str]:
        """Return what runs in the sandbox."""
        if self.plugin:
            return BOOT
        return (*_nodelay(on=self.server_nodelay), "Orthanc", f"{CONFIGURATION}/orthanc.json")


PACKAGED = Variant("packaged", "Orthanc as packaged", server_nodelay=False, client_nodelay=False)
SERVER = Variant("server", "Orthanc with TCP_NODELAY", server_nodelay=True, client_nodelay=False)
BOTH = Variant("both", "Orthanc and storescu with TCP_NODELAY", server_nodelay=True, client_nodelay=True)
OURS = Variant("ours", "our proxy and storescu with TCP_NODELAY", server_nodelay=True, client_nodelay=True, plugin=True)
VARIANTS = (PACKAGED, SERVER, BOTH, OURS)
PAIR = (BOTH, OURS)


@dataclass(frozen=True, slots=True)
class Sample:
    """One storing of all slices."""

    rate: float
    """Instances a second."""
    cpu_ms: float
    """Processor time of the server, in milliseconds per instance."""
    idle_mb: float
    """Memory of the server before, and after it has stored all."""
    mb: float


Samples = Mapping[str, Sequence[Sample]]


def measure(
    suite: Suite, *, slices: int, repeats: int, steps: Progress, variants: Sequence[Variant] = VARIANTS
) -> Report:
    """Run the benchmark and return its report."""
    work = HOME / "build" / "bench" / "cstore"
    with steps.step(f"{slices} CT slices of 512×512×16 bit") as step:
        images = _images(work / "images", slices)
        step.show(f"{sum(path.stat().st_size for path in images.iterdir()) / 1e6:.0f} MB")
    runtimes = {variant.name: NativeRuntime(suite, command=variant.command) for variant in variants}
    for runtime in runtimes.values():
        runtime.prepare(steps)
    samples: dict[str, list[Sample]] = {variant.name: [] for variant in variants}
    broken: dict[str, str] = {}
    for turn in range(repeats):
        first = turn % len(variants)
        for variant in (*variants[first:], *variants[:first]):
            if variant.name in broken:
                continue
            try:
                with steps.step(f"{turn + 1}/{repeats} {variant.title}") as step:
                    sample = _store(runtimes[variant.name], variant, work, images)
                    step.show(f"{sample.rate:.0f} instances/s, {sample.cpu_ms:.1f} ms CPU each")
            except Trouble as trouble:
                broken[variant.name] = f"{trouble.problem}; {trouble.remedy}"
            else:
                samples[variant.name].append(sample)
    version = next(iter(runtimes.values())).orthanc_version()
    runs = {name: [asdict(sample) for sample in series] for name, series in samples.items()}
    return Report("cstore", {"Orthanc": version, "suite": suite}, rows(samples, broken), runs)


def rows(samples: Samples, broken: Mapping[str, str]) -> list[Row]:
    """Compare the variants; one that broke at any time has no figure, but its reason."""

    def row(metric: str, ours: Variant, peer: Variant, target: float) -> Row:
        unit = "instances/s"
        why = "; ".join(broken[one.name] for one in (ours, peer) if one.name in broken)
        if why:
            return compare(metric, [], peer.title, [], unit=unit, target=target, note=why)
        mine, theirs = samples[ours.name], samples[peer.name]
        cpu = f"CPU {_cpu_ms(mine):.1f} against {_cpu_ms(theirs):.1f} ms each"
        return compare(metric, _rates(mine), peer.title, _rates(theirs), unit=unit, target=target, note=cpu)

    wanted = (
        ("TCP_NODELAY at both ends", BOTH, PACKAGED, 1.0),
        ("TCP_NODELAY at the server only", SERVER, PACKAGED, 1.0),
        ("our proxy", OURS, BOTH, 0.95),
    )
    measured = [each for each in wanted if each[1].name in samples and each[2].name in samples]
    return [*(row(*each) for each in measured), *_memory(samples, broken)]


def _memory(samples: Samples, broken: Mapping[str, str]) -> list[Row]:
    """Compare what a server holds: started, and after it has stored."""
    why = "; ".join(broken[one.name] for one in (OURS, BOTH) if one.name in broken)
    if why:
        return [alone("memory of our proxy, started", None, "MB", 300, why)]
    ours, theirs = samples[OURS.name], samples[BOTH.name]
    idle = median(sample.idle_mb for sample in ours)
    note = f"plain Orthanc {median(sample.idle_mb for sample in theirs):.0f} MB"
    ratio = median(mine.mb / other.mb for mine, other in zip(ours, theirs, strict=True))
    mine, other = (round(median(sample.mb for sample in series)) for series in (ours, theirs))
    return [
        alone("memory of our proxy, started", round(idle), "MB", 300, note),
        Row("memory of our proxy that has stored", mine, BOTH.title, other, "MB", round(ratio, 2), 1.5, at_most=True),
    ]


def _rates(samples: Sequence[Sample]) -> list[float]:
    return [sample.rate for sample in samples]


def _cpu_ms(samples: Sequence[Sample]) -> float:
    return median(sample.cpu_ms for sample in samples)


def _store(runtime: NativeRuntime, variant: Variant, work: Path, images: Path) -> Sample:
    """Store the slices into an empty server of this variant."""
    slices = len(list(images.iterdir()))
    with _server(runtime, variant, work) as server:
        process = _process(server)
        idle = resident_mb(process)
        before = seconds_of(process)
        client = [*_nodelay(on=variant.client_nodelay), *_dcmtk("storescu", "+sd", server=server), str(images)]
        seconds = _timed(runtime, client, images)
        used = seconds_of(process) - before
        held = resident_mb(process)
    stored = _stored(server.data)
    if stored != slices:
        raise Trouble(f"{variant.title} holds {stored} of {slices} slices", f"see {server.log}")
    return Sample(rate=slices / seconds, cpu_ms=1000 * used / slices, idle_mb=idle, mb=held)


def _process(server: Server) -> int:
    """Return the first process of a server."""
    mark = processes.read_mark(server.log.with_suffix(".pid"))
    if mark is None:
        raise Trouble(f"{server.name} has ended", f"see {server.log}")
    return mark.pid


def _timed(runtime: NativeRuntime, argv: Sequence[str], images: Path) -> float:
    """Run a program of the runtime and return its seconds, without those of the sandbox around it."""
    clock = 's=$(date +%s%N); "$@"; r=$?; e=$(date +%s%N); echo "$((e - s)) ns"; exit $r'
    answer = runtime.tool(["sh", "-c", clock, "sh", *argv], binds=[images])
    if answer.returncode:
        raise Trouble(f"storescu ended with {answer.returncode}", (answer.stderr or answer.stdout).strip()[-500:])
    return int(answer.stdout.split()[-2]) / 1e9


def _dcmtk(program: str, *options: str, server: Server) -> list[str]:
    """Return how a device calls a server."""
    return [program, *options, "-aet", _AET, "-aec", f"PROXY{_MO}", "127.0.0.1", str(server.dicom_port)]


@contextmanager
def _server(runtime: NativeRuntime, variant: Variant, work: Path) -> Iterator[Server]:
    """Run an empty server and leave its data behind, for `_stored`."""
    for folder in (work / "data", work / "etc"):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in (work / "data", work / "etc" / "secrets"):
        folder.mkdir(parents=True)
    http_port, dicom_port = choose_free(2)
    server = Server(f"proxy-{_MO}", work / "etc", work / "data", work / f"{variant.name}.log", http_port, dicom_port)
    server.log.unlink(missing_ok=True)
    _configure(server, plugin=variant.plugin)
    runtime.start(server)
    try:
        _until(lambda: _answers(runtime, server, plugin=variant.plugin), runtime, server)
        yield server
    finally:
        runtime.stop(server)


def _configure(server: Server, *, plugin: bool) -> None:
    """Write the configuration of a proxy; for plain Orthanc the same one, without plugins."""
    registry = HOME / "orthanc-config" / "region.yaml"
    # Nothing listens at port 9 (discard): the line to the centre is down, and what is measured is receiving alone.
    configuration: dict[str, Any] = render(
        load_region(registry),
        "proxy",
        mo=_MO,
        http_port=server.http_port,
        dicom_port=server.dicom_port,
        central_url="http://127.0.0.1:9",
    )
    if not plugin:
        for section in ("Cami", "DicomWeb", "Python"):
            configuration.pop(section, None)
        configuration["Plugins"] = []
    (server.configuration / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")
    shutil.copy(registry, server.configuration / "region.yaml")
    ensure_link_key(server.configuration / "secrets" / "link.key", server.configuration / "link.pem")


def _answers(runtime: NativeRuntime, server: Server, *, plugin: bool) -> bool:
    """Tell whether a server takes part in HTTP and in DICOM."""
    if not (healthy(server) if plugin else _system(server)):
        return False
    return runtime.tool(_dcmtk("echoscu", server=server)).returncode == 0


def _system(server: Server) -> bool:
    """Tell whether a plain Orthanc answers."""
    try:
        with http() as client:
            return client.get(f"{url(server)}/system", timeout=5).status_code == HTTPStatus.OK
    except requests.RequestException:
        return False


def _until(ready: Callable[[], bool], runtime: NativeRuntime, server: Server) -> None:
    limit = time.monotonic() + _START_SECONDS
    while not ready():
        if not runtime.running(server) or time.monotonic() > limit:
            raise Trouble(f"the server did not start, or not within {_START_SECONDS:.0f} s", f"see {server.log}")
        time.sleep(0.1)


def _stored(data: Path) -> int:
    """Count the instances in the index of a server that has stopped."""
    (index,) = data.rglob("index")
    with closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM Resources WHERE resourceType = ?", (_INSTANCE,)).fetchone()
    return int(count)


def _images(folder: Path, slices: int) -> Path:
    """Draw the slices once; they are the same in every run."""
    if folder.is_dir() and len(list(folder.iterdir())) == slices:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    study = Study(
        seed=1,
        key="bench/cstore",
        person=people.IVANOV,
        device=Device("Синтетическая больница № 1", "CT PHANTOM", "BENCH", "1"),
        modality="CT",
        description="C-STORE",
        text=UTF8,
        date="20261122",
        time="120000",
        accession="BENCH1",
    )
    for number, instance in enumerate(
        ct.instances(study, ct.Scanner(signed=True, slices=slices), ExplicitVRLittleEndian)
    ):
        instance.save_as(folder / f"{number:05d}.dcm", enforce_file_format=True)
    return folder


def _nodelay(*, on: bool) -> Sequence[str]:
    """Return what stands before a program so that it has the variable or not; the sandbox sets it."""
    return () if on else ("env", "--unset=TCP_NODELAY")
