"""Checks of what no program checks for us: lock files, links between documents, JSON and YAML, templates."""

import json
import re
from pathlib import Path

import jinja2
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from checks.tree import Tree
from checks.verdict import Verdict

_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def locks(tree: Tree) -> Verdict:
    """Compare each ``requirements/*.in`` with its lock: every name locked, with hashes, the locks at one mind.

    Works without a network; ``make locks`` is what resolves them again.
    """
    sources = tree.named("*.in", under="requirements")
    problems: list[str] = []
    versions: dict[tuple[str, str], str] = {}
    for source in sources:
        locked = _locked(tree, source.with_suffix(".lock"), problems)
        problems += [f"{source}: {name} is not in its lock" for name in _asked(tree, source) if name not in locked]
        for name, pin in locked.items():
            other = versions.setdefault((name, pin.partition(" ;")[2]), pin)
            if other != pin:
                problems.append(f"{source.with_suffix('.lock')}: {pin}, but another lock has {other}")
    return Verdict(len(sources), "lists", problems)


def dependencies(tree: Tree) -> Verdict:
    """See that ``docs/dependencies.md`` says of each direct dependency why it is there, and of no other."""
    page = tree.text(Path("docs/dependencies.md"))
    told = {canonicalize_name(name) for name in re.findall(r"^\| `([\w.-]+)", page, re.MULTILINE)}
    sources = tree.named("*.in", under="requirements")
    asked = {name for source in sources for name in _own(tree, source)}
    problems = [f"docs/dependencies.md does not say why we have {name}" for name in sorted(asked - told)]
    problems += [f"docs/dependencies.md tells of {name}, which we do not have" for name in sorted(told - asked)]
    return Verdict(len(asked), "dependencies", problems)


def links(tree: Tree) -> Verdict:
    """See that each relative link in a Markdown file leads to a file or folder."""
    pages = tree.named("*.md")
    problems = [
        f"{page}: {target} leads nowhere"
        for page in pages
        for target in _LINK.findall(tree.text(page))
        if not (tree.root / page.parent / target).exists()
    ]
    return Verdict(len(pages), problems=problems)


def data(tree: Tree) -> Verdict:
    """Parse every JSON and YAML file."""
    files = tree.named("*.json", "*.yaml", "*.yml")
    problems = []
    for path in files:
        try:
            json.loads(tree.text(path)) if path.suffix == ".json" else list(yaml.safe_load_all(tree.text(path)))
        except (ValueError, yaml.YAMLError) as error:
            problems.append(f"{path}: {str(error).splitlines()[0]}")
    return Verdict(len(files), problems=problems)


def compiled(tree: Tree) -> Verdict:
    """Compile every template as the portal would; a filter that it does not know is a mistake here already."""
    from cami.portal.pages import environment  # noqa: PLC0415 - the checkers of documents do not need the portal

    pages = tree.named("*.html", "*.jinja", under="plugins")
    known = environment()
    problems = []
    for page in pages:
        try:
            known.compile(tree.text(page), str(page))
        except jinja2.TemplateError as error:
            problems.append(f"{page}: {error}")
    return Verdict(len(pages), "templates", problems)


def _own(tree: Tree, source: Path) -> list[str]:
    """Return the names that a list asks for itself."""
    lines = (line.partition("#")[0].strip() for line in tree.text(source).splitlines())
    return [canonicalize_name(Requirement(line).name) for line in lines if line and not line.startswith("-")]


def _asked(tree: Tree, source: Path) -> list[str]:
    """Return the names that a list asks for, with those of the lists that it includes (``-r``)."""
    included = re.findall(r"^-r\s+(\S+)", tree.text(source), re.MULTILINE)
    return _own(tree, source) + [name for one in included for name in _asked(tree, source.parent / one)]


def _locked(tree: Tree, lock: Path, problems: list[str]) -> dict[str, str]:
    """Return ``name → name==version ; marker`` of a lock, and note what is wrong with it."""
    if not (tree.root / lock).is_file():
        problems.append(f"{lock} is missing")
        return {}
    pins: dict[str, str] = {}
    for entry in filter(None, re.split(r"\n(?=\S)", tree.text(lock).strip())):
        pin, *hashes = (part.strip() for part in entry.replace("\\\n", "\n").splitlines())
        if not any(line.startswith("--hash=sha256:") for line in hashes):
            problems.append(f"{lock}: {pin} has no hash")
        pins[canonicalize_name(Requirement(pin).name)] = pin
    return pins
