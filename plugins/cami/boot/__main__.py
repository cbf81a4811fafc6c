"""``python3 -m cami.boot /etc/cami/orthanc.json``: check, migrate, run Orthanc."""

import logging
import shutil
import signal
import sys
import time
from pathlib import Path

from cami.boot.checks import check_registry, migrate, problems, read_configuration, warnings
from cami.boot.index_statistics import prepare_index
from cami.boot.supervisor import Supervisor
from cami.errors import Misconfigured
from cami.settings import read_settings

log = logging.getLogger("cami.boot")

#: Exit status: the server was not started.
REFUSED = 2


def main(arguments: list[str]) -> int:
    """Run a server to its end and return the exit status."""
    _log_to_stderr()
    if len(arguments) != 1:
        log.error("usage: python3 -m cami.boot /etc/cami/orthanc.json")
        return REFUSED
    try:
        return _boot(Path(arguments[0]))
    except Misconfigured as error:
        reasons = str(error).splitlines()
    for line in (*reasons, "Orthanc is not started"):
        log.error("%s", line)
    return REFUSED


def _boot(path: Path) -> int:
    """Run Orthanc, and again when somebody has asked for it: SIGHUP to this process takes up a changed registry."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # between two Orthancs nobody is there to restart
    while True:
        supervisor = _supervisor(path)
        status = supervisor.run()
        if not supervisor.anew or status:
            return status


def _supervisor(path: Path) -> Supervisor:
    configuration = read_configuration(path)
    found = problems(configuration)
    if found:
        raise Misconfigured("\n".join(found))
    for warning in warnings():
        log.warning("%s", warning)
    orthanc = shutil.which("Orthanc")
    if orthanc is None:
        raise Misconfigured("there is no program Orthanc: install Debian's package orthanc")
    settings = read_settings(configuration)
    check_registry(settings)
    migrate(settings)
    prepare_index(configuration, orthanc)
    log.info("starting Orthanc as %s%s", settings.role, f" of {settings.mo}" if settings.mo else "")
    return Supervisor([orthanc, str(path)], configuration, may_restart=lambda: _startable(path))


def _startable(path: Path) -> bool:
    """Say whether the server could be started with what lies there now."""
    try:
        configuration = read_configuration(path)
        found = problems(configuration)
        if not found:
            check_registry(read_settings(configuration))
    except Misconfigured as error:
        found = str(error).splitlines()
    for line in found:
        log.error("%s", line)
    if found:
        log.error("the server goes on as it was")
    return not found


def _log_to_stderr() -> None:
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ cami.boot %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
