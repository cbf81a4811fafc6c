"""What of the registry a proxy gets: its own МО whole, of others the names, of people nobody."""

from collections.abc import Mapping
from typing import Any

import yaml

from cami.region import Organization, Region


def registry_of(region: Region, mo: str) -> str:
    """Return the registry as a bundle carries it.

    A proxy shows the names of other МО (who sent, whom a rule shares with); their devices, addresses and people are not
    its business. Accounts come over the line.
    """
    content: dict[str, Any] = {
        "name": region.name,
        "time_zone": region.time_zone,
        "centre": _plain(region.centre.model_dump(by_alias=True, exclude_unset=True, mode="json")),
        "organizations": [_own(each) if each.code == mo else _other(each) for each in region.organizations],
    }
    for name in ("journal", "people"):
        given = _plain(getattr(region, name).model_dump(by_alias=True, exclude_unset=True, mode="json"))
        if given:
            content[name] = {key: value for key, value in given.items() if key not in ("collector", "provider")}
    return "# Создан scripts/cami mo bundle: изменения делаются в реестре региона.\n" + yaml.safe_dump(
        {name: value for name, value in content.items() if value}, allow_unicode=True, sort_keys=False
    )


def _own(organization: Organization) -> dict[str, Any]:
    return dict(_plain(organization.model_dump(by_alias=True, exclude_unset=True, mode="json")))


def _other(organization: Organization) -> dict[str, Any]:
    kept: dict[str, Any] = {
        "code": organization.code,
        "oid": organization.oid,
        "full_name": organization.full_name,
        "short_name": organization.short_name,
    }
    if organization.proxy is not None:
        kept["proxy"] = {"aet": organization.proxy.aet, "link": {"mbit_s": organization.proxy.link.mbit_s}}
    return kept


def _plain(value: Any) -> Any:
    """Leave out what is empty: the registry's reader takes absent and empty for the same, null it does not take."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
