"""The commands of ``scripts/cami``. What a command needs beyond the region is imported when it is run."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cami import __version__
from cami.errors import CamiError
from cami_cli import (
    audit_commands,
    consultation_commands,
    delivery_commands,
    grants_commands,
    index_commands,
    key_commands,
    region_commands,
    routing_commands,
)
from cami_cli.errors import Trouble
from cami_cli.hl7 import commands as hl7_commands
from cami_cli.mis import commands as mis_commands
from cami_cli.mo import ca_commands
from cami_cli.mo import commands as mo_commands
from cami_cli.options import DEFAULT_REGISTRY, DEFAULT_STATE, RegistryOption, RuntimeOption, StateOption, SuiteOption
from cami_cli.places import make_folder
from cami_cli.progress import Progress, human_size
from cami_cli.runtime.choose import choose_kind, make_runtime, warn_of

app = typer.Typer(
    name="cami",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="ЦАМИ: the central archive of medical images. Prepares Orthanc, runs regions, sends and demonstrates.",
)
app.add_typer(region_commands.app, name="region")
app.add_typer(audit_commands.app, name="audit")
app.add_typer(consultation_commands.app, name="consultations")
app.add_typer(delivery_commands.app, name="delivery")
app.add_typer(grants_commands.app, name="grants")
app.add_typer(index_commands.app, name="index")
app.add_typer(key_commands.app, name="key")
app.add_typer(routing_commands.app, name="routing")
app.add_typer(mis_commands.app, name="mis")
app.add_typer(mo_commands.app, name="mo")
app.add_typer(ca_commands.app, name="ca")
app.add_typer(hl7_commands.app, name="hl7")
config_app = typer.Typer(no_args_is_help=True, help="The registry of a region.")
app.add_typer(config_app, name="config")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cami {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before the command."""


@app.command()
def version() -> None:
    """Print the version."""
    _print_version(wanted=True)


@app.command()
def runtime(runtime: RuntimeOption = "auto", suite: SuiteOption = None) -> None:
    """Prepare Orthanc, its Python packages and OHIF; what is there already is kept."""
    steps = Progress()
    chosen = suite or "forky"
    warn_of(chosen, steps)
    prepared = make_runtime(choose_kind(runtime), chosen)
    prepared.prepare(steps)
    steps.note(f"✓ {prepared.kind} runtime: Orthanc {prepared.orthanc_version()} ({chosen})")


@app.command()
def gateway(  # noqa: PLR0917 - typer calls it by name
    name: Annotated[str, typer.Option("--name", help="Name of the server, as people write it.", show_default=False)],
    certificate: Annotated[Path, typer.Option("--certificate", help="Its chain of certificates, PEM.")],
    key: Annotated[Path, typer.Option("--key", help="The key of its certificate, PEM.")],
    secrets: Annotated[Path, typer.Option("--secrets", help="Folder of the secrets of the server behind it.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write nginx's configuration.")],
    upstream: Annotated[str, typer.Option("--upstream", help="Where Orthanc listens.")] = "127.0.0.1:8042",
    tls: Annotated[str, typer.Option("--listen", help="Address and port for HTTPS.")] = "443",
    plain: Annotated[str, typer.Option("--listen-plain", help="Address and port that leads to HTTPS.")] = "80",
    client_ca: Annotated[Path | None, typer.Option("--client-ca", help="Authority of proxies' certificates.")] = None,
    state: Annotated[Path, typer.Option("--state", help="nginx's folder.")] = Path("/run/cami-gateway"),
) -> None:
    """Write the configuration of nginx before a server, and the token by which the server knows it."""
    from cami_cli import gateway as before  # noqa: PLC0415

    token = before.ensure_token(secrets)
    made = before.Gateway(name, certificate, key, upstream, token, state, tls, plain, client_ca)
    before.write_configuration(made, out)
    typer.echo(f"✓ {out}: https://{name} → {upstream}")


@config_app.command()
def check(
    registry: RegistryOption = DEFAULT_REGISTRY,
) -> None:
    """Check a registry: every mistake with its file, line and field."""
    from cami.region import load_region  # noqa: PLC0415

    region = load_region(registry)
    typer.echo(f"✓ {registry}: {len(region.organizations)} МО, {len(region.with_proxy)} proxies")


@config_app.command(name="dicom-tls")
def dicom_tls(
    registry: RegistryOption = DEFAULT_REGISTRY,
    dicom_port: Annotated[int, typer.Option(help="Where the centre's Orthanc listens for DICOM.")] = 4242,
    folder: Annotated[Path, typer.Option(help="Where the certificates lie: centre.pem, MO.ca.pem.")] = Path(
        "/etc/cami/secrets/dicom"
    ),
    accept: Annotated[str, typer.Option(help="Address on which to listen; empty: all.")] = "",
) -> None:
    """Print the configuration of the TLS terminator (stunnel) through which МО speak DICOM to the centre."""
    from cami.dicom_tls import render  # noqa: PLC0415
    from cami.region import load_region  # noqa: PLC0415

    typer.echo(render(load_region(registry), dicom_port=dicom_port, folder=folder, accept=accept), nl=False)


@app.command()
def send(
    folder: Annotated[Path, typer.Argument(help="A folder of DICOM files, searched to its depth.", show_default=False)],
    to: Annotated[str, typer.Option("--to", help="Code of the МО whose proxy gets them.")],
    calling: Annotated[str, typer.Option("--as", help="AE title to call from; else a device of that modality.")] = "",
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Store a folder of DICOM files to a proxy, as its devices would."""
    from cami_cli.send import send as store  # noqa: PLC0415 - DICOM libraries are slow to import

    raise typer.Exit(store(folder, to=to, state=state, calling=calling))


@app.command()
def phantoms(
    folder: Annotated[Path, typer.Argument(help="Where to write them; made if missing.", show_default=False)],
    small: Annotated[bool, typer.Option("--small", help="A few small images of each study, for tests.")] = False,
    only: Annotated[list[str] | None, typer.Option("--only", help="Of CT, MR, DX, MG, US: CT,MR.")] = None,
) -> None:
    """Write synthetic studies of people who do not exist: folder/МО/STUDY/*.dcm."""
    from cami_cli.phantoms import write_phantoms  # noqa: PLC0415 - numpy is slow to import

    with Progress().step(f"phantoms into {folder}") as step:
        try:
            written = write_phantoms(
                make_folder(folder),
                only=[modality for part in only or () for modality in part.upper().split(",")],
                small=small,
                on_study=lambda study: step.show(f"{study.mo} {study.modality}, {study.instances} instances"),
            )
        except ValueError as error:
            raise Trouble(str(error), "choose among them with --only") from error
        step.show(f"{len(written)} studies, {human_size(sum(study.size for study in written))}")


@app.command()
def demo(  # noqa: PLR0917 - typer calls it by name
    once: Annotated[bool, typer.Option("--once", envvar="ONCE", help="Check and end; the exit code tells.")] = False,
    runtime: RuntimeOption = "auto",
    suite: SuiteOption = None,
    state: Annotated[Path | None, typer.Option("--state", help="Use this state folder; else a fresh one.")] = None,
    registry: RegistryOption = DEFAULT_REGISTRY,
    base_port: Annotated[int | None, typer.Option(help="Take the ports from here on.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the fresh state folder at the end.")] = False,
    small: Annotated[bool, typer.Option("--small", help="A few small images, for tests.")] = False,
) -> None:
    """Show the main job: devices store, proxies deliver, doctors see their own; it checks itself."""
    from cami_cli.demo import Plan, run  # noqa: PLC0415 - DICOM libraries are slow to import
    from cami_cli.region import Wish  # noqa: PLC0415

    wish = Wish(registry, runtime=runtime, suite=suite, base_port=base_port)
    raise typer.Exit(run(Plan(wish, DEFAULT_STATE, state, once=once, keep=keep, small=small)))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def bench(context: typer.Context) -> None:
    """Measure ours against its peers: a table, and build/bench/NAME.json (bench --help)."""
    from cami_cli.bench.command import app as benchmarks  # noqa: PLC0415 - numpy is slow to import

    raise typer.Exit(benchmarks(args=context.args, prog_name="scripts/cami bench", standalone_mode=False) or 0)


def main() -> NoReturn:
    """Run the command line; what stands in the way is told in a few lines, never as a traceback."""
    try:
        app(prog_name="scripts/cami")
    except Trouble as trouble:
        _tell(trouble.problem, trouble.remedy)
    except CamiError as error:
        _tell(str(error), "")
    except OSError as error:
        _tell(f"{error.filename or 'this host'}: {error.strerror or error}", "")
    sys.exit(0)


def _tell(problem: str, remedy: str) -> NoReturn:
    typer.echo(f"✗ {problem}", err=True)
    if remedy:
        typer.echo(f"  → {remedy}", err=True)
    sys.exit(1)
