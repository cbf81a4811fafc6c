"""``scripts/cami hl7``: the other side of HL7 v2 for everyone who has no МИС at hand."""

import secrets
import threading
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import typer

from cami.hl7v2.message import Message
from cami.region import load_region
from cami_cli.errors import Trouble
from cami_cli.hl7 import examples
from cami_cli.hl7.check import Conformance
from cami_cli.hl7.client import MllpClient, Tls
from cami_cli.hl7.receiver import Receiver
from cami_cli.options import DEFAULT_REGISTRY, RegistryOption
from cami_cli.places import make_folder

app = typer.Typer(no_args_is_help=True, help="HL7 v2 over MLLP: send messages, be told, try an implementation.")

ToOption = Annotated[str, typer.Option("--to", help="host:port that listens.")]
TlsOption = Annotated[bool, typer.Option("--tls", help="Encrypt the connection.")]
CaOption = Annotated[Path | None, typer.Option("--ca", help="Certificates that the other side may show (PEM).")]
CertificateOption = Annotated[Path | None, typer.Option("--certificate", help="What we show (PEM with its key).")]
ApplicationOption = Annotated[str, typer.Option("--application", help="MSH-3.")]
FacilityOption = Annotated[str, typer.Option("--facility", help="MSH-4.")]
DeviceOption = Annotated[str, typer.Option("--device", help="AE title of the device (IPC-9).")]
Example = Literal["order", "change", "cancel", "merge"]


@app.command()
def send(
    *,
    files: Annotated[list[Path] | None, typer.Argument(help="Messages, one in each file.", show_default=False)] = None,
    example: Annotated[Example | None, typer.Option("--example", help="Send a message of an invented person.")] = None,
    number: Annotated[str, typer.Option("--number", help="The МИС's number of the order.")] = "",
    to: ToOption = "127.0.0.1:2575",
    tls: TlsOption = False,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    application: ApplicationOption = "KUZDRAV",
    facility: FacilityOption = "RB01",
    device: DeviceOption = "",
    region: RegistryOption = DEFAULT_REGISTRY,
) -> None:
    """Send messages on one connection and print the answers; the exit code tells whether all were AA or CA."""
    now = datetime.now(ZoneInfo(load_region(region).time_zone))
    messages = [each.read_bytes() for each in files or ()]
    if example:
        who = examples.Sender(application, facility, number=number or f"HL7-{secrets.token_hex(4)}", device=device)
        messages.append(_example(example, who, now))
    if not messages:
        raise Trouble("nothing to send", "name files, or --example order")
    refused = 0
    with _connected(to, Tls(ca, certificate) if tls else None) as line:
        for each in messages:
            answer = line.tell(each)
            refused += _verdict(answer) not in ("AA", "CA")
            typer.echo(_shown(answer))
    if refused:
        raise typer.Exit(1)


@app.command()
def listen(
    port: Annotated[int, typer.Option("--port", help="Where it listens, on this machine only.")] = 2576,
    folder: Annotated[Path | None, typer.Option("--folder", help="Keep the messages there, one in a file.")] = None,
    answer: Annotated[Literal["AA", "AE", "AR"], typer.Option("--answer", help="What is answered.")] = "AA",
) -> None:
    """Be a МИС that is told: print each message, answer it, until Ctrl-C."""
    kept = make_folder(folder) if folder else None
    lock = threading.Lock()
    count = 0

    def hear(data: bytes, message: Message | None) -> None:
        nonlocal count
        with lock:
            count += 1
            if kept:
                (kept / f"{count:06}.hl7").write_bytes(data)
            typer.echo("✗ not HL7" if message is None else _summary(message))

    receiver = Receiver(port, hear, answer)
    typer.echo(f"✓ HL7: 127.0.0.1:{receiver.port}")
    try:
        receiver.serve()
    except KeyboardInterrupt:
        pass
    finally:
        receiver.close()


@app.command()
def check(
    *,
    to: ToOption = "127.0.0.1:2575",
    tls: TlsOption = False,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    application: ApplicationOption = "KUZDRAV",
    facility: FacilityOption = "RB01",
    device: DeviceOption = "",
    region: RegistryOption = DEFAULT_REGISTRY,
) -> None:
    """Try a listener by the contract and report; it gets orders of an invented person."""
    zone = ZoneInfo(load_region(region).time_zone)
    host, port = _address(to)
    rules = Tls(ca, certificate) if tls else None
    who = examples.Sender(application, facility, device=device)
    findings = list(Conformance(lambda: MllpClient(host, port, rules), who, lambda: datetime.now(zone)).run())
    for finding in findings:
        typer.echo(f"{'✓' if finding.held else '✗'} {finding.rule}{': ' + finding.said if finding.said else ''}")
    failed = sum(not finding.held for finding in findings)
    typer.echo(f"{len(findings)} проверок, не пройдено: {failed}")
    if failed:
        raise typer.Exit(1)


def _example(kind: Example, who: examples.Sender, now: datetime) -> bytes:
    control = f"EX{secrets.token_hex(8)}"
    if kind == "merge":
        return examples.merge(who, control, now, "3300518")
    return examples.order(who, control, now, what={"order": "NW", "change": "XO", "cancel": "CA"}[kind])


def _connected(to: str, tls: Tls | None) -> MllpClient:
    return MllpClient(*_address(to), tls)


def _address(to: str) -> tuple[str, int]:
    host, _, port = to.rpartition(":")
    if not host or not port.isdecimal():
        raise Trouble(f"{to} is no address", "write host:port")
    return host, int(port)


def _verdict(answer: Message) -> str:
    msa = answer.first("MSA")
    return msa.text(1) if msa else ""


def _shown(answer: Message) -> str:
    errors = [f"  {each.text(5) or each.text(1, 4)} {each.text(8)}" for each in answer.segments if each.name == "ERR"]
    numbers = [f"  accession {each.text(3)}" for each in answer.segments if each.name == "ORC"]
    numbers += [f"  study {each.text(3)}" for each in answer.segments if each.name == "IPC"]
    return "\n".join([f"{_verdict(answer)} {'^'.join(answer.kind)}", *numbers, *errors])


def _summary(message: Message) -> str:
    orc = message.first("ORC")
    about = f" {orc.text(1)} {orc.text(5)} {orc.text(2)} {orc.text(3)}" if orc else ""
    return f"{message.control} {'^'.join(message.kind)}{about}"
