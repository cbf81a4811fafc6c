"""The central archive: it receives from the proxies and answers people."""

import json
import logging
from pathlib import Path

from sqlalchemy import Engine

from cami.delivery import (
    Manifests,
    ProxyReports,
    Recall,
    Receiver,
    Scrub,
    TokenVerifier,
    Uploads,
    wire_endpoints,
)
from cami.delivery.tokens import read_public_keys
from cami.edge import ingest
from cami.edge.background import Worker
from cami.edge.server import Server, Services, gathered
from cami.errands import Bell, ErrandBook, errand_endpoints, open_errands
from cami.errors import Misconfigured
from cami.region import Disk
from cami.settings import Settings
from cami.watch import completeness_api
from cami.watch.figures import Source, of_centre

log = logging.getLogger(__name__)

#: Seconds between two looks for what is to be forgotten: uploads that nobody goes on with, errands that ended long ago.
TIDY_INTERVAL = 3600.0
#: Seconds between looks for stored objects that were not read yet, when nothing wakes the reader.
CONTENTS_INTERVAL = 30.0
#: Seconds that stored objects are gathered before they are read.
CONTENTS_GATHER = 0.25
#: Of Orthanc's HTTP threads, the part that proxies may hold while they wait for errands.
WAITING_SHARE = 0.4


class CentralServer(Server):
    """The services of the centre."""

    def __init__(self, settings: Settings, engine: Engine, storage: Path) -> None:
        super().__init__(settings, engine, storage)
        self.tokens = TokenVerifier(read_public_keys(settings.keys), self.clock)
        self.bell = Bell(lambda: open_errands(engine), int(settings.http_threads * WAITING_SHARE))
        self.errands = ErrandBook(engine, self.clock, self.bell)

    def disk_rules(self) -> Disk:
        """Return what the registry says of the centre's volume."""
        return self.region.centre.disk

    def figures(self) -> list[Source]:
        """Return what has come, by МО."""
        return [of_centre(self.engine)]

    def services(self) -> Services:
        """Make the wire's other end and what keeps it tidy."""
        self._import_accounts(self.settings.secrets / "accounts.json")
        return gathered(self._receiving(), self._sending_errands())

    def _receiving(self) -> Services:
        """Take what proxies deliver, and compare it with what they say."""
        ingest.refuse_at_centre()
        receiver, keeping = self._storing()
        uploads = Uploads(self.settings.uploads, self.engine, self.clock)
        recall = Recall(self.archive, self.engine)

        def tidy_uploads() -> float:
            uploads.tidy()
            return TIDY_INTERVAL

        endpoints = wire_endpoints(
            receiver=receiver,
            manifests=Manifests(self.archive, self.engine, receiver.contents, receiver.damage, self.clock),
            reports=ProxyReports(self.engine, self.clock),
            tokens=self.tokens,
            accounts=self.accounts,
            uploads=uploads,
            recall=recall,
        )
        endpoints += completeness_api(self.region, self.authenticator, self.engine, self.clock)
        return endpoints, [*keeping, Worker("uploads", tidy_uploads)]

    def _storing(self) -> tuple[Receiver, list[Worker]]:
        """Make the receiver, and what reads behind it what it has stored."""

        def read_contents() -> float:
            return 0.0 if receiver.contents.step() else CONTENTS_INTERVAL

        contents = Worker("contents", read_contents, gather=CONTENTS_GATHER)
        receiver = Receiver(
            self.archive,
            self.engine,
            self.quarantine,
            self.clock,
            require_room=self.disk.require_room,
            on_stored=contents.wake,
        )
        scrub = Scrub(self.engine, receiver.damage, self.clock, self.region.centre.reread_mb_s * 1_000_000)

        def relabel() -> float:
            receiver.relabel()
            return 60.0

        return receiver, [Worker("relabel", relabel), contents, Worker("scrub", scrub.step)]

    def _sending_errands(self) -> Services:
        """Let proxies fetch what the centre wants of them."""

        def tidy() -> float:
            self.errands.tidy()
            return TIDY_INTERVAL

        endpoints = errand_endpoints(self.tokens, self.errands, self.bell)
        return endpoints, [Worker("errands", tidy, on_stop=self.bell.close)]

    def _import_accounts(self, path: Path) -> None:
        try:
            accounts = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return
        except ValueError as error:
            raise Misconfigured(f"not JSON: {path}") from error
        if new := self.accounts.import_initial(accounts):
            log.info("%d new accounts from %s", new, path.name)
