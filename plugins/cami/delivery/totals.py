"""How many images of a study are to come: a proxy tells it with each image, long before the manifest does.

So the centre can show «получено 180 из 600» while a study is on its way.
"""

import re
from collections.abc import Mapping

from cami.web import Request

#: How many images of the study the proxy has so far, those that the centre does not take not counted.
HEADER = "X-Cami-Study-Total"

_COUNT = re.compile("[0-9]{1,6}")


def announced(total: int) -> Mapping[str, str]:
    """Return the header that tells of `total` images; none if there are none to tell of."""
    return {HEADER: str(total)} if total > 0 else {}


def study_total(request: Request) -> int:
    """Return how many images of the study the proxy says that it has so far; 0 if it says nothing sensible."""
    value = request.headers.get(HEADER.lower(), "")
    return int(value) if _COUNT.fullmatch(value) else 0
