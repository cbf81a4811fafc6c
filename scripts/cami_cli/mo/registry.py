"""Changing region.yaml by a program: comments, order and layout stay, and nothing wrong is ever written."""

import io
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from cami.errors import Invalid
from cami.region import Region, load_region
from cami_cli.errors import Trouble
from cami_cli.wording import both

#: Texts that YAML would take for numbers: the registry's own reader does not, others do.
_QUOTED = frozenset({"code", "room", "mo", "from", "to"})


class Registry:
    """One region.yaml, as it is being changed."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises
        ------
        cami.errors.Invalid
            It is wrong already.
        """
        self.path = path
        self.region = load_region(path)
        self._yaml = YAML()
        self._yaml.preserve_quotes = True
        self._yaml.width = 4096
        self._yaml.indent(mapping=2, sequence=4, offset=2)
        try:
            self._content: CommentedMap = self._yaml.load(path.read_text("utf-8"))
        except YAMLError as error:
            raise Trouble(f"{path}: {error}", both("исправьте файл", "mend the file")) from error

    def add(self, entry: Mapping[str, Any]) -> None:
        """Put an МО behind the others.

        As text, since comments between the entries belong to what follows them, which no parser of YAML knows; where
        the layout of the file is not ours, at the end of the list.
        """
        if self._text() != self.path.read_text("utf-8"):
            self._organizations().append(_commented(entry))
            return
        lines = self._text().splitlines()
        keys = sorted(self._content.lc.key(name)[0] for name in self._content)
        begin = self._content.lc.key("organizations")[0]
        end = next((line for line in keys if line > begin), len(lines))
        while end > begin + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
            end -= 1
        dash = next(line for line in lines[begin + 1 :] if line.lstrip().startswith("- "))
        indent = dash[: len(dash) - len(dash.lstrip())]
        text = io.StringIO()
        self._yaml.dump(CommentedSeq([_commented(entry)]), text)
        made = [line.removeprefix("  ") for line in text.getvalue().splitlines()]
        lines[end:end] = ["", *(indent + line for line in made)]
        self._content = self._yaml.load("\n".join(lines) + "\n")

    def entry(self, code: str) -> CommentedMap:
        """Return the entry of an МО, to be changed.

        Raises
        ------
        cami_cli.errors.Trouble
            There is none.
        """
        for each in self._organizations():
            if str(each.get("code")) == code:
                found: CommentedMap = each
                return found
        raise Trouble(
            both(f"в реестре {self.path} нет МО {code}", f"there is no МО {code} in {self.path}"),
            both("какие есть: scripts/cami mo list", "see which there are: scripts/cami mo list"),
        )

    def change(self, entry: CommentedMap, values: Mapping[str, Any]) -> None:
        """Write values into an entry; None takes one out. Nested mappings are changed, not replaced."""
        for name, value in values.items():
            if value is None:
                entry.pop(name, None)
            elif isinstance(value, Mapping) and isinstance(entry.get(name), CommentedMap):
                self.change(entry[name], value)
            else:
                entry[name] = _value(name, value)

    def put(
        self,
        entry: CommentedMap,
        name: str,
        key: str,
        rows: Sequence[Mapping[str, Any]],
        gone: Sequence[str] = (),
    ) -> None:
        """Add rows to a list of an entry, or change those that have the same `key`; take out those whose key is gone.

        Raises
        ------
        cami_cli.errors.Trouble
            One that should go is not there.
        """
        if not rows and not gone:
            return
        listed = entry.setdefault(name, CommentedSeq())
        for row in rows:
            found = next((each for each in listed if each.get(key) == row[key]), None)
            if found is None:
                listed.append(_commented(row))
            else:
                self.change(found, row)
        for value in gone:
            place = next((index for index, each in enumerate(listed) if each.get(key) == value), None)
            if place is None:
                raise Trouble(both(f"{value} нет в реестре", f"{value} is not in the registry"), "scripts/cami mo show")
            del listed[place]
        if not listed:
            del entry[name]

    def write(self) -> bool:
        """Write it, if it is right; return whether it differs from what was there.

        Raises
        ------
        cami.errors.Invalid
            What was changed is wrong; the file is as it was.
        """
        text = self._text()
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        part = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            try:
                self.region = load_region(part)
            except Invalid as error:
                raise Invalid(str(error).replace(str(part), str(self.path))) from None
            if text == self.path.read_text("utf-8"):
                return False
            shutil.copystat(self.path, part)
            _own_like(part, self.path)
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)
        return True

    def _text(self) -> str:
        text = io.StringIO()
        self._yaml.dump(self._content, text)
        return text.getvalue()

    def _organizations(self) -> CommentedSeq:
        organizations: CommentedSeq = self._content["organizations"]
        return organizations


def same(region: Region, entry: Mapping[str, Any]) -> bool:
    """Say whether the registry holds an МО as `entry` wants it; what an entry does not say may be anything."""
    found = next((each for each in region.organizations if each.code == entry["code"]), None)
    return found is not None and _covers(found.model_dump(by_alias=True, mode="json"), entry)


def _covers(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_covers(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_covers, found, wanted))
    return bool(str(found) == str(wanted) or found == wanted)


def _commented(entry: Mapping[str, Any]) -> CommentedMap:
    made = CommentedMap()
    for name, value in entry.items():
        made[name] = _value(name, value)
    return made


def _value(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return _commented(value)
    if isinstance(value, list | tuple):
        made = CommentedSeq()
        made.extend(_value(name, each) for each in value)
        return made
    if isinstance(value, date):
        return value.isoformat()
    return DoubleQuotedScalarString(value) if name in _QUOTED else value


def _own_like(file: Path, other: Path) -> None:
    """Give a file to who has the other: root may write for the user that a server runs as."""
    if os.geteuid() == 0:
        there = other.stat()
        os.chown(file, there.st_uid, there.st_gid)
