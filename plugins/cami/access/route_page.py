"""The route table as people read it, ``docs/routes.md``: made from the code, and a test holds both together."""

from cami.access.route_table import TABLE, Row, Rule

_NEEDS = {
    Rule.PUBLIC: "anyone",
    Rule.SELF: "the handler asks",
    Rule.SIGNED_IN: "a sign-in",
    Rule.SCOPED: "`studies:read`",
    Rule.RESOURCE: "`studies:read`",
    Rule.STORE: "`studies:store` or `documents:store`",
    Rule.OWN_JOB: "`studies:read`",
    Rule.FIGURES: "`metrics:read`",
    Rule.ADMIN_READ: "`archive:inspect`",
    Rule.NOBODY: "nobody",
}
_FOUND = {
    Rule.SCOPED: "the answer holds visible studies only",
    Rule.RESOURCE: "Orthanc id, at the level of the path, → study → owner or grant",
    Rule.STORE: "UIDs in the object → owner",
    Rule.OWN_JOB: "job → who started it, and its study",
}


def markdown() -> str:
    """Return the table as ``docs/routes.md`` shows it."""
    head = "| method | path | needs | how its resource is found | done | why |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(_line(row) for row in TABLE)])


def _line(row: Row) -> str:
    paths = "<br>".join(f"`{path}`".replace("|", "\\|") for path in row.paths)
    found = _FOUND.get(row.rule, "–")
    notes = [row.why] if row.why else []
    if row.arguments is not None and row.rule is not Rule.NOBODY:
        notes.append(f"arguments: {', '.join(f'`{name}`' for name in sorted(row.arguments)) or 'none'}")
    if row.body:
        notes.append(f"body up to {_size(row.body)}")
    if row.exports:
        notes.append("an export")
    return (
        f"| {' '.join(row.methods)} | {paths} | {_NEEDS[row.rule]} | {found} | {row.done.value} | {'; '.join(notes)} |"
    )


def _size(size: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size // 1024} KiB"
