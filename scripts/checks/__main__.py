"""``python -m checks [NAME…]``: run the checks, say of each how much it looked at, end with 1 if one has failed."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from checks import programs, texts
from checks.tree import Tree
from checks.verdict import Check, Verdict

CHECKS: dict[str, Check] = {
    "ruff": programs.ruff,
    "layout": programs.layout,
    "types": programs.types,
    "imports": programs.imports,
    "templates": programs.templates,
    "compiled": texts.compiled,
    "shell": programs.shell,
    "locks": texts.locks,
    "dependencies": texts.dependencies,
    "data": texts.data,
    "links": texts.links,
}


def main(names: Sequence[str]) -> int:
    """Run the named checks, or all of them."""
    if unknown := [name for name in names if name not in CHECKS]:
        sys.stderr.write(f"no such check: {', '.join(unknown)}; there are {', '.join(CHECKS)}\n")
        return 2
    tree = Tree(Path(__file__).resolve().parents[2])
    verdicts = [_told(name, CHECKS[name], tree) for name in names or CHECKS]
    failed = sum(not verdict.passed for verdict in verdicts)
    sys.stdout.write(f"{len(verdicts)} checks, {failed} failed\n")
    return 1 if failed else 0


def _told(name: str, check: Check, tree: Tree) -> Verdict:
    began = time.monotonic()
    try:
        verdict = check(tree)
    except Exception as error:  # noqa: BLE001 - a checker that breaks has failed; the others still have to run
        verdict = Verdict(0, problems=[f"it broke: {type(error).__name__}: {error}"])
    mark = "ok    " if verdict.passed else "FAILED"
    took = time.monotonic() - began
    sys.stdout.write(f"{mark} {name:<13} {verdict.looked_at:>4} {verdict.of} ({took:.1f} s)\n")
    for line in [] if verdict.passed else verdict.lines():
        sys.stdout.write(f"       {line}\n")
    sys.stdout.flush()
    return verdict


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
