"""The files of this repository: what is committed or could be, never what git ignores."""

import subprocess
from functools import cached_property
from pathlib import Path

_SHELLS = (b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash", b"#!/usr/bin/env sh")


class Tree:
    """A checkout, seen as the list of its own files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def files(self) -> list[Path]:
        """Return every file, relative to the root, in order."""
        # A clone that belongs to somebody else (root's, read by an ordinary user) is still to be read.
        command = ["git", "-c", f"safe.directory={self.root}", "-C", str(self.root)]
        listed = subprocess.run(
            [*command, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        names = sorted(set(listed.split("\0")) - {""})
        return [Path(name) for name in names if (self.root / name).is_file()]

    def named(self, *patterns: str, under: str = ".") -> list[Path]:
        """Return the files below `under` whose name matches one of the patterns (``*.py``)."""
        return [
            path
            for path in self.files
            if path.is_relative_to(under) and any(path.match(pattern) for pattern in patterns)
        ]

    def shell_scripts(self) -> list[Path]:
        """Return the shell scripts, known by their ending or by their first line."""
        return [path for path in self.files if path.suffix == ".sh" or self._starts_a_shell(path)]

    def text(self, path: Path) -> str:
        """Return what stands in a file."""
        return (self.root / path).read_text(encoding="utf-8")

    def _starts_a_shell(self, path: Path) -> bool:
        if path.suffix:
            return False
        with (self.root / path).open("rb") as file:
            return file.readline(80).rstrip().startswith(_SHELLS)
