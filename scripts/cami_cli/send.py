"""``scripts/cami send FOLDER --to МО``: store any folder of DICOM files to an МО's PACS Proxy, as its devices would."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from cami_cli.dicom_folder import DicomFile, Scan, scan
from cami_cli.errors import Trouble
from cami_cli.progress import human_size
from cami_cli.region_file import Proxy, read_region
from cami_cli.store import OnOutcome, Outcome, Summary, store_files

#: How many refused files are named one by one; the rest is counted by reason.
_NAMED = 10


def store_folder(
    folder: Path, proxy: Proxy, *, calling: str = "", on_outcome: OnOutcome | None = None, found: Scan | None = None
) -> Summary:
    """Store every DICOM file below `folder` to `proxy` and return what became of them.

    Parameters
    ----------
    calling
        AE title to call from; otherwise the device that fits each file's modality.
    on_outcome
        Hears of each file when it is decided.
    found
        The scan of `folder`, if it was made already.
    """
    found = found if found is not None else scan(folder)
    summary = Summary(skipped=len(found.skipped))

    def count(outcome: Outcome) -> None:
        summary.add(outcome)
        if on_outcome:
            on_outcome(outcome)

    began = time.monotonic()
    for aet, files in by_device(found.files, lambda modality: calling or proxy.calling(modality)):
        store_files(files, proxy.dicom, aet, count)
    summary.seconds = time.monotonic() - began
    return summary


def by_device(files: Sequence[DicomFile], device_for: Callable[[str], str]) -> list[tuple[str, list[DicomFile]]]:
    """Group `files` by the AE title that sends them; the order within a group is kept."""
    groups: dict[str, list[DicomFile]] = {}
    for file in files:
        groups.setdefault(device_for(file.modality), []).append(file)
    return list(groups.items())


def describe(summary: Summary, folder: Path) -> list[str]:
    """Return the summary as lines: what was sent, what was refused and why, what was no DICOM."""
    rate = summary.sent_size / summary.seconds / 1e6 if summary.seconds else 0.0
    pace = summary.sent / summary.seconds if summary.seconds else 0.0
    size = human_size(summary.sent_size)
    lines = [f"sent {summary.sent} objects, {size} in {summary.seconds:.1f} s ({pace:.0f} objects/s, {rate:.1f} MB/s)"]
    if summary.skipped:
        lines.append(f"skipped {summary.skipped} files that are no DICOM images")
    lines += [f"warning: {count} objects: {reason}" for reason, count in _reasons(summary.warned)]
    lines += [f"refused {count} objects: {reason}" for reason, count in _reasons(summary.refused)]
    for outcome in summary.refused[:_NAMED]:
        path = outcome.file.path
        lines.append(f"  {path.relative_to(folder) if path.is_relative_to(folder) else path}: {outcome.reason}")
    if len(summary.refused) > _NAMED:
        lines.append(f"  … and {len(summary.refused) - _NAMED} more")
    return lines


def _reasons(outcomes: Sequence[Outcome]) -> list[tuple[str, int]]:
    return Counter(outcome.reason for outcome in outcomes).most_common()


def send(folder: Path, *, to: str, state: Path, calling: str = "", console: Console | None = None) -> int:
    """Run the command; return its exit code: 0 if nothing was refused.

    Raises
    ------
    cami_cli.errors.Trouble
        There is no such folder, no region, no such МО, or nothing to send.
    """
    console = console or Console()
    if not folder.exists():
        raise Trouble(f"{folder} does not exist", "name a folder with DICOM files")
    proxy = read_region(state).proxy(to)
    titles = [device.aet for device in proxy.devices]
    if calling and calling not in titles:
        raise Trouble(f"{calling} is no device of МО {to}", f"choose one of: {', '.join(titles)}")
    found = scan(folder)
    if not found.files:
        raise Trouble(f"no DICOM file below {folder} ({len(found.skipped)} other files)", "name another folder")
    console.print(
        f"{len(found.files)} DICOM files, {human_size(found.size)} → {proxy.dicom.aet} "
        f"({proxy.dicom.host}:{proxy.dicom.port})",
        highlight=False,
    )
    with progress_bar(console) as progress:
        task = progress.add_task("", total=found.size, files=0, of=len(found.files))
        done = itertools.count(1)
        summary = store_folder(
            folder,
            proxy,
            calling=calling,
            on_outcome=lambda outcome: progress.update(task, advance=outcome.file.size, files=next(done)),
            found=found,
        )
    for line in describe(summary, folder):
        console.print(line, highlight=False, soft_wrap=True)
    return 1 if summary.refused else 0


def progress_bar(console: Console) -> Progress:
    """Return a bar of files, bytes, rate and time left; silent where there is no terminal."""
    return Progress(
        TextColumn("{task.fields[files]} of {task.fields[of]} files"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
