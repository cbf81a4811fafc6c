"""The central archive: it receives from the proxies and answers people."""

import json
import logging
from pathlib import Path

from cami.delivery import Recall, Receiver, TokenVerifier, Uploads, wire_endpoints
from cami.delivery.tokens import read_public_keys
from cami.edge import ingest
from cami.edge.background import Worker
from cami.edge.server import Server, Services
from cami.errors import Misconfigured
from cami.region import Disk
from cami.watch.figures import Source, of_centre

log = logging.getLogger(__name__)

#: Seconds between two looks for uploads that nobody goes on with.
TIDY_INTERVAL = 3600.0


class CentralServer(Server):
    """The services of the centre."""

    def disk_rules(self) -> Disk:
        """Return what the registry says of the centre's volume."""
        return self.region.centre.disk

    def figures(self) -> list[Source]:
        """Return what has come, by МО."""
        return [of_centre(self.engine)]

    def services(self) -> Services:
        """Make the wire's other end and what keeps it tidy."""
        self._import_accounts(self.settings.secrets / "accounts.json")
        receiver = Receiver(self.archive, self.engine, self.quarantine, self.clock, self.disk.require_room)
        tokens = TokenVerifier(read_public_keys(self.settings.keys), self.clock)
        ingest.refuse_at_centre()

        def relabel() -> float:
            receiver.relabel()
            return 60.0

        uploads = Uploads(self.settings.uploads, self.engine, self.clock)
        recall = Recall(self.archive, self.engine)

        def tidy_uploads() -> float:
            uploads.tidy()
            return TIDY_INTERVAL

        endpoints = wire_endpoints(receiver, tokens, self.accounts, uploads, recall)
        return endpoints, [Worker("relabel", relabel), Worker("uploads", tidy_uploads)]

    def _import_accounts(self, path: Path) -> None:
        try:
            accounts = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return
        except ValueError as error:
            raise Misconfigured(f"not JSON: {path}") from error
        if new := self.accounts.import_initial(accounts):
            log.info("%d new accounts from %s", new, path.name)
