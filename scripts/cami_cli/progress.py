"""Progress as people see it: one line a step on stderr, with what it cost in seconds and bytes.

stdout stays free for the answer (``--json``). On a terminal the running step is redrawn in place; elsewhere (a log of
CI) a step is written when it ends.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


class Step:
    """One step that runs; its detail can be changed until it ends."""

    def __init__(self, title: str, progress: "Progress") -> None:
        self._title = title
        self._progress = progress
        self._began = time.monotonic()
        self.detail = ""

    @property
    def seconds(self) -> float:
        """Return how long the step has been running."""
        return time.monotonic() - self._began

    def show(self, detail: str) -> None:
        """Say how far the step is: ``12 of 52 MB``, ``3 of 4 servers``. Keep the last one as its result."""
        self.detail = detail
        self._progress.redraw(f"  … {self.line()}")

    def line(self) -> str:
        """Return the step in one line."""
        return f"{self._title}: {self.detail}" if self.detail else self._title


class Progress:
    """Writes the steps of one command."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Run a step: shown while it runs, with its seconds when it has ended, marked when it has failed."""
        step = Step(title, self)
        self.redraw(f"  … {title}")
        try:
            yield step
        except BaseException:
            self._write(f"  ✗ {step.line()} ({step.seconds:.1f} s)")
            raise
        self._write(f"  ✓ {step.line()} ({step.seconds:.1f} s)")

    def note(self, text: str) -> None:
        """Write a line that is no step: what is already there, a warning."""
        self._write(text)

    def redraw(self, line: str) -> None:
        """Replace the running line of a terminal."""
        if self._live:
            self._stream.write(f"\r\x1b[K{line}")
            self._stream.flush()

    def _write(self, line: str) -> None:
        self._stream.write(f"\r\x1b[K{line}\n" if self._live else f"{line}\n")
        self._stream.flush()


def size_of(folder: Path) -> int:
    """Return the bytes that the files under `folder` take, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def human_size(count: int) -> str:
    """Write a number of bytes as people read it: ``402 MB``."""
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1_000_000:.0f} MB" if count < 10_000_000_000 else f"{count / 1_000_000_000:.1f} GB"
