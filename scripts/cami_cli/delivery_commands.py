"""``scripts/cami delivery``: what people of an МО ask of their proxy's delivery."""

import json
import time
from typing import Annotated, Any

import typer

from cami_cli.errors import Trouble
from cami_cli.options import DEFAULT_STATE, StateOption
from cami_cli.region_file import read_region

app = typer.Typer(no_args_is_help=True, help="Delivery from a proxy to the centre.")

#: Seconds between two looks at a run.
_PAUSE = 0.5

_COUNTS = {
    "studies": "studies compared",
    "instances": "images here",
    "unknown": "unknown to the queue, now sent",
    "missing": "missing at the centre, sent again",
    "different": "other content at the centre, set apart",
    "lost": "neither here nor at the centre",
    "absent": "at the centre, but gone from the proxy",
}


@app.command()
def reconcile(
    to: Annotated[str, typer.Option("--to", help="Code of the МО whose proxy is compared with the centre.")],
    state: StateOption = DEFAULT_STATE,
    wait: Annotated[int, typer.Option("--wait", help="Seconds to wait for the end; 0: only ask for it.")] = 3600,
) -> None:
    """Compare a whole proxy with the centre now, and repair what differs."""
    from cami_cli.api_client import ApiClient  # noqa: PLC0415 - requests is slow to import

    region = read_region(state)
    with ApiClient(region.proxy(to).url, region.account("technologist", to)) as client:
        number = client.reconcile()
        typer.echo(f"reconciliation {number} of МО {to} runs")
        end = time.monotonic() + wait
        while time.monotonic() < end:
            run = _find(client.completeness(), number)
            if run["ended_at"]:
                for name, words in _COUNTS.items():
                    typer.echo(f"{run[name]:>9}  {words}")
                raise typer.Exit(1 if run["lost"] or run["different"] else 0)
            time.sleep(_PAUSE)
    if wait:
        raise Trouble(f"the run has not ended within {wait} s", "it goes on; ask again to see how it ended")


@app.command()
def fetch(
    study_uid: Annotated[str, typer.Argument(help="Study Instance UID.", show_default=False)],
    to: Annotated[str, typer.Option("--to", help="Code of the МО whose proxy gets the study back.")],
    state: StateOption = DEFAULT_STATE,
    wait: Annotated[int, typer.Option("--wait", help="Seconds to wait for the end; 0: only ask for it.")] = 3600,
) -> None:
    """Bring a study that has left a proxy back from the centre."""
    from cami_cli.api_client import ApiClient  # noqa: PLC0415 - requests is slow to import

    region = read_region(state)
    with ApiClient(region.proxy(to).url, region.account("technologist", to)) as client:
        wanted = {study["study_id"] for study in client.fetch(study_uid)}
        end = time.monotonic() + wait
        while time.monotonic() < end:
            studies = [study for study in client.fetches() if study["study_id"] in wanted]
            if not any(study["under_way"] for study in studies):
                break
            time.sleep(_PAUSE)
        else:
            if wait:
                raise Trouble(f"the study has not come within {wait} s", "it goes on; ask again to see how far it is")
            typer.echo("asked for")
            return
    for study in studies:
        typer.echo(f"{study['received']} of {study['total']} images are here {study['reason']}".rstrip())
    if not studies:
        typer.echo("all of it is here")
    raise typer.Exit(1 if any(study["reason"] for study in studies) else 0)


@app.command()
def status(
    mo: Annotated[str, typer.Option("--mo", help="Code of one МО; else all that have a proxy.")] = "",
    state: StateOption = DEFAULT_STATE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: by МО what the proxy answers.")] = False,
) -> None:
    """Show each proxy's queue by class, rate and time left, studies under way, failures, line and disk."""
    from cami_cli.api_client import ApiClient  # noqa: PLC0415 - requests is slow to import
    from cami_cli.delivery_status import describe  # noqa: PLC0415

    region = read_region(state)
    found: dict[str, Any] = {}
    for proxy in region.proxies if not mo else [region.proxy(mo)]:
        with ApiClient(proxy.url, region.account("technologist", proxy.mo)) as client:
            under_way = client.delivery_status(view="waiting")
            failed = client.delivery_status(view="failed")["studies"]
        found[proxy.mo] = {**under_way, "name": proxy.name, "failed": failed}
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    for code, answer in found.items():
        for line in describe(code, answer):
            typer.echo(line)


@app.command()
def resend(
    study: Annotated[str, typer.Argument(help="Orthanc id of the study, as delivery status shows it.")],
    to: Annotated[str, typer.Option("--mo", help="Code of the МО whose proxy has it; else all are asked.")] = "",
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Try a study again now; what is delivered is compared with the centre, and only what is missing is sent."""
    from cami_cli.api_client import ApiClient  # noqa: PLC0415 - requests is slow to import

    region = read_region(state)
    proxies = [region.proxy(to)] if to else list(region.proxies)
    for number, proxy in enumerate(proxies, start=1):
        with ApiClient(proxy.url, region.account("technologist", proxy.mo)) as client:
            try:
                done = client.resend(study)
            except Trouble:
                if number < len(proxies):
                    continue
                raise
        typer.echo(f"МО {proxy.mo}: {done['retried']} tried again, {done['compared']} compared with the centre")
        return


def _find(completeness: dict[str, Any], number: int) -> dict[str, Any]:
    for run in completeness["runs"]:
        if run["run"] == number:
            return dict(run)
    raise Trouble("the proxy does not know the run any more", "see the log of the proxy")
