"""``scripts/cami delivery``: what people of an МО ask of their proxy's delivery."""

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


def _find(completeness: dict[str, Any], number: int) -> dict[str, Any]:
    for run in completeness["runs"]:
        if run["run"] == number:
            return dict(run)
    raise Trouble("the proxy does not know the run any more", "see the log of the proxy")
