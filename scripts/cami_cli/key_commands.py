"""``scripts/cami key``: keys of machines, replaced while everything runs; two of each are good at a time."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from cami_cli.errors import Trouble
from cami_cli.keys import MIS, new_password, write_private
from cami_cli.options import DEFAULT_STATE, StateOption
from cami_cli.servers import CENTRAL, url
from cami_cli.state import Kept, StateFolder

app = typer.Typer(no_args_is_help=True, help="Keys of proxies and of the MIS: replaced without a gap.")

NameArgument = Annotated[
    str, typer.Argument(help="Code of an МО, for the key of its proxy; or mis.", show_default=False)
]

_WAIT = 30.0


@app.command("list")
def show(state: StateOption = DEFAULT_STATE) -> None:
    """Show which keys are good now."""
    from cami.delivery.tokens import kid_of, read_public_keys  # noqa: PLC0415

    folder = StateFolder(state)
    kept = folder.require()
    for mo, keys in sorted(read_public_keys(_keys(folder, kept)).items()):
        typer.echo(f"proxy-{mo}: {', '.join(map(kid_of, keys))}")
    typer.echo(f"mis: {len(_hashes(_secrets(folder, kept, CENTRAL))) or 1} secret(s)")


@app.command()
def rotate(name: NameArgument, state: StateOption = DEFAULT_STATE) -> None:
    """Make a new key and put it to use; the old one is good until ``key retire``."""
    folder = StateFolder(state)
    kept = folder.require()
    with folder.exclusive():
        if name == MIS.login:
            _rotate_secret(folder, kept)
        else:
            _rotate_link(folder, kept, name)


@app.command()
def retire(name: NameArgument, state: StateOption = DEFAULT_STATE) -> None:
    """End the old key after ``key rotate``."""
    folder = StateFolder(state)
    kept = folder.require()
    with folder.exclusive():
        if name == MIS.login:
            secrets = _secrets(folder, kept, CENTRAL)
            _write_hashes(secrets, _hashes(secrets)[-1:])
        else:
            _retire_link(folder, kept, name)
    typer.echo(f"✓ the old key of {name} is good no longer")


@app.command()
def people(file: Annotated[Path, typer.Argument(help="Where to put it: secrets/people.key of the centre.")]) -> None:
    """Make the key that second factors are encrypted with."""
    from cami.people.vault import new_key  # noqa: PLC0415

    if file.exists():
        raise Trouble(f"{file} is there", "without it second factors that are set up could not be read any more")
    write_private(file, new_key())
    typer.echo(f"✓ {file}")


def _rotate_link(folder: StateFolder, kept: Kept, mo: str) -> None:
    from cami.delivery.tokens import kid_of, read_public_keys  # noqa: PLC0415
    from cami_cli.keys import ensure_link_key  # noqa: PLC0415

    secrets, keys = _secrets(folder, kept, f"proxy-{mo}"), _keys(folder, kept)
    if len(read_public_keys(keys).get(mo, ())) > 1:
        raise Trouble(f"МО {mo} has two keys already", f"end the old one first: scripts/cami key retire {mo}")
    fresh, public = secrets / "link.key.next", keys / f".{mo}.next"
    ensure_link_key(fresh, public)
    # A name that Ed25519 itself gives; only whole files end in .pem, so the centre never reads half of one.
    key = _public_key(public)
    public.rename(keys / f"{mo}.{kid_of(key)}.pem")
    _wait_accepted(url(folder.server(CENTRAL, kept.ports[CENTRAL])), mo, fresh)
    fresh.replace(secrets / "link.key")
    typer.echo(f"✓ proxy-{mo} signs with {kid_of(key)}; the old key is good until: scripts/cami key retire {mo}")


def _public_key(file: Path) -> Ed25519PublicKey:
    key = load_pem_public_key(file.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise Trouble(f"{file} is no Ed25519 key", "remove it")
    return key


def _wait_accepted(central: str, mo: str, key: Path) -> None:
    """Wait until the centre knows a key; it looks at its folder by itself."""
    import requests  # noqa: PLC0415

    from cami.clock import SystemClock  # noqa: PLC0415
    from cami.delivery.tokens import HEADER, TokenIssuer  # noqa: PLC0415

    tokens = TokenIssuer(mo, key, SystemClock())
    end = time.monotonic() + _WAIT
    while time.monotonic() < end:
        try:
            answer = requests.get(f"{central}/cami/wire/v1/ping", headers={HEADER: tokens.issue()}, timeout=10)
        except requests.RequestException as error:
            raise Trouble("the centre does not answer", "start it, then do this again") from error
        if answer.status_code == 200:
            return
        time.sleep(0.3)
    raise Trouble("the centre does not take the new key", "its folder keys/ must be the one of this region")


def _retire_link(folder: StateFolder, kept: Kept, mo: str) -> None:
    from cami.clock import SystemClock  # noqa: PLC0415
    from cami.delivery.tokens import TokenIssuer, kid_of  # noqa: PLC0415

    secrets, keys = _secrets(folder, kept, f"proxy-{mo}"), _keys(folder, kept)
    used = TokenIssuer(mo, secrets / "link.key", SystemClock()).kid
    files = [keys / f"{mo}.pem", *keys.glob(f"{mo}.*.pem")]
    there = {path: kid_of(_public_key(path)) for path in files if path.exists()}
    if used not in there.values():
        raise Trouble(f"the centre does not know the key that proxy-{mo} uses", f"scripts/cami key rotate {mo}")
    current = next(path for path, kid in there.items() if kid == used)
    current.replace(keys / f"{mo}.pem")
    for path in there:
        if path not in (current, keys / f"{mo}.pem"):
            path.unlink()


def _rotate_secret(folder: StateFolder, kept: Kept) -> None:
    from cami.people.passwords import hash_password  # noqa: PLC0415

    secrets = _secrets(folder, kept, CENTRAL)
    known = _hashes(secrets) or [
        entry["password_hash"]
        for entry in json.loads((secrets / "accounts.json").read_text("utf-8"))
        if entry["login"] == MIS.login
    ]
    if len(known) > 1:
        raise Trouble("the MIS has two secrets already", "end the old one first: scripts/cami key retire mis")
    made = new_password()
    _write_hashes(secrets, [*known, hash_password(made)])
    kept.passwords[MIS.login] = made
    folder.save(kept)
    report = json.loads(folder.report.read_text("utf-8"))
    report["mis"]["client_secret"] = made
    write_private(folder.report, json.dumps(report, ensure_ascii=False, indent=1))
    typer.echo(f"✓ new secret of {MIS.login}: {made}\n  the old one is good until: scripts/cami key retire mis")


def _secrets(folder: StateFolder, kept: Kept, name: str) -> Path:
    if name not in kept.ports:
        raise Trouble(f"there is no server {name}", f"name one of {', '.join(kept.ports)}")
    return folder.server(name, kept.ports[name]).configuration / "secrets"


def _keys(folder: StateFolder, kept: Kept) -> Path:
    return folder.server(CENTRAL, kept.ports[CENTRAL]).configuration / "keys"


def _hashes(secrets: Path) -> list[str]:
    try:
        return list(json.loads((secrets / "clients.json").read_text("utf-8")).get(MIS.login, []))
    except FileNotFoundError:
        return []


def _write_hashes(secrets: Path, hashes: list[str]) -> None:
    write_private(secrets / "clients.json", json.dumps({MIS.login: hashes}))
