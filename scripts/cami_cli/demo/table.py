"""The table of the demonstration: by МО, each study, its owner, how many instances are where, and how long it took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich import box
from rich.table import Table

from cami_cli.api_client import Archived, Delivered
from cami_cli.phantoms import WrittenStudy


@dataclass(frozen=True, slots=True)
class Row:
    """One study."""

    mo: str
    modality: str
    description: str
    owner: str
    """Code of the МО that the centre holds for the owner; empty if it does not know the study."""
    sent: int
    at_proxy: int
    at_centre: int
    first_image: float | None
    """Seconds from the first instance at the proxy to the first one at the centre."""
    complete: float | None
    """Seconds from the first instance at the proxy to the manifest's agreement."""


def rows(
    written: Sequence[WrittenStudy], delivered: Mapping[str, Sequence[Delivered]], archived: Sequence[Archived]
) -> list[Row]:
    """Join what was sent, what the proxies (by МО) say and what the centre says, in the order of sending."""
    at_proxy = {(mo, study.study_uid): study for mo, studies in delivered.items() for study in studies}
    at_centre = {study.study_uid: study for study in archived}
    return [
        _row(study, at_proxy.get((study.mo, study.study_uid)), at_centre.get(study.study_uid))
        for study in sorted(written, key=lambda study: study.mo)
    ]


def _row(study: WrittenStudy, local: Delivered | None, central: Archived | None) -> Row:
    received = local.first_received_at if local else None
    return Row(
        mo=study.mo,
        modality=study.modality,
        description=study.description,
        owner=central.owner if central else "",
        sent=study.instances,
        at_proxy=local.instances if local else 0,
        at_centre=central.instances if central else 0,
        first_image=seconds_between(received, local.first_stored_at if local else None),
        complete=seconds_between(received, local.confirmed_at if local else None),
    )


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds from `start` to `end`, or None if one of them has not come."""
    return None if start is None or end is None else (end - start).total_seconds()


def draw(content: Sequence[Row], names: Mapping[str, str]) -> Table:
    """Return the table as rich draws it, fit for 80 columns; `names` are those of the МО by code."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1), pad_edge=False)
    table.add_column("study", no_wrap=True)
    table.add_column("owner")
    for name in ("at the\nproxy", "at the\ncentre", "first\nimage", "all of it"):
        table.add_column(name, justify="right", no_wrap=True)
    previous = ""
    for row in content:
        if row.mo != previous:
            table.add_section()
            table.add_row(f"МО {row.mo} {names.get(row.mo, '')}".rstrip(), style="bold")
        previous = row.mo
        table.add_row(
            f"  {row.modality} {row.description}",
            row.owner or "?",
            str(row.at_proxy),
            _of(row.at_centre, row.sent),
            _seconds(row.first_image),
            _seconds(row.complete),
        )
    return table


def _of(count: int, total: int) -> str:
    """Write a number of instances; if it is not the whole study, of how many."""
    return str(count) if count == total else f"{count}/{total}"


def _seconds(value: float | None) -> str:
    return "…" if value is None else f"{value:.1f} s"
