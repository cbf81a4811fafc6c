"""«Узлы DICOM»: which devices and workstations may call here, for what, and who was refused (F-24)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cami.access import Action, Identity
from cami.portal.entry import Entry
from cami.portal.navigation import NODES
from cami.portal.pages import Pages, Reader
from cami.query_retrieve.strangers import Stranger
from cami.region import Device, Node, Region, Service
from cami.settings import Settings
from cami.web import Endpoint, Request, Response


def _(message: str) -> str:
    return message


#: In the order in which they are shown.
SERVICES: Mapping[Service, str] = {
    "store": _("передача снимков"),
    "find": _("поиск"),
    "move": _("получение снимков"),
    "worklist": _("рабочий список"),
    "commitment": _("подтверждение хранения"),
    "echo": _("проверка связи"),
}
#: Reasons of `cami.query_retrieve.strangers`, and what is to be done.
REASONS: Mapping[str, tuple[str, str]] = {
    "unknown": (_("неизвестный AE title"), _("Проверьте AE title на аппарате или добавьте узел в реестр.")),
    "address": (_("чужой адрес"), _("AE title известен, но вызов пришёл с другого IP-адреса.")),
    "service": (_("услуга не разрешена"), _("Разрешите её в реестре (services), если она нужна.")),
}


class StrangerList(Protocol):
    """Knows who was refused; `cami.query_retrieve.strangers.Strangers` does."""

    def listed(self, limit: int = 100) -> Sequence[Stranger]:
        """List callers, the latest first."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """A node of the registry."""

    mo: str
    aet: str
    name: str
    device: bool
    address: str
    services: Sequence[str]
    targets: Sequence[str]


class NodesPage:
    """The handler of ``/cami/nodes``."""

    def __init__(self, pages: Pages, region: Region, settings: Settings, strangers: StrangerList) -> None:
        self._pages = pages
        self._region = region
        self._settings = settings
        self._strangers = strangers

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [Endpoint(NODES, entry.page(Action.NODES_READ, self.answer))]

    def answer(self, request: Request, reader: Reader, identity: Identity) -> Response:  # noqa: ARG002
        """Show the page."""
        return self._pages.page(
            "nodes.html",
            reader,
            rows=list(self._rows()),
            strangers=self._strangers.listed(),
            reasons=REASONS,
            names={organization.code: organization.short_name for organization in self._region.organizations},
        )

    def _rows(self) -> Sequence[Row]:
        place = self._settings.role
        rows = []
        for organization in self._region.organizations:
            if place == "proxy" and organization.code != self._settings.mo:
                continue
            access = organization.centre_dicom
            if place == "central" and access is None:
                continue
            source = access.source if access is not None and place == "central" else ""
            rows += [_row(organization.code, node, source) for node in organization.nodes(place)]
        return rows


def _row(mo: str, node: Node, source: str) -> Row:
    may = node.may()
    room = f"каб. {node.room}" if node.room else ""
    return Row(
        mo=mo,
        aet=node.aet,
        name=", ".join(filter(None, [node.name, room])),
        device=isinstance(node, Device),
        address=source or node.address,
        services=[words for service, words in SERVICES.items() if service in may],
        targets=sorted(node.destinations()) if "move" in may else [],
    )
