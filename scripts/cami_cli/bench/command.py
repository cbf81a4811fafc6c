"""``cami bench NAME``: run a benchmark, print its table, keep its figures."""

from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from cami_cli.bench import access as access_benchmark
from cami_cli.bench import consultations as consultations_benchmark
from cami_cli.bench import cstore as cstore_benchmark
from cami_cli.bench import delivery as delivery_benchmark
from cami_cli.bench import dicom_find, link_emulator_ends, mis_outbox
from cami_cli.bench import scale as scale_benchmark
from cami_cli.bench import worklist as worklist_benchmark
from cami_cli.bench.report import Report
from cami_cli.options import SuiteOption
from cami_cli.progress import Progress
from cami_cli.runtime.native import NativeRuntime

app = typer.Typer(
    help="Benchmarks: ours and a peer in one run, a table and build/bench/NAME.json.", no_args_is_help=True
)


@app.command()
def cstore(
    *,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds; each stores with every variant once.")] = 5,
    slices: Annotated[int, typer.Option(min=1, help="CT slices of 512×512×16 bit.")] = 200,
    ours: Annotated[
        bool, typer.Option("--ours", help="Our proxy and what it is held against alone, both with TCP_NODELAY.")
    ] = False,
    suite: SuiteOption = None,
) -> None:
    """C-STORE into plain Orthanc, with and without TCP_NODELAY, and into our proxy."""
    variants = cstore_benchmark.PAIR if ours else cstore_benchmark.VARIANTS
    steps = Progress()
    _show(cstore_benchmark.measure(suite or "forky", slices=slices, repeats=repeats, steps=steps, variants=variants))


@app.command()
def scale(
    *,
    proxies: Annotated[int, typer.Option(min=1, help="Proxies that send at the same time.")] = 20,
    slices: Annotated[int, typer.Option(min=1, help="MR slices of 256×256 that each of them sends.")] = 30,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds.")] = 3,
    suite: SuiteOption = None,
) -> None:
    """Ingest at the centre from many proxies at once, against stock Orthanc."""
    steps = Progress()
    _show(scale_benchmark.measure(suite or "forky", proxies=proxies, slices=slices, repeats=repeats, steps=steps))


@app.command()
def delivery(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Under four minutes: MR and CT, stock auto-routing.")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of the sending cells.")] = 1,
    congestion: Annotated[str, typer.Option(help="TCP's congestion control at both ends of the line.")] = "cubic",
    link: Annotated[
        list[str] | None,
        typer.Option(help="A setting of the МО's link in the registry, as NAME=VALUE; may be repeated."),
    ] = None,
    instances: Annotated[
        int, typer.Option(min=60, help="How many are under way when something breaks: 2000 takes half an hour in all.")
    ] = 1000,
    cells: Annotated[
        list[str] | None,
        typer.Option(help="Measure this alone: CT-2, MR-10, emergency, queue, line, …; may be repeated."),
    ] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="With --cells: ours without those it is compared with.")
    ] = False,
    suite: SuiteOption = None,
) -> None:
    """Delivery over an emulated line of 2 and 10 Mbit/s that loses packets, against stock Orthanc and dcmtk."""
    plan = delivery_benchmark.QUICK if quick else delivery_benchmark.FULL
    if cells:
        plan = delivery_benchmark.chosen(cells, alone=alone)
    why_not = link_emulator_ends.enter()
    if why_not:
        _show(delivery_benchmark.cannot(why_not, suite or "forky"))
        raise typer.Exit(1)
    report = delivery_benchmark.measure_delivery(
        suite or "forky",
        plan=plan,
        repeats=repeats,
        congestion=congestion,
        link=_settings(link or []),
        steps=Progress(),
        instances=instances,
    )
    _show(report)


@app.command()
def access(
    *,
    rows: Annotated[int, typer.Option(min=0, help="Studies in the larger study index; 0: without it.")] = 1_000_000,
    studies: Annotated[int, typer.Option(min=300, help="Studies that all servers hold under load.")] = 20_000,
    large: Annotated[int, typer.Option(min=0, help="Studies for QIDO-RS against stock; 0: without it.")] = 200_000,
    repeats: Annotated[int, typer.Option(min=3, help="Times that each search is made.")] = 30,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of load.")] = 3,
    suite: SuiteOption = None,
) -> None:
    """Measure requests per second with and without the plugin, QIDO-RS against stock, and the study index alone."""
    report = access_benchmark.measure(
        suite or "forky", rows=rows, studies=studies, large=large, repeats=repeats, rounds=rounds, steps=Progress()
    )
    _show(report)


@app.command(name="dicom-find")
def find(
    studies: Annotated[int, typer.Option(min=1000, help="Studies that both servers hold.")] = 100_000,
    repeats: Annotated[int, typer.Option(min=3, help="Times that each question is asked.")] = 10,
    suite: SuiteOption = None,
) -> None:
    """C-FIND at a proxy with many studies, against stock Orthanc with the same index."""
    _show(dicom_find.measure(suite or "forky", studies=studies, repeats=repeats, steps=Progress()))


@app.command()
def mis(
    *,
    entries: Annotated[int, typer.Option(min=1000, help="Entries of the proxy's worklist.")] = 100_000,
    seconds: Annotated[int, typer.Option(min=4, help="How long orders are placed.")] = 600,
    rate: Annotated[int, typer.Option(min=1, help="Orders a second.")] = 50,
    repeats: Annotated[int, typer.Option(min=3, help="Times that each question is asked.")] = 20,
    orders: Annotated[int, typer.Option(min=20, help="Orders taken by FHIR alone.")] = 500,
    messages: Annotated[int, typer.Option(min=20, help="Messages that wait while the МИС is away.")] = 72_000,
    suite: SuiteOption = None,
) -> None:
    """Orders to the worklists, findscu with 100,000 entries, orders by FHIR, messages to a МИС that was away."""
    used = suite or "forky"
    rows, runs = worklist_benchmark.worklist_rows(
        used, entries=entries, seconds=seconds, rate=rate, repeats=repeats, steps=Progress()
    )
    rows = [*rows, *mis_outbox.rows(orders, messages)]
    _show(Report("mis", {"Orthanc": NativeRuntime(used).orthanc_version(), "suite": used}, rows, runs))


@app.command()
def consultations(
    *,
    users: Annotated[int, typer.Option(min=20, help="People who have a desk open.")] = 200,
    requests: Annotated[int, typer.Option(min=1000, help="Requests in the database.")] = 50_000,
    seconds: Annotated[int, typer.Option(min=10, help="How long the load lasts.")] = 60,
    rate: Annotated[float, typer.Option(min=0.1, help="Requests sent, taken or signed a second.")] = 2.0,
    postgresql: Annotated[bool, typer.Option(help="The same on PostgreSQL, too.")] = True,
    suite: SuiteOption = None,
) -> None:
    """Desks of consultations: pages, taking, signing, notices, with 200 people at once on 50,000 requests."""
    report = consultations_benchmark.measure(
        suite or "forky", users=users, requests=requests, seconds=seconds, rate=rate, postgresql=postgresql,
        steps=Progress(),
    )  # fmt: skip
    _show(report)


def _settings(pairs: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE pairs; the registry's own check tells what it does not know."""
    if wrong := [pair for pair in pairs if "=" not in pair]:
        raise typer.BadParameter(f"{wrong[0]} is not NAME=VALUE", param_hint="--link")
    return {name: yaml.safe_load(value) for name, _, value in (pair.partition("=") for pair in pairs)}


def _show(report: Report) -> None:
    console = Console()
    console.print(report.table())
    console.print(f"{report.write()}")
