"""``scripts/cami consultations``: what an operator looks after."""

from pathlib import Path
from typing import Annotated

import typer

from cami_cli.errors import Trouble
from cami_cli.options import DEFAULT_STATE, StateOption
from cami_cli.region_file import read_region

app = typer.Typer(no_args_is_help=True, help="Consultations: directories that the centre answers from.")


@app.command(name="load-diagnoses")
def load_diagnoses(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="Lines code;title, or НСИ's table with MKB_CODE, MKB_NAME."),
    ],
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Replace МКБ-10 at the centre (НСИ 1.2.643.5.1.13.13.11.1005); UTF-8, or Windows-1251 as Excel saves it."""
    from cami_cli.api_client import ApiClient  # noqa: PLC0415 - requests is slow to import

    content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("windows-1251", errors="replace")
    region = read_region(state)
    with ApiClient(region.central_url, region.account("region_admin")) as client:
        answer = client.put_bytes("/cami/api/consultations/diagnoses", text.encode("utf-8"), "text/csv; charset=utf-8")
    if answer.status_code != 200:
        raise Trouble(f"the centre did not take {file}: {answer.text[:200]}", "nothing was changed; mend that line")
    typer.echo(f"{answer.json()['loaded']} diagnoses are loaded")
