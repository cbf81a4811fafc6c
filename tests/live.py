"""A real region for tests: Orthancs started by ``scripts/cami``, as a user would, and real DICOM sent to them."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import requests

ROOT = Path(__file__).parent.parent
CAMI = ROOT / "scripts" / "cami"


def cami(*arguments: str | Path, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``scripts/cami``; the test fails with what it said if it fails."""
    done = subprocess.run(
        [CAMI, *arguments], capture_output=True, text=True, check=False, env=os.environ | environment, timeout=600
    )
    if check and done.returncode:
        raise AssertionError(
            f"cami {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done


def wait_until(what: str, holds: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until `holds()` is true and return it; fail naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not (answer := holds()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)
    return answer


class LiveRegion:
    """A region that runs, by the object of ``region.json`` (design §7)."""

    def __init__(self, state: Path, registry: Path | None = None) -> None:
        self.state = state
        self.registry = registry
        self.about: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Start it; `with` ends it, however the test ends."""
        try:
            return self.up()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        """End every server, those of a start that failed half-way included."""
        cami("region", "down", "--state", self.state, check=bool(self.about))

    def up(self, registry: Path | None = None) -> Self:
        """Start what is down, or what another registry changes."""
        self.registry = registry or self.registry
        named = ["--region", self.registry] if self.registry else []
        self.about = json.loads(cami("region", "up", "--state", self.state, "--detach", "--json", *named).stdout)
        return self

    def down(self) -> None:
        """End every server."""
        cami("region", "down", "--state", self.state)

    def server(self, verb: str, name: str) -> None:
        """``region stop|start|kill NAME``."""
        cami("region", verb, name, "--state", self.state)

    def lead_through(self, mo: str, url: str) -> None:
        """Let the proxy of `mo` reach the centre at `url` from now on: through a relay."""
        self.server("stop", f"proxy-{mo}")
        path = self.state / "servers" / f"proxy-{mo}" / "config" / "orthanc.json"
        configuration = json.loads(path.read_text())
        configuration["Cami"]["CentralUrl"] = url
        path.write_text(json.dumps(configuration))
        self.server("start", f"proxy-{mo}")

    @property
    def central(self) -> str:
        """Where the centre answers."""
        return str(self.about["central"]["url"])

    def proxy(self, mo: str) -> dict[str, Any]:
        """What ``region.json`` says of a proxy."""
        return next(proxy for proxy in self.about["proxies"] if proxy["mo"] == mo)

    def session(self, role: str, mo: str = "") -> requests.Session:
        """Return an HTTP session signed in (Basic) as somebody of that role and МО."""
        account = next(found for found in self.about["accounts"] if (found["role"], found["mo"]) == (role, mo))
        made = requests.Session()
        made.auth = (account["login"], account["password"])
        return made

    def send(self, folder: Path, mo: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Store a folder to the proxy of `mo` by C-STORE."""
        return cami("send", folder, "--to", mo, "--state", self.state, check=check)

    def delivery(self, mo: str) -> dict[str, Any]:
        """Return the progress at a proxy."""
        answer = self.session("radiologist", mo).get(self.proxy(mo)["url"] + "/cami/api/delivery", timeout=30)
        answer.raise_for_status()
        return dict(answer.json())

    def studies(self, role: str = "region_admin", mo: str = "") -> list[dict[str, Any]]:
        """Return the studies at the centre that somebody sees."""
        answer = self.session(role, mo).get(self.central + "/cami/api/studies", timeout=30)
        answer.raise_for_status()
        return list(answer.json()["studies"])

    def settle(self, mo: str, instances: int, seconds: float = 90) -> None:
        """Wait until the proxy of `mo` has that many instances and all are confirmed or in quarantine."""

        def done() -> bool:
            try:
                queue = self.delivery(mo)["queue"]
            except requests.RequestException:
                return False
            ended = int(queue["confirmed"]) + int(queue["quarantined"]) + int(queue["rejected"])
            return ended == sum(queue.values()) == instances

        wait_until(f"{instances} instances of МО {mo} confirmed", done, seconds)
