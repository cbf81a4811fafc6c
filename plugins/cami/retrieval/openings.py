"""Who opens which study: heard at the gate, acted upon by a thread of its own.

A viewer asks for dozens of things; what counts is that somebody has opened a study, once a minute. Noting costs the
request a look into a dictionary.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cami.access import Identity
from cami.clock import Clock
from cami.errors import CamiError

#: How long an opening counts as the same one.
SAME_OPENING = timedelta(minutes=1)
#: How many may wait to be acted upon; more are passed over.
_MOST = 1000
#: WADO-RS and what a viewer asks by QIDO-RS below a study; a list of studies is no opening.
_DICOMWEB = re.compile(r"/dicom-web/studies/([0-9.]{1,64})/.+")


@dataclass(frozen=True, slots=True)
class Opening:
    """Somebody has opened a study."""

    identity: Identity
    study_uid: str


class Openings:
    """Collects openings. Thread-safe: each operation on its containers is one step of the interpreter."""

    def __init__(
        self,
        identify: Callable[[Mapping[str, str]], Identity | None],
        act: Callable[[Opening], object],
        clock: Clock,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """Make it.

        Parameters
        ----------
        identify
            Tells who sent a request with these headers.
        act
            What is to be done about an opening.
        clock
            The clock.
        wake
            Called when there is something to act upon.
        """
        self._identify = identify
        self._act = act
        self._clock = clock
        self.wake = wake
        self._noted: dict[tuple[str, str], datetime] = {}
        self._waiting: dict[Opening, None] = {}

    def note(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Note a request that was let in."""
        found = _DICOMWEB.fullmatch(path) if method == "GET" else None
        if found is None or len(self._waiting) >= _MOST:
            return
        identity = self._identify(headers)
        if identity is None:
            return
        now = self._clock.now()
        key = (identity.login, found.group(1))
        before = self._noted.get(key)
        if before is not None and timedelta() <= now - before < SAME_OPENING:
            return
        self._noted[key] = now
        self._waiting[Opening(identity, found.group(1))] = None
        self.wake()

    def act(self) -> int:
        """Act upon what was noted; return how many openings that were."""
        now = self._clock.now()
        for key in [key for key, noted in list(self._noted.items()) if not timedelta() <= now - noted < SAME_OPENING]:
            self._noted.pop(key, None)
        done = 0
        while self._waiting:
            opening, _ = self._waiting.popitem()
            try:
                self._act(opening)
            except CamiError:
                self._noted.pop((opening.identity.login, opening.study_uid), None)  # the viewer's next request counts
                raise
            done += 1
        return done
