"""``scripts/cami region …``: what people and scripts type."""

import json
import signal
import sys
import time
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from cami_cli import region
from cami_cli.options import DEFAULT_REGISTRY, DEFAULT_STATE, RegistryOption, RuntimeOption, StateOption, SuiteOption
from cami_cli.progress import Progress
from cami_cli.state import StateFolder

app = typer.Typer(no_args_is_help=True, help="A whole region on this machine: the centre, the proxies, the accounts.")

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
NameArgument = Annotated[str, typer.Argument(help="central, or proxy-CODE (proxy-42001).", show_default=False)]

#: ``region status`` when something is down, as systemctl has it.
_NOT_RUNNING = 3


@app.command()
def up(  # noqa: PLR0917 - typer calls it by name
    registry: RegistryOption = DEFAULT_REGISTRY,
    state: StateOption = DEFAULT_STATE,
    runtime: RuntimeOption = "auto",
    suite: SuiteOption = None,
    base_port: Annotated[
        int | None, typer.Option(help="Take the ports from here on: HTTP and DICOM of the centre, then of each proxy.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return as soon as the region answers.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start a region and wait until it answers. Without --detach it stays until Ctrl-C.

    What runs already is left as it is, so this can be repeated; then only what this call started ends with it.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    steps = Progress()
    running = region.bring_up(
        StateFolder(state), region.Wish(registry, runtime=runtime, suite=suite, base_port=base_port), steps
    )
    if as_json:
        _print_json(running.report)
    else:
        _print_links(running.report)
    if detach or not running.started:
        return
    steps.note("Ctrl-C ends the region.")
    try:
        while running.alive():
            time.sleep(0.5)
        steps.note("the region was taken down")
    except KeyboardInterrupt:
        with steps.step("stop the region"):
            running.down()


@app.command()
def status(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Tell how each server is. Exit code 3 if one is down or does not answer."""
    found = region.overview(StateFolder(state))
    if as_json:
        _print_json(found)
    else:
        for server in found["servers"]:
            mood = "well" if server["healthy"] else "runs, does not answer" if server["running"] else "down"
            typer.echo(f"{server['name']:<16} {mood:<22} {server['url']}  DICOM {server['dicom_port']}")
    if not all(server["healthy"] for server in found["servers"]):
        raise typer.Exit(_NOT_RUNNING)


@app.command()
def down(state: StateOption = DEFAULT_STATE) -> None:
    """End every server of a region. Its data, ports and passwords stay for the next start."""
    region.take_down(StateFolder(state), Progress())


@app.command()
def stop(name: NameArgument, state: StateOption = DEFAULT_STATE) -> None:
    """End one server in order."""
    runtime, server = region.find(StateFolder(state), name)
    with Progress().step(f"stop {name}"):
        runtime.stop(server)


@app.command()
def kill(name: NameArgument, state: StateOption = DEFAULT_STATE) -> None:
    """End one server as a power cut would: SIGKILL for all of its processes."""
    runtime, server = region.find(StateFolder(state), name)
    with Progress().step(f"kill {name}"):
        runtime.kill(server)


@app.command()
def start(name: NameArgument, state: StateOption = DEFAULT_STATE) -> None:
    """Start one server again and wait until it answers."""
    region.start_one(StateFolder(state), name, Progress())


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
    sys.stdout.flush()


def _print_links(report: dict[str, Any]) -> None:
    typer.echo(f"portal    {report['central']['portal']}")
    for proxy in report["proxies"]:
        dicom = proxy["dicom"]
        typer.echo(f"{proxy['mo']:<9} {proxy['url']}  DICOM {dicom['aet']} at {dicom['host']}:{dicom['port']}")
    for account in report["accounts"]:
        typer.echo(f"  {account['login']:<14} {account['password']}  {account['role']} {account['mo']}".rstrip())
