"""Checks made by programs: ruff, mypy, import-linter, djlint, shellcheck. Each one's own count is read and compared."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from checks.tree import Tree
from checks.verdict import Verdict

#: Written by Alembic, not by us (pyproject.toml excludes them too).
_GENERATED = "plugins/cami/db/migrations/versions"

#: What import-linter draws above its answer, and the space around it.
_BANNER = " ╔╗╚╝═║╣╠╦╩╬│└┘─▶◀▲┐"

#: Strictly typed: everything that ships. Tests are linted, and typed as far as their authors like.
_TYPED = ("plugins", "scripts")


def ruff(tree: Tree) -> Verdict:
    """Lint every Python file."""
    shown = _run(tree, "ruff", "check", "--show-files")
    seen = {Path(line).resolve().relative_to(tree.root) for line in shown.stdout.splitlines() if line.endswith(".py")}
    missed = [f"not looked at: {path}" for path in _python(tree) if path not in seen]
    answer = _run(tree, "ruff", "check", "--quiet", "--output-format=concise")
    return Verdict(len(seen), problems=missed + _complaints(answer))


def layout(tree: Tree) -> Verdict:
    """Compare every Python file with how ruff would lay it out."""
    answer = _run(tree, "ruff", "format", "--check")
    seen = _count(r"(\d+) files? (?:already formatted|would be left unchanged)", answer.stdout)
    return Verdict(seen + _count(r"(\d+) files? would be reformatted", answer.stdout), problems=_complaints(answer))


def types(tree: Tree) -> Verdict:
    """Check the types of all that ships, strictly."""
    answer = _run(tree, "mypy")
    seen = _count(r"in (\d+) source files?$|checked (\d+) source files?", answer.stdout)
    expected = len([path for path in tree.named("*.py") if path.parts[0] in _TYPED])
    problems = _complaints(answer)
    if not problems and seen < expected:
        problems = [f"mypy looked at {seen} of {expected} files: name the missing packages in pyproject.toml"]
    return Verdict(seen, problems=problems)


def imports(tree: Tree) -> Verdict:
    """Hold the import contracts of pyproject.toml (docs/architecture.md §2)."""
    answer = _run(tree, "lint-imports", "--no-cache", PYTHONPATH="plugins:scripts")
    files = _count(r"Analyzed (\d+) files", answer.stdout)
    kept = _count(r"Contracts: (\d+) kept", answer.stdout)
    problems = _complaints(answer)
    if not problems and not kept:
        problems = ["no contract was checked"]
    return Verdict(files, problems=problems)


def templates(tree: Tree) -> Verdict:
    """Lint the HTML templates."""
    pages = tree.named("*.html", "*.jinja", under="plugins")
    if not pages:
        return Verdict(0, "templates")
    answer = _run(tree, "djlint", "--lint", *map(str, pages))
    return Verdict(_count(r"Linted (\d+) files?", answer.stdout + answer.stderr), "templates", _complaints(answer))


def shell(tree: Tree) -> Verdict:
    """Check the shell scripts."""
    scripts = tree.shell_scripts()
    if not scripts:
        return Verdict(0, "scripts")
    answer = _run(tree, "shellcheck", "--external-sources", *map(str, scripts))
    return Verdict(len(scripts), "scripts", _complaints(answer))


def _python(tree: Tree) -> list[Path]:
    return [path for path in tree.named("*.py") if not path.is_relative_to(_GENERATED)]


def _run(tree: Tree, program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment that this Python belongs to, in the root of the tree."""
    return subprocess.run(
        [str(Path(sys.executable).parent / program), *arguments],
        cwd=tree.root,
        env={**os.environ, "NO_COLOR": "1", **environment},
        check=False,
        capture_output=True,
        text=True,
    )


def _complaints(answer: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what a program printed, if it was not content."""
    if not answer.returncode:
        return []
    said = [line for line in (answer.stdout + answer.stderr).splitlines() if line.strip(_BANNER)]
    return said or [f"exit code {answer.returncode} without a word"]


def _count(pattern: str, text: str) -> int:
    """Return the first number that a program's summary gives, 0 if it gives none."""
    found: Sequence[str] = next(iter(re.findall(pattern, text, re.MULTILINE)), "0")
    return int(found if isinstance(found, str) else next(filter(None, found)))
