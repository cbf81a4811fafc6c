"""What is wrong with a proxy, and how badly: one pure function. Its codes have words in `cami.portal.fleet_wording`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cami.delivery.disk import DiskState
from cami.fleet.vitals import Vitals


class Level(StrEnum):
    """How badly."""

    YELLOW = "yellow"
    """Somebody should look today."""
    RED = "red"
    """Images do not come, or will not."""


class Reason(StrEnum):
    """What is wrong."""

    SILENT = "silent"
    """Nothing was heard for too long: line, power or server."""
    NEVER = "never"
    """It has joined or is invited, and was not heard yet."""
    WAITING = "waiting"
    """Images that do not wait for the night wait too long."""
    TROUBLED = "troubled"
    """Images were refused by the centre, or are lost."""
    DISK = "disk"
    CLOCK = "clock"
    CERTIFICATE = "certificate"
    """It ends soon and was not renewed by itself."""
    DEVICE = "device"
    """A device does not answer C-ECHO."""
    VERSION = "version"
    """Its release is further from the centre's than one minor version."""


#: A heartbeat comes each minute.
SILENT_WARNS, SILENT_ALARMS = timedelta(minutes=3), timedelta(minutes=10)
WAITS_WARNS, WAITS_ALARMS = timedelta(hours=1), timedelta(hours=6)
SKEW_WARNS, SKEW_ALARMS = timedelta(seconds=5), timedelta(seconds=45)
#: A certificate is renewed when 120 days are left.
ENDS_WARNS, ENDS_ALARMS = timedelta(days=60), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    reason: Reason
    level: Level
    detail: str = ""
    """A figure or a code that says more."""


def judge(vitals: Vitals | None, heard_at: datetime | None, now: datetime, version: str) -> list[Finding]:
    """Return what is wrong with a proxy, the worst first.

    Parameters
    ----------
    vitals, heard_at
        Its last word, and when the centre heard it; None: never.
    version
        The centre's.
    """
    if vitals is None or heard_at is None:
        return [Finding(Reason.NEVER, Level.YELLOW)]
    found = [*_line(heard_at, now), *_images(vitals, now), *_machine(vitals, heard_at, now, version)]
    return sorted(found, key=lambda finding: finding.level is Level.YELLOW)


def _line(heard_at: datetime, now: datetime) -> Iterator[Finding]:
    silent = now - heard_at
    if silent >= SILENT_WARNS:
        yield Finding(Reason.SILENT, Level.RED if silent >= SILENT_ALARMS else Level.YELLOW)


def _images(vitals: Vitals, now: datetime) -> Iterator[Finding]:
    if vitals.oldest_urgent is not None:
        waits = now - vitals.oldest_urgent
        if waits >= WAITS_WARNS:
            yield Finding(Reason.WAITING, Level.RED if waits >= WAITS_ALARMS else Level.YELLOW, str(vitals.waiting))
    if vitals.troubled:
        yield Finding(Reason.TROUBLED, Level.YELLOW, str(vitals.troubled))
    silent = [device.aet for device in vitals.devices if device.answers is False]
    if silent:
        yield Finding(Reason.DEVICE, Level.YELLOW, ", ".join(silent)[:200])


def _machine(vitals: Vitals, heard_at: datetime, now: datetime, version: str) -> Iterator[Finding]:
    if vitals.disk_state != DiskState.WELL:
        level = Level.RED if vitals.disk_state == DiskState.FULL else Level.YELLOW
        yield Finding(Reason.DISK, level, str(vitals.disk_free))
    skew = abs(vitals.at - heard_at)
    if skew >= SKEW_WARNS:
        level = Level.RED if skew >= SKEW_ALARMS else Level.YELLOW
        yield Finding(Reason.CLOCK, level, str(round(skew.total_seconds())))
    if vitals.certificate_until is not None:
        left = vitals.certificate_until - now
        if left <= ENDS_WARNS:
            yield Finding(Reason.CERTIFICATE, Level.RED if left <= ENDS_ALARMS else Level.YELLOW, str(left.days))
    if _apart(vitals.version, version):
        yield Finding(Reason.VERSION, Level.YELLOW, vitals.version)


def _apart(one: str, other: str) -> bool:
    """Say whether two releases are further apart than one minor version."""
    try:
        (major, minor), (other_major, other_minor) = (tuple(map(int, each.split(".")[:2])) for each in (one, other))
    except ValueError:
        return one != other
    return major != other_major or abs(minor - other_minor) > 1
