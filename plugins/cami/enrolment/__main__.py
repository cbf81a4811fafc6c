"""``python3 -m cami.enrolment join|alive|test|card``: what ``install.sh`` of a bundle runs where the proxy stands.

It speaks Russian, as who installs a proxy in an МО does, and ends with 1 after saying what to do.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cami.clock import SystemClock
from cami.enrolment.joining import Failure, join
from cami.enrolment.line import open_line
from cami.enrolment.link_file import LinkFile
from cami.enrolment.self_test import SelfTest
from cami.errors import CamiError
from cami.region import Organization, load_region
from cami.settings import Settings, read_settings

_MARKS = {"ok": "✓", "warning": "!", "failure": "✗"}


def main(arguments: Sequence[str]) -> int:
    """Run a command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m cami.enrolment")
    parser.add_argument("command", choices=("join", "alive", "test", "card"))
    parser.add_argument("--configuration", type=Path, default=Path("/etc/cami/orthanc.json"))
    parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object on stdout")
    parser.add_argument("--address", default="", help="of this machine, as devices reach it")
    given = parser.parse_args(arguments)
    configuration = json.loads(given.configuration.read_text("utf-8"))
    settings = read_settings(configuration)
    try:
        organization = load_region(settings.region).organization(settings.mo)
        if given.command == "join":
            return _join(settings)
        ports = int(configuration["HttpPort"]), int(configuration["DicomPort"])
        if given.command == "alive":
            return int(SelfTest(settings, organization, ports, SystemClock()).server().verdict != "ok")
        if given.command == "card":
            return _card(organization, given.address, ports)
        return _test(settings, organization, ports, as_json=given.as_json)
    except Failure as failure:
        _tell(f"✗ {failure.problem}", f"  → {failure.remedy}")
    except (CamiError, OSError) as error:
        _tell(f"✗ {error}")
    return 1


def _join(settings: Settings) -> int:
    certified = LinkFile(settings.link).certified()
    # Not an argument: it would stand in the list of processes.
    code = "" if sys.stdin.isatty() else sys.stdin.readline().strip()
    if certified is not None and not code:
        _tell(f"✓ уже подключён к центру, сертификат до {certified.until:%d.%m.%Y}")
        return 0
    if not code:
        raise Failure("код подключения не указан", "его выдаёт администратор ЦАМИ: запустите ./install.sh")
    until = join(settings, code)
    _tell(f"✓ подключён к центру {settings.central_url}, сертификат до {until:%d.%m.%Y}, продлевается сам")
    return 0


def _test(settings: Settings, organization: Organization, ports: tuple[int, int], *, as_json: bool) -> int:
    clock = SystemClock()
    found: list[dict[str, Any]] = []
    for check in SelfTest(settings, organization, ports, clock).run(open_line(settings, clock)):
        found.append({"title": check.title, "verdict": check.verdict, "found": check.found, "remedy": check.remedy})
        if not as_json:
            _tell(f"{_MARKS[check.verdict]} {check.title}: {check.found}")
            if check.remedy:
                _tell(f"  → {check.remedy}")
    if as_json:
        _tell(json.dumps({"checks": found}, ensure_ascii=False))
    return int(any(check["verdict"] == "failure" for check in found))


def _card(organization: Organization, address: str, ports: tuple[int, int]) -> int:
    """Say what is to be set on the devices."""
    proxy = organization.proxy
    if proxy is None:
        raise Failure("у этой МО нет PACS Proxy", "возьмите комплект своей МО")
    place = address or "этой машины"
    _tell("Что указать на аппаратах (архив DICOM, рабочий список):")
    _tell(f"  AE title {proxy.aet}   адрес {place}   порт {ports[1]}")
    for device in organization.devices:
        room = f", каб. {device.room}" if device.room else ""
        _tell(f"  {device.name}{room}: собственный AE title {device.aet}, адрес {device.address}")
    return 0


def _tell(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
