"""What has come in lately: a proxy's memory of it, so that Orthanc need not be asked for each image.

Two questions cost more than they should: whether the archive has an object with these identifiers already, asked while
the device waits; and who the image is that the change log tells of, asked once it is stored. For series that began
while this server ran both are answered from here. It is only memory: what it does not know, after a restart or when it
had to forget, is asked of Orthanc.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from cami.archive import ObjectIdentity, orthanc_id
from cami.delivery.heads import Head, read_head

#: Images of which it is remembered that they came: some 70 bytes each.
MOST_IMAGES = 100_000
#: Series that are remembered.
MOST_SERIES = 2_000
#: Images of which is told who they are, until the change log is read: some 600 bytes each.
MOST_TOLD = 4_000
#: Seconds after which all that came of a series is stored, or never will be. A series that is forgotten sooner might
#: seem new while an image of it is still being written: until then no other one is taken for new either.
SETTLED = 600.0


class Newcomer(NamedTuple):
    """What an image says of itself, as `cami.archive.InstanceIdentity` has it."""

    series_id: str
    sop_uid: str
    size: int
    image_type: str
    slice_thickness: str


class Arrival(NamedTuple):
    """An object that may be stored next."""

    new: bool
    """Whether the archive certainly has none with its identifiers."""
    head: Head | None
    """None: only Orthanc can tell who it is."""
    size: int
    identity: ObjectIdentity | None = None

    @property
    def instance_id(self) -> str:
        """The Orthanc id that it has or would have."""
        if self.head is not None:
            return orthanc_id(*(part.decode("ascii") for part in self.head[:4]))
        return self.identity.instance_id if self.identity is not None else ""


@dataclass(slots=True)
class _Series:
    whole: bool
    """Whether the archive had nothing of it when its first image came, so that `images` are all that it may have."""
    touched: float
    images: set[int] = field(default_factory=set)
    """Hashes of the SOP Instance UIDs that came; two that are the same only cost a question."""


class Newcomers:
    """Remembers what comes in. `hear` is called by one thread at a time: Orthanc asks of one object at a time."""

    def __init__(
        self,
        parse: Callable[[bytes], ObjectIdentity],
        has_series: Callable[[str], bool],
        *,
        now: Callable[[], float] = time.monotonic,
        most_images: int = MOST_IMAGES,
        most_series: int = MOST_SERIES,
    ) -> None:
        """Make it.

        Parameters
        ----------
        parse
            Reads the identity of an object that has no `cami.delivery.heads.Head`.
        has_series
            Tells whether the archive has a series (Orthanc id); True if that cannot be told.
        """
        self._parse = parse
        self._has_series = has_series
        self._now = now
        self._most_images = most_images
        self._most_series = most_series
        self._series: dict[tuple[bytes, ...], _Series] = {}
        """By Patient ID, Study and Series Instance UID; what was touched last stands last."""
        self._images = 0
        self._blind_until = float("-inf")
        # A device waits for `hear`: what can be done by the reader of the change log, many at a time, is left to it.
        self._untold: deque[tuple[Head, int]] = deque(maxlen=MOST_TOLD)
        self._told: dict[str, Newcomer] = {}
        self._telling = threading.Lock()

    def hear(self, dicom: bytes) -> Arrival:
        """Hear of an object that may be stored next: *each* has to pass here, wherever it comes from.

        Raises
        ------
        cami.errors.Permanent
            Nobody can tell who it is.
        """
        head = read_head(dicom)
        if head is None:
            # Of no use here, but the same object may come again, laid out otherwise.
            identity = self._parse(dicom)
            parts = (identity.patient_id, identity.study_uid, identity.series_uid, identity.sop_uid)
            *series, sop_uid = (part.encode() for part in parts)
            self._enter(self._series_of(tuple(series)), sop_uid)
            return Arrival(new=False, head=None, size=len(dicom), identity=identity)
        new = self._enter(self._series_of(head[:3]), head.sop_uid)
        return Arrival(new, head, len(dicom))

    def tell(self, arrival: Arrival) -> None:
        """Remember who an image is that is new to the archive."""
        if arrival.head is not None:
            self._untold.append((arrival.head, arrival.size))

    def told(self, instance_ids: Collection[str]) -> dict[str, Newcomer]:
        """Return who some images (Orthanc ids) are, as far as that was told. Thread-safe."""
        with self._telling:
            self._read()
            return {key: self._told[key] for key in instance_ids if key in self._told}

    def _read(self) -> None:
        while self._untold:
            head, size = self._untold.popleft()
            patient, study, series, sop, image_type, thickness = (part.decode("ascii") for part in head)
            newcomer = Newcomer(orthanc_id(patient, study, series), sop, size, image_type, thickness)
            self._told[orthanc_id(patient, study, series, sop)] = newcomer
        while len(self._told) > MOST_TOLD:
            del self._told[next(iter(self._told))]

    def _series_of(self, identifiers: tuple[bytes, ...]) -> _Series:
        now = self._now()
        series = self._series.pop(identifiers, None)
        if series is None:
            new = now >= self._blind_until and not self._has_series(orthanc_id(*(it.decode() for it in identifiers)))
            series = _Series(new, now)
        series.touched = now
        self._series[identifiers] = series
        while len(self._series) > self._most_series:
            self._forget()
        return series

    def _enter(self, series: _Series, sop_uid: bytes) -> bool:
        """Enter an image; return whether it is certainly the first with its identifiers."""
        if not series.whole:
            return False
        known = len(series.images)
        series.images.add(hash(sop_uid))
        if len(series.images) == known:
            return False
        self._images += 1
        while self._images > self._most_images and len(self._series) > 1:
            self._forget()
        if self._images > self._most_images:
            series.whole = False
            series.images.clear()
            self._images = 0
        return True

    def _forget(self) -> None:
        """Forget the series that was touched longest ago."""
        oldest = self._series.pop(next(iter(self._series)))
        self._images -= len(oldest.images)
        self._blind_until = max(self._blind_until, oldest.touched + SETTLED)
