"""A proxy renews its certificate by itself, over the line, long before the present one ends."""

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from cami.clock import Clock
from cami.enrolment.link_file import LinkFile
from cami.errors import Denied, Invalid, NotFound, Transient

log = logging.getLogger(__name__)

#: Seconds between two looks, and after a try that came to nothing.
LOOK, AGAIN = 3600.0, 600.0


class Asking(Protocol):
    """The line; `cami.delivery.CentralLink` is one."""

    def ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Make a small call."""
        ...


class Renewal:
    """Looks after the certificate of one proxy."""

    def __init__(self, mo: str, file: LinkFile, link: Asking, clock: Clock) -> None:
        self._mo = mo
        self._file = file
        self._link = link
        self._clock = clock

    def step(self) -> float:
        """Renew if it is time; return how long to wait."""
        certified = self._file.certified()
        if certified is None or not certified.due(self._clock.now()):
            return LOOK
        try:
            answer = self._link.ask("POST", "/certificate", {"request": self._file.request(self._mo)})
            self._file.accept(str(answer["certificate"]))
        except (Transient, Denied, NotFound, Invalid, KeyError) as error:
            log.warning("the certificate of the line is not renewed yet: %s", type(error).__name__)
            return AGAIN
        log.info("the certificate of the line is renewed")
        return LOOK
