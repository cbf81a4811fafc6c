"""A YAML document against a pydantic model: every mistake with its line and field, in words that say what to do."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cami.region.marks import Document, Place, Problem

_Model = TypeVar("_Model", bound=BaseModel)


def validate(model: type[_Model], document: Document, wanted: str) -> _Model | None:
    """Return the content of `document` as `model`; None, and every mistake reported in the document, if it is wrong.

    Parameters
    ----------
    wanted
        What to say of a document that has no fields at all.
    """
    if not isinstance(document.content, dict):
        document.report((), wanted)
        return None
    try:
        return model.model_validate(document.content)
    except ValidationError as error:
        seen: set[Place] = set()
        for detail in error.errors(include_url=False):
            place = _place_in_file(tuple(detail["loc"]), document)
            if place not in seen:  # the branches of a union report the same value each
                seen.add(place)
                document.report(place, _message(detail["type"], detail))
        return None


def where(problem: Problem) -> str:
    """Return the way to a value as people read it: ``rules[0].when``; empty for the whole document."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem.place).lstrip(".")


def describe(source: str, problem: Problem) -> str:
    """Return a line that says where in `source` something is wrong, and what."""
    place = where(problem)
    return f"{source}:{problem.line}: {place + ': ' if place else ''}{problem.message}"


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
