"""Options that several commands share, so that they are called and explained alike everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from cami_cli.places import HOME
from cami_cli.runtime.base import Suite
from cami_cli.runtime.choose import Choice

#: Where the default development region lives.
DEFAULT_STATE = HOME / ".state"
DEFAULT_REGISTRY = HOME / "orthanc-config" / "region.yaml"

RuntimeOption = Annotated[
    Choice, typer.Option("--runtime", envvar="RUNTIME", help="Where Orthanc runs; auto: native if possible.")
]
SuiteOption = Annotated[
    Suite | None, typer.Option("--suite", envvar="SUITE", help="Debian's release that Orthanc comes from.")
]
StateOption = Annotated[Path, typer.Option("--state", help="The region's folder: data, ports, passwords.")]
RegistryOption = Annotated[Path, typer.Option("--region", help="The registry of the region.")]
