"""``python3 -m cami.region FILE``: say what is wrong with a registry, or nothing."""

import sys
from pathlib import Path

from cami.errors import Invalid
from cami.region.load import load_region

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 -m cami.region FILE")
    try:
        load_region(Path(sys.argv[1]))
    except Invalid as error:
        sys.exit(str(error))
