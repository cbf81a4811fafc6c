"""Renders the Orthanc configuration of one server from ``orthanc-config/*.json`` and the registry.

What never differs between servers stands in the JSON files; what follows from the registry is computed here. The result
is checked by `cami.selfcheck` before anybody sees it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from cami.errors import Invalid
from cami.region import Node, Organization, Region
from cami.selfcheck import SCRIPTS, refuse_unsafe

Suite = Literal["forky", "trixie"]

#: ``orthanc-config/`` of this repository; only the host has it, servers get the rendered file.
TEMPLATES = Path(__file__).parents[2] / "orthanc-config"

#: Options that Orthanc 1.12.7 (trixie) does not know. It ignores them in silence, so they are left out there: a file
#: must not promise what the server does not keep.
_NEWER_THAN_TRIXIE = (
    "DicomParserCacheSize",
    "DicomParserMemoryCapacity",
    "HttpBindAddresses",
    "MaximumRequestBodySizeMB",
    "PatientLevelEnabled",
    "StorageMemoryCapacity",
    "TranscoderCacheSize",
    "TranscoderMemoryCapacity",
)

#: The port that DICOM gives to stations that listen (IANA "acr-nema"); Orthanc demands one for every station.
_DICOM_PORT = 104


def render(
    region: Region,
    role: Literal["central", "proxy"],
    *,
    mo: str = "",
    http_port: int,
    dicom_port: int,
    central_url: str = "",
    suite: Suite = "forky",
    http_exposed: bool = False,
    cookie_secure: bool = False,
    templates: Path = TEMPLATES,
) -> dict[str, Any]:
    """Render the whole configuration of one server.

    Parameters
    ----------
    mo, central_url
        Of a proxy: its МО's code, and where it sends to.
    http_exposed
        Let Orthanc answer callers from other machines. Only where nobody but a TLS proxy can reach the port, as in the
        network of a container; otherwise HTTP is bound to the loopback.
    cookie_secure
        Whether browsers come over HTTPS.

    Raises
    ------
    cami.errors.Invalid
        The МО has no proxy, or an argument is missing.
    cami.errors.Misconfigured
        The templates were changed into something unsafe.
    """
    configuration = _merged(_read(templates / "base.json"), _read(templates / f"{role}.json"))
    own = _central(region) if role == "central" else _proxy(region.organization(mo), central_url)
    configuration = _merged(configuration, own)
    configuration |= {"HttpPort": http_port, "DicomPort": dicom_port}
    configuration["Python"]["Path"] = SCRIPTS[role]
    configuration["Cami"] = {
        "Role": role,
        "Mo": mo,
        "Region": "/etc/cami/region.yaml",
        "Database": "sqlite:////var/lib/cami/cami.sqlite",
        "Quarantine": "/var/lib/cami/quarantine",
        "Uploads": "/var/lib/cami/uploads",
        "Downloads": "/var/lib/cami/downloads",
        "Audit": "/var/lib/cami/audit",
        "Secrets": "/etc/cami/secrets",
        "Keys": "/etc/cami/keys",
        "Ohif": "/opt/cami/ohif",
        "CentralUrl": central_url.rstrip("/"),
        "CookieSecure": cookie_secure,
    }
    if mo and region.link(mo).plain_http:
        configuration["Cami"]["PlainHttp"] = True
    if http_exposed:
        configuration["Cami"]["HttpExposed"] = True
        configuration |= {"RemoteAccessAllowed": True, "HttpBindAddresses": ["0.0.0.0"]}  # noqa: S104 - asked for
    if suite == "trixie":
        for option in _NEWER_THAN_TRIXIE:
            configuration.pop(option, None)
    refuse_unsafe(configuration, role=role)
    return configuration


def _central(region: Region) -> dict[str, Any]:
    """Return what is the centre's own: devices talk to their proxy, so it knows none unless the operator has opened it.

    A node of an МО comes through the МО's terminator, and so from its address (`cami.region.CentreAccess`).
    """
    nodes: dict[str, Any] = {}
    for organization in region.organizations:
        if organization.centre_dicom is not None:
            source = organization.centre_dicom.source
            nodes |= {node.aet: _modality(node, source) for node in organization.nodes("central")}
    return {
        "Name": region.centre.name,
        "DicomAet": region.centre.aet,
        "DatabaseServerIdentifier": "central",
        "DicomServerEnabled": region.centre.dicom_port_open,
        "DicomModalities": nodes,
    }


def _proxy(organization: Organization, central_url: str) -> dict[str, Any]:
    if organization.proxy is None:
        raise Invalid(f"МО {organization.code} has no proxy in the registry: add organizations[].proxy")
    if not central_url:
        raise Invalid("a proxy needs the address of the centre, as https://cami.example")
    return {
        "Name": f"PACS Proxy {organization.short_name}",
        "DicomAet": organization.proxy.aet,
        "DatabaseServerIdentifier": f"proxy-{organization.code}",
        "DicomModalities": {node.aet: _modality(node, node.address) for node in organization.nodes("proxy")},
    }


def _modality(node: Node, host: str) -> dict[str, Any]:
    """Let a device or workstation do what the registry says, from one address.

    Every right is written, because Orthanc grants what is left out; ``AllowStorageCommitment`` is not, because it would
    also let devices report to us. C-GET is never allowed: no hook of a plugin sees it.
    """
    may = node.may()
    return {
        "AET": node.aet,
        "Host": host,
        "Port": node.port or _DICOM_PORT,
        "AllowEcho": "echo" in may,
        "AllowStore": "store" in may,
        "AllowFind": "find" in may,
        "AllowFindWorklist": "worklist" in may,
        "AllowMove": "move" in may,
        "AllowGet": False,
        "AllowNAction": "commitment" in may,
        "AllowEventReport": False,
        "AllowTranscoding": False,
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Invalid(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise Invalid(f"{path}: must be a JSON object")
    return content


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `over` on `base`, section by section; lists are replaced."""
    result = dict(base)
    for key, value in over.items():
        inner = result.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            result[key] = _merged(inner, value)
        else:
            result[key] = value
    return result
