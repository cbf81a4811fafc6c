"""``enter.sh`` of a bundle: the sandbox of the native runtime for a machine that has no command line of ours.

It is written from the same arguments that `cami_cli.runtime.sandbox` gives to bubblewrap, so both are one sandbox.
"""

import shlex
from pathlib import Path

from cami_cli.runtime.base import CONFIGURATION, DATA, OHIF, PLUGINS, SITE_PACKAGES
from cami_cli.runtime.sandbox import arguments

_HEAD = """#!/bin/sh
# Песочница PACS Proxy: ./enter.sh КОМАНДА… Создан вместе с комплектом, вручную не меняется.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/native.conf"
umask 077
resolv=$(readlink -f /etc/resolv.conf || echo /etc/resolv.conf)
"""

#: Places that differ from machine to machine, by what stands for them while the arguments are put together.
_PLACES = {
    "/@ROOT": '"$CAMI_ROOT"',
    "/@PLUGINS": '"$CAMI_PLUGINS"',
    "/@PACKAGES": '"$CAMI_PACKAGES"',
    "/@OHIF": '"$CAMI_OHIF"',
    "/@CONFIG": '"$here/config"',
    "/@DATA": '"$here/data"',
}


def enter_script(hostname: str) -> str:
    """Return the script for a server of that name."""
    given = arguments(
        Path("/@ROOT"),
        hostname=hostname,
        readable={
            Path("/@PLUGINS"): PLUGINS,
            Path("/@PACKAGES"): SITE_PACKAGES,
            Path("/@OHIF"): OHIF,
            Path("/@CONFIG"): CONFIGURATION,
        },
        writable={Path("/@DATA"): DATA},
        hosts_fd=9,
    )
    # The name servers are those of the machine that it runs on, not of the one that it was made on.
    place = given.index("/etc/resolv.conf", given.index("--ro-bind-try"))
    words = [_word(each) for each in given]
    words[place - 1 if given[place - 1] != "--ro-bind-try" else place] = '"$resolv"'
    lines = " \\\n  ".join(words)
    return (
        f'{_HEAD}exec "${{CAMI_BWRAP:-bwrap}}" ${{CAMI_INFO:+--info-fd 8}} --as-pid-1 \\\n  {lines} \\\n'
        '  -- "$@" 9<"$here/hosts"\n'
    )


def _word(value: str) -> str:
    for mark, replacement in _PLACES.items():
        if value == mark or value.startswith(f"{mark}/"):
            return replacement + value.removeprefix(mark)
    return shlex.quote(value)
