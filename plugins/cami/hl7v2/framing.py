"""MLLP: messages in a stream of bytes, ``<VT> message <FS><CR>`` (HL7 v2.5.1, Implementation Guide, appendix C)."""

from cami.errors import Invalid

START, END = b"\x0b", b"\x1c"
_BETWEEN = b"\r\n\t \0"


class Broken(Invalid):
    """The stream is no MLLP, or a message in it is too long: the connection cannot go on."""


def framed(message: bytes) -> bytes:
    """Return a message as it goes over the line."""
    return START + message + END + b"\r"


class Framing:
    """Cuts a stream into messages. For one connection and one thread."""

    def __init__(self, longest: int) -> None:
        """Make it; a message may have `longest` bytes."""
        self._longest = longest
        self._parts: list[bytes] = []
        self._length = 0
        self._inside = False
        self.halves = 0
        """Messages that were begun and never ended: another began instead."""

    @property
    def half(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._inside

    def feed(self, data: bytes) -> list[bytes]:
        """Take what has come; return the messages that are whole now.

        A block that begins within another means that the sender gave the first one up: it is dropped. The CR after the
        end may be missing, as some senders leave it out.

        Raises
        ------
        Broken
            There is something else between two messages, or one is too long.
        """
        whole: list[bytes] = []
        while data:
            if not self._inside:
                data = data.lstrip(_BETWEEN)
                if not data:
                    break
                if data[:1] != START:
                    raise Broken("bytes that belong to no message")
                data, self._inside = data[1:], True
            data = self._take(data, whole)
        return whole

    def _take(self, data: bytes, whole: list[bytes]) -> bytes:
        """Take what belongs to the message that has begun; return the rest."""
        end, again = data.find(END), data.find(START)
        if again >= 0 and (end < 0 or again < end):
            self.halves += 1
            self._clear()
            self._inside = True
            return data[again + 1 :]
        taken = data if end < 0 else data[:end]
        self._length += len(taken)
        if self._length > self._longest:
            raise Broken("a message is too long")
        self._parts.append(taken)
        if end < 0:
            return b""
        whole.append(b"".join(self._parts))
        self._clear()
        return data[end + 1 :]

    def _clear(self) -> None:
        self._parts, self._length, self._inside = [], 0, False
