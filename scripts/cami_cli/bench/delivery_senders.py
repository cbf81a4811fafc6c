"""The ways to get a study from a proxy to the centre: ours, and what a site would use instead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cami_cli.bench.delivery_images import DEVICE, Batch
from cami_cli.bench.delivery_servers import CENTRE_AET, PROXY_AET, Kind, Pair
from cami_cli.bench.link_emulator_ends import FAR_ADDRESS
from cami_cli.errors import Trouble

#: For a job of Orthanc and whatever it waits for; the cell ends when its time is over.
_CALL_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Sender:
    """A way to send."""

    name: str
    title: str
    kind: Kind
    send: Callable[[Pair, Batch, Sequence[str]], None]
    """Sends a batch; gets the ids of what `preloaded` put into the proxy."""
    preloaded: bool = False
    """Whether the study lies at the proxy before the clock starts."""
    lua: bool = False


def preload(pair: Pair, batch: Batch) -> list[str]:
    """Put a study into a stock proxy; return its instances' ids."""
    ids = []
    for file in batch.files:
        answer = pair.proxy.client.post(f"{pair.proxy.base}/instances", data=file.read_bytes(), timeout=60)
        answer.raise_for_status()
        ids.append(str(answer.json()["ID"]))
    return ids


def store(pair: Pair, batch: Batch, *, nodelay: bool = True) -> None:
    """Let the device store a study at its proxy, over the loopback."""
    target = ("127.0.0.1", str(pair.proxy.server.dicom_port))
    _storescu(pair, batch, DEVICE[batch.modality], PROXY_AET, target, nodelay=nodelay)


def _by_device(pair: Pair, batch: Batch, _ids: Sequence[str]) -> None:
    store(pair, batch)


def _by_storescu(pair: Pair, batch: Batch, _ids: Sequence[str]) -> None:
    target = (FAR_ADDRESS, str(pair.centre.server.dicom_port))
    _storescu(pair, batch, PROXY_AET, CENTRE_AET, target, nodelay=False)


def _by_peer(pair: Pair, _batch: Batch, ids: Sequence[str]) -> None:
    _ask(pair, "/peers/centre/store", {"Resources": list(ids), "Asynchronous": True})


def _by_stow(pair: Pair, _batch: Batch, ids: Sequence[str]) -> None:
    _ask(pair, "/dicom-web/servers/centre/stow", {"Resources": list(ids), "Synchronous": False})


OURS = Sender("ours", "ЦАМИ", "ours", _by_device)
LUA = Sender("lua", "stock Orthanc, Lua auto-routing by C-STORE", "stock", _by_device, lua=True)
PEER = Sender("peer", "stock Orthanc, POST /peers/…/store", "stock", _by_peer, preloaded=True)
STOW = Sender("stow", "stock Orthanc, DICOMweb STOW client", "stock", _by_stow, preloaded=True)
STORESCU = Sender("storescu", "dcmtk storescu over the line", "stock", _by_storescu)


def _ask(pair: Pair, path: str, body: dict[str, Any]) -> None:
    answer = pair.proxy.client.post(pair.proxy.base + path, json=body, timeout=_CALL_SECONDS)
    if not answer.ok:
        raise Trouble(f"{path} answers {answer.status_code}", f"see {pair.proxy.server.log}")


def _storescu(pair: Pair, batch: Batch, own: str, called: str, target: tuple[str, str], *, nodelay: bool) -> None:
    before = () if nodelay else ("env", "--unset=TCP_NODELAY")
    argv = [*before, "storescu", "+sd", "-aet", own, "-aec", called, *target, str(batch.folder)]
    answer = pair.proxy.runtime.tool(argv, binds=[batch.folder])
    if answer.returncode:
        raise Trouble(f"storescu ended with {answer.returncode}", (answer.stderr or answer.stdout).strip()[-400:])
