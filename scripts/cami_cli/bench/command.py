"""``cami bench NAME``: run a benchmark, print its table, keep its figures."""

from typing import Annotated

import typer
from rich.console import Console

from cami_cli.bench import cstore as cstore_benchmark
from cami_cli.options import SuiteOption
from cami_cli.progress import Progress

app = typer.Typer(
    help="Benchmarks: ours and a peer in one run, a table and build/bench/NAME.json.", no_args_is_help=True
)


@app.callback()
def benchmarks() -> None:
    """Keep ``cstore`` a command of its own: typer makes a single command the group itself."""


@app.command()
def cstore(
    repeats: Annotated[int, typer.Option(min=1, help="Rounds; each stores with every variant once.")] = 5,
    slices: Annotated[int, typer.Option(min=1, help="CT slices of 512×512×16 bit.")] = 200,
    suite: SuiteOption = None,
) -> None:
    """C-STORE into plain Orthanc, with and without TCP_NODELAY, and into our proxy."""
    report = cstore_benchmark.measure(suite or "forky", slices=slices, repeats=repeats, steps=Progress())
    console = Console()
    console.print(report.table())
    console.print(f"{report.write()}")
