"""``scripts/cami delivery status``: what a proxy's JSON says, in lines for an operator's terminal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cami_cli.progress import human_size

_CLASSES = {"p0": "emergency", "p1": "awaited", "p2": "usual", "p3": "priors", "p4": "backfill"}
_DISKS = {"well": "has room", "low": "IS GETTING FULL", "full": "IS FULL, no images are taken"}


def describe(mo: str, answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about one proxy.

    Parameters
    ----------
    mo
        Code of the МО.
    answer
        ``GET /cami/api/delivery?view=waiting`` with ``name`` of the МО and the studies that ``failed``.
    """
    line, disk = answer["line"], answer["disk"]
    yield f"МО {mo} {answer['name']}"
    yield f"  line    {_line(line)}"
    yield f"  disk    {_DISKS[disk['state']]}, {human_size(disk['free'])} free of {human_size(disk['total'])}"
    yield from _queue(answer)
    yield from _studies("under way", answer["studies"], _progress)
    if answer.get("next"):
        yield "          … and more"
    yield from _studies("failed", answer["failed"], lambda study: study["reason"] or "no reason known")


def _line(line: Mapping[str, Any]) -> str:
    if line["state"] == "down":
        return f"DOWN since {_local(line['since'])} ({line['reason']})"
    limit = ""
    if line["limit"] is not None:
        until = f" until {_local(line['limit_until'])}" if line["limit_until"] else ""
        limit = f", limited to {_rate(line['limit'])}{until}"
    return f"works, {_rate(line['rate'])}{limit}"


def _queue(answer: Mapping[str, Any]) -> Iterator[str]:
    waiting = {name: entry for name, entry in answer["waiting"].items() if entry["instances"]}
    if not waiting:
        yield "  queue   empty"
        return
    yield f"  queue   {_left(answer['line']['seconds_left'])}"
    for name, entry in waiting.items():
        size = human_size(entry["bytes"])
        yield (
            f"    {name.upper()} {_CLASSES[name]:<10} {entry['instances']:>7} images {size:>9}, "
            f"the oldest since {_local(entry['oldest'])}"
        )


def _studies(title: str, studies: Sequence[Mapping[str, Any]], say: Any) -> Iterator[str]:
    for number, study in enumerate(studies):
        yield f"  {title if number == 0 else '':<9} {study['study_id']}  {study['modality']:<2} {say(study)}"


def _progress(study: Mapping[str, Any]) -> str:
    arrived = study["stored"] + study["confirmed"] + study["evicted"]
    rate = f", {_rate(study['rate'])}" if study["rate"] else ""
    left = _left(study["seconds_left"]) if study["queued"] or study["sending"] else "waits to be confirmed"
    return f"P{study['priority']} {arrived}/{study['instances']}{rate}, {left}"


def _left(seconds: int | None) -> str:
    if seconds is None:
        return "time left unknown"
    if seconds < 60:
        return "less than a minute left"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"about {f'{hours} h ' if hours else ''}{minutes} min left"


def _rate(bytes_a_second: float) -> str:
    return f"{bytes_a_second * 8 / 1e6:.2f} Mbit/s"


def _local(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone():%d.%m.%Y %H:%M}"
