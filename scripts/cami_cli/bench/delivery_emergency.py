"""An emergency behind a full queue: a radiograph on the idle line, and while CT waits, up to 2 GB of it."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import generate_uid

from cami_cli.answering import http, wait_people
from cami_cli.bench.delivery_cells import until
from cami_cli.bench.delivery_images import Batch, orthanc_id, study_id
from cami_cli.bench.delivery_senders import store
from cami_cli.bench.delivery_servers import MO, Pair, Servers
from cami_cli.bench.link_emulator_ends import ThinLine
from cami_cli.errors import Trouble

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Emergency:
    """How long a radiograph took from the start of its C-STORE until the centre had it, in seconds."""

    idle: float
    busy: float
    waiting: int
    """Bytes that waited at the proxy when it was stored, as the device wrote them."""
    images: int

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.busy:.2f} s behind {self.waiting / 1e9:.2f} GB ({self.images} images), {self.idle:.2f} s idle"


def emergency(
    servers: Servers, line: ThinLine, backlog: Batch, idle: Batch, busy: Batch, *, mbit_s: float, copies: int = 1
) -> Emergency:
    """Store a radiograph on the idle line and one while CT is queued, each set to P0.

    Parameters
    ----------
    copies
        How often the backlog is stored: the same pixels in studies, series and instances of their own.
    """
    line.change(mbit_s)
    with servers.pair("ours") as pair:
        technologist = servers.person("technologist", MO)
        wait_people(pair.proxy.runtime, pair.proxy.server, [technologist])
        alone = _urgent(pair, idle, technologist)
        store(pair, backlog)
        for number in range(1, copies):
            with _copied(backlog, number) as copy:
                store(pair, copy)
        until(lambda: pair.centre.instances() > len(idle.files), _SECONDS, "the backlog does not move")
        images, waiting = _waiting(pair, technologist)
        behind = _urgent(pair, busy, technologist)
        if pair.centre.instances() >= copies * len(backlog.files) + len(idle.files) + len(busy.files):
            raise Trouble("the backlog was gone before the emergency was through", "send more of it")
        return Emergency(alone, behind, waiting, images)


@contextmanager
def _copied(batch: Batch, number: int) -> Iterator[Batch]:
    """Write a batch under other identifiers into a folder that is gone afterwards: disks need not hold it twice."""
    folder = batch.folder.with_name(f"{batch.folder.name}-copy")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield Batch(batch.modality, folder, tuple(_copy(file, folder, number) for file in batch.files), batch.size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(file: Path, folder: Path, number: int) -> Path:
    dataset = dcmread(file)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, generate_uid(entropy_srcs=[str(number), str(dataset[keyword].value)]))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    copy = folder / file.name
    dataset.save_as(copy, enforce_file_format=True)
    return copy


def _waiting(pair: Pair, who: tuple[str, str]) -> tuple[int, int]:
    """Return how many images wait at the proxy, and their bytes."""
    answer = http().get(f"{pair.proxy.base}/cami/api/delivery?limit=1", auth=who, timeout=30)
    answer.raise_for_status()
    classes = answer.json()["waiting"].values()
    return sum(each["instances"] for each in classes), sum(each["bytes"] for each in classes)


def _urgent(pair: Pair, batch: Batch, who: tuple[str, str]) -> float:
    """Store a radiograph, make it an emergency, and return the seconds until the centre has it."""
    wanted = [orthanc_id(file) for file in batch.files]
    began = time.monotonic()
    make_urgent(pair, batch, who)
    until(lambda: all(map(pair.centre.holds, wanted)), _SECONDS, "the emergency did not arrive")
    return time.monotonic() - began


def make_urgent(pair: Pair, batch: Batch, who: tuple[str, str]) -> None:
    """Store a radiograph at the proxy and make it an emergency."""
    store(pair, batch)
    until(_raised(pair, study_id(batch.files[0]), who), 15, "the radiograph did not get into the queue")


def _raised(pair: Pair, study: str, who: tuple[str, str]) -> Callable[[], bool]:
    url, body = f"{pair.proxy.base}/cami/api/delivery/priority", {"study_id": study, "priority": 0}
    return lambda: http().post(url, json=body, auth=who, timeout=10).status_code == 200
