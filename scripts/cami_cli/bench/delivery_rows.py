"""What the delivery benchmark is asked: rows with the targets of the issue, from the samples of a run."""

from collections.abc import Mapping, Sequence
from statistics import median

from cami_cli.bench.delivery_cells import Sample
from cami_cli.bench.delivery_download import Download
from cami_cli.bench.delivery_emergency import Emergency
from cami_cli.bench.delivery_fault_rows import TITLES, all_fault_rows, cap_rows
from cami_cli.bench.delivery_queue import Picked
from cami_cli.bench.delivery_senders import LUA, OURS, Sender
from cami_cli.bench.report import Row, alone

#: Share of the line by its rate in Mbit/s.
SHARE = {2.0: 0.97, 10.0: 0.92}
EFFECT = 2.5
"""Raw DICOM bits per line bit, asked of these modalities:"""
EFFECT_OF = ("CT", "MR")
TIMES_STOCK = 4.0
FIRST_SECONDS = 1.0
EMERGENCY_RATIO = 1.3
DOWN_SHARE = 0.9
"""Of what comes down: no figure of the issue."""
PICK_MS = 5.0
PICK_MEMORY_MB = 16.0
"""Of a million rows of hundreds of bytes: memory that grew with the queue would be far above."""

#: (modality, Mbit/s, sender)
Place = tuple[str, float, str]


def sending_rows(samples: Sequence[Sample], broken: Mapping[Place, str], peers: Sequence[Sender]) -> list[Row]:
    """Compare ours with each peer wherever both were sent; a pair with a side that broke says why."""
    by_place: dict[Place, list[Sample]] = {}
    for sample in samples:
        by_place.setdefault((sample.modality, sample.mbit_s, sample.sender), []).append(sample)
    tried = sorted({place[:2] for place in [*by_place, *broken]}, key=lambda place: (place[1], place[0]))
    result = []
    for modality, mbit_s in tried:
        where = f"{modality}, {mbit_s:g} Mbit/s"
        mine = _Side(OURS, (modality, mbit_s, OURS.name), by_place, broken)
        for peer in peers:
            theirs = _Side(peer, (modality, mbit_s, peer.name), by_place, broken)
            if not theirs.tried:
                continue
            if peer is LUA:
                result += _against_stock(where, modality, mbit_s, mine, theirs)
            else:
                result.append(_row(f"{where}: raw bits per line bit", mine, theirs, "effect", target=1.0))
    return result


def emergency_row(seen: Emergency | str, behind: str) -> Row:
    """Judge an emergency behind a backlog by the same one on the idle line."""
    metric, unit, peer = f"emergency radiograph behind {behind}, 2 Mbit/s", "s", "ours on the idle line"
    if isinstance(seen, str):
        return Row(metric, None, peer, None, unit, None, EMERGENCY_RATIO, seen, at_most=True)
    idle, busy, note = round(seen.idle, 2), round(seen.busy, 2), f"{seen}"
    return Row(metric, busy, peer, idle, unit, round(seen.busy / seen.idle, 3), EMERGENCY_RATIO, note, at_most=True)


def download_row(seen: Download | str) -> Row:
    """Judge how much of the line a study takes that comes down."""
    metric = "CT that comes back to a proxy, 2 Mbit/s: share of the line"
    if isinstance(seen, str):
        return alone(metric, None, "of 1", DOWN_SHARE, seen, at_most=False)
    return alone(metric, round(seen.share, 3), "of 1", DOWN_SHARE, f"{seen}", at_most=False)


def queue_rows(picked: Picked | str) -> list[Row]:
    """Judge taking from a full queue."""
    speed, memory = "picking the next of 1,000,000, 95th percentile", "picking 1,000 of 1,000,000: memory grown by"
    if isinstance(picked, str):
        return [alone(speed, None, "ms", PICK_MS, picked), alone(memory, None, "MB", PICK_MEMORY_MB, picked)]
    note = f"{picked.waiting} waiting; median {picked.p50_ms:.2f} ms, worst {picked.worst_ms:.1f} ms"
    return [
        alone(speed, round(picked.p95_ms, 2), "ms", PICK_MS, note),
        alone(memory, round(picked.memory_mb, 1), "MB", PICK_MEMORY_MB, ""),
    ]


def unmeasured(why: str) -> list[Row]:
    """Return the rows of a host on which nothing can be measured: without figures, not met, each with the reason."""
    rows = []
    for mbit_s, share in SHARE.items():
        rows.append(alone(f"{mbit_s:g} Mbit/s: share of the line", None, "of 1", share, why, at_most=False))
        rows.append(alone(f"{mbit_s:g} Mbit/s: raw bits per line bit", None, "", EFFECT, why, at_most=False))
    rows.append(emergency_row(why, "2 GB of CT"))
    rows.append(download_row(why))
    rows += all_fault_rows(dict.fromkeys(TITLES, why), why)
    return rows + cap_rows([("", why)])


class _Side:
    """One sender at one place of the matrix."""

    def __init__(
        self, sender: Sender, place: Place, samples: Mapping[Place, Sequence[Sample]], broken: Mapping[Place, str]
    ) -> None:
        self.title = sender.title
        self.samples = samples.get(place, ())
        self.why = broken.get(place, "")
        self.tried = bool(self.samples or self.why)

    @property
    def vain(self) -> str:
        """Say what was sent without anything arriving."""
        shares = [f"{100 * sample.share:.0f} %" for sample in self.samples if not sample.delivered]
        return f"{self.title}: nothing arrived in time on {', '.join(shares)} of the line" if shares else ""

    def values(self, name: str) -> list[float]:
        """Return one figure of all samples; none if it is missing in one, or if a repetition broke."""
        # A full line that brought nothing is no success: what was sent on it, was sent in vain.
        found = [getattr(sample, name) if sample.delivered else None for sample in self.samples]
        return [] if self.why or None in found else [value for value in found if value is not None]


def _against_stock(where: str, modality: str, mbit_s: float, mine: _Side, stock: _Side) -> list[Row]:
    """Return the rows of the issue, each beside stock auto-routing."""
    rows = [_row(f"{where}: share of the line", mine, stock, "share", target=SHARE[mbit_s], of_ours=True)]
    if modality in EFFECT_OF:
        rows.append(_row(f"{where}: raw bits per line bit", mine, stock, "effect", target=EFFECT, of_ours=True))
    rows.append(_row(f"{where}: raw bits per line bit, ratio", mine, stock, "effect", target=TIMES_STOCK))
    if modality != "DX":  # which is not small
        rows.append(_row(f"{where}: first image", mine, stock, "first", target=FIRST_SECONDS, of_ours=True, most=True))
    return rows


def _row(
    metric: str, mine: _Side, peer: _Side, name: str, *, target: float, of_ours: bool = False, most: bool = False
) -> Row:
    unit = {"share": "of 1", "effect": "raw/line", "first": "s"}[name]
    ours, theirs = mine.values(name), peer.values(name)
    own = round(median(ours), 3) if ours else None
    other = round(median(theirs), 3) if theirs else None
    notes = [f"{mine.why or peer.why}"] if mine.why or peer.why else []
    notes += [side.vain for side in (mine, peer) if side.vain]
    notes += [f"{_progress(mine.samples)} against {_progress(peer.samples)}"] if ours and theirs else []
    ratio = round(own / other, 3) if own is not None and other else None
    return Row(
        metric, own, peer.title, other, unit, ratio, target, "; ".join(notes), "ours" if of_ours else "ratio", most
    )


def _progress(samples: Sequence[Sample]) -> str:
    """Say how far the samples came."""
    return ", ".join(f"{sample.delivered}/{sample.sent} in {sample.seconds:.0f} s" for sample in samples)
