"""A third МО joins the running region from its bundle, as its engineer would do it, and delivers a study; timed."""

import subprocess
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cami_cli.api_client import ApiClient
from cami_cli.demo.checks import Check, check_new_mo
from cami_cli.demo.outage import copies
from cami_cli.demo.stage import Stage
from cami_cli.dicom_folder import scan
from cami_cli.mo.bundle import Plan, write_bundle
from cami_cli.mo.centre import find_centre
from cami_cli.mo.entry import NewMo, device
from cami_cli.mo.payloads import release, suite_of
from cami_cli.mo.registry import Registry
from cami_cli.mo.signing import Signer
from cami_cli.places import HOME
from cami_cli.ports import choose_free
from cami_cli.region_file import DicomAddress, Region
from cami_cli.state import StateFolder
from cami_cli.store import Outcome, store_files

if TYPE_CHECKING:
    from collections.abc import Iterator

MO = "42003"
#: Images of its first study: copies of some that are there, under identifiers of their own.
IMAGES = 12
_SECONDS = 180


class Newcomer:
    """The third МО: its entry in the registry, its bundle, its machine (a folder and ports of this one)."""

    def __init__(self, region: Region, state: StateFolder, registry: Path, stage: Stage) -> None:
        self._region = region
        self._state = state
        self._source = registry
        self._stage = stage

    def run(self, images: Path) -> Check:
        """Let it join and deliver copies of a folder of images; return how it went."""
        began = time.monotonic()
        centre = find_centre(self._state.folder, None)
        registry = self._state.folder / "region-of-three.yaml"
        registry.write_bytes(self._source.read_bytes())
        known = Registry(registry)
        known.add(
            NewMo(
                MO, "1.2.643.5.1.13.13.12.2.42.9903", "Учебная участковая больница", "Участковая больница",
                f"PROXY{MO}", 2.0, devices=(device(f"CT{MO},CT,127.0.0.1,Томограф,3"),),
            ).entry()
        )  # fmt: skip
        known.write()
        away = centre.take_up(registry, MO)
        plan = Plan(known.region, MO, centre.url, suite_of(centre), release())
        bundle = write_bundle(plan, Signer(centre.secrets), self._state.folder / "bundles")
        code = str(centre.code(MO, 1)["code"])
        self._stage.say(f"{bundle.name} and its code; the centre took up the registry ({away:.1f} s away)")
        with self._installed(bundle, code) as (told, port), TemporaryDirectory() as scratch:
            outcomes: list[Outcome] = []
            copies(images, Path(scratch), IMAGES)
            files = scan(Path(scratch)).files
            store_files(files, DicomAddress("127.0.0.1", port, f"PROXY{MO}"), f"CT{MO}", outcomes.append)
            arrived = self._arrived()
            took = time.monotonic() - began
        return check_new_mo(told, sent=sum(each.stored for each in outcomes), arrived=arrived, seconds=took)

    @contextmanager
    def _installed(self, bundle: Path, code: str) -> "Iterator[tuple[Sequence[str], int]]":
        place = self._state.folder / "site"
        place.mkdir(exist_ok=True)
        subprocess.run(["tar", "-C", place, "-xzf", bundle], check=True)
        http, dicom = choose_free(2)
        script = place / f"cami-proxy-{MO}" / "install.sh"
        common = [str(script), "--into", str(place / "installed")]
        ports = ["--http-port", str(http), "--dicom-port", str(dicom)]
        done = subprocess.run(
            [*common, "--runtime", "native", "--cami", str(HOME), *ports], input=f"{code}\n", capture_output=True,
            text=True, check=False, timeout=600,
        )  # fmt: skip
        told = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("✓", "!", "✗"))]
        for line in told:
            self._stage.say(line)
        try:
            yield told, dicom
        finally:
            subprocess.run([*common, "--stop"], capture_output=True, check=False)

    def _arrived(self) -> int:
        """Wait until its study is confirmed at the centre; return how many images it has there."""
        end = time.monotonic() + _SECONDS
        with ApiClient(self._region.central_url, self._region.account("region_admin")) as client:
            while time.monotonic() < end:
                mine = [study for study in client.studies() if study.owner == MO]
                if mine and all(study.confirmed_at for study in mine):
                    return sum(study.instances for study in mine)
                time.sleep(0.5)
        return 0
