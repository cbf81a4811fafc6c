"""A request of the МИС while it is carried out: who sends, what comes, what of it has been written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cami.mis.fhir import Json
from cami.mis.problems import Problem
from cami.orders import Order


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends, and in which request."""

    client: str
    request_id: str
    address: str = ""

    @property
    def source(self) -> str:
        """As orders, patients and the journal name it."""
        return f"mis:{self.client}"


@dataclass(slots=True)
class Message:
    """All of one request, and what of it has been written: what it names needs no second look at the tables."""

    resources: tuple[Mapping[str, Any], ...] = ()
    patients: set[str] = field(default_factory=set)
    """Keys that are known to exist."""
    orders: dict[int, Order] = field(default_factory=dict)
    placed: set[int] = field(default_factory=set)
    """Those of `orders` that did not exist before."""
    contents: dict[str, Json] = field(default_factory=dict)
    """By address."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One resource, its references resolved."""

    resource: Mapping[str, Any]
    place: str
    """Where it stands in the message, as FHIRPath."""
    id: str | None = None
    """Of the resource that it is to be; None: by its identifiers, or a new one."""
    version: int | None = None
    """If-Match."""
    due_at: datetime | None = None
    """Of an order: from its Task."""
    message: Message = field(default_factory=Message)
    """What it came in."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of it."""

    address: str
    """``Type/id``."""
    version: int
    created: bool
    resource: Json
    warnings: tuple[Problem, ...] = ()
    orders: tuple[str, ...] = field(default=())
    """Accession numbers, for the journal."""
    patient: str = ""
