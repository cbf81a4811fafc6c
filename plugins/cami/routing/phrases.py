"""Conditions and actions in a line of English, for the command line and the JSON interface. Pages have their own."""

from cami.routing.rules import Actions, Condition


def say(condition: Condition) -> str:
    """Return a condition in words."""
    match condition.kind:
        case "all":
            return " and ".join(_in_brackets(inner) for inner in condition.all or ())
        case "any":
            return " or ".join(_in_brackets(inner) for inner in condition.any or ())
        case "not":
            return f"not ({say(condition.not_)})" if condition.not_ else ""
        case "tag":
            return f"{condition.tag} {_operator(condition)}"
        case kind:
            return _single(kind, condition)


def say_actions(then: Actions) -> str:
    """Return the actions of a rule in words."""
    parts = []
    if then.send_to:
        parts.append(f"send to {', '.join(then.send_to)}")
    if then.share_with:
        parts.append(f"share with МО {', '.join(then.share_with)}")
    if then.priority is not None:
        parts.append(f"class P{then.priority.value}")
    return "; ".join(parts)


def _in_brackets(condition: Condition) -> str:
    return f"({say(condition)})" if condition.kind in ("all", "any") else say(condition)


def _single(kind: str, condition: Condition) -> str:
    match kind:
        case "device":
            return f"device in {', '.join(condition.device or ())}"
        case "mo":
            return f"МО in {', '.join(condition.mo or ())}"
        case "priority":
            return f"class in {', '.join(f'P{entry.value}' for entry in condition.priority or ())}"
        case "age" if condition.age is not None:
            return f"age {condition.age.start} to {condition.age.end}"
        case "time" if condition.time is not None:
            days = f"{', '.join(condition.time.days)} " if condition.time.days else ""
            return f"received {days}{condition.time.start}-{condition.time.end}"
        case _:
            return "always"


def _operator(condition: Condition) -> str:
    if condition.exists is not None:
        return "is there" if condition.exists else "is not there"
    if condition.matches is not None:
        return f"matches {condition.matches}"
    if condition.equals is not None:
        return f"equals {condition.equals}"
    if condition.in_ is not None:
        return f"in {', '.join(condition.in_)}"
    bounds = [
        f"at least {condition.at_least}" if condition.at_least is not None else "",
        f"at most {condition.at_most}" if condition.at_most is not None else "",
    ]
    return " and ".join(bound for bound in bounds if bound)
