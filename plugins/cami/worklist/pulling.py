"""At a proxy: reads the worklist from the centre's feed while the line is there; without it, what is here serves."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cami.errands import Asking
from cami.errors import Denied, Invalid, NotFound, Transient
from cami.worklist.entries import Entries, Page
from cami.worklist.entry import Entry


class Pulling:
    """Reads the feed page by page."""

    def __init__(self, link: Asking, entries: Entries, expected: Callable[[Sequence[Entry]], None]) -> None:
        """Make it; `expected` hears of entries that are new, or have another day or patient."""
        self._link = link
        self._entries = entries
        self._expected = expected
        self.wake: Callable[[], None] = lambda: None

    def place(self) -> int:
        """Return how far the feed has been read."""
        return self._entries.place().place

    def news(self) -> None:
        """Hear that there is more."""
        self.wake()

    def step(self) -> bool:
        """Read a page; say whether there is more.

        Raises
        ------
        cami.errors.Transient
            The line is down.
        """
        at = self._entries.place()
        try:
            answer = self._link.ask("GET", f"/worklist?after={at.place}&epoch={at.epoch}")
            page = read_page(answer)
        except (Denied, Invalid) as error:
            raise Transient(str(error)) from error
        if not page.epoch:
            return False  # nothing was ever ordered for this МО
        fresh = self._entries.apply(page)
        if fresh:
            self._expected(fresh)
        return page.more

    def read_all(self) -> bool:
        """Read all pages there are; say whether the centre's release knows worklists at all."""
        try:
            while self.step():
                pass
        except NotFound:
            return False
        return True


def read_page(answer: Mapping[str, Any]) -> Page:
    """Read what the centre answers.

    Raises
    ------
    cami.errors.Invalid
        It is no page of a feed.
    """
    try:
        return Page(
            epoch=str(answer["epoch"]),
            anew=answer["anew"] is True,
            entries=[(int(place), Entry.parse(document)) for place, document in answer["entries"]],
            removed=[(int(place), str(number)) for place, number in answer["removed"]],
            last=int(answer["last"]),
            more=answer["more"] is True,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid("the centre's answer is no worklist: is something else at its address?") from error
