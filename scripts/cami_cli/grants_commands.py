"""``scripts/cami grants``: do the labels in Orthanc follow the table of grants, and putting them right."""

from typing import Any

import typer

from cami_cli.errors import Trouble
from cami_cli.options import DEFAULT_STATE, StateOption
from cami_cli.region_file import read_region

app = typer.Typer(no_args_is_help=True, help="Grants: who else than its owner may see a study.")

_PATH = "/cami/api/grants/labels"


@app.command()
def check(state: StateOption = DEFAULT_STATE) -> None:
    """Compare the labels of all studies with the table of grants; ends with 1 if they differ."""
    found = _ask(state, change=False)
    _show(found)
    if found["missing"] or found["surplus"]:
        raise typer.Exit(1)


@app.command()
def repair(state: StateOption = DEFAULT_STATE) -> None:
    """Put the labels right, say what that was, and prove that nothing differs any more."""
    _show(_ask(state, change=True))
    left = _ask(state, change=False)
    if left["missing"] or left["surplus"]:
        _show(left)
        raise Trouble("labels differ from the table still", "see the log of the centre")
    typer.echo("labels and grants agree")


def _ask(state: StateOption, *, change: bool) -> dict[str, Any]:
    from cami_cli.api_client import ApiClient  # noqa: PLC0415 - requests is slow to import

    region = read_region(state)
    with ApiClient(region.central_url, region.account("region_admin")) as client:
        answer = client.ask(_PATH, body={} if change else None)
    if answer.status_code != 200:
        raise Trouble(f"the centre answered {answer.status_code}", "see the log of the centre")
    return dict(answer.json())


def _show(found: dict[str, Any]) -> None:
    for name, what in (("missing", "is missing on"), ("surplus", "is on, without a grant,")):
        for each in found[name]:
            typer.echo(f"{each['label']} {what} study {each['study_id']}")
    typer.echo(f"{len(found['missing'])} labels missing, {len(found['surplus'])} too many")
