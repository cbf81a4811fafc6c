"""The development registry as a test changes it."""

import copy
from pathlib import Path
from typing import Any, Self

import yaml

from tests.live import ROOT, LiveRegion

MO = "42001"
PROXY, CENTRAL = f"proxy-{MO}", "central"


class Registry:
    """The development registry with one proxy, that of `MO`: a server less to start, and less in each other's way."""

    def __init__(self, path: Path) -> None:
        """Read the development registry; `write` puts what a test made of it at `path`."""
        self.path = path
        # Codes and hours stay texts, as they stand there.
        self.content = yaml.load((ROOT / "orthanc-config" / "region.yaml").read_text(), Loader=yaml.BaseLoader)
        self.content["organizations"][1].pop("proxy")
        self.content["organizations"][1].pop("devices")
        self.proxy = self.content["organizations"][0]["proxy"]

    def write(self) -> Path:
        """Write it and return where."""
        self.path.write_text(yaml.safe_dump(self.content, allow_unicode=True))
        return self.path

    def rules(self, server: str) -> Any:
        """Return what the registry says of one server."""
        organization = self.content["organizations"][0]
        return copy.deepcopy(
            [organization] if server == PROXY else [self.content["centre"], organization["proxy"]["aet"]]
        )


class ShapedRegion(LiveRegion):
    """A region that follows a registry, however the test before has left it."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self._shape: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Start nothing yet: what to start, a registry says."""
        return self

    def follow(self, registry: Registry) -> None:
        """Start anew what the registry says otherwise of than before, and whatever is down."""
        wanted = {server: registry.rules(server) for server in (PROXY, CENTRAL)}
        for server, rules in wanted.items():
            if self.about and self._shape.get(server) != rules:
                self.server("stop", server)
        self._shape = {}  # should this fail half-way, the next test starts both anew
        self.up(registry.write())
        self._shape = wanted
