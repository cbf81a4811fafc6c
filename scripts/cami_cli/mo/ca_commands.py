"""``scripts/cami ca``: the authority that vouches for the keys of proxies."""

from pathlib import Path
from typing import Annotated

import typer

from cami_cli.mo.commands import CentreOption
from cami_cli.options import DEFAULT_STATE, StateOption
from cami_cli.wording import both

app = typer.Typer(no_args_is_help=True, help="The authority of the proxies' keys: made, looked at, keys revoked.")


@app.command()
def init(
    state: StateOption = DEFAULT_STATE,
    centre: CentreOption = None,
) -> None:
    """Make the authority, the key for bundles and the operator's token of a centre; what is there stays."""
    from cami_cli.mo.centre import find_centre  # noqa: PLC0415

    found = find_centre(state, centre)
    made = found.prepare()
    typer.echo(
        both("✓ создано в ", "✓ made in ") + str(found.secrets)
        if made
        else both("✓ уже есть в ", "✓ there already, in ") + str(found.secrets)
    )


@app.command("list")
def show(state: StateOption = DEFAULT_STATE, centre: CentreOption = None) -> None:
    """List the keys that proxies have, and until when."""
    from cami_cli.mo.centre import find_centre  # noqa: PLC0415

    words = {"joined": both("подключён", "joined"), "folder": both("ключ из папки", "key of the folder"),
             "waits": both("не подключён", "has not joined")}  # fmt: skip
    for row in find_centre(state, centre).proxies():
        until = str(row["certificate_until"] or "")[:10]
        waiting = str(row["code_until"] or "")[:10]
        told = both(f"; код до {waiting}", f"; a code until {waiting}") if waiting else ""
        typer.echo(f"{row['mo']:<10} {words[row['state']]:<18} {row['kid']:<17} {until}{told}")


@app.command()
def revoke(
    code: Annotated[str, typer.Argument(help="Code of the МО.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why; it stands in the journal.")] = "",
    state: StateOption = DEFAULT_STATE,
    centre: CentreOption = None,
) -> None:
    """End all keys of an МО's proxy, within a second; it joins again with a new code (scripts/cami mo code)."""
    from cami_cli.mo.centre import find_centre  # noqa: PLC0415

    ended = find_centre(state, centre).revoke(code, reason)
    typer.echo(both(f"✓ отозвано ключей МО {code}: {ended}", f"✓ keys of МО {code} revoked: {ended}"))


@app.command()
def certificate(
    out: Annotated[Path, typer.Option("--out", help="Where to write it.")],
    state: StateOption = DEFAULT_STATE,
    centre: CentreOption = None,
) -> None:
    """Write the authority's certificate (PEM): what `scripts/cami gateway --client-ca` takes."""
    from cami.enrolment.authority import CERTIFICATE  # noqa: PLC0415
    from cami_cli.mo.centre import find_centre  # noqa: PLC0415

    out.write_bytes((find_centre(state, centre).secrets / CERTIFICATE).read_bytes())
    typer.echo(f"✓ {out}")
