"""The rules that a server has made, with all that they ever were: who changed them, when and why.

A proxy has those of its МО, the centre those that it has made for all of them.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, insert, select

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import routing_version
from cami.errors import Conflict, Invalid, NotFound
from cami.routing.reading import InvalidRules, Reads
from cami.routing.rules import RuleSet

#: Characters of a reason.
LONGEST_WHY = 1000


@dataclass(frozen=True, slots=True)
class Version:
    """One state of the rules."""

    version: int
    content: str
    why: str
    made_by: str
    made_at: datetime
    restored: int | None
    """The version whose content this is again."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The rules that hold now."""

    version: int
    """0: nobody has made any."""
    rules: RuleSet
    trouble: str = ""
    """Why the last version does not hold any more: the registry has lost what it names."""


class Versions:
    """The table ``routing_version``: rows are added, never changed."""

    def __init__(self, engine: Engine, clock: Clock, known: Reads) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._known = known
        self._read: InForce | None = None

    def in_force(self) -> InForce:
        """Return the rules that hold now.

        Rules that name a destination which the registry has lost do not hold: a part of them could mean something else
        than the whole. Images go to the centre all the same.
        """
        latest = self.latest()
        if latest is None:
            return InForce(0, RuleSet())
        read = self._read
        if read is None or read.version != latest.version:  # a version never changes
            read = self._read = _read(latest, self._known)
        return read

    def latest(self) -> Version | None:
        """Return the last version, or None if there is none."""
        with self._reader.connect() as connection:
            row = connection.execute(select(routing_version).order_by(routing_version.c.version.desc())).first()
        return None if row is None else Version(**row._mapping)  # noqa: SLF001 - its public name

    def get(self, number: int) -> Version:
        """Return a version.

        Raises
        ------
        cami.errors.NotFound
            There is no such version.
        """
        with self._reader.connect() as connection:
            row = connection.execute(select(routing_version).where(routing_version.c.version == number)).first()
        if row is None:
            raise NotFound(f"there is no version {number} of the rules")
        return Version(**row._mapping)  # noqa: SLF001 - its public name

    def history(self) -> Sequence[Version]:
        """Return all versions, the last one first."""
        with self._reader.connect() as connection:
            rows = connection.execute(select(routing_version).order_by(routing_version.c.version.desc())).all()
        return [Version(**row._mapping) for row in rows]  # noqa: SLF001 - its public name

    def draft(self, content: str) -> RuleSet:
        """Read rules that are not in force.

        Raises
        ------
        cami.routing.reading.InvalidRules
            They are wrong.
        """
        return self._known.read(content)

    def add(self, content: str, *, base: int, why: str, who: str, restored: int | None = None) -> int:
        """Put rules into force and return their version.

        Parameters
        ----------
        base
            The version that the change was made from.
        why
            In a sentence, for whoever reads the history.
        who
            Login of who changed them.

        Raises
        ------
        cami.routing.reading.InvalidRules
            They are wrong.
        cami.errors.Invalid
            The reason is missing or too long.
        cami.errors.Conflict
            Somebody else has changed them since `base`.
        """
        self._known.read(content)
        why = why.strip()
        if not why or len(why) > LONGEST_WHY:
            raise Invalid(f"say why, in at most {LONGEST_WHY} characters")
        with self._engine.begin() as connection:
            latest = connection.scalar(select(func.max(routing_version.c.version))) or 0
            if latest != base:
                raise Conflict(f"the rules are now version {latest}, the change was made from version {base}")
            row = {"version": latest + 1, "content": content, "why": why, "made_by": who, "restored": restored}
            connection.execute(insert(routing_version).values(made_at=self._clock.now(), **row))
        return latest + 1

    def restore(self, number: int, *, base: int, why: str, who: str) -> int:
        """Put an earlier version into force again, as a new one; raises what `get` and `add` do."""
        return self.add(self.get(number).content, base=base, why=why, who=who, restored=number)

    def changes(self, number: int) -> Sequence[str]:
        """Return what a version changed of the one before it, as a unified diff; raises what `get` does."""
        after = self.get(number).content
        before = self.get(number - 1).content if number > 1 else ""
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
        return [line for line in lines if not line.startswith(("---", "+++"))]


def _read(version: Version, known: Reads) -> InForce:
    try:
        return InForce(version.version, known.read(version.content))
    except InvalidRules as error:
        return InForce(version.version, RuleSet(), str(error))
