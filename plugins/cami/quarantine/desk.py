"""The quarantine desk: what people see of what lies there, and what they may decide (F-11).

Who may not see a thing is told that there is none. What objects say and show is for those who may see the МО's images;
others learn the reason, the counts, and which attributes differ, not what they say.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from cami.access import Action as Permission
from cami.access import Identity, allowed
from cami.archive import Archive
from cami.delivery.content import pixel_digest
from cami.delivery.quarantine import DAMAGED, OTHER_MO_STUDY
from cami.errors import Denied, Invalid, NotFound
from cami.quarantine.decisions import ACTIONS, NEW, SAME, Action, Decision, Decisions
from cami.quarantine.entries import Entry, Group, Register
from cami.quarantine.header import Difference, Header
from cami.quarantine.preview import LARGEST, preview
from cami.quarantine.sides import FoundStudy, Side
from cami.settings import Role as ServerRole

#: How long a reason may be.
LONGEST_REASON = 1000
#: Decisions that are listed.
MOST_DECISIONS = 300

_STATION_NAME = 0x00081010


@dataclass(frozen=True, slots=True)
class Shown:
    """A group with what its first entry says of itself."""

    group: Group
    header: Header
    device: str
    """AE title, else the station that the object names."""
    patient: bool
    """Whether the header may be shown."""


@dataclass(frozen=True, slots=True)
class Compared:
    """An entry beside what is stored under its identifiers."""

    entry: Entry
    header: Header
    stored: Header | None
    """None if nothing of this МО is stored there, or it cannot be seen from here."""
    differences: list[Difference]
    same_pixels: bool | None
    """None if that cannot be told."""


class QuarantineDesk:
    """The desk of one server."""

    def __init__(
        self,
        *,
        role: ServerRole,
        mo: str,
        archive: Archive,
        register: Register,
        decisions: Decisions,
        side: Side,
        wake: Callable[[], None],
    ) -> None:
        """Make a desk; `wake` is called when there is a decision to carry out."""
        self._role = role
        self._mo = mo
        self._archive = archive
        self._register = register
        self._decisions = decisions
        self._side = side
        self._wake = wake
        self._decoding = threading.Lock()

    def may_decide(self, identity: Identity) -> bool:
        """Return whether somebody may decide at all."""
        return allowed(identity.role, Permission.QUARANTINE_DECIDE, self._role)

    def sees_patients(self, identity: Identity) -> bool:
        """Return whether somebody may see what the objects say and show."""
        if not allowed(identity.role, Permission.STUDIES_READ, self._role):
            return False
        return bool(identity.mo) or allowed(identity.role, Permission.ARCHIVE_INSPECT, self._role)

    def groups(self, identity: Identity) -> list[Shown]:
        """List what waits for a decision and is somebody's to see.

        Raises
        ------
        cami.errors.Denied
            It is not for this role, or not for this МО.
        """
        return [self._shown(identity, group) for group in self._register.groups(self._scope(identity))]

    def group(self, identity: Identity, name: str) -> Shown:
        """Return a group by its id.

        Raises
        ------
        cami.errors.NotFound
            There is none that somebody may see.
        """
        return self._shown(identity, self._group(identity, name))

    def entry(self, identity: Identity, name: str, number: int) -> Entry:
        """Return an entry of a group by its number, from 1.

        Raises
        ------
        cami.errors.NotFound
            There is none that somebody may see.
        """
        entries = self._register.entries(self._group(identity, name))
        if not 1 <= number <= len(entries):
            raise NotFound("no such object in quarantine")
        return entries[number - 1]

    def compare(self, entry: Entry) -> Compared:
        """Set an entry beside what is stored under its identifiers; `entry` has passed `entry()`."""
        dicom = self._side.read(entry)
        held = b"" if dicom is None else self._side.put_right(entry, dicom)
        header = Header(held)
        other = self._side.stored(entry)
        if other is None:
            return Compared(entry, header, None, [], None)
        stored = Header(other)
        return Compared(entry, header, stored, header.differences(stored), self._same_pixels(held, other))

    def picture(self, identity: Identity, name: str, number: int, *, stored: bool) -> bytes | None:
        """Return a PNG of an entry, or of what is stored under its identifiers; None if there is nothing to see.

        Raises
        ------
        cami.errors.NotFound
            There is no such entry, or its pictures are not for somebody.
        """
        entry = self.entry(identity, name, number)
        if not self.sees_patients(identity):
            raise NotFound("no such object in quarantine")
        dicom = self._side.stored(entry) if stored else self._side.read(entry)
        if dicom is None or len(dicom) > LARGEST:
            return None
        with self._decoding:  # one at a time: a page must not take the processor from images
            plain = self._archive.in_plain(dicom)
            return preview(dicom if plain is None else plain)

    def studies(self, identity: Identity, name: str, words: str) -> list[FoundStudy]:
        """Find studies of the МО that a group's entries may be linked to.

        Raises
        ------
        cami.errors.NotFound
            There is no such group.
        """
        group = self._group(identity, name)
        return self._side.find_studies(group.source, words)

    def actions(self, group: Group) -> tuple[Action, ...]:
        """Return what may be decided; what was damaged and has been replaced is of no further use."""
        return ("reject",) if group.cause == DAMAGED.code else ACTIONS

    def targets(self, group: Group) -> tuple[str, ...]:
        """Return what a link may lead to without looking for a study."""
        return (NEW,) if group.cause == OTHER_MO_STUDY.code else (SAME, NEW)

    def decide(
        self, identity: Identity, name: str, action: str, reason: str, *, target: str = "", number: int | None = None
    ) -> int:
        """Record a decision on a group, or on one entry of it; return on how many entries.

        Raises
        ------
        cami.errors.Denied
            Somebody may not decide.
        cami.errors.NotFound
            There is no such group or entry.
        cami.errors.Invalid
            The action, its target or the reason is missing or wrong.
        """
        group = self._group(identity, name)
        if not self.may_decide(identity):
            raise Denied("not for this role")
        wanted = self._action(group, action)
        words = reason.strip()
        if not words or len(words) > LONGEST_REASON:
            raise Invalid("reason")
        where = self._target(group, target) if wanted == "link" else ""
        entries = self._register.entries(group) if number is None else [self.entry(identity, name, number)]
        recorded = self._decisions.add(identity, entries, wanted, where, words)
        self._wake()
        return recorded

    def decided(self, identity: Identity) -> list[Decision]:
        """List the latest decisions that are somebody's to see."""
        return self._decisions.latest(MOST_DECISIONS, source=self._scope(identity))

    def refusals(self, group: Group) -> list[Decision]:
        """List what could not be carried out of a group."""
        return self._decisions.refusals(group.study_uid, group.cause, group.source)

    def _scope(self, identity: Identity) -> str | None:
        """Return the source that somebody is limited to; None: all that is here."""
        if not allowed(identity.role, Permission.QUARANTINE_READ, self._role):
            raise Denied("not for this role")
        if self._role == "central":
            return identity.mo or None
        if identity.mo != self._mo and not allowed(identity.role, Permission.ARCHIVE_INSPECT, self._role):
            raise Denied("not for this МО")
        return None

    def _group(self, identity: Identity, name: str) -> Group:
        group = self._register.group(name, self._scope(identity))
        if group is None:
            raise NotFound("no such group in quarantine")
        return group

    def _shown(self, identity: Identity, group: Group) -> Shown:
        entries = self._register.entries(group)
        first = entries[0] if entries else None
        head = self._side.head(first) if first else b""
        header = Header(self._side.put_right(first, head) if first and head else head)
        device = (self._side.device(first) if first else "") or header.text(_STATION_NAME)
        return Shown(group, header, device, self.sees_patients(identity))

    def _action(self, group: Group, action: str) -> Action:
        for known in self.actions(group):
            if known == action:
                return known
        raise Invalid("action")

    def _target(self, group: Group, target: str) -> str:
        if target in self.targets(group):
            return target
        if target in (SAME, NEW) or not target or not self._side.owns(group.source, target):
            raise Invalid("target")
        return target

    def _same_pixels(self, held: bytes, stored: bytes) -> bool | None:
        ours, theirs = pixel_digest(held), pixel_digest(stored)
        if ours is None or theirs is None:
            return None
        if ours == theirs or ours.partition(":")[0] == theirs.partition(":")[0] == "native":
            return ours == theirs
        with self._decoding:
            plain = [pixel_digest(self._archive.in_plain(dicom) or dicom) for dicom in (held, stored)]
        if any(digest is None or not digest.startswith("native") for digest in plain):
            return None
        return plain[0] == plain[1]
