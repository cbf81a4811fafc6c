"""How the text of one object is to be read: what the object declares, and what the registry knows of the device.

The order: what the registry says that the text *really* is in; what the object declares; and, where it declares
nothing, or where the bytes disprove the declaration (UTF-8 that is no UTF-8), what the registry says that the device
writes by default. Nothing beyond that is tried: text that fits none of these is marked as unreadable.
"""

from dataclasses import dataclass

from cami.coercion.charsets import ASCII, CharacterSet, character_set
from cami.region import CharacterSets


@dataclass(frozen=True, slots=True)
class Reading:
    """What a value says."""

    text: str
    as_declared: bool
    """Whether this is what any reader makes of it by the declaration."""
    readable: bool = True
    """False: U+FFFD stands in for what could not be read."""


class Reader:
    """Reads the text values of an object."""

    def __init__(self, declared: str, device: CharacterSets) -> None:
        """Make a reader; `declared` is Specific Character Set, empty when absent."""
        self.declared = character_set(declared)
        """None: no term that anybody knows."""
        self._override = character_set(device.override) if device.override else None
        self._default = character_set(device.default) or ASCII
        used = self._override or self.declared or self._default
        self.foreign = used.foreign
        """Whether the text is left alone."""

    def read(self, value: bytes) -> Reading:
        """Read a value."""
        declared = self._declared(value)
        if self._override is not None:
            return self._other(value, self._override, declared)
        if declared is not None:
            return Reading(declared, as_declared=True)
        return self._other(value, self._default, None)

    def as_declared(self, value: bytes) -> bool:
        """Return whether a value can be read by what the object declares."""
        return self._declared(value) is not None

    def _declared(self, value: bytes) -> str | None:
        if self.declared is None:
            return None
        try:
            return self.declared.decode(value)
        except UnicodeError:
            return None

    def _other(self, value: bytes, used: CharacterSet, declared: str | None) -> Reading:
        try:
            text = used.decode(value)
        except UnicodeError:
            return Reading(used.decode_leniently(value), as_declared=False, readable=False)
        return Reading(text, as_declared=text == declared)
