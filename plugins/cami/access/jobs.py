"""Archives that people have made in the background: which of Orthanc's jobs are whose.

Orthanc knows no owner of a job, and gives the output of each to whoever knows its number. A job is here the moment it
is started, and is its starter's as long as he sees the study that it is about; all other jobs are nobody's.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, delete, insert, select

from cami.access.sight import Sight
from cami.archive import Archive, Level
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import own_job
from cami.errors import NotFound
from cami.people.identity import Identity

#: Of a job's description, what its starter is shown.
_SHOWN = ("CompletionTime", "CreationTime", "EstimatedTimeOfArrival", "ID", "Progress", "State", "Timestamp", "Type")
#: So many of one's jobs are remembered: Orthanc itself keeps the last 100 of everybody (``JobsHistorySize``).
_MOST = 50


class OwnJobs:
    """Starts jobs for people and tells whose they are. Thread-safe."""

    def __init__(self, engine: Engine, archive: Archive, sight: Sight, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._archive = archive
        self._sight = sight
        self._clock = clock

    def start(self, identity: Identity, level: Level, resource: str, kind: str) -> dict[str, Any]:
        """Start an archive (`kind`: ``archive`` or ``media``) of a resource that is visible.

        Raises
        ------
        cami.errors.NotFound
            It is not there.
        """
        study_id = self._sight.study_of(level, resource)
        if study_id is None:
            raise NotFound
        answer = self._archive.post(f"/{level}/{resource}/{kind}", {"Asynchronous": True, "Synchronous": False})
        job = str(answer["ID"])
        with self._engine.begin() as connection:
            connection.execute(
                insert(own_job).values(
                    job_id=job, login=identity.login, study_id=study_id, started_at=self._clock.now()
                )
            )
            older = (
                select(own_job.c.job_id)
                .where(own_job.c.login == identity.login)
                .order_by(own_job.c.started_at.desc(), own_job.c.job_id)
                .offset(_MOST)
            )
            connection.execute(delete(own_job).where(own_job.c.job_id.in_(list(connection.scalars(older)))))
        return {"ID": job, "Path": f"/jobs/{job}"}

    def mine(self, identity: Identity | None, job: str) -> bool:
        """Say whether somebody has started a job and still sees its study."""
        if identity is None:
            return False
        query = select(own_job.c.study_id).where(own_job.c.job_id == job, own_job.c.login == identity.login)
        with self._reader.connect() as connection:
            study_id = connection.scalar(query)
        return study_id is not None and self._sight.sees(identity, "studies", study_id)

    def listing(self, identity: Identity) -> list[str]:
        """Return one's jobs, newest first."""
        query = (
            select(own_job.c.job_id, own_job.c.study_id)
            .where(own_job.c.login == identity.login)
            .order_by(own_job.c.started_at.desc(), own_job.c.job_id)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return [row.job_id for row in rows if self._sight.sees(identity, "studies", row.study_id)]

    def describe(self, job: str) -> dict[str, Any]:
        """Return how a job stands, without what it is about.

        Raises
        ------
        cami.errors.NotFound
            Orthanc has forgotten it.
        """
        told: Mapping[str, Any] = self._archive.get(f"/jobs/{job}")
        return {name: told[name] for name in _SHOWN if name in told}
