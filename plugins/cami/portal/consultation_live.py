"""What a page of consultations needs to keep itself up to date (``static/live.js``, ``static/bell.js``)."""

from dataclasses import dataclass

from cami.access import Identity
from cami.consultations import parts
from cami.consultations.beats import Beat
from cami.web import answer_json

#: Milliseconds between two questions. Whoever hands requests out sees a new one within 2 s, so they ask each second.
_DISPATCHER, _OTHERS = 1000, 2000


@dataclass(frozen=True, slots=True)
class Live:
    """Attributes of the element that is kept up to date."""

    every: int
    beat: str
    """What the pulse answers as long as nothing has changed."""
    newest: int


def live_of(beat: Beat, identity: Identity) -> Live:
    """Return them for somebody."""
    every = _DISPATCHER if parts.dispatches(identity) else _OTHERS
    return Live(every, answer_json(beat.as_json()).body.decode(), beat.notice)
