"""Forms as browsers send them: ``application/x-www-form-urlencoded``, small."""

from urllib.parse import parse_qs

from cami.web import Request

_LONGEST = 10_000


def lists(request: Request, longest: int = _LONGEST) -> dict[str, list[str]]:
    """Read a form of at most `longest` bytes, all values of each field; what is no such form has no fields."""
    if len(request.body) > longest:
        return {}
    try:
        return parse_qs(request.body.decode("utf-8"), keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return {}


def fields(request: Request, longest: int = _LONGEST) -> dict[str, str]:
    """Read a form of at most `longest` bytes, the first value of each field; what is no such form has no fields."""
    if len(request.body) > longest:
        return {}
    try:
        parsed = parse_qs(request.body.decode("utf-8"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in parsed.items()}


def unix(text: str) -> str:
    """Undo what browsers make of line ends in a form (HTML: newlines are sent as CR LF)."""
    return text.replace("\r\n", "\n")


def number(text: str) -> int:
    """Read a number of at most nine digits; anything else is 0."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
