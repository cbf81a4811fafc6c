"""``scripts/cami mo``: a new МО in minutes."""

import json
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from cami_cli.errors import Trouble
from cami_cli.options import DEFAULT_REGISTRY, DEFAULT_STATE, RegistryOption, StateOption
from cami_cli.progress import Progress, human_size
from cami_cli.wording import both

app = typer.Typer(no_args_is_help=True, help="The МО of the region: a new one with its bundle, changes, closing.")

CodeArgument = Annotated[str, typer.Argument(help="Code of the МО: 42003.", show_default=False)]
CentreOption = Annotated[
    Path | None, typer.Option("--centre", help="Folder of the centre's configuration; else that of --state.")
]
UrlOption = Annotated[
    str, typer.Option("--central-url", help="Where the МО reaches the centre; else centre.url of the registry.")
]
CaOption = Annotated[Path | None, typer.Option("--central-ca", help="Authority of the centre's TLS certificate (PEM).")]
OutOption = Annotated[Path, typer.Option("--out", help="Where to write the bundle.")]
OfflineOption = Annotated[
    list[str] | None, typer.Option("--offline", help="Put what is needed inside: native, docker (may be repeated).")
]
DeviceOption = Annotated[
    list[str] | None, typer.Option("--device", help="AET,MODALITY,ADDRESS[:PORT],NAME[,ROOM]; may be repeated.")
]
ResponsibleOption = Annotated[
    list[str] | None,
    typer.Option("--responsible", help="DUTY,NAME[,PHONE[,EMAIL[,ORDER]]]; technical, organization, consultations."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
DEFAULT_OUT = Path("build/bundles")


@app.command()
def add(  # noqa: PLR0917 - typer calls it by name
    code: CodeArgument,
    oid: Annotated[str, typer.Option(help="OID in the federal register of МО.", show_default=False)],
    name: Annotated[str, typer.Option(help="Full name.", show_default=False)],
    short_name: Annotated[str, typer.Option(help="Short name; it stands in the images.")] = "",
    aet: Annotated[str, typer.Option(help="AE title of the proxy; else PROXY and the code.")] = "",
    mbit_s: Annotated[float, typer.Option(help="Rate of the line to the centre.")] = 2.0,
    address: Annotated[str, typer.Option(help="Address of the proxy, as devices reach it.")] = "",
    http_port: Annotated[int | None, typer.Option(help="HTTP port of the proxy.")] = None,
    dicom_port: Annotated[int | None, typer.Option(help="DICOM port of the proxy.")] = None,
    device: DeviceOption = None,
    devices: Annotated[Path | None, typer.Option(help="List of devices: CSV, columns in its first line.")] = None,
    responsible: ResponsibleOption = None,
    registry: RegistryOption = DEFAULT_REGISTRY,
    state: StateOption = DEFAULT_STATE,
    centre: CentreOption = None,
    central_url: UrlOption = "",
    central_ca: CaOption = None,
    out: OutOption = DEFAULT_OUT,
    offline: OfflineOption = None,
    days: Annotated[int, typer.Option(help="Days for which the code is good.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Write an МО into the registry, have the centre take it up, and make its bundle and its code. Can be repeated."""
    from cami_cli.mo import entry as typed  # noqa: PLC0415
    from cami_cli.mo.centre import find_centre  # noqa: PLC0415
    from cami_cli.mo.registry import Registry, same  # noqa: PLC0415

    wanted = typed.NewMo(
        code, oid, name, short_name or name, aet or f"PROXY{code}".upper(), mbit_s, address, http_port, dicom_port,
        typed.devices_of(device, devices), tuple(map(typed.responsible, responsible or ())),
    ).entry()  # fmt: skip
    steps = Progress()
    known = Registry(registry)
    if any(each.code == code for each in known.region.organizations):
        if not same(known.region, wanted):
            raise Trouble(
                both(f"МО {code} уже есть в реестре, с другими данными", f"МО {code} is there, with other data"),
                both(f"изменить: scripts/cami mo change {code} …", f"to change it: scripts/cami mo change {code} …"),
            )
        steps.note(both(f"  ✓ МО {code} уже есть в реестре", f"  ✓ МО {code} is in the registry already"))
    else:
        known.add(wanted)
        known.write()
        steps.note(both(f"  ✓ МО {code} записана в {registry}", f"  ✓ МО {code} is written into {registry}"))
    plan = _Wanted(central_url, central_ca, out, tuple(offline or ()), days)
    _equip(code, registry, find_centre(state, centre), plan, steps, as_json=as_json)


@app.command("list")
def show_all(
    registry: RegistryOption = DEFAULT_REGISTRY,
    state: StateOption = DEFAULT_STATE,
    centre: CentreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the МО, and how their proxies stand with the centre if it answers."""
    from cami.region import load_region  # noqa: PLC0415

    standings = _standings(state, centre)
    rows = [
        {
            "mo": each.code,
            "name": each.short_name,
            "devices": len(each.devices),
            "proxy": each.proxy.aet if each.proxy else "",
            "closed": str(each.closed or ""),
            "state": standings.get(each.code, {}).get("state", ""),
            "certificate_until": standings.get(each.code, {}).get("certificate_until") or "",
        }
        for each in load_region(registry).organizations
    ]
    if as_json:
        _print_json({"organizations": rows})
        return
    for row in rows:
        told = f"closed {row['closed']}" if row["closed"] else row["state"]
        until = f" until {row['certificate_until'][:10]}" if row["certificate_until"] else ""
        typer.echo(f"{row['mo']:<10} {row['proxy']:<17} {row['devices']:>3} devices  {told}{until}  {row['name']}")


@app.command()
def show(code: CodeArgument, registry: RegistryOption = DEFAULT_REGISTRY) -> None:
    """Show what the registry says of an МО."""
    from cami_cli.mo.registry import Registry  # noqa: PLC0415

    known = Registry(registry)
    known.entry(code)
    found = known.region.organization(code).model_dump(by_alias=True, exclude_unset=True, mode="json")
    _print_json(found)


@app.command()
def change(  # noqa: PLR0917 - typer calls it by name
    code: CodeArgument,
    name: Annotated[str | None, typer.Option(help="Full name.")] = None,
    short_name: Annotated[str | None, typer.Option(help="Short name.")] = None,
    mbit_s: Annotated[float | None, typer.Option(help="Rate of the line.")] = None,
    address: Annotated[str | None, typer.Option(help="Address of the proxy, as devices reach it.")] = None,
    device: DeviceOption = None,
    devices: Annotated[Path | None, typer.Option(help="List of devices (CSV) to add or replace.")] = None,
    no_device: Annotated[list[str] | None, typer.Option("--no-device", help="AE title of a device that goes.")] = None,
    responsible: ResponsibleOption = None,
    registry: RegistryOption = DEFAULT_REGISTRY,
    state: StateOption = DEFAULT_STATE,
    centre: CentreOption = None,
) -> None:
    """Change an МО: names, line, devices (by AE title), responsible people (by duty)."""
    from cami_cli.mo import entry as typed  # noqa: PLC0415
    from cami_cli.mo.registry import Registry  # noqa: PLC0415

    known = Registry(registry)
    entry = known.entry(code)
    values: dict[str, Any] = {}
    if name:
        values["full_name"] = name
    if short_name:
        values["short_name"] = short_name
    proxy: dict[str, Any] = ({"link": {"mbit_s": mbit_s}} if mbit_s else {}) | ({"address": address} if address else {})
    if proxy:
        values["proxy"] = proxy
    known.change(entry, values)
    known.put(entry, "devices", "aet", typed.devices_of(device, devices), no_device or ())
    known.put(entry, "responsible", "duty", tuple(map(typed.responsible, responsible or ())))
    changed = known.write()
    if changed and (reached := _reached(state, centre)) is not None:
        reached.take_up(registry)
    typer.echo(
        both("✓ записано; новый комплект: ", "✓ written; a new bundle: ") + f"scripts/cami mo bundle {code}"
        if changed
        else both("✓ ничего не изменилось", "✓ nothing has changed")
    )


@app.command()
def remove(
    code: CodeArgument,
    registry: RegistryOption = DEFAULT_REGISTRY,
    state: StateOption = DEFAULT_STATE,
    centre: CentreOption = None,
) -> None:
    """Close an МО: its proxy may not deliver any more, at once. Its studies stay, and stay its own."""
    from cami_cli.mo.registry import Registry  # noqa: PLC0415

    known = Registry(registry)
    entry = known.entry(code)
    reached = _reached(state, centre)
    ended = reached.revoke(code, "closed") if reached is not None else 0
    if "closed" not in entry:
        known.change(entry, {"closed": date.today()})  # noqa: DTZ011 - a day, as people here write it
    if known.write() and reached is not None:
        reached.take_up(registry)
    typer.echo(
        both(f"✓ МО {code} закрыта, отозвано ключей: {ended}", f"✓ МО {code} is closed, keys revoked: {ended}")
        + ("" if reached else both(" (центр не запущен)", " (the centre does not run)"))
    )


@app.command()
def code(
    code: CodeArgument,
    state: StateOption = DEFAULT_STATE,
    centre: CentreOption = None,
    days: Annotated[int, typer.Option(help="Days for which it is good.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Make a new code for an МО to join with; the one before is good no longer."""
    from cami_cli.mo.centre import find_centre  # noqa: PLC0415

    _tell_code(find_centre(state, centre).code(code, days), as_json=as_json)


@app.command()
def bundle(  # noqa: PLR0917 - typer calls it by name
    code: CodeArgument,
    registry: RegistryOption = DEFAULT_REGISTRY,
    state: StateOption = DEFAULT_STATE,
    centre: CentreOption = None,
    central_url: UrlOption = "",
    central_ca: CaOption = None,
    out: OutOption = DEFAULT_OUT,
    offline: OfflineOption = None,
) -> None:
    """Write the bundle of an МО again: after a change of the registry, or of the release."""
    from cami_cli.mo.centre import find_centre  # noqa: PLC0415

    wanted = _Wanted(central_url, central_ca, out, tuple(offline or ()), 0)
    _write(code, registry, find_centre(state, centre), wanted, Progress())


class _Wanted:
    """What a bundle is to be like."""

    def __init__(self, url: str, ca: Path | None, out: Path, offline: tuple[str, ...], days: int) -> None:
        self.url, self.ca, self.out, self.offline, self.days = url, ca, out, offline, days
        if unknown := set(offline) - {"native", "docker"}:
            raise Trouble(f"--offline {', '.join(sorted(unknown))}?", "native, docker")


def _equip(mo: str, registry: Path, found: Any, wanted: _Wanted, steps: Progress, *, as_json: bool) -> None:
    with steps.step(both("центр перечитывает реестр", "the centre takes up the registry")) as step:
        away = found.take_up(registry, mo)
        step.show(both(f"не отвечал {away:.1f} с", f"it was away for {away:.1f} s"))
    written = _write(mo, registry, found, wanted, steps)
    made = found.code(mo, wanted.days)
    _tell_code(made | {"bundle": str(written)}, as_json=as_json)


def _write(mo: str, registry: Path, centre: Any, wanted: _Wanted, steps: Progress) -> Path:
    from cami.region import load_region  # noqa: PLC0415
    from cami_cli.mo.bundle import Plan, write_bundle  # noqa: PLC0415
    from cami_cli.mo.payloads import payloads as packed  # noqa: PLC0415
    from cami_cli.mo.payloads import release, suite_of  # noqa: PLC0415
    from cami_cli.mo.signing import Signer  # noqa: PLC0415

    region = load_region(registry)
    url = wanted.url or region.centre.url or centre.url
    suite = suite_of(centre)
    with tempfile.TemporaryDirectory() as scratch, steps.step(both("комплект", "bundle")) as step:
        plan = Plan(
            region, mo, url, suite, release(),
            wanted.ca.read_bytes() if wanted.ca else b"",
            payloads=tuple(packed(wanted.offline, suite, Path(scratch), steps)),
        )  # fmt: skip
        written = write_bundle(plan, Signer(centre.secrets), wanted.out)
        step.show(f"{written}, {human_size(written.stat().st_size)}")
    return written


def _tell_code(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _print_json(made)
        return
    until = str(made["expires_at"])[:10]
    if "bundle" in made:
        typer.echo(f"{both('комплект', 'bundle')}: {made['bundle']}, {made['bundle']}.sig")
    typer.echo(f"{both('код подключения', 'code to join with')}: {made['code']}")
    typer.echo(
        both(
            f"  действует один раз, до {until}; передайте отдельно от комплекта. На машине МО: ./install.sh",
            f"  good once, until {until}; hand it over apart from the bundle. On the machine of the МО: ./install.sh",
        )
    )


def _reached(state: Path, folder: Path | None) -> Any:
    """Return the centre, if one runs there."""
    from cami_cli.mo.centre import find_centre  # noqa: PLC0415

    try:
        found = find_centre(state, folder)
        found.proxies(seconds=5)
    except Trouble:
        return None
    return found


def _standings(state: Path, folder: Path | None) -> dict[str, dict[str, Any]]:
    reached = _reached(state, folder)
    return {str(row["mo"]): row for row in reached.proxies()} if reached is not None else {}


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
