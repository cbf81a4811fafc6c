"""What the demonstration checks of itself, with the accounts and over the interfaces that people have.

Each check judges facts in a pure function; `cami_cli.demo.witness` collects them from the running region.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cami_cli.demo.table import Row

#: How a server says that somebody may not see a thing, or that there is none: to a stranger both are the same.
HIDDEN = frozenset({403, 404})
UNKNOWN = frozenset({401, 403})
#: A new МО is a matter of minutes.
NEW_MO_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked."""

    title: str
    passed: bool
    detail: str = ""
    """What was found; of a failure, what is wrong."""


def check_delivery(rows: Sequence[Row]) -> Check:
    """Check that all instances of every study are at the centre, under the МО that sent them."""
    wrong = [
        f"{row.mo} {row.modality}: {row.at_proxy} at the proxy, {row.at_centre} at the centre of {row.sent}, "
        f"owner {row.owner or 'unknown'}{'' if row.complete is not None else ', not confirmed'}"
        for row in rows
        if not row.sent == row.at_proxy == row.at_centre or row.owner != row.mo or row.complete is None
    ]
    total = sum(row.at_centre for row in rows)
    return _check(
        "every instance is at the centre, under the МО that sent it",
        wrong,
        f"{total} instances of {len(rows)} studies",
        enough=bool(rows),
    )


def check_sight(who: str, ways: Mapping[str, Collection[str]], own: Collection[str]) -> Check:
    """Check that each way of searching shows a doctor exactly the studies of the own МО (`own`, study UIDs)."""
    wrong = []
    for way, seen in ways.items():
        missing, foreign = len(set(own) - set(seen)), len(set(seen) - set(own))
        if missing or foreign:
            wrong.append(f"{way}: {missing} missing, {foreign} of others")
    return _check(
        f"{who} sees exactly the studies of the own МО",
        wrong,
        f"{len(set(own))} studies by {', '.join(ways)}",
        enough=bool(own) and bool(ways),
    )


def check_shared_patient(seen: Mapping[str, Collection[str]], own: Mapping[str, Collection[str]]) -> Check:
    """Check that a search (`seen`, by МО) for a person studied at both МО shows each its own study alone."""
    wrong = [
        f"{mo}: {len(set(seen[mo]))} found, {len(set(own[mo]))} of its own"
        for mo in own
        if set(seen[mo]) != set(own[mo])
    ]
    return _check(
        "a patient of both МО: each finds its own study alone",
        wrong,
        f"by PatientID, at {' and '.join(own)}",
        enough=len(own) > 1 and all(own.values()),
    )


def check_answers(title: str, answers: Mapping[str, int], allowed: Collection[int]) -> Check:
    """Check that all answers (HTTP status by address) are among the allowed ones."""
    wrong = [f"{address} answered {status}" for address, status in answers.items() if status not in allowed]
    found = ", ".join(str(status) for status in sorted(set(answers.values())))
    return _check(title, wrong, f"{len(answers)} addresses: {found}", enough=bool(answers))


def check_names(read: Mapping[str, bool], misdeclared: int) -> Check:
    """Check that every study calls its patient by the right name (`read`, by study).

    Parameters
    ----------
    misdeclared
        Studies whose devices declare another character set than they write, or none.
    """
    wrong = [name for name, right in read.items() if not right]
    return _check(
        "names are readable at the centre, whatever character set the device declares",
        wrong,
        f"{len(read)} studies, {misdeclared} of them declared wrongly or not at all",
        enough=bool(read) and misdeclared > 0,
    )


def check_pixels(compared: Mapping[str, bool | None]) -> Check:
    """Check that the sampled objects have the pixels at the centre that lie on disk; None: could not be decoded."""
    wrong = [name for name, equal in compared.items() if equal is False]
    seen = sum(equal is not None for equal in compared.values())
    blind = len(compared) - seen
    return _check(
        "every pixel at the centre is what the devices sent",
        wrong,
        f"{seen} objects compared" + (f"; {blind} in JPEG-LS, which this Python cannot decode, not" if blind else ""),
        enough=bool(seen),
    )


def check_outage(sent: Sequence[str], there: Sequence[str], *, longest: int, confirmed: int) -> Check:
    """Check that what a device stored over a cut line is at the centre, all of it and once each.

    Parameters
    ----------
    sent, there
        SOP Instance UIDs that the device stored, and that the centre has, each as often as it has it.
    longest
        How many waited at the worst moment.
    confirmed
        How many the centre has confirmed to the proxy.
    """
    wrong = []
    if missing := set(sent) - set(there):
        wrong.append(f"{len(missing)} lost")
    if twice := len(there) - len(set(there)):
        wrong.append(f"{twice} twice")
    if strange := set(there) - set(sent):
        wrong.append(f"{len(strange)} that nobody sent")
    if confirmed != len(sent):
        wrong.append(f"{confirmed} of {len(sent)} confirmed")
    return _check(
        "the line was cut: all images arrived by themselves, nothing twice",
        wrong,
        f"{len(there)} images, up to {longest} waited",
        enough=bool(sent) and longest > 0,
    )


def check_new_mo(told: Sequence[str], *, sent: int, arrived: int, seconds: float) -> Check:
    """Check that an МО was installed from its bundle without a failure, and that what its device sent is at the centre.

    Parameters
    ----------
    told
        The lines of its installation, as ``install.sh`` marks them.
    """
    wrong = [line for line in told if line.startswith("✗")]
    if "✓ готово" not in told:
        wrong.append("the installation did not come to its end")
    if sent != arrived:
        wrong.append(f"{sent} images sent, {arrived} at the centre")
    if seconds > NEW_MO_SECONDS:
        wrong.append(f"{seconds:.0f} s")
    return _check(
        "a third МО was installed from its bundle, joined with a one-time code and delivers",
        wrong,
        f"{arrived} images at the centre {seconds:.0f} s after the first command",
        enough=bool(told) and sent > 0,
    )


def _check(title: str, wrong: Sequence[str], found: str, *, enough: bool) -> Check:
    """Fail on anything wrong, and on having looked at nothing."""
    if not enough:
        return Check(title, passed=False, detail="nothing was there to be checked")
    return Check(title, passed=not wrong, detail="; ".join(wrong[:4]) if wrong else found)
