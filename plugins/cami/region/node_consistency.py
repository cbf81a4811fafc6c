"""What must hold between the devices and workstations of an МО: nobody sends images to where the МО does not listen."""

from collections.abc import Iterator
from typing import Any

from cami.region.marks import Document, Place


def check_nodes(document: Document, place: Place, organization: Any) -> None:
    """Report what contradicts itself among the devices and workstations of an МО (its raw entry at `place`)."""
    if not isinstance(organization, dict):
        return
    listed = list(_nodes(place, organization))
    titles = {node.get("aet"): node for _, node in listed}
    for where, node in listed:
        for index, target in _targets(node):
            known = titles.get(target)
            if known is None:
                document.report((*where, "targets", index), f'"{target}" is no device or workstation of this МО')
            elif "port" not in known:
                document.report((*where, "targets", index), f'"{target}" does not listen: write its port')
        _workstation(document, where, node, organization)


def _workstation(document: Document, where: Place, node: dict[str, Any], organization: dict[str, Any]) -> None:
    if "workstations" not in where:
        return
    if node.get("archive", "proxy") == "proxy":
        if "proxy" not in organization:
            document.report((*where, "archive"), "this МО has no proxy: write archive: central")
        if node.get("tls") in (True, "true"):
            document.report((*where, "tls"), "remove it: a proxy sends without TLS, within the МО")
    elif "centre_dicom" not in organization:
        document.report((*where, "archive"), "write centre_dicom of this МО: how it speaks DICOM to the centre")


def _nodes(place: Place, organization: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    for kind in ("devices", "workstations"):
        listed = organization.get(kind)
        for index, node in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(node, dict):
                yield (*place, kind, index), node


def _targets(node: dict[str, Any]) -> Iterator[tuple[int, str]]:
    listed = node.get("targets")
    yield from enumerate(each for each in (listed if isinstance(listed, list) else ()) if isinstance(each, str))
