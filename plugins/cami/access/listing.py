"""The arguments that Orthanc's lists take in their query string, as a body of ``/tools/find``."""

from collections.abc import Mapping
from typing import Any

from cami.errors import Invalid


def paging(query: Mapping[str, str]) -> dict[str, int]:
    """Return ``Since`` and ``Limit``; Orthanc takes both or none.

    Raises
    ------
    cami.errors.Invalid
        One is missing or no number.
    """
    if "since" not in query and "limit" not in query:
        return {}
    since, limit = query.get("since", ""), query.get("limit", "")
    if not (since.isdecimal() and since.isascii() and limit.isdecimal() and limit.isascii()):
        raise Invalid("since and limit are given together, as numbers")
    return {"Since": int(since), "Limit": int(limit)}


def formats(query: Mapping[str, str], *, expand: bool | None = None) -> dict[str, Any]:
    """Return ``Expand``, ``Full`` and ``Short``; `expand` decides when the path does, not the argument."""
    wanted = _flag(query, "expand") if expand is None else expand
    return {"Expand": wanted, "Full": _flag(query, "full"), "Short": _flag(query, "short")}


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "false") not in ("false", "0")
