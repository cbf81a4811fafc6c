"""What a check says: how much it looked at, and what is wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from checks.tree import Tree


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check."""

    looked_at: int
    """How many files (templates, contracts) the check says that it looked at itself, never how many it was given."""
    of: str = "files"
    problems: Sequence[str] = field(default_factory=tuple)

    @property
    def passed(self) -> bool:
        """Tell whether nothing is wrong; a check that looked at nothing has failed."""
        return self.looked_at > 0 and not self.problems

    def lines(self) -> list[str]:
        """Return what to tell about a failure."""
        return [*self.problems] if self.looked_at else [*self.problems, f"it looked at no {self.of} at all"]


Check = Callable[[Tree], Verdict]
