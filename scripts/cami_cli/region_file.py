"""``region.json``: what a running region says of itself (the contract of design.md §7), read into types."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cami_cli.errors import Trouble

NAME = "region.json"


@dataclass(frozen=True, slots=True)
class DicomAddress:
    """Where a server listens for DICOM."""

    host: str
    port: int
    aet: str


@dataclass(frozen=True, slots=True)
class Device:
    """A device that a proxy knows."""

    aet: str
    modality: str


@dataclass(frozen=True, slots=True)
class Proxy:
    """One МО's PACS Proxy."""

    mo: str
    name: str
    url: str
    dicom: DicomAddress
    devices: tuple[Device, ...]

    def calling(self, modality: str) -> str:
        """Return the AE title to call from: the device of that modality, otherwise the first one."""
        fitting = [device.aet for device in self.devices if device.modality == modality]
        return fitting[0] if fitting else self.devices[0].aet


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in."""

    login: str
    password: str
    role: str
    mo: str


@dataclass(frozen=True, slots=True)
class Region:
    """A running region."""

    runtime: str
    orthanc_version: str
    central_url: str
    portal_url: str
    dicomweb_url: str
    proxies: tuple[Proxy, ...]
    accounts: tuple[Account, ...]

    def proxy(self, mo: str) -> Proxy:
        """Return the proxy of an МО.

        Raises
        ------
        cami_cli.errors.Trouble
            The region has no such МО with a proxy, or it has no device to send from.
        """
        for proxy in self.proxies:
            if proxy.mo == mo:
                if not proxy.devices:
                    raise Trouble(f"МО {mo} has no devices", "add one to region.yaml and start the region again")
                return proxy
        known = ", ".join(proxy.mo for proxy in self.proxies) or "none"
        raise Trouble(f"the region has no PACS Proxy of МО {mo}", f"choose one of: {known}")

    def account(self, role: str, mo: str = "") -> Account:
        """Return the first account with `role` in `mo` (of the region, if empty).

        Raises
        ------
        cami_cli.errors.Trouble
            There is none.
        """
        for account in self.accounts:
            if (account.role, account.mo) == (role, mo):
                return account
        raise Trouble(f"the region has no {role} of МО {mo or 'any'}", "add the account to region.yaml")


def parse_region(content: Mapping[str, Any]) -> Region:
    """Return the region that the JSON object `content` describes."""
    central = content["central"]
    return Region(
        runtime=content["runtime"],
        orthanc_version=content["orthanc_version"],
        central_url=central["url"].rstrip("/"),
        portal_url=central["portal"],
        dicomweb_url=central["dicomweb"].rstrip("/"),
        proxies=tuple(_parse_proxy(proxy) for proxy in content["proxies"]),
        accounts=tuple(
            Account(account["login"], account["password"], account["role"], account.get("mo") or "")
            for account in content["accounts"]
        ),
    )


def read_region(state: Path) -> Region:
    """Read the region whose state is in `state`.

    Raises
    ------
    cami_cli.errors.Trouble
        There is no region, or its file is not what this version writes.
    """
    path = state / NAME
    try:
        return parse_region(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise Trouble(
            f"no region runs in {state}", "start one: scripts/cami region up --detach (or name it: --state DIR)"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Trouble(f"{path} cannot be read", "start the region again: scripts/cami region up --detach") from error


def _parse_proxy(content: Mapping[str, Any]) -> Proxy:
    dicom = content["dicom"]
    return Proxy(
        mo=content["mo"],
        name=content["name"],
        url=content["url"].rstrip("/"),
        dicom=DicomAddress(dicom["host"], int(dicom["port"]), dicom["aet"]),
        devices=tuple(Device(device["aet"], device["modality"]) for device in content["devices"]),
    )
