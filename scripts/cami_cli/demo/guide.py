"""The guided run, from an empty machine to a doctor's screen."""

import fcntl
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn, Protocol, runtime_checkable

from cami_cli import region as regions
from cami_cli.demo import table
from cami_cli.demo.delivery import Delivery
from cami_cli.demo.mis import Journey, SimulatedMis
from cami_cli.demo.new_mo import Newcomer
from cami_cli.demo.outage import Outage
from cami_cli.demo.stage import Stage
from cami_cli.demo.witness import Witness
from cami_cli.errors import Trouble
from cami_cli.phantoms import WrittenStudy, cache_key, read_phantoms, write_phantoms
from cami_cli.places import make_folder
from cami_cli.progress import Progress, human_size
from cami_cli.region_file import Region, parse_region
from cami_cli.runtime.base import Server
from cami_cli.runtime.choose import make_runtime
from cami_cli.state import StateFolder


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of ``scripts/cami demo``."""

    wish: regions.Wish
    home: Path
    """Folder of the default state, which holds the cache of images and the demonstration's own state."""
    state: Path | None = None
    """A state folder to use, and to leave as it is; None: a fresh one."""
    once: bool = False
    """Check and end, instead of staying until Ctrl-C."""
    keep: bool = False
    """Leave the fresh state folder when the demonstration ends."""
    small: bool = False
    """Few small images: for tests."""


@runtime_checkable
class _Discarding(Protocol):
    """A runtime that keeps data outside the state folder (Docker's volumes)."""

    def discard(self, server: Server) -> None:
        """End a server and remove all that it keeps."""


def run(plan: Plan, stage: Stage | None = None) -> int:
    """Run the demonstration; return its exit code: 0 if every check passed.

    Raises
    ------
    cami_cli.errors.Trouble
        A step cannot be done; the region is taken down.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    stage = stage or Stage()
    with _state(plan) as state:
        running: regions.Running | None = None
        mis: SimulatedMis | None = None
        try:
            stage.step("The region: the centre, a PACS Proxy for each МО, people and devices")
            running = regions.bring_up(state, plan.wish, Progress(sys.stdout))
            mis = SimulatedMis(state)
            passed = _show(plan, stage, parse_region(running.report), state, mis)
            if not plan.once:
                stage.say("Ctrl-C ends the demonstration.")
                _stay(running, stage)
        except KeyboardInterrupt:
            stage.say("")
            raise
        finally:
            if mis is not None:
                mis.end()
            _end(plan, stage, running, state)
    return 0 if passed else 1


def _show(plan: Plan, stage: Stage, region: Region, state: StateFolder, mis: SimulatedMis) -> bool:
    stage.say(f"Orthanc {region.orthanc_version} ({region.runtime}); state in {state.folder}")
    folder = plan.home / "phantoms" / ("small" if plan.small else "full")
    written = _images(plan, stage, folder)

    stage.step("Devices store to their МО's proxy (C-STORE), the proxies deliver to the centre")
    arrived = Delivery(region, folder, written, stage).run()

    stage.step("What has come")
    rows = table.rows(written, arrived.delivered, arrived.archived)
    stage.show(table.draw(rows, {proxy.mo: proxy.name for proxy in region.proxies}))

    stage.step("Checked with the accounts of the doctors, and with none")
    passed = True
    for check in Witness(region, folder, written).checks(rows):
        stage.check(check)
        passed = passed and check.passed

    stage.step("The line to the centre is cut while a device stores a study")
    check = Outage(region, state, _slices(folder, written), stage).run()
    stage.check(check)
    passed = passed and check.passed

    stage.step("The МИС: an order, the worklist of the device, its images, one click, a question, the report")
    check = Journey(region, _ordered(folder, written), mis, stage).run()
    stage.check(check)
    passed = passed and check.passed

    if region.runtime == "native":
        stage.step("A third МО: a bundle, a one-time code, install.sh on its machine")
        check = Newcomer(region, state, plan.wish.registry, stage).run(_slices(folder, written)[0])
        stage.check(check)
        passed = passed and check.passed

    stage.step("Try it")
    stage.say(f"simulated МИС     {mis.url}/")
    _links(stage, region, written, state)
    _accounts(stage, region, reveal=not plan.once)
    return passed


def _slices(folder: Path, written: Sequence[WrittenStudy]) -> tuple[Path, WrittenStudy]:
    """Return a study of many images, with its folder."""
    study = max(written, key=lambda study: study.instances)
    return folder / study.folder, study


def _ordered(folder: Path, written: Sequence[WrittenStudy]) -> tuple[Path, WrittenStudy]:
    """Return a study of images such as the order of the МИС asks for, with its folder."""
    study = next(study for study in written if study.modality == "CT")
    return folder / study.folder, study


def _images(plan: Plan, stage: Stage, folder: Path) -> Sequence[WrittenStudy]:
    stage.step("Images: synthetic studies of people who do not exist")
    key = cache_key(small=plan.small)
    cached = read_phantoms(folder, key)
    if cached is not None:
        total = sum(study.size for study in cached)
        stage.say(f"{len(cached)} studies, {human_size(total)}, drawn before, in {folder}")
        return cached
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    began = time.monotonic()
    written = write_phantoms(
        folder,
        small=plan.small,
        on_study=lambda study: stage.say(
            f"{study.mo} {study.modality} {study.description}: {study.instances} objects, {human_size(study.size)}"
        ),
    )
    total = sum(study.size for study in written)
    stage.say(f"{len(written)} studies, {human_size(total)} in {time.monotonic() - began:.1f} s, in {folder}")
    return written


def _links(stage: Stage, region: Region, written: Sequence[WrittenStudy], state: StateFolder) -> None:
    first = written[0]
    stage.say(f"portal            {region.portal_url}")
    stage.say(
        f"OHIF, {first.mo} {first.modality:<5} {region.central_url}/ohif/viewer?StudyInstanceUIDs={first.study_uid}"
    )
    stage.say(f"Orthanc Explorer  {region.central_url}/app/explorer.html")
    stage.say(f"DICOMweb          {region.dicomweb_url}")
    for proxy in region.proxies:
        stage.say(
            f"proxy of {proxy.mo}    {proxy.url}  DICOM {proxy.dicom.aet} at {proxy.dicom.host}:{proxy.dicom.port}"
        )
    stage.say(f"your own images   scripts/cami send FOLDER --to {first.mo} --state {state.folder}")


def _accounts(stage: Stage, region: Region, *, reveal: bool) -> None:
    """Show who can sign in; passwords only to somebody who can use them, so that none gets into the log of CI."""
    stage.say("accounts:")
    for account in region.accounts:
        password = account.password if reveal else "(shown without --once)"
        stage.say(f"  {account.login:<12} {password:<22} {account.role} {account.mo}".rstrip())


def _stay(running: regions.Running, stage: Stage) -> None:
    try:
        while not running.started or running.alive():
            time.sleep(0.5)
        stage.say("the region was taken down")
    except KeyboardInterrupt:
        stage.say("")


def _end(plan: Plan, stage: Stage, running: regions.Running | None, state: StateFolder) -> None:
    """Take down what was started; a fresh state goes with it."""
    if running is not None and running.started:
        with Progress(sys.stdout).step("stop the region"):
            running.down()
    if plan.state is not None:
        return
    if plan.keep:
        stage.say(f"kept: scripts/cami region up --state {state.folder}")
        return
    _forget(state)


def _forget(state: StateFolder) -> None:
    """End what may still run of a fresh state and remove it."""
    kept = state.load() if state.folder.is_dir() else None
    if kept is not None:
        runtime = make_runtime(kept.runtime, kept.suite)
        for server in state.servers(kept):
            if isinstance(runtime, _Discarding):
                runtime.discard(server)
            else:
                runtime.kill(server)
    shutil.rmtree(state.folder, ignore_errors=True)


@contextmanager
def _state(plan: Plan) -> Iterator[StateFolder]:
    """Give the state folder: the one asked for, or the demonstration's own, empty and for one process at a time."""
    if plan.state is not None:
        yield StateFolder(plan.state)
        return
    make_folder(plan.home)
    with (plan.home / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Trouble("another demonstration runs here", "end it, or use another state: --state DIR") from error
        state = StateFolder(plan.home / "demo")
        _forget(state)
        yield state


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
