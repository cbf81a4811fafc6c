"""What the registry says of the journal of accesses: how long it is kept, and to whom it is sent."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cami.region.terms import Address, TcpPort

#: приказ ФСТЭК № 21, РСБ.1: three months at least.
LEAST_DAYS = 92


class Collector(BaseModel):
    """The collector of the security department (SIEM), which takes audit messages by syslog."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Address
    port: TcpPort = 6514
    transport: Literal["tls", "tcp", "udp"] = "tls"
    ca: Annotated[str, Field(pattern=r"[A-Za-z0-9._-]{1,64}")] | None = None
    """Name of a file among the centre's secrets with the certificates that it may show (PEM); empty: those that
    browsers know."""
    certificate: Annotated[str, Field(pattern=r"[A-Za-z0-9._-]{1,64}")] | None = None
    """Name of a file among the centre's secrets with what we show (PEM, with its key)."""


class Journal(BaseModel):
    """The journal of accesses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_days: Annotated[int, Field(ge=LEAST_DAYS, le=36500)] = 1096
    """Days after which records are put away from the table into files, which nothing removes; three years."""
    collector: Collector | None = None
    """To whom the centre sends the journals of all servers; empty: to nobody."""
