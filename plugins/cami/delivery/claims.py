"""Whose an object is, written down before it is stored; after a crash in between the object comes again."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, bindparam, func, insert, select, update

from cami.archive import ObjectIdentity
from cami.clock import Clock
from cami.db.tables import received_instance, removal, study, study_claim, study_completeness
from cami.delivery.contents import claim_content
from cami.delivery.damage import known_damaged
from cami.delivery.journal import CentralJournal
from cami.delivery.ownership import REMOVED, Decision, KnownInstance, decide

#: States of a removal in which nothing of the study comes in any more (`cami.removal.states`).
REMOVAL_UNDER_WAY = ("deleting", "deleted")

# Made once: making a statement costs more than the database's answer, and each object needs them all.
_CLAIMED = select(study_claim.c.owner).where(study_claim.c.study_uid == bindparam("study_uid"))
_FILED = select(study.c.owner).where(study.c.study_id == bindparam("study_id"))
_STUDIES = select(func.count()).where(study.c.study_id == bindparam("study_id"))
_INSTANCES = select(func.count()).where(received_instance.c.instance_id == bindparam("instance_id"))
_REMOVED = (
    select(removal.c.number)
    .where(removal.c.study_id == bindparam("study_id"), removal.c.state.in_(REMOVAL_UNDER_WAY))
    .limit(1)
)
_TOTAL = bindparam("total", type_=study.c.expected.type)
_EXPECT = (
    update(study)
    .where(
        study.c.study_id == bindparam("study"),
        study.c.expected.is_(None) | (study.c.expected < _TOTAL),
    )
    .values(expected=_TOTAL)
)
_NAMESAKES = (
    select(
        received_instance.c.instance_id,
        received_instance.c.sha256,
        received_instance.c.stored_at,
        study.c.owner,
        known_damaged.label("damaged"),
    )
    .join(study)
    .where(received_instance.c.sop_uid == bindparam("sop_uid"))
)


class Claims:
    """Claims studies and instances for the МО that delivers them first."""

    def __init__(self, engine: Engine, clock: Clock, journal: CentralJournal | None = None) -> None:
        self._engine = engine
        self._clock = clock
        self._journal = journal

    def claim(
        self,
        mo: str,
        sha256: str,
        identity: ObjectIdentity,
        size: int,
        *,
        study_total: int = 0,
        uploaded: tuple[str, datetime | None] = ("", None),
    ) -> Decision:
        """Decide what to do with an object, and claim it if it is to be stored.

        With it the proxy may announce how many its study has so far (`cami.delivery.totals`); `uploaded` is the login
        of a person who has sent it instead, and when.
        """
        with self._engine.begin() as connection:
            claimed = connection.scalar(_CLAIMED, {"study_uid": identity.study_uid})
            # The same Orthanc study under another UID must not exist; should it, its owner counts as well.
            filed = connection.scalar(_FILED, {"study_id": identity.study_id})
            owner = filed if filed not in (None, mo) else claimed
            decision = decide(mo, sha256, identity, owner, _namesakes(connection, identity.sop_uid))
            if decision.reason is None and study_removed(connection, identity.study_id):
                return REMOVED
            if decision.store:
                self._write(connection, mo, sha256, identity, size, uploaded=uploaded, first=claimed is None)
                if study_total:
                    _expect(connection, identity.study_id, study_total)
        return decision

    def _write(
        self,
        connection: Connection,
        mo: str,
        sha256: str,
        identity: ObjectIdentity,
        size: int,
        *,
        uploaded: tuple[str, datetime | None],
        first: bool,
    ) -> None:
        now = self._clock.now()
        if first:
            connection.execute(insert(study_claim).values(study_uid=identity.study_uid, owner=mo, claimed_at=now))
        if not connection.scalar(_STUDIES, {"study_id": identity.study_id}):
            connection.execute(
                insert(study).values(
                    study_id=identity.study_id,
                    study_uid=identity.study_uid,
                    owner=mo,
                    modality=identity.modality[:16],
                    description=identity.study_description,
                    claimed_at=now,
                    labelled=False,
                )
            )
            connection.execute(insert(study_completeness).values(study_id=identity.study_id))
            if self._journal:
                self._journal.began(connection, mo, identity)
        if not connection.scalar(_INSTANCES, {"instance_id": identity.instance_id}):
            received = {
                "instance_id": identity.instance_id,
                "sop_uid": identity.sop_uid,
                "study_id": identity.study_id,
                "sha256": sha256,
                "size": size,
                "uploaded_by": uploaded[0],
                "uploaded_at": uploaded[1],
            }
            connection.execute(insert(received_instance), received)
            claim_content(connection, identity)


def study_removed(connection: Connection, study_id: str) -> bool:
    """Say whether two people have had the study deleted: what is delivered of it again stays out (F-56)."""
    return connection.scalar(_REMOVED, {"study_id": study_id}) is not None


def _expect(connection: Connection, study_id: str, study_total: int) -> None:
    """Note how many are to come. Requests overtake each other: the most counts, until a manifest tells for sure."""
    connection.execute(_EXPECT, {"study": study_id, "total": study_total})


def _namesakes(connection: Connection, sop_uid: str) -> Sequence[KnownInstance]:
    rows = connection.execute(_NAMESAKES, {"sop_uid": sop_uid})
    return [
        KnownInstance(row.instance_id, row.owner, row.sha256, row.stored_at is not None, bool(row.damaged))
        for row in rows
    ]
