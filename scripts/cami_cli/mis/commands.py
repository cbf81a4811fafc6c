"""``scripts/cami mis``: the other side of the contract with the МИС."""

import secrets
import threading
from pathlib import Path
from typing import Annotated

import typer

from cami.region import load_region
from cami_cli.errors import Trouble
from cami_cli.mis.book import Book
from cami_cli.mis.check import Conformance, HookConformance
from cami_cli.mis.client import Access, FhirClient, read_access
from cami_cli.mis.messages import Doctor
from cami_cli.mis.pages import Pages
from cami_cli.mis.server import Site, serve
from cami_cli.mis.simulator import Simulator
from cami_cli.options import DEFAULT_REGISTRY, DEFAULT_STATE, RegistryOption, StateOption
from cami_cli.places import make_folder

app = typer.Typer(no_args_is_help=True, help="The other side of the contract with the МИС.")

PortOption = Annotated[int, typer.Option("--port", help="Where it answers, on this machine only.")]


@app.command()
def simulate(
    state: StateOption = DEFAULT_STATE,
    region: RegistryOption = DEFAULT_REGISTRY,
    port: PortOption = 8070,
    folder: Annotated[Path | None, typer.Option("--folder", help="What it remembers; default: in the state.")] = None,
) -> None:
    """Run a small МИС until Ctrl-C: patients, orders, results, the button «Снимки»."""
    known = load_region(region)
    own = make_folder(folder or state / "mis")
    doing = [each for each in known.organizations if each.proxy is not None]
    doctor = Doctor("8811", "Образцов", "Илья", "Сергеевич", "70012345719", doing[0].oid)
    book = Book(own / "mis.sqlite")
    secret = _secret(own / "hook.secret")
    hook = f"http://127.0.0.1:{port}/hook"
    asked = next((each.oid for each in known.organizations if each.proxy is None), doing[-1].oid)
    simulator = Simulator(
        FhirClient(read_access(state)), book, doctor, hook=hook, secret=secret, consulting_oid=asked
    )  # fmt: skip
    server = serve(Site(simulator, Pages([(each.oid, each.short_name) for each in doing])), port)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        simulator.subscribe()
        typer.echo(f"✓ МИС: http://127.0.0.1:{port}/")
        serving.join()
    except KeyboardInterrupt:
        pass
    finally:
        server.shutdown()
        server.server_close()
        book.close()


@app.command()
def check(
    *,
    url: Annotated[str, typer.Argument(help="FHIR base of the server; default: the region's.")] = "",
    state: StateOption = DEFAULT_STATE,
    region: RegistryOption = DEFAULT_REGISTRY,
    client: Annotated[str, typer.Option("--client", help="id:secret; default: the region's.")] = "",
    oid: Annotated[
        str, typer.Option("--oid", help="ОИД of an МО that makes images; default: the registry's first.")
    ] = "",
    hook: Annotated[str, typer.Option("--hook", help="Try this receiver of a МИС instead.")] = "",
    header: Annotated[str, typer.Option("--header", help="Header line that the receiver expects.")] = "",
) -> None:
    """Try an implementation of the contract and report; it gets orders of its own, of invented people."""
    if hook:
        findings = list(HookConformance(hook, header).run())
    else:
        known = load_region(region)
        first = next(each.oid for each in known.organizations if each.proxy is not None)
        findings = list(Conformance(_access(url.rstrip("/"), client, state), oid or first).run())
    for finding in findings:
        typer.echo(f"{'✓' if finding.held else '✗'} {finding.rule}{': ' + finding.said if finding.said else ''}")
    failed = sum(not finding.held for finding in findings)
    typer.echo(f"{len(findings)} проверок, не пройдено: {failed}")
    if failed:
        raise typer.Exit(1)


def _access(url: str, client: str, state: Path) -> Access:
    if not url:
        return read_access(state)
    client_id, _, secret = client.partition(":")
    if not client_id or not secret:
        raise Trouble("no client", "name it: --client id:secret")
    return Access(url, url.removesuffix("/fhir") + "/oauth/token", client_id, secret)


def _secret(path: Path) -> str:
    from cami_cli.keys import write_private  # noqa: PLC0415

    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text("utf-8").strip()
