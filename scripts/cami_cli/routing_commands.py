"""``scripts/cami routing``: the routing rules of an МО's proxy, or of the centre for all МО, as the administrator."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cami_cli.errors import Trouble
from cami_cli.options import DEFAULT_STATE, StateOption
from cami_cli.region_file import read_region

app = typer.Typer(no_args_is_help=True, help="Routing rules: where an МО's images go besides the centre.")

_ROOT = "/cami/api/routing"
#: The centre, where an МО's code stands.
_CENTRAL = "central"
#: Seconds that proxies have for a trial.
_PATIENCE = 60

MoOption = Annotated[
    str, typer.Option("--to", help="Code of the МО whose proxy has the rules; central: rules for all МО.")
]
FileArgument = Annotated[Path, typer.Argument(help="A file of rules, YAML or JSON.", show_default=False)]


@app.command()
def show(to: MoOption, state: StateOption = DEFAULT_STATE) -> None:
    """Show the rules in force, and how it is with their destinations."""
    found = _ask(to, state, "")
    typer.echo(f"version {found['version']} of {_whose(to)}")
    if found["trouble"]:
        typer.echo(f"! the rules do not hold:\n{found['trouble']}")
    for rule in found["rules"]:
        typer.echo(f"  {_said(rule)}")
    for rule in found.get("centre", {}).get("rules", ()):
        typer.echo(f"  (of the centre) {_said(rule)}")
    for each in found.get("organizations", ()):
        trouble = f"; they do not hold there: {each['trouble']}" if each["trouble"] else ""
        typer.echo(f"  → МО {each['mo']}: version {each['version']}{trouble}")
    for destination in found.get("destinations", ()):
        typer.echo(
            f"  → {destination['name']} {destination['address'] or '(not in the registry)'}: "
            f"{destination['waiting']} waiting, {destination['delivered']} delivered, {destination['failed']} failed"
            + (f"; {destination['reason']} {destination['detail']}".rstrip() if destination["reason"] else "")
        )


@app.command()
def history(to: MoOption, state: StateOption = DEFAULT_STATE) -> None:
    """List all versions of the rules: when, by whom, why, and what each changed."""
    for version in _ask(to, state, "/versions")["versions"]:
        restored = f" (version {version['restored']} again)" if version["restored"] else ""
        typer.echo(f"{version['version']}  {version['made_at']}  {version['made_by']}{restored}: {version['why']}")
        for line in _ask(to, state, f"/versions/{version['version']}")["changes"]:
            typer.echo(f"     {line}")


@app.command()
def apply(
    file: FileArgument,
    to: MoOption,
    why: Annotated[str, typer.Option("--why", help="What the change is for; it stays in the history.")],
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Put the rules of a file into force."""
    base = _ask(to, state, "")["version"]
    answer = _ask(to, state, "", {"content": _text(file), "why": why, "base": base}, file=file)
    typer.echo(f"✓ version {answer['version']} of the rules of {_whose(to)} is in force")


@app.command()
def restore(
    version: Annotated[int, typer.Argument(help="Number of the version to bring back.")],
    to: MoOption,
    why: Annotated[str, typer.Option("--why", help="What the change is for; it stays in the history.")],
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Bring an earlier version back, as a new one."""
    base = _ask(to, state, "")["version"]
    answer = _ask(to, state, f"/versions/{version}/restore", {"why": why, "base": base})
    typer.echo(f"✓ version {answer['version']} of the rules of {_whose(to)} is version {version} again")


@app.command(name="dry-run")
def dry_run(
    file: FileArgument,
    to: MoOption,
    studies: Annotated[int, typer.Option("--studies", min=1, max=500, help="How many of the last studies.")] = 100,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Tell what the rules of a file would have done with the last studies. Nothing is sent or changed."""
    asked = {"content": _text(file), "studies": studies}
    if to != _CENTRAL:
        _tell_run(_ask(to, state, "/dry-run", asked, file=file))
        return
    trial = _ask(to, state, "/dry-run", asked, file=file)["trial"]
    end = time.monotonic() + _PATIENCE
    while (found := _ask(to, state, f"/dry-run/{trial}"))["waits_for"] and time.monotonic() < end:
        time.sleep(1)
    for mo, outcome in found["organizations"].items():
        typer.echo(f"МО {mo}:")
        if "studies" in outcome:
            _tell_run(outcome)
        else:
            typer.echo(f"  not tried: {outcome.get('problems') or outcome.get('trouble')}")
    for mo in found["waits_for"]:
        typer.echo(f"МО {mo}: no answer")


def _tell_run(run: dict[str, Any]) -> None:
    for study in run["studies"]:
        what = f"{study['modality']} {study['description']}".strip()
        typer.echo(f"{study['received_at'][:16]}  {what}, {study['instances']} images")
        wanted = [f"{number} to {name}" for name, number in study["destinations"].items()]
        wanted += [f"shared with МО {mo}" for mo in study["shares"]]
        wanted += [f"class {study['priority']}"] if study["priority"] else []
        typer.echo(f"     {'; '.join(wanted) or 'to the centre only'}")
        for rule in study["rules"]:
            reasons = "; ".join(_reason(each) for each in rule["because"])
            typer.echo(f"     {'+' if rule['matched'] else '-'} {rule['rule']} ({rule['matched']} images): {reasons}")
    typer.echo(
        f"{len(run['studies'])} studies looked at" + ("; there were more images than a run takes" if run["cut"] else "")
    )


def _whose(to: str) -> str:
    return "the centre, for all МО" if to == _CENTRAL else f"МО {to}"


def _said(rule: dict[str, Any]) -> str:
    only = f" [МО {', '.join(rule['organizations'])}]" if rule.get("organizations") else ""
    return f"{rule['name']}{'' if rule['enabled'] else ' (off)'}{only}: if {rule['when']}: {rule['then']}"


def _reason(finding: dict[str, Any]) -> str:
    return f"{finding['condition']}: {'yes' if finding['holds'] else 'no'} ({finding['found'] or 'no value'})"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Trouble(f"{file} is not UTF-8", "save the file in UTF-8") from error


def _ask(
    mo: str, state: Path, path: str, body: dict[str, Any] | None = None, *, file: Path | None = None
) -> dict[str, Any]:
    from cami_cli.api_client import ApiClient  # noqa: PLC0415 - requests is slow to import

    region = read_region(state)
    url = region.central_url if mo == _CENTRAL else region.proxy(mo).url
    account = region.account("region_admin") if mo == _CENTRAL else region.account("mo_admin", mo)
    with ApiClient(url, account) as client:
        answer = client.ask(_ROOT + path, body=body)
    if answer.status_code == 200:
        return dict(answer.json())
    if answer.status_code == 400:
        raise Trouble(*_refusal(answer.text, file))
    raise Trouble(f"the server of {_whose(mo)} answered {answer.status_code}", answer.text[:200])


def _refusal(text: str, file: Path | None) -> tuple[str, str]:
    """Return what the proxy says against a request: mistakes with their lines, or a sentence."""
    try:
        problems = json.loads(text)["problems"]
    except (ValueError, KeyError, TypeError):
        return text.strip() or "the proxy refuses it", ""
    lines = [f"{file}:{each['line']}: {each['place']}: {each['message']}" for each in problems]
    return "\n".join(lines), "nothing was changed"
