"""Reading ``region.yaml``: all that is wrong with it at once, each with file, line and field."""

from pathlib import Path

from cami.errors import Invalid
from cami.region.consistency import check_consistency
from cami.region.marks import read_yaml
from cami.region.model import Region
from cami.region.validation import describe, validate

_MAX_BYTES = 8 * 1024 * 1024
_WANTED = "the registry must have fields: name, time_zone, centre, organizations, accounts"


def load_region(path: Path) -> Region:
    """Read and check the registry.

    Raises
    ------
    cami.errors.Invalid
        It cannot be read or is wrong; the message has one line a problem.
    """
    document = read_yaml(_text(path))
    region = None
    if not document.problems:
        region = validate(Region, document, _WANTED)
        check_consistency(document)
    if document.problems or region is None:
        problems = sorted(document.problems, key=lambda problem: problem.line)
        raise Invalid("\n".join(describe(str(path), problem) for problem in problems))
    return region


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise Invalid(f"{path}: larger than {_MAX_BYTES >> 20} MiB, this is no registry of a region")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{path}: byte {error.start} is not UTF-8: save the file in UTF-8") from error
