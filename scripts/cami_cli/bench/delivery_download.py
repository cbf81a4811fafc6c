"""How fast studies come down the line: a proxy with an empty disk has its МО's study brought from the centre (F-13)."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydicom import dcmread

from cami_cli.answering import http, wait_people
from cami_cli.bench.delivery_cells import LOOK, until
from cami_cli.bench.delivery_images import Batch
from cami_cli.bench.delivery_senders import OURS
from cami_cli.bench.delivery_servers import MO, Pair, Servers
from cami_cli.bench.link_emulator_ends import ThinLine
from cami_cli.errors import Trouble

#: Mbit/s while the study goes up, which is not measured here.
_UP = 20.0
_SECONDS = 120.0
_BITS = 8


@dataclass(frozen=True, slots=True)
class Download:
    """What came down."""

    mbit_s: float
    images: int
    seconds: float
    """From the request until all images were at the proxy."""
    first: float
    """Until the first was there."""
    line_bytes: float
    """IP bytes from the centre to the proxy, retransmissions and lost ones included."""
    raw_bytes: float

    @property
    def share(self) -> float:
        """Return the part of the line that was used."""
        return self.line_bytes * _BITS / (self.mbit_s * 1e6 * self.seconds)

    @property
    def effect(self) -> float:
        """Return the raw DICOM bits for each bit that the line could carry meanwhile."""
        return self.raw_bytes * _BITS / (self.mbit_s * 1e6 * self.seconds)

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"{self.images} images in {self.seconds:.1f} s, first {self.first:.1f} s, line {100 * self.share:.0f} %, "
            f"{self.effect:.2f} raw bits per line bit"
        )


def download(servers: Servers, line: ThinLine, batch: Batch, *, mbit_s: float) -> Download:
    """Send a study up, give the proxy an empty disk, and have the study brought back («Вернуть из ЦАМИ»).

    Raises
    ------
    cami_cli.errors.Trouble
        It did not go up, or did not come back.
    """
    line.change(mbit_s)  # the registry says how fast the line is
    wanted = len(batch.files)
    with ThreadPoolExecutor(1) as pool, servers.pair("ours") as pair:
        line.change(_UP)
        sending = pool.submit(OURS.send, pair, batch, [])
        until(lambda: pair.centre.instances() >= wanted, _SECONDS, "the study did not go up")
        sending.result()
        _emptied(pair)
        who = servers.person("technologist", MO)
        wait_people(pair.proxy.runtime, pair.proxy.server, [who])
        pair.proxy.client.auth = who
        before = line.change(mbit_s)
        _ask(pair, batch, who)
        count, first, now = 0, 0.0, before
        while count < wanted:
            if now.at - before.at > _SECONDS:
                raise Trouble(f"{count} of {wanted} images came down in time", "see build/bench/delivery/work")
            time.sleep(LOOK)
            now = line.look()
            seen = _here(pair, batch)
            if seen > count:
                count, first = seen, first or now.at - before.at
        down = now.down.since(before.down)
        return Download(mbit_s, count, now.at - before.at, first, down.bytes, batch.size)


def _emptied(pair: Pair) -> None:
    """Give the proxy an empty disk, as a machine that replaces a broken one has."""
    proxy = pair.proxy
    proxy.runtime.kill(proxy.server)
    for entry in proxy.server.data.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    proxy.start()


def _study_uid(batch: Batch) -> str:
    return str(dcmread(batch.files[0], stop_before_pixels=True).StudyInstanceUID)


def _ask(pair: Pair, batch: Batch, who: tuple[str, str]) -> None:
    url, body = f"{pair.proxy.base}/cami/api/retrieval", {"study_uid": _study_uid(batch)}

    def asked() -> bool:
        return http().post(url, json=body, auth=who, timeout=20).status_code == 200

    until(asked, 20, "the proxy did not take the request")


def _here(pair: Pair, batch: Batch) -> int:
    """Count what is at the proxy, by the search of its own people."""
    answer = pair.proxy.get(f"/dicom-web/studies/{_study_uid(batch)}/instances")
    return len(answer.json()) if answer.status_code == 200 else 0
