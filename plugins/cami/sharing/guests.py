"""Guests at a proxy: studies of other МО that the centre grants to this one are brought, shown and let go of.

They are nothing for delivery: their images are entered into ``guest_instance`` before they are stored, and what reads
the change log passes over them (`cami.access.guests`). So they are never sent, claimed, announced, compared or evicted
as the МО's own. The truth about the grants is at the centre; it is asked when it calls (an errand) and from time to
time. What is over is hidden at once and removed image by image, only what was brought.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, delete, func, insert, or_, select, update

from cami.access.guests import WITHOUT_WORD
from cami.archive import Archive
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import delivery_item, guest_instance, guest_study
from cami.delivery import DiskWatch
from cami.errands import DONE, Asking, Errand, Report
from cami.errors import Denied, NotFound, Permanent, Transient
from cami.retrieval import DigestDiffers, Downloads
from cami.sharing.guest_list import MOST

log = logging.getLogger(__name__)

#: Seconds between looks when nothing is to be done.
INTERVAL = 5.0
#: Between two questions to the centre, while studies are still coming in there, and when all is here.
WHILE_COMING = timedelta(seconds=20)
WHEN_WHOLE = timedelta(minutes=10)
#: How long a study is left alone that could not be brought.
_PUT_OFF = timedelta(minutes=5)


class GuestRoom:
    """Brings guests and lets them go. `step` is for one thread; `called` may come from another."""

    def __init__(
        self, engine: Engine, clock: Clock, *, archive: Archive, link: Asking, downloads: Downloads, disk: DiskWatch
    ) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._archive = archive
        self._link = link
        self._downloads = downloads
        self._disk = disk
        self._asked_at: datetime | None = None
        self._last = 0
        """The newest grant that the centre has told of since this server started."""

    def called(self, _errand: Errand) -> Report:
        """Hear from the centre that something has changed: ask for all of it now."""
        self.ask()
        return DONE

    def step(self) -> float:
        """Do one piece of work; return how many seconds to pause.

        Raises
        ------
        cami.errors.Transient
            The line is down or the archive cannot store; it goes on later.
        """
        if self._let_go():
            return 0.0
        if self._due():
            self.ask()
        if self._disk.state == "well" and self._bring():
            return 0.0
        return INTERVAL

    def ask(self) -> None:
        """Ask the centre what is new, and what still holds."""
        now = self._clock.now()
        try:
            while new := self._new():
                self._enter(new)
                if len(new) < MOST:
                    break
            held = self._held()
            for start in range(0, len(held), MOST):
                self._check(held[start : start + MOST])
        except NotFound:
            pass  # a centre of an earlier release
        except Denied as error:
            raise Transient(str(error)) from error
        self._asked_at = now

    def _due(self) -> bool:
        with self._reader.connect() as connection:
            coming = select(func.count()).where(guest_study.c.whole_at.is_(None), guest_study.c.ended_at.is_(None))
            pause = WHILE_COMING if connection.scalar(coming) else WHEN_WHOLE
        last, now = self._asked_at, self._clock.now()
        return last is None or not last <= now < last + pause

    def _new(self) -> Sequence[Mapping[str, Any]]:
        told = self._link.ask("GET", f"/guests?after={self._last}").get("guests")
        if not isinstance(told, list):
            raise Transient("the centre's answer names no guests: is something else at its address?")
        return told

    def _enter(self, told: Sequence[Mapping[str, Any]]) -> None:
        now = self._clock.now()
        with self._engine.begin() as connection:
            for each in told:
                self._last = max(self._last, int(each["number"]))
                known = guest_study.c.grant_number == int(each["number"])
                here = guest_study.c.study_id == str(each["study_id"])
                if connection.scalar(
                    select(guest_study.c.study_id).where(here, known, guest_study.c.ended_at.is_(None))
                ):
                    continue
                values = {
                    "grant_number": int(each["number"]),
                    "owner": str(each["owner"]),
                    "until": _moment(each["until"]),
                    "heard_at": now,
                    "ended_at": None,
                    "whole_at": None,
                    "not_before": None,
                }
                if not connection.execute(update(guest_study).where(here).values(values)).rowcount:
                    values |= {"study_id": str(each["study_id"]), "study_uid": str(each["study_uid"])}
                    connection.execute(insert(guest_study).values(values))
                    log.info("study %s of МО %s is granted to this one", each["study_id"], each["owner"])

    def _held(self) -> list[str]:
        query = select(guest_study.c.study_id).where(guest_study.c.ended_at.is_(None)).order_by(guest_study.c.study_id)
        with self._reader.connect() as connection:
            return list(connection.scalars(query))

    def _check(self, study_ids: Sequence[str]) -> None:
        now = self._clock.now()
        holds = self._link.ask("POST", "/guests/check", {"studies": list(study_ids)}).get("studies")
        if not isinstance(holds, dict):
            raise Transient("the centre's answer tells of no guests: is something else at its address?")
        with self._engine.begin() as connection:
            for study_id in study_ids:
                row = update(guest_study).where(guest_study.c.study_id == study_id)
                told = holds.get(study_id)
                if told is None:
                    connection.execute(row.values(ended_at=now))
                    continue
                connection.execute(row.values(heard_at=now, until=_moment(told["until"])))
                grown = or_(guest_study.c.instances.is_(None), guest_study.c.instances != int(told["instances"]))
                connection.execute(row.where(grown).values(whole_at=None, not_before=None))

    def _bring(self) -> bool:
        """Bring one image; return whether there may be more to do now."""
        guest = self._wanted()
        if guest is None:
            return False
        try:
            image = self._next(guest.study_id)
            if image is None:
                return self._complete(guest)
            dicom = self._downloads.fetch(image.instance_id, image.sha256)
            self._archive.store(dicom)
            self._downloads.forget(image.sha256)
        except NotFound:
            return self._put_off(guest, "the centre does not give it")
        except Denied as error:
            raise Transient(str(error)) from error
        except (Permanent, DigestDiffers):
            return self._put_off(guest, "an image cannot be stored")
        with self._engine.begin() as connection:
            row = guest_instance.c.instance_id == image.instance_id
            connection.execute(update(guest_instance).where(row).values(stored_at=self._clock.now()))
        return True

    def _wanted(self) -> Row[Any] | None:
        now = self._clock.now()
        query = (
            select(guest_study)
            .where(
                guest_study.c.whole_at.is_(None),
                guest_study.c.ended_at.is_(None),
                or_(guest_study.c.until.is_(None), guest_study.c.until > now),
                or_(guest_study.c.not_before.is_(None), guest_study.c.not_before <= now),
            )
            .order_by(guest_study.c.grant_number)
            .limit(1)
        )
        with self._reader.connect() as connection:
            return connection.execute(query).first()

    def _next(self, study_id: str) -> Row[Any] | None:
        """Return an image of a study that is not here; the centre is asked anew when all that is known of is here."""
        query = select(guest_instance).where(
            guest_instance.c.study_id == study_id, guest_instance.c.stored_at.is_(None)
        )
        with self._reader.connect() as connection:
            return connection.execute(query.order_by(guest_instance.c.instance_id).limit(1)).first()

    def _complete(self, guest: Row[Any]) -> bool:
        """Ask the centre what the study consists of; if all of it is here, it is whole for now."""
        answer = self._link.ask("GET", f"/guests/{guest.study_id}/instances")
        listed = {str(one["id"]): one for one in answer["instances"]}
        with self._engine.begin() as connection:
            known = set(
                connection.scalars(
                    select(guest_instance.c.instance_id).where(guest_instance.c.study_id == guest.study_id)
                )
            )
            # What a device of this МО has sent under the same identifiers stays what it is: its own, to be delivered.
            own = set(connection.scalars(_own(guest.study_id)))
            new = [one for key, one in listed.items() if key not in known and key not in own]
            for one in new:
                values = {"instance_id": str(one["id"]), "sha256": str(one["sha256"]), "size": int(one["size"])}
                connection.execute(insert(guest_instance).values(study_id=guest.study_id, **values))
            row = update(guest_study).where(guest_study.c.study_id == guest.study_id)
            whole_at = None if new else self._clock.now()
            connection.execute(row.values(instances=len(listed), whole_at=whole_at))
        if not new:
            log.info("study %s of МО %s is here, %d images", guest.study_id, guest.owner, len(listed))
        return True

    def _put_off(self, guest: Row[Any], why: str) -> bool:
        log.warning("study %s of МО %s is put off: %s", guest.study_id, guest.owner, why)
        with self._engine.begin() as connection:
            row = update(guest_study).where(guest_study.c.study_id == guest.study_id)
            connection.execute(row.values(not_before=self._clock.now() + _PUT_OFF))
        return True

    def _let_go(self) -> bool:
        """Remove what was brought of one study that is over; return whether there was one."""
        now = self._clock.now()
        over = or_(
            guest_study.c.ended_at.is_not(None),
            guest_study.c.until <= now,
            guest_study.c.heard_at <= now - WITHOUT_WORD,
        )
        with self._reader.connect() as connection:
            guest = connection.execute(select(guest_study).where(over).limit(1)).first()
            if guest is None:
                return False
            self._last = 0  # what is granted again, or still, is told again
            brought = list(
                connection.scalars(
                    select(guest_instance.c.instance_id).where(guest_instance.c.study_id == guest.study_id)
                )
            )
            own = set(connection.scalars(_own(guest.study_id)))
        for instance_id in brought:
            if instance_id not in own:
                self._archive.delete_instance(instance_id)
        with self._engine.begin() as connection:
            connection.execute(delete(guest_instance).where(guest_instance.c.study_id == guest.study_id))
            connection.execute(delete(guest_study).where(guest_study.c.study_id == guest.study_id))
        log.info("study %s of МО %s has left: %d images", guest.study_id, guest.owner, len(brought))
        return True


def _own(study_id: str) -> Any:
    return select(delivery_item.c.instance_id).where(delivery_item.c.study_id == study_id)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
