"""When to send a manifest again that the centre could not answer yet, so that asking does not take the line."""

from datetime import datetime, timedelta

from cami.clock import Clock

SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(minutes=1)


class Asking:
    """Pauses by study, doubled each time. Forgotten when this server stops: it then asks once more."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pauses: dict[str, tuple[datetime, timedelta]] = {}

    def may_ask(self, study_id: str) -> bool:
        """Say whether it is time to ask of a study."""
        until, _ = self._pauses.get(study_id, (None, None))
        return until is None or self._clock.now() >= until

    def heard(self, study_id: str, *, pending: bool) -> None:
        """Note whether the centre could tell."""
        _, last = self._pauses.pop(study_id, (None, SHORTEST / 2))
        if pending:
            pause = min(last * 2, LONGEST)
            self._pauses[study_id] = (self._clock.now() + pause, pause)
