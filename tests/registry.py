"""The development registry as a test changes it."""

from pathlib import Path

import yaml

from tests.live import ROOT

MO = "42001"


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
