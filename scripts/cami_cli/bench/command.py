"""``cami bench NAME``: run a benchmark, print its table, keep its figures."""

import os
from typing import Annotated, cast, get_args

import typer
from rich.console import Console

from cami_cli.bench import cstore as cstore_benchmark
from cami_cli.errors import Trouble
from cami_cli.progress import Progress
from cami_cli.runtime.base import Suite

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
) -> None:
    """C-STORE into plain Orthanc, with and without TCP_NODELAY, and into our proxy."""
    suite = os.environ.get("SUITE") or "forky"
    if suite not in get_args(Suite):
        raise Trouble(f"no such suite: {suite}", f"choose one of {', '.join(get_args(Suite))}")
    report = cstore_benchmark.measure(cast("Suite", suite), slices=slices, repeats=repeats, steps=Progress())
    console = Console()
    console.print(report.table())
    console.print(f"{report.write()}")
