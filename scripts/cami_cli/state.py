"""The state folder of a development region: what was chosen once (ports, passwords, runtime) and where servers live.

::

    STATE/state.json               what this module keeps
    STATE/region.json              the answer of ``region up --json``
    STATE/servers/<name>/config/   orthanc.json, region.yaml, secrets/, keys/
    STATE/servers/<name>/data/     Orthanc's index and storage, the plugin's database
    STATE/servers/<name>/server.log

All of it is readable to its owner only: it holds passwords and keys.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cami_cli.errors import Trouble
from cami_cli.keys import write_private
from cami_cli.places import locked, make_folder
from cami_cli.runtime.base import RuntimeKind, Server, Suite


@dataclass(slots=True)
class Kept:
    """What a region keeps from one start to the next."""

    runtime: RuntimeKind
    suite: Suite
    ports: dict[str, tuple[int, int]]
    """HTTP and DICOM port of each server; the order is that of starting."""
    passwords: dict[str, str] = field(default_factory=dict)
    """By login."""
    settled: list[str] = field(default_factory=list)
    """Proxies that have had their people from the centre once."""


class StateFolder:
    """One region's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @property
    def report(self) -> Path:
        """Where the answer of ``region up --json`` is kept."""
        return self.folder / "region.json"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Let one command at a time change this region."""
        make_folder(self.folder, private=True)
        with locked(self.folder / ".lock"):
            yield

    def load(self) -> Kept | None:
        """Return what is kept, or None if there is no region here.

        Raises
        ------
        cami_cli.errors.Trouble
            The file is damaged.
        """
        file = self.folder / "state.json"
        try:
            values: dict[str, Any] = json.loads(file.read_text("utf-8"))
            ports = {name: (int(http), int(dicom)) for name, (http, dicom) in values.pop("ports").items()}
            return Kept(ports=ports, **values)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise Trouble(f"{file} belongs to somebody else", "use another folder: --state DIR") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Trouble(f"{file} is damaged", "use another folder (--state DIR), or remove this one") from error

    def require(self) -> Kept:
        """Return what is kept.

        Raises
        ------
        cami_cli.errors.Trouble
            There is no region here.
        """
        kept = self.load()
        if kept is None:
            raise Trouble(f"there is no region in {self.folder}", "start one: scripts/cami region up --state DIR")
        return kept

    def save(self, kept: Kept) -> None:
        """Keep `kept`."""
        write_private(self.folder / "state.json", json.dumps(asdict(kept), ensure_ascii=False, indent=1))

    def server(self, name: str, ports: tuple[int, int]) -> Server:
        """Return the server called `name`; its folders need not be there."""
        home = self.folder / "servers" / name
        return Server(name, home / "config", home / "data", home / "server.log", *ports)

    def servers(self, kept: Kept) -> list[Server]:
        """Return the servers in the order of starting: the centre first."""
        return [self.server(name, ports) for name, ports in kept.ports.items()]
