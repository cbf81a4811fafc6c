"""What stands in the way of who guesses: by login (of those that do not exist, too) and by address.

Both are kept in the memory of one process: forgetting them at a restart gives nobody more than a few tries, and the
lock of an account that exists stands in its row.
"""

import ipaddress
import threading
from collections import OrderedDict, deque
from datetime import datetime, timedelta

#: Wrong ones from an address are counted over so long.
WINDOW = timedelta(minutes=10)
_WATCHED = 10_000


class UnknownLogins:
    """Counts wrong passwords of logins that do not exist, so that their lock tells nothing either. Thread-safe."""

    def __init__(self, failures: int, lock_time: timedelta) -> None:
        self._failures = failures
        self._lock_time = lock_time
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, tuple[int, datetime | None]] = OrderedDict()

    def locked(self, login: str, now: datetime) -> bool:
        """Say whether a login is as good as locked."""
        with self._lock:
            _, until = self._seen.get(login[:64], (0, None))
        return until is not None and now < until

    def failed(self, login: str, now: datetime) -> None:
        """Count a wrong password."""
        key = login[:64]
        with self._lock:
            failures, until = self._seen.pop(key, (0, None))
            failures += 1
            if failures >= self._failures:
                failures, until = 0, now + self._lock_time
            self._seen[key] = (failures, until)
            if len(self._seen) > _WATCHED:
                self._seen.popitem(last=False)


class AddressLimit:
    """Counts wrong passwords and codes by network address, in a sliding window. Thread-safe.

    The loopback is not counted: behind a reverse proxy nobody has that address, and where the proxy does not say whose
    request it hands on, everybody would be shut out together.
    """

    def __init__(self, failures: int) -> None:
        self._failures = failures
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, deque[datetime]] = OrderedDict()

    def reached(self, address: str, now: datetime) -> bool:
        """Say whether nobody signs in from there now."""
        with self._lock:
            seen = self._seen.get(_group(address))
            if seen is None:
                return False
            while seen and not timedelta(0) <= now - seen[0] < WINDOW:
                seen.popleft()
            return len(seen) >= self._failures

    def failed(self, address: str, now: datetime) -> None:
        """Count a wrong one."""
        group = _group(address)
        if not group:
            return
        with self._lock:
            seen = self._seen.setdefault(group, deque(maxlen=self._failures))
            seen.append(now)
            self._seen.move_to_end(group)
            if len(self._seen) > _WATCHED:
                self._seen.popitem(last=False)


def _group(address: str) -> str:
    """Return what is counted together: an IPv4 address, a /64 of IPv6, which one machine has to itself; or nothing."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if known.is_loopback:
        return ""
    if known.version == 4:
        return str(known)
    return str(ipaddress.ip_network((known, 64), strict=False))
