"""``scripts/cami index``: how the study index of the centre stands, and making it anew."""

import time
from typing import Annotated, Any

import typer

from cami_cli.errors import Trouble
from cami_cli.options import DEFAULT_STATE, StateOption
from cami_cli.region_file import read_region

app = typer.Typer(no_args_is_help=True, help="The study index of the centre, which searches are answered from.")

_PATH = "/cami/api/index"
#: Seconds between two looks at how far it is.
_PAUSE = 0.5


@app.command()
def status(state: StateOption = DEFAULT_STATE) -> None:
    """Say whether the index is in step with the archive, and how much is in it."""
    _show(_ask(state, _PATH))


@app.command()
def rebuild(
    state: StateOption = DEFAULT_STATE,
    wait: Annotated[int, typer.Option("--wait", help="Seconds to wait for the end; 0: only ask for it.")] = 3600,
) -> None:
    """Make the index anew from Orthanc; until it is done, searches are answered by Orthanc itself, more slowly."""
    _ask(state, f"{_PATH}/rebuild", change=True)
    end = time.monotonic() + wait
    while time.monotonic() < end:
        found = _ask(state, _PATH)
        if found["state"] == "fresh":
            _show(found)
            return
        time.sleep(_PAUSE)
    if wait:
        raise Trouble(f"the index is not built within {wait} s", "it goes on: scripts/cami index status")


def _ask(state: StateOption, path: str, *, change: bool = False) -> dict[str, Any]:
    from cami_cli.api_client import ApiClient  # noqa: PLC0415 - requests is slow to import

    region = read_region(state)
    with ApiClient(region.central_url, region.account("region_admin")) as client:
        answer = client.ask(path, body={} if change else None)
    if answer.status_code != 200:
        raise Trouble(f"the centre answered {answer.status_code}", "see the log of the centre")
    return dict(answer.json())


def _show(found: dict[str, Any]) -> None:
    typer.echo(f"{found['state']}: {found['studies']} studies, {found['series']} series, {found['instances']} images")
