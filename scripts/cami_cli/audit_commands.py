"""``scripts/cami audit``: is the journal whole, and the journal for others. Reads databases, of running servers too."""

import getpass
import json
import re
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cami_cli.errors import Trouble
from cami_cli.options import DEFAULT_STATE, StateOption

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from cami.audit.chain import Head
    from cami.audit.verify import Finding

app = typer.Typer(no_args_is_help=True, help="The journal of accesses: who did what with whose data.")

#: What `verify` ends with when a journal is not whole; 1 is for what could not be looked at.
NOT_WHOLE = 2
#: A line of a server's log, or three words: whose chain, number, hash.
_HEAD = re.compile(r"(?:journal of )?([a-z0-9-]+)(?:: record | )(\d+)(?: has the hash | )([0-9a-f]{64})")
#: Where the container and the sandbox have what lies in a server's folder of data.
_INSIDE = "/var/lib/cami/"

DatabaseOption = Annotated[
    str, typer.Option("--database", help="A database file or SQLAlchemy URL instead of the region's servers.")
]


@app.command()
def verify(
    state: StateOption = DEFAULT_STATE,
    database: DatabaseOption = "",
    archive: Annotated[Path | None, typer.Option("--archive", help="Folder of the parts that were put away.")] = None,
    heads: Annotated[
        Path | None, typer.Option("--heads", help="Ends that others have noted: a server's log, or lines of words.")
    ] = None,
) -> None:
    """Look at every record: was one changed, removed, moved, put in? Ends with 2 if the journal is not whole."""
    from cami.audit.archiving import verify_archive  # noqa: PLC0415
    from cami.audit.verify import verify as look  # noqa: PLC0415

    noted = _heads(heads)
    faults: list[tuple[str, Finding]] = []
    opened = list(_databases(state, database, archive))
    # Before anything is looked at: a running server's chain goes on.
    known = [*noted, *(head for name, engine, _ in opened for head in _told(name, engine))]
    for name, engine, folder in opened:
        own = _own(engine)
        report = look(engine, [head for head in known if head.server in own])
        for chain in report.chains:
            typer.echo(
                f"{name}: {chain.server}: {chain.records} records, {chain.first} to {chain.end.seq}, "
                f"ends with {chain.end.hash}"
            )
        faults += [(name, finding) for finding in (*report.findings, *verify_archive(engine, folder))]
        engine.dispose()
    for name, finding in faults:
        many = f" to {finding.last}" if finding.last > finding.seq else ""
        typer.echo(f"✗ {name}: {finding.server}: record {finding.seq}{many}: {finding.fault}", err=True)
    if faults:
        raise typer.Exit(NOT_WHOLE)
    typer.echo("✓ the journal is whole")


@app.command()
def export(  # noqa: PLR0917 - a command's options are its arguments
    state: StateOption = DEFAULT_STATE,
    database: DatabaseOption = "",
    form: Annotated[Literal["csv", "jsonl", "xml"], typer.Option("--format", help="A table, lines, messages.")] = "csv",
    output: Annotated[Path | None, typer.Option("--output", help="A file; else it is printed.")] = None,
    actor: Annotated[str, typer.Option("--actor", help="Login, or name of a machine.")] = "",
    study: Annotated[str, typer.Option("--study", help="Study Instance UID.")] = "",
    since: Annotated[str, typer.Option("--since", help="First day, YYYY-MM-DD.")] = "",
    until: Annotated[str, typer.Option("--until", help="Last day, YYYY-MM-DD.")] = "",
) -> None:
    """Write the journal of the centre, which has those of all proxies; newest first."""
    from cami.audit import export as forms  # noqa: PLC0415
    from cami.audit.search import JournalReader, Question  # noqa: PLC0415
    from cami.clock import REGION_ZONE  # noqa: PLC0415

    name, engine, _ = next(_databases(state, database, None))
    first, last = _day(since), _day(until)
    question = Question(
        actor=actor,
        study_uid=study,
        since=datetime.combine(first, time(), REGION_ZONE) if first else None,
        until=datetime.combine(last + timedelta(days=1), time(), REGION_ZONE) if last else None,
    )
    if not database:
        _record(engine, name, question.plain | {"format": form})
    records = JournalReader(engine).every(question)
    lines = forms.csv_lines(records, REGION_ZONE)
    if form != "csv":
        lines = forms.json_lines(records) if form == "jsonl" else forms.xml_lines(records)
    if output is None:
        sys.stdout.writelines(lines)
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)
    typer.echo(f"✓ {output}")


def _databases(state: Path, database: str, archive: Path | None) -> Iterator[tuple[str, "Engine", Path]]:
    """Yield name, database and folder of what was put away: of one database, or of every server of a region."""
    from cami.db import open_engine  # noqa: PLC0415

    if database:
        url = database if "://" in database else f"sqlite:///{Path(database).resolve()}"
        beside = Path(database).resolve().parent / "audit" if "://" not in database else Path("audit")
        if "://" not in database and not Path(database).is_file():
            raise Trouble(f"there is no database {database}", "name a file or a SQLAlchemy URL")
        yield "database", open_engine(url), archive or beside
        return
    folders = sorted((state / "servers").glob("*/config/orthanc.json"))
    if not folders:
        raise Trouble(f"there is no region in {state}", "start one: scripts/cami region up, or name --database")
    for path in folders:
        server = path.parent.parent
        settings = json.loads(path.read_text("utf-8"))["Cami"]
        url = str(settings["Database"]).replace(_INSIDE, f"{(server / 'data').resolve()}/")
        yield server.name, open_engine(url), server / "data" / "audit"


def _told(name: str, engine: "Engine") -> list["Head"]:
    """Return the ends of other servers' chains that a server has: of the centre's, or of the proxies'."""
    from sqlalchemy import select  # noqa: PLC0415

    from cami.audit.chain import Head  # noqa: PLC0415
    from cami.db.tables import audit_anchor, audit_head  # noqa: PLC0415

    with engine.connect() as connection:
        rows = [*connection.execute(select(audit_anchor)), *connection.execute(select(audit_head))]
    return [Head(row.server, row.seq, row.hash) for row in rows if row.seq and row.server != name]


def _own(engine: "Engine") -> set[str]:
    from cami.audit.chain import servers  # noqa: PLC0415

    with engine.connect() as connection:
        return set(servers(connection))


def _heads(path: Path | None) -> list["Head"]:
    from cami.audit.chain import Head  # noqa: PLC0415

    if path is None:
        return []
    found = _HEAD.findall(path.read_text("utf-8", errors="replace"))
    if not found:
        raise Trouble(f"{path} notes no end of a journal", "give a server's log, or lines: server number hash")
    return [Head(server, int(seq), digest) for server, seq, digest in found]


def _record(engine: "Engine", server: str, details: dict[str, str]) -> None:
    """Record that the journal is read here: by whoever has this machine."""
    from cami.audit import AuditEvent, AuditTrail, Kind  # noqa: PLC0415
    from cami.clock import SystemClock  # noqa: PLC0415

    trail = AuditTrail(engine, SystemClock(), server)
    trail.record(AuditEvent(Kind.JOURNAL, f"host:{getpass.getuser()}", "host", details=details))
    trail.close()


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Trouble(f"{text} is no day", "write it as 2026-11-28") from None
