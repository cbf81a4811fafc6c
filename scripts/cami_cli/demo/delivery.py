"""The main job, shown: devices of both МО store their studies, and each study's way to the centre is followed."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cami_cli.api_client import ApiClient, Archived, Delivered
from cami_cli.demo.stage import Stage, Studies
from cami_cli.errors import Trouble
from cami_cli.phantoms import WrittenStudy
from cami_cli.region_file import Region
from cami_cli.send import describe, store_folder
from cami_cli.store import Outcome, Summary

_POLL_SECONDS = 0.7
#: Nothing new at all for so long means that delivery stands.
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Arrived:
    """How it ended."""

    delivered: Mapping[str, Sequence[Delivered]]
    """What each proxy says, by МО."""
    archived: Sequence[Archived]
    """What the centre says to the doctors of all МО together."""


class Delivery:
    """Sends from all МО side by side and watches."""

    def __init__(self, region: Region, folder: Path, written: Sequence[WrittenStudy], stage: Stage) -> None:
        self._region = region
        self._folder = folder
        self._written = written
        self._stage = stage
        self._mos = sorted({study.mo for study in written})
        self._sent = dict.fromkeys((study.folder for study in written), 0)

    def run(self) -> Arrived:
        """Store everything, wait until every study is confirmed, and return what the servers say.

        Raises
        ------
        cami_cli.errors.Trouble
            A proxy refused objects, or delivery stands.
        """
        titles = [
            (study.folder, f"{study.mo} {study.modality} {study.description}", study.instances)
            for study in self._written
        ]
        with ThreadPoolExecutor(len(self._mos)) as pool, Studies(self._stage, titles) as shown:
            sending = {mo: pool.submit(self._send, mo) for mo in self._mos}
            self._watch(sending, shown)
        for mo, future in sending.items():
            self._stage.say(f"devices of {mo}: {describe(future.result(), self._folder)[0]}")
        return Arrived({mo: self._delivery(mo) for mo in self._mos}, self._archived())

    def _send(self, mo: str) -> Summary:
        summary = Summary()
        for study in self._written:
            if study.mo != mo:
                continue

            def count(outcome: Outcome, folder: str = study.folder) -> None:
                self._sent[folder] += outcome.stored

            part = store_folder(self._folder / study.folder, self._region.proxy(mo), on_outcome=count)
            if part.refused:
                raise Trouble(
                    f"the proxy of {mo} refused {len(part.refused)} objects: {part.refused[0].reason}",
                    "see its log in the state folder, under servers/",
                )
            summary.sent += part.sent
            summary.sent_size += part.sent_size
            summary.seconds += part.seconds
        return summary

    def _watch(self, sending: Mapping[str, Future[Summary]], shown: Studies) -> None:
        """Follow until every study is confirmed."""
        last_change, before = time.monotonic(), -1
        while True:
            delivered = {(mo, study.study_uid): study for mo in self._mos for study in self._delivery(mo)}
            done = sum(self._show(study, delivered.get((study.mo, study.study_uid)), shown) for study in self._written)
            for future in sending.values():
                if future.done():
                    future.result()
            if done == len(self._written) and all(future.done() for future in sending.values()):
                return
            now = sum(self._sent.values()) + sum(study.arrived + study.confirmed for study in delivered.values())
            if now != before:
                last_change, before = time.monotonic(), now
            if time.monotonic() - last_change > _PATIENCE_SECONDS:
                raise Trouble(
                    f"delivery stands: {done} of {len(self._written)} studies are confirmed",
                    "see the logs of the proxies and of the centre in the state folder, under servers/",
                )
            time.sleep(_POLL_SECONDS)

    def _show(self, study: WrittenStudy, local: Delivered | None, shown: Studies) -> bool:
        """Show how far a study is; return whether it is confirmed."""
        confirmed = local is not None and local.confirmed >= study.instances
        arrived = min(local.arrived, study.instances) if local else 0
        shown.update(study.folder, sent=self._sent[study.folder], arrived=arrived, confirmed=confirmed)
        return confirmed

    def _delivery(self, mo: str) -> list[Delivered]:
        with ApiClient(self._region.proxy(mo).url, self._region.account("radiologist", mo)) as proxy:
            return proxy.delivery()

    def _archived(self) -> list[Archived]:
        found: dict[str, Archived] = {}
        for mo in self._mos:
            with ApiClient(self._region.central_url, self._region.account("radiologist", mo)) as central:
                found |= {study.study_uid: study for study in central.studies()}
        return list(found.values())
