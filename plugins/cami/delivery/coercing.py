"""Coercion on the way to the centre: which device made an instance, and what the registry says of it (F-10).

It happens when an instance is about to be sent, not when it comes in: reception from a device is not slowed down, and
the local archive keeps what the device sent (docs/adr/0010-coercion-before-sending.md).
"""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from cami.archive import Archive
from cami.coercion import Arrival, Institution, Note, Number, Rules, Stamps, coerce
from cami.delivery.items import Item
from cami.errors import CamiError, NotFound, Transient
from cami.region import CharacterSets, Coercion, Device, Organization, Proxy

log = logging.getLogger(__name__)

#: Instance metadata of Orthanc: who sent it, and when it came in (UTC).
_SOURCE, _RECEIVED = "RemoteAET", "ReceptionDate"
#: Of what is counted: the object could not be coerced for a reason that nobody thought of.
FAILED = "failed"


class Coercing:
    """Prepares the objects of a proxy for the centre. Thread-safe."""

    def __init__(
        self, archive: Archive, organization: Organization, proxy: Proxy, number: Number | None = None
    ) -> None:
        """Make it; `number` puts accession numbers right, should the proxy have a worklist that knows them."""
        self._archive = archive
        self._number = number
        self._rules = {device.aet: _rules(organization, proxy, device) for device in organization.devices}
        self._other = _rules(organization, proxy, None)
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter(dict.fromkeys([*Note, FAILED], 0))
        self._told: set[tuple[str, str]] = set()

    def prepare(self, item: Item, dicom: bytes) -> bytes:
        """Return the file to send for an instance; what cannot be coerced goes as it is.

        Raises
        ------
        cami.errors.Transient
            The local archive cannot tell now where the instance is from.
        """
        source = ""
        try:
            arrival = self._arrival(item.instance_id)
            source = arrival.source
            rules = replace(self._rules.get(source, self._other), number=self._number)
            coerced = coerce(dicom, rules, arrival, lambda: self._archive.parse(dicom).patient_id)
        except Transient:
            raise
        except Exception as error:  # noqa: BLE001 - an image is worth more than its tags: it goes as it is
            # The text of a foreign exception may quote what it stumbled over.
            what = str(error) if isinstance(error, CamiError) else type(error).__name__
            log.error("instance %s is not coerced: %s", item.instance_id, what)  # noqa: TRY400
            self._count(FAILED, source)
            return dicom
        for note in coerced.notes:
            self._count(note, source)
        return coerced.dicom

    def put_right(self, dicom: bytes, source: str, at: datetime) -> bytes:
        """Return an object that is not in the archive as it would go to the centre; for people to read and to link."""
        rules = self._rules.get(source, self._other)
        return coerce(dicom, rules, Arrival(source, at), lambda: self._archive.parse(dicom).patient_id).dicom

    def counted(self) -> Mapping[str, int]:
        """Return how often each note was made since this server started."""
        with self._lock:
            return dict(self._counted)

    def _arrival(self, instance_id: str) -> Arrival:
        try:
            metadata = self._archive.get(f"/instances/{instance_id}/metadata?expand")
        except NotFound as error:
            raise Transient("an instance left the local archive while it was prepared") from error
        # From Orthanc's index, not from our queue: should the queue be lost, the same bytes have to come out again.
        received = datetime.strptime(metadata[_RECEIVED], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        return Arrival(str(metadata.get(_SOURCE, "")), received)

    def _count(self, note: str, source: str) -> None:
        with self._lock:
            self._counted[note] += 1
            news = (note, source) not in self._told
            self._told.add((note, source))
        if news:
            log.warning("objects of %s: %s (told once; counted in the metrics)", source or "an unknown source", note)


def rules_of(organization: Organization, settings: Coercion, *, system: str, device: Device | None = None) -> Rules:
    """Return what is to be done with the objects of a device, or of nobody's; `system` is who does it."""
    return Rules(
        text=settings.character_set,
        device=CharacterSets() if device is None else device.character_set,
        stamps=Stamps(
            Institution(organization.short_name, organization.oid, "" if device is None else device.department),
            name=settings.institution,
            issuer=settings.issuer_of_patient_id,
        ),
        system=system,
    )


def _rules(organization: Organization, proxy: Proxy, device: Device | None) -> Rules:
    settings = proxy.coercion if device is None else proxy.coercion.of_device(device.coercion)
    return rules_of(organization, settings, system=proxy.aet, device=device)
