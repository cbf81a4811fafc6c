"""What each server of a region reads: its rendered configuration, its copy of the registry, its secrets."""

import json
from pathlib import Path

from cami.orthanc_config import render
from cami.region import Region
from cami_cli.keys import ensure_link_key, ensure_monitor_token, ensure_people_key, write_accounts, write_private
from cami_cli.places import make_folder
from cami_cli.runtime.base import Server
from cami_cli.state import Kept, StateFolder

CENTRAL = "central"
_PROXY = "proxy-"


def names(region: Region) -> list[str]:
    """Return the servers of a region in the order of starting: the centre first."""
    return [CENTRAL, *(_PROXY + organization.code for organization in region.with_proxy)]


def mo_of(name: str) -> str:
    """Return the code of the МО whose proxy is called `name`; empty for the centre."""
    return name.removeprefix(_PROXY) if name.startswith(_PROXY) else ""


def url(server: Server) -> str:
    """Return where a server answers HTTP on this host."""
    return f"http://127.0.0.1:{server.http_port}"


class Configurations:
    """Renders and writes the configurations of a region's servers."""

    def __init__(self, region: Region, registry: Path, state: StateFolder, kept: Kept) -> None:
        self._region = region
        self._registry = registry.read_bytes()
        self._state = state
        self._kept = kept
        self._central = state.server(CENTRAL, kept.ports[CENTRAL])

    def changed(self, server: Server) -> bool:
        """Return whether a server would be given another configuration than the one that it has."""
        try:
            same = (
                (server.configuration / "orthanc.json").read_text("utf-8") == self._rendered(server)
                and (server.configuration / "region.yaml").read_bytes() == self._registry
            )  # fmt: skip
        except FileNotFoundError:
            return True
        return not same

    def write(self, server: Server) -> None:
        """Write the configuration of a server, its secrets included; what was made once stays."""
        for folder in (server.configuration, server.data, server.configuration / "secrets"):
            make_folder(folder, private=True)
        write_private(server.configuration / "region.yaml", self._registry)
        write_private(server.configuration / "orthanc.json", self._rendered(server))
        ensure_monitor_token(server.configuration / "secrets" / "metrics.token")
        if server.name == CENTRAL:
            self._write_central(server)

    def _write_central(self, server: Server) -> None:
        keys = make_folder(server.configuration / "keys", private=True)
        ensure_people_key(server.configuration / "secrets" / "people.key")
        write_accounts(server.configuration / "secrets" / "accounts.json", self._region, self._kept.passwords)
        from cami_cli.mo.centre_secrets import prepare_secrets  # noqa: PLC0415 - brings the database library with it

        prepare_secrets(server.configuration / "secrets")
        wanted = {organization.code for organization in self._region.with_proxy}
        for mo in wanted:
            proxy = self._state.server(_PROXY + mo, self._kept.ports[_PROXY + mo])
            secrets = make_folder(proxy.configuration / "secrets", private=True)
            ensure_link_key(secrets / "link.key", keys / f"{mo}.pem")
        for key in keys.glob("*.pem"):
            if key.stem not in wanted:  # the МО has left the registry, so its proxy may not send any more
                key.unlink()

    def _rendered(self, server: Server) -> str:
        mo = mo_of(server.name)
        configuration = render(
            self._region,
            "proxy" if mo else "central",
            mo=mo,
            http_port=server.http_port,
            dicom_port=server.dicom_port,
            central_url=url(self._central),
            suite=self._kept.suite,
        )
        return json.dumps(configuration, ensure_ascii=False, indent=2)
