"""The running centre as the operator's command line reaches it: its folder of configuration, its HTTP on this machine.

What is asked of it (codes, revoking, taking up a changed registry) is signed with the token among its secrets, which
only who administers the machine can read.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from cami.enrolment.desk import API, OPERATOR_TOKEN
from cami_cli.errors import Trouble
from cami_cli.mo.centre_secrets import prepare_secrets, write_owned
from cami_cli.servers import CENTRAL, url
from cami_cli.state import StateFolder
from cami_cli.wording import both

_SECONDS = 30
#: How long a centre may take to come back with a changed registry.
_RESTART_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Centre:
    """One centre."""

    configuration: Path
    """Folder with orthanc.json, region.yaml, secrets/, keys/."""
    url: str
    """Where it answers on this machine."""

    @property
    def secrets(self) -> Path:
        """The folder of its secrets."""
        return self.configuration / "secrets"

    def prepare(self) -> bool:
        """Make its authority, the key for bundles and the operator's token, as far as they are missing."""
        return prepare_secrets(self.secrets)

    def take_up(self, registry: Path, mo: str = "") -> float:
        """Give it a registry, if it has another, and wait until it is back; return how long it was away.

        Parameters
        ----------
        mo
            An МО that it has to know then.
        """
        own = self.configuration / "region.yaml"
        fresh = registry.read_bytes()
        known = {str(row["mo"]) for row in self.proxies()}
        if own.read_bytes() == fresh and (not mo or mo in known):
            return 0.0
        write_owned(own, fresh)
        self._ask("POST", "/restart")
        began, away = time.monotonic(), 0.0
        while time.monotonic() < began + _RESTART_SECONDS:
            time.sleep(0.1)
            tried = time.monotonic()
            try:
                found = {str(row["mo"]) for row in self.proxies(seconds=2)}
            except Trouble:
                away += time.monotonic() - tried + 0.1
                continue
            if away and (not mo or mo in found):
                return away
        raise Trouble(
            both("центр не перечитал реестр", "the centre has not taken up the registry"),
            both("посмотрите его журнал", "see its log"),
        )

    def proxies(self, *, seconds: float = _SECONDS) -> list[dict[str, Any]]:
        """Return how the proxy of each МО stands."""
        return list(self._ask("GET", "", seconds=seconds)["proxies"])

    def code(self, mo: str, days: int) -> dict[str, Any]:
        """Make a code for an МО to join with."""
        return self._ask("POST", f"/{mo}/code", {"days": days})

    def revoke(self, mo: str, reason: str) -> int:
        """End all keys of an МО; return how many were good."""
        return int(self._ask("POST", f"/{mo}/revoke", {"reason": reason})["ended"])

    def _ask(
        self, method: str, path: str, document: dict[str, Any] | None = None, *, seconds: float = _SECONDS
    ) -> dict[str, Any]:
        try:
            token = (self.secrets / OPERATOR_TOKEN).read_text("ascii").strip()
        except OSError as error:
            raise Trouble(
                both("у центра нет удостоверяющего центра", "the centre has no authority yet"), "scripts/cami ca init"
            ) from error
        session = requests.Session()
        session.trust_env = False
        try:
            answer = session.request(
                method, self.url + API + path, json={} if document is None and method == "POST" else document,
                headers={"Authorization": f"Bearer {token}"}, timeout=seconds, allow_redirects=False,
            )  # fmt: skip
        except requests.RequestException as error:
            raise Trouble(
                both(f"центр {self.url} не отвечает", f"the centre {self.url} does not answer"),
                both("запустите его", "start it: scripts/cami region up, or the service"),
            ) from error
        finally:
            session.close()
        if answer.status_code != 200:
            raise Trouble(
                both(f"центр ответил {answer.status_code}", f"the centre answered {answer.status_code}"),
                answer.text.strip()[:200],
            )
        return dict(answer.json())


def find_centre(state: Path, folder: Path | None) -> Centre:
    """Return the centre whose configuration lies in `folder`, or that of the region in `state`.

    Raises
    ------
    cami_cli.errors.Trouble
        There is none.
    """
    if folder is None:
        kept = StateFolder(state).require()
        server = StateFolder(state).server(CENTRAL, kept.ports[CENTRAL])
        return Centre(server.configuration, url(server))
    try:
        port = int(json.loads((folder / "orthanc.json").read_text("utf-8")).get("HttpPort", 8042))
    except (OSError, ValueError) as error:
        raise Trouble(
            both(f"в {folder} нет конфигурации центра", f"{folder} holds no configuration of a centre"),
            both("укажите папку с orthanc.json: --centre /etc/cami", "name the folder with orthanc.json: --centre"),
        ) from error
    return Centre(folder, f"http://127.0.0.1:{port}")
