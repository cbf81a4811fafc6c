"""What people send by HTTP: put right at the centre as what proxies send has been (F-10), told apart at a proxy.

At a proxy it is coerced like all else when it goes to the centre; only that somebody has sent it must be known, since
Orthanc says of it what it says of an image that we brought back.
"""

import hashlib
import logging
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, insert, select, update

from cami.archive import Archive, ObjectIdentity
from cami.clock import Clock
from cami.coercion import Arrival, coerce
from cami.db import reading
from cami.db.tables import received_instance, uploaded_instance
from cami.delivery.coercing import rules_of
from cami.errors import CamiError
from cami.region import Coercion, Region

log = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """An object that is to be stored for somebody."""

    dicom: bytes
    at: datetime
    """When it was sent for the first time: the same object sent again has to come out as the same bytes."""


class UploadCoercing:
    """Puts uploaded objects right by what the registry says of their МО. Thread-safe."""

    def __init__(self, region: Region, archive: Archive, engine: Engine, clock: Clock) -> None:
        self._region = region
        self._archive = archive
        self._reader = reading(engine)
        self._clock = clock

    def prepare(self, mo: str, dicom: bytes, what: ObjectIdentity, *, from_outside: bool) -> Prepared:
        """Return the object as it is to be stored; what cannot be coerced stays as it is.

        Parameters
        ----------
        mo
            The МО whose study it belongs to: it issued the Patient ID.
        from_outside
            Another МО's person writes about the study: the document keeps the institution that it names.
        """
        query = select(received_instance.c.sha256, received_instance.c.uploaded_at)
        with self._reader.connect() as connection:
            known = connection.execute(query.where(received_instance.c.instance_id == what.instance_id)).first()
        now = self._clock.now().replace(microsecond=0)
        if known is not None and known.sha256 == hashlib.sha256(dicom).hexdigest():
            return Prepared(dicom, now)  # it is there as it is: downloaded and sent back, or of an earlier release
        at = now if known is None else known.uploaded_at or now
        try:
            organization = self._region.organization(mo)
            settings = Coercion() if organization.proxy is None else organization.proxy.coercion
            if from_outside:
                settings = settings.model_copy(update={"institution": False})
            rules = rules_of(organization, settings, system=self._region.centre.aet)
            return Prepared(coerce(dicom, rules, Arrival("", at), lambda: what.patient_id).dicom, at)
        except Exception as error:  # noqa: BLE001 - an image is worth more than its tags: it goes as it is
            # The text of a foreign exception may quote what it stumbled over.
            told = str(error) if isinstance(error, CamiError) else type(error).__name__
            log.error("an uploaded object is not coerced: %s", told)  # noqa: TRY400
            return Prepared(dicom, at)


class UploadedHere:
    """What people have stored at a proxy by HTTP: the table ``uploaded_instance``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def note(self, instance_id: str, login: str) -> None:
        """Note that somebody is about to store an instance."""
        values = {"login": login, "uploaded_at": self._clock.now()}
        here = uploaded_instance.c.instance_id == instance_id
        with self._engine.begin() as connection:
            if not connection.execute(update(uploaded_instance).where(here).values(values)).rowcount:
                connection.execute(insert(uploaded_instance).values(instance_id=instance_id, **values))

    def has(self, instance_id: str) -> bool:
        """Say whether somebody has stored an instance, or was about to."""
        query = select(uploaded_instance.c.login).where(uploaded_instance.c.instance_id == instance_id)
        with self._reader.connect() as connection:
            return connection.execute(query).first() is not None
