"""The line is cut while a device stores a study: the queue stops, grows, goes on and empties, and nothing is lost.

To a proxy a centre that is switched off and a line that is cut are the same: nobody answers. So the centre's server is
killed, which works in every runtime and is harder than a cut line: it may die in the middle of storing an image.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pydicom
from pydicom.uid import generate_uid

from cami_cli import region as regions
from cami_cli.api_client import ApiClient, Delivered
from cami_cli.demo.checks import Check, check_outage
from cami_cli.demo.stage import Stage
from cami_cli.errors import Trouble
from cami_cli.phantoms import WrittenStudy
from cami_cli.progress import Progress
from cami_cli.region_file import Proxy, Region
from cami_cli.send import store_folder
from cami_cli.servers import CENTRAL
from cami_cli.state import StateFolder
from cami_cli.store import Outcome

#: Images of the study; when so many are stored at the proxy, the line is cut.
IMAGES = 80
_CUT_AFTER = 20
#: Seconds that the line stays cut after the device has ended.
_DOWN_SECONDS = 2.5
#: Seconds between two looks at the queue.
_LOOK_SECONDS = 0.4
#: Seconds after which a study that is not confirmed will not be.
_PATIENCE_SECONDS = 90.0
_BAR = 40
_SPARKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Look:
    """The queue at one moment."""

    at: datetime
    waiting: int
    arrived: int
    phase: str

    def bar(self) -> str:
        """Draw it as a line of the picture."""
        bar = "█" * round(_BAR * min(self.waiting, IMAGES) / IMAGES)
        counts = f"{self.waiting:>3} wait, {self.arrived:>3} arrived"
        return f"{self.at:%H:%M:%S}  {bar:<{_BAR}} {counts}  {self.phase}"


class Outage:
    """Cuts the line of one МО's proxy, and draws what its queue does."""

    def __init__(self, region: Region, state: StateFolder, study: tuple[Path, WrittenStudy], stage: Stage) -> None:
        """Prepare an outage with a study of the same kind as `study`, which lies in the folder given with it."""
        self._region = region
        self._state = state
        self._source, self._like = study
        self._stage = stage
        self._proxy: Proxy = region.proxy(self._like.mo)
        self._stored = 0
        self._looks: list[Look] = []

    def run(self) -> Check:
        """Store, cut, restore the line, wait until all has arrived; return whether it has, once each.

        Raises
        ------
        cami_cli.errors.Trouble
            The proxy refused images, or the centre does not come back.
        """
        with TemporaryDirectory(prefix="cami-outage-") as folder:
            study_uid, sent = copies(self._source, Path(folder), IMAGES)
            self._play(Path(folder), study_uid)
        self._stage.say(f"the queue over time: {sparkline([look.waiting for look in self._looks])}")
        with ApiClient(self._region.central_url, self._region.account("radiologist", self._like.mo)) as central:
            there = central.sop_instances(study_uid)
        longest = max(look.waiting for look in self._looks)
        return check_outage(sent, there, longest=longest, confirmed=self._confirmed(study_uid))

    def _play(self, folder: Path, study_uid: str) -> None:
        runtime, centre = regions.find(self._state, CENTRAL)

        def restore() -> None:
            # Its steps would break into the picture; a failure is raised.
            regions.start_one(self._state, CENTRAL, Progress(StringIO()))

        with ThreadPoolExecutor(2) as pool:
            storing = pool.submit(self._store, folder)
            self._watch("the line works", study_uid, lambda _: self._stored >= _CUT_AFTER or storing.done())
            runtime.kill(centre)
            self._watch("THE LINE IS CUT", study_uid, Ended(storing, _DOWN_SECONDS))
            storing.result()
            coming = pool.submit(restore)
            self._watch("the line comes back", study_uid, lambda _: coming.done())
            coming.result()
            self._watch("the line works", study_uid, lambda study: study is not None and study.confirmed >= IMAGES)

    def _store(self, folder: Path) -> None:
        def count(outcome: Outcome) -> None:
            self._stored += outcome.stored

        summary = store_folder(folder, self._proxy, on_outcome=count)
        if summary.refused:
            raise Trouble(f"the proxy refused an image: {summary.refused[0].reason}", "see the log of the proxy")

    def _watch(self, phase: str, study_uid: str, ended: Callable[[Delivered | None], bool]) -> None:
        """Draw the queue until `ended` says of the study that this phase is over, or patience is."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            study = self._look(phase, study_uid)
            if ended(study):
                return
            time.sleep(_LOOK_SECONDS)

    def _look(self, phase: str, study_uid: str) -> Delivered | None:
        study = self._study(study_uid)
        arrived = study.arrived if study else 0
        look = Look(datetime.now().astimezone(), (study.instances if study else 0) - arrived, arrived, phase)
        before = self._looks[-1] if self._looks else None
        if before is None or (before.waiting, before.arrived, before.phase) != (look.waiting, arrived, phase):
            self._stage.say(look.bar())
        self._looks.append(look)
        return study

    def _study(self, study_uid: str) -> Delivered | None:
        with ApiClient(self._proxy.url, self._region.account("radiologist", self._like.mo)) as proxy:
            return next((study for study in proxy.delivery() if study.study_uid == study_uid), None)

    def _confirmed(self, study_uid: str) -> int:
        study = self._study(study_uid)
        return study.confirmed if study else 0


class Ended:
    """Says that something is over some seconds after a task has ended."""

    def __init__(self, task: Future[None], seconds: float) -> None:
        self._task = task
        self._seconds = seconds
        self._at = float("inf")

    def __call__(self, _study: Delivered | None) -> bool:
        """Return whether it is over."""
        if self._task.done() and self._at == float("inf"):
            self._at = time.monotonic() + self._seconds
        return time.monotonic() >= self._at


def copies(source: Path, folder: Path, count: int) -> tuple[str, list[str]]:
    """Write a new study of `count` images, made of the files in `source`; return its UID and those of its images."""
    study, series = generate_uid(), generate_uid()
    files = sorted(source.glob("*.dcm"))
    made = []
    for number in range(count):
        dataset = pydicom.dcmread(files[number % len(files)])
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.InstanceNumber = number + 1
        dataset.save_as(folder / f"{number:03}.dcm")
        made.append(str(dataset.SOPInstanceUID))
    return str(study), made


def sparkline(values: Sequence[int]) -> str:
    """Draw numbers as a line of small bars, one each."""
    most = max(values, default=0) or 1
    return "".join(_SPARKS[round((len(_SPARKS) - 1) * value / most)] for value in values)
