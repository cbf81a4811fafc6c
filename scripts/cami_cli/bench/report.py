"""What a benchmark says: rows of ours against a peer (docs/architecture.md, the command line's contract)."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

from rich.table import Table

from cami_cli.places import HOME


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison."""

    metric: str
    ours: float | None
    peer: str
    peer_value: float | None
    unit: str
    ratio: float | None
    """Ours by the peer's; of repeated pairs, the median of their ratios."""
    target: float
    """What is asked for of `of`: at least so much, or at most (`at_most`)."""
    note: str = ""
    """Why there is no figure, or the spread of the ratios."""
    of: Literal["ratio", "ours"] = "ratio"
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Tell whether the target is reached; what was not measured is not."""
        value = self.ratio if self.of == "ratio" else self.ours
        if value is None:
            return False
        return value <= self.target if self.at_most else value >= self.target

    @property
    def aim(self) -> str:
        """Return the target for people."""
        return f"{'ours ' if self.of == 'ours' else ''}{'≤' if self.at_most else '≥'} {self.target:g}"


def alone(metric: str, ours: float | None, unit: str, target: float, note: str, *, at_most: bool = True) -> Row:
    """Return a row that is judged by its target alone; without a figure the note says why."""
    return Row(metric, ours, "the target alone", None, unit, None, target, note, of="ours", at_most=at_most)


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one benchmark."""

    name: str
    versions: dict[str, str]
    rows: Sequence[Row]
    runs: dict[str, Any] = field(default_factory=dict)
    """Every single measurement, for whoever doubts a median."""

    def write(self, folder: Path = HOME / "build" / "bench") -> Path:
        """Keep the report as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        rows = [asdict(row) | {"met": row.met} for row in self.rows]
        content = {"machine": machine(), "versions": self.versions, "rows": rows, "runs": self.runs}
        path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        return path

    def table(self) -> Table:
        """Return the rows for people, narrow enough for a terminal of 80 columns."""
        table = Table(title=f"{self.name}: {', '.join(f'{name} {value}' for name, value in self.versions.items())}")
        for title in ("ours against the peer", "ours", "peer", "ratio", "target", "met"):
            table.add_column(title, justify="left" if title == "ours against the peer" else "right")
        for row in self.rows:
            what = f"{row.metric}, {row.unit}\n  against {row.peer}" + (f"\n  {row.note}" if row.note else "")
            figures = (_figure(row.ours), _figure(row.peer_value), _figure(row.ratio))
            table.add_row(what, *figures, row.aim, "yes" if row.met else "NO", end_section=True)
        return table


def compare(
    metric: str, ours: Sequence[float], peer: str, peers: Sequence[float], *, unit: str, target: float, note: str = ""
) -> Row:
    """Make a row of two series measured in turn: medians, and the median of the ratios of the pairs."""
    if not ours or not peers:
        return Row(metric, None, peer, None, unit, None, target, note or "not measured")
    ratios = sorted(mine / theirs for mine, theirs in zip(ours, peers, strict=True))
    spread = f"{len(ratios)} pairs: {ratios[0]:.2f}–{ratios[-1]:.2f}"
    return Row(
        metric=metric,
        ours=round(median(ours), 2),
        peer=peer,
        peer_value=round(median(peers), 2),
        unit=unit,
        ratio=round(median(ratios), 3),
        target=target,
        note=f"{spread}; {note}" if note else spread,
    )


def machine() -> dict[str, str | int]:
    """Return what the figures depend on."""
    return {
        "processors": os.cpu_count() or 0,
        "processor": _processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "kernel": platform.release(),
        "load_at_end": f"{os.getloadavg()[0]:.2f}",
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"
