"""Python's logging into Orthanc's log, and what of an exception may be written there."""

import logging
import traceback

from cami.edge import sdk
from cami.errors import CamiError


class OrthancLogHandler(logging.Handler):
    """Hands records to Orthanc's log, one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        line = f"[cami] {record.name.removeprefix('cami.')}: {record.getMessage()}".replace("\n", " | ")
        if record.levelno >= logging.ERROR:
            sdk.log_error(line)
        elif record.levelno >= logging.WARNING:
            sdk.log_warning(line)
        else:
            sdk.log_info(line)


def install() -> None:
    """Send the log of this package, and warnings of libraries, to Orthanc's."""
    root = logging.getLogger()
    root.handlers = [OrthancLogHandler()]
    root.setLevel(logging.WARNING)
    logging.getLogger("cami").setLevel(logging.INFO)
    # A device that is switched off is no error of ours; whoever calls it says so.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    # urllib3 names whole addresses when it retries; ours say enough themselves.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    # pynetdicom reports each association that fails, at each try; our own lines tell the change of state.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


def describe(error: BaseException) -> str:
    """Say what an exception is and where it came from.

    The text of a foreign exception may quote patient data (a parameter of a query, a DICOM value), so only its type
    and the places are told; our own errors never name a patient.
    """
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    text = f": {error}" if isinstance(error, CamiError) else ""
    return f"{type(error).__name__}{text} at {places}"
