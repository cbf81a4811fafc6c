"""Reading ``region.yaml``: all that is wrong with it at once, each with file, line and field."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cami.errors import Invalid
from cami.region.consistency import check_consistency
from cami.region.marks import Document, Place, Problem, read_yaml
from cami.region.model import Region

_MAX_BYTES = 8 * 1024 * 1024


def load_region(path: Path) -> Region:
    """Read and check the registry.

    Raises
    ------
    cami.errors.Invalid
        It cannot be read or is wrong; the message has one line a problem.
    """
    document = read_yaml(_text(path))
    region = None
    if not document.problems:
        region = _validate(document)
        check_consistency(document)
    if document.problems or region is None:
        problems = sorted(document.problems, key=lambda problem: problem.line)
        raise Invalid("\n".join(_describe(path, problem) for problem in problems))
    return region


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise Invalid(f"{path}: larger than {_MAX_BYTES >> 20} MiB, this is no registry of a region")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{path}: byte {error.start} is not UTF-8: save the file in UTF-8") from error


def _validate(document: Document) -> Region | None:
    if not isinstance(document.content, dict):
        document.report((), "the registry must have fields: name, time_zone, centre, organizations, accounts")
        return None
    try:
        return Region.model_validate(document.content)
    except ValidationError as error:
        seen: set[Place] = set()
        for detail in error.errors(include_url=False):
            place = _place_in_file(tuple(detail["loc"]), document)
            if place not in seen:  # the branches of a union report the same value each
                seen.add(place)
                document.report(place, _message(detail["type"], detail))
        return None


def _place_in_file(place: Place, document: Document) -> Place:
    """Drop what pydantic adds behind a field's name (the branch of a union)."""
    known = place
    while known and known not in document.lines:
        known = known[:-1]
    rest = place[len(known) :]
    return place if len(rest) == 1 and _is_container(document, known) else known


def _is_container(document: Document, place: Place) -> bool:
    value = document.content
    for step in place:
        value = value[step]
    return isinstance(value, (dict, list))


def _message(kind: str, detail: Any) -> str:
    given = detail.get("input")
    context: dict[str, Any] = detail.get("ctx", {})
    writers: dict[str, Callable[[], str]] = {
        "missing": lambda: "is missing: add it",
        "extra_forbidden": lambda: "there is no such field: check its spelling or remove it",
        "value_error": lambda: str(context.get("error", detail["msg"])),
        "literal_error": lambda: f'"{given}" is not possible: write one of {context.get("expected")}',
        "float_parsing": lambda: f'"{given}" is no number: write it as 2 or 0.5',
        "int_parsing": lambda: f'"{given}" is no whole number',
        "bool_parsing": lambda: f'"{given}" is neither true nor false',
    }
    if given is None and kind not in ("missing", "extra_forbidden"):
        return "is empty: write a value or remove the field"
    if kind in writers:
        return writers[kind]()
    return str(detail["msg"])


def _describe(path: Path, problem: Problem) -> str:
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem.place).lstrip(".")
    return (
        f"{path}:{problem.line}: {where}: {problem.message}" if where else f"{path}:{problem.line}: {problem.message}"
    )
