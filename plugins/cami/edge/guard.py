"""What every callback passes on its way in: a name, a time, and a safe verdict when it fails.

Orthanc treats an exception in a callback differently for each kind (reference: some fail open), so none may escape.
"""

import functools
import logging
import secrets
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from cami.edge import sdk
from cami.edge.logs import describe

log = logging.getLogger(__name__)

#: Seconds between two settings of a callback's metric.
_METRIC_INTERVAL = 1.0

P = ParamSpec("P")
T = TypeVar("T")


def guarded(name: str, verdict: T) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a callback: on any exception log it with a correlation id and return `verdict`.

    Parameters
    ----------
    name
        Of the metric ``cami_<name>_ms`` (milliseconds of the slowest call since it was set last, once a second at most:
        to set it at each call costs as much as a short callback) and of the log line.
    verdict
        The safe answer: refuse for access, accept and set apart for images.
    """
    slowest, due = 0.0, 0.0

    def took(began: float, ended: float) -> None:
        nonlocal slowest, due
        slowest = max(slowest, ended - began)
        if ended >= due:
            milliseconds, slowest, due = slowest * 1000, 0.0, ended + _METRIC_INTERVAL
            sdk.set_metric(f"cami_{name}_ms", milliseconds, sdk.MetricsType.DEFAULT)

    def decorate(callback: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(callback)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            start = time.perf_counter()
            try:
                return callback(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the last line of defence
                log.error("%s failed [%s]: %s", name, secrets.token_hex(4), describe(error))  # noqa: TRY400
                return verdict
            finally:
                took(start, time.perf_counter())

        return call

    return decorate
