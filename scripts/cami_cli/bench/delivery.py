"""Delivery over a thin line: ours against stock Orthanc's ways and dcmtk, in turn, over an emulated line.

The proxy lives at the near end of the line and the centre at the far end, each in a network namespace. Each cell starts
empty servers; the senders of a group take turns, each group beginning with another one. docs/benchmarks.md tells the
method; a host on which no line can be emulated gets rows that say so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from cami_cli.bench.delivery_breaking import Fault
from cami_cli.bench.delivery_cap import Capped, hold_cap
from cami_cli.bench.delivery_cells import Cell, Sample, measure
from cami_cli.bench.delivery_download import Download, download
from cami_cli.bench.delivery_emergency import Emergency, emergency
from cami_cli.bench.delivery_fault_rows import TITLES, all_fault_rows, cap_rows
from cami_cli.bench.delivery_faults import Outcome, break_down, stock_loss
from cami_cli.bench.delivery_images import Batch, Modality, Wanted, draw
from cami_cli.bench.delivery_queue import Picked, pick
from cami_cli.bench.delivery_rows import Place, download_row, emergency_row, queue_rows, sending_rows, unmeasured
from cami_cli.bench.delivery_senders import LUA, OURS, PEER, STORESCU, STOW, Sender
from cami_cli.bench.delivery_servers import Servers, Setting, link_settings
from cami_cli.bench.link_emulator import Line
from cami_cli.bench.link_emulator_check import check
from cami_cli.bench.link_emulator_ends import ThinLine
from cami_cli.bench.report import Report, Row
from cami_cli.errors import Trouble
from cami_cli.places import HOME
from cami_cli.progress import Progress
from cami_cli.runtime.base import Suite

SLOW, FAST = 2.0, 10.0
#: The emulator may hand over a packet so late; beyond, the machine was too busy for the figure.
_LATE_SECONDS = 0.1
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and for how long."""

    groups: Sequence[tuple[Modality, float, Sequence[Sender]]]
    limit: float
    """Seconds of a cell."""
    outage: float
    """Seconds for which the line is cut."""
    faults: Sequence[Fault] = tuple(TITLES)
    emergency: bool = True
    backlog: bool = True
    """Whether an emergency is tried behind 2 GB as well."""
    download: bool = True
    cap: bool = True
    stock_fault: bool = True
    """Whether a stock proxy's line is cut as well."""
    queue: bool = True


FULL = Plan(
    (
        ("CT", SLOW, (OURS, LUA, PEER, STORESCU)),
        ("MR", SLOW, (OURS, LUA, STOW)),
        ("DX", SLOW, (OURS, LUA)),
        ("CT", FAST, (OURS, LUA, PEER)),
        ("MR", FAST, (OURS, LUA)),
        ("DX", FAST, (OURS, LUA)),
    ),
    limit=20,
    outage=60,
)
QUICK = Plan(
    (("MR", SLOW, (OURS, LUA)), ("CT", FAST, (OURS, LUA))),
    limit=20,
    outage=15,
    faults=("none", "line"),
    emergency=False,
    backlog=False,
    download=False,
    cap=False,
    stock_fault=False,
)
#: What `chosen` takes beside the groups, which are called by modality and rate, as CT-2.
_OTHER_CELLS = ("emergency", "backlog", "download", "cap", "stock-fault", "queue", *TITLES)

#: More than a cell can deliver when the line is full, so that it is time that ends it.
_SENT = {
    ("CT", SLOW): Wanted("CT-30", "CT", 30),
    ("MR", SLOW): Wanted("MR-120", "MR", 120),
    ("DX", SLOW): Wanted("DX-6", "DX", 6, 1400),
    ("CT", FAST): Wanted("CT-140", "CT", 140),
    ("MR", FAST): Wanted("MR-560", "MR", 560),
    ("DX", FAST): Wanted("DX-26", "DX", 26, 1400),
}
#: Radiographs are few and large: one that has not arrived whole does not count, so they get more time.
_PATIENCE: Mapping[Modality, float] = {"DX": 2.0}
#: Of stock Orthanc, which takes a round trip or two for each and whose losses are a matter of seconds.
_STOCK_BROKEN = Wanted("MR-tiny-300", "MR", 300, 64)
#: Mbit/s, and what is sent: for half a minute and more. The emergency is an exempt one.
_CAP = 4.0
_CAPPED, _EXEMPT = Wanted("CT-140", "CT", 140), Wanted("DX-exempt", "DX", 1, 1000)
_BACKLOG = Wanted("CT-60", "CT", 60)
#: 66 times 31 MB: 2.08 GB, 3,960 images.
_COPIES = 66
_DOWNLOADED = Wanted("CT-30", "CT", 30)
_EMERGENCIES = (Wanted("DX-idle", "DX", 1, 1000), Wanted("DX-busy", "DX", 1, 1000))


def chosen(cells: Sequence[str], *, alone: bool) -> Plan:
    """Return a plan of single cells: groups as ``CT-2``, faults by their names, ``emergency``, ``queue``.

    Parameters
    ----------
    cells
        What to measure.
    alone
        Leave out those that ours is compared with: for trying something out.

    Raises
    ------
    cami_cli.errors.Trouble
        There is no such cell.
    """
    groups = {f"{modality}-{rate:g}": (modality, rate, senders) for modality, rate, senders in FULL.groups}
    if unknown := sorted({*cells} - {*groups, *_OTHER_CELLS}):
        raise Trouble(f"there is no cell {unknown[0]}", f"name some of {', '.join([*groups, *_OTHER_CELLS])}")
    return Plan(
        [
            (modality, rate, (OURS,) if alone else senders)
            for name, (modality, rate, senders) in groups.items()
            if name in cells
        ],
        limit=FULL.limit,
        outage=FULL.outage,
        faults=[fault for fault in FULL.faults if fault in cells],
        emergency="emergency" in cells,
        backlog="backlog" in cells,
        download="download" in cells,
        cap="cap" in cells,
        stock_fault="stock-fault" in cells,
        queue="queue" in cells,
    )


@dataclass(slots=True)
class _Seen:
    samples: list[Sample] = field(default_factory=list)
    broken: dict[Place, str] = field(default_factory=dict)
    emergency: Emergency | str = "not measured in this run"
    backlog: Emergency | str = "not measured in this run"
    download: Download | str = "not measured in this run"
    faults: dict[Fault, Outcome | str] = field(default_factory=dict)
    stock: tuple[int, int] | str = "not measured in this run"
    cap: list[tuple[str, Capped | str]] = field(default_factory=list)
    queue: Picked | str = "not measured in this run (--cells)"
    line: dict[str, str] = field(default_factory=dict)


def measure_delivery(
    suite: Suite,
    *,
    plan: Plan,
    repeats: int,
    congestion: str,
    link: Mapping[str, Any],
    steps: Progress,
    instances: int = 1000,
) -> Report:
    """Run the benchmark in a network namespace of its own and return its report.

    Parameters
    ----------
    instances
        How many are under way when something breaks.
    """
    work = HOME / "build" / "bench" / "delivery"
    work.mkdir(parents=True, exist_ok=True)
    seen = _Seen()
    if plan.queue:
        seen.queue = _tried(lambda: pick(work), steps, "1,000,000 waiting instances")
    setting = Setting(suite, work / "work", link)
    with ThinLine(Line(mbit_s=SLOW), congestion=congestion) as line:
        for rate in (SLOW, FAST):
            with steps.step(f"the emulated line at {rate:g} Mbit/s") as step:
                line.change(rate)
                seen.line[f"{rate:g} Mbit/s"] = f"{check(line, rate)}"
                step.show(seen.line[f"{rate:g} Mbit/s"])
        servers = Servers(setting, line)
        bench = _Bench(servers, line, seen, steps)
        bench.send_all(plan, repeats)
        bench.hurry(plan)
        if plan.faults or plan.stock_fault:
            bench.break_all(plan, draw(Wanted(f"MR-tiny-{instances}", "MR", instances, 64), work / "images"))
        if plan.cap:
            bench.cap_all(setting)
        version = servers.orthanc_version()
    runs = {
        "line": seen.line,
        "samples": [asdict(sample) | {"share": sample.share, "effect": sample.effect} for sample in seen.samples],
        "faults": {
            name: outcome if isinstance(outcome, str) else asdict(outcome) for name, outcome in seen.faults.items()
        },
        "stock": seen.stock,
        "emergency": {
            name: one if isinstance(one, str) else asdict(one)
            for name, one in (("60 images", seen.emergency), ("2 GB", seen.backlog))
        },
        "download": seen.download if isinstance(seen.download, str) else asdict(seen.download),
        "cap": {title: one if isinstance(one, str) else asdict(one) for title, one in seen.cap},
        "link": link_settings(link),
    }
    return Report("delivery", {"Orthanc": version, "suite": suite, "TCP": congestion}, _rows(seen), runs)


def cannot(why: str, suite: Suite) -> Report:
    """Return the report of a host that allows no line."""
    return Report("delivery", {"suite": suite}, unmeasured(why))


def _rows(seen: _Seen) -> list[Row]:
    rows = sending_rows(seen.samples, seen.broken, (LUA, PEER, STORESCU, STOW))
    rows.append(emergency_row(seen.emergency, "60 images of CT"))
    rows.append(emergency_row(seen.backlog, "2 GB of CT"))
    rows.append(download_row(seen.download))
    rows += all_fault_rows(seen.faults, seen.stock) + cap_rows(seen.cap)
    return rows + queue_rows(seen.queue)


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every cell needs."""

    servers: Servers
    line: ThinLine
    seen: _Seen
    steps: Progress

    def send_all(self, plan: Plan, repeats: int) -> None:
        """Send every group in turn."""
        batches = {}
        with self.steps.step("phantoms") as step:
            for modality, rate, _ in plan.groups:
                batch = draw(_SENT[modality, rate], HOME / "build" / "bench" / "delivery" / "images")
                batches[modality, rate] = batch
                step.show(f"{modality}: {len(batch.files)} instances, {batch.size / 1e6:.0f} MB")
        groups = [group for _ in range(repeats) for group in plan.groups]
        for turn, (modality, rate, senders) in enumerate(groups):
            first = turn % len(senders)
            limit = _PATIENCE.get(modality, 1) * plan.limit
            for sender in (*senders[first:], *senders[:first]):
                self._send(Cell(sender, batches[modality, rate], rate, limit))

    def hurry(self, plan: Plan) -> None:
        """See how long an emergency takes behind CT that waits, and how fast a study comes down."""
        images = HOME / "build" / "bench" / "delivery" / "images"
        drawn = [draw(one, images) for one in (_BACKLOG, *_EMERGENCIES)]
        urgent = partial(emergency, self.servers, self.line, *drawn, mbit_s=SLOW)
        if plan.emergency:
            self.seen.emergency = self._tried("an emergency", urgent)
        if plan.backlog:
            self.seen.backlog = self._tried("an emergency behind 2 GB", partial(urgent, copies=_COPIES))
        if plan.download:
            study = draw(_DOWNLOADED, images)
            self.seen.download = self._tried(
                "a study comes back", partial(download, self.servers, self.line, study, mbit_s=SLOW)
            )

    def break_all(self, plan: Plan, batch: Batch) -> None:
        """Break each thing once, and the line of a stock proxy."""
        for fault in plan.faults:
            self.seen.faults[fault] = self._tried(
                f"fault: {TITLES[fault]}",
                partial(break_down, self.servers, self.line, batch, fault, mbit_s=SLOW, outage=plan.outage),
            )
        if plan.stock_fault:
            stock = draw(_STOCK_BROKEN, HOME / "build" / "bench" / "delivery" / "images")
            self.seen.stock = self._tried(
                "fault: the line was cut, stock Orthanc",
                partial(stock_loss, self.servers, self.line, stock, mbit_s=SLOW, outage=plan.outage),
            )

    def cap_all(self, setting: Setting) -> None:
        """Watch the cap, plain and with an exempt emergency."""
        images = HOME / "build" / "bench" / "delivery" / "images"
        self.line.change(FAST)
        for title, urgent in (("", None), (", an exempt emergency in between", draw(_EXEMPT, images))):
            link = {**setting.link, "mbit_s": _CAP, "capped": True, "urgent_exempt": urgent is not None}
            servers = Servers(replace(setting, link=link), self.line)
            what = partial(hold_cap, servers, self.line, draw(_CAPPED, images), urgent, mbit_s=_CAP)
            self.seen.cap.append((title, self._tried(f"cap{title}", what)))

    def _send(self, cell: Cell) -> None:
        place = (cell.batch.modality, cell.mbit_s, cell.sender.name)
        title = f"{cell.batch.modality} at {cell.mbit_s:g} Mbit/s, {cell.sender.title}"
        sample = self._tried(title, partial(measure, self.servers, self.line, cell))
        if isinstance(sample, str):
            self.seen.broken[place] = sample
        elif sample.late > _LATE_SECONDS:
            self.seen.broken[place] = f"the machine was too busy: the line stood still for {sample.late:.2f} s"
        else:
            self.seen.samples.append(sample)

    def _tried(self, title: str, what: Callable[[], _Value]) -> _Value | str:
        return _tried(what, self.steps, title)


def _tried(what: Callable[[], _Value], steps: Progress, title: str) -> _Value | str:
    """Return what could be measured, or why not."""
    try:
        with steps.step(title) as step:
            value = what()
            step.show(f"{value}")
    except Trouble as trouble:
        return f"{trouble.problem}; {trouble.remedy}"
    return value
