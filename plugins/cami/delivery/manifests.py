"""What a proxy believes of its studies, against what the centre holds: manifests, summaries, files read again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select, update

from cami.archive import Archive
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import received_instance, stored_content, study, study_completeness
from cami.delivery.contents import Contents
from cami.delivery.damage import Damage
from cami.delivery.journal import CentralJournal
from cami.delivery.summary import summarize


@dataclass(frozen=True, slots=True)
class Announcement:
    """A proxy's manifest of one study."""

    study_id: str
    """Orthanc id."""
    instances: Mapping[str, str]
    """Orthanc instance id → SHA-256 as delivered."""
    pixels: Mapping[str, str] | None = None
    """Orthanc instance id → digest of the pixels at the proxy (`cami.delivery.content`), where it can tell; None: it
    does not compare pixels, as proxies of earlier releases."""
    series: Mapping[str, int] | None = None
    """Orthanc series id → how many instances; None: it does not say."""
    lag: float | None = None
    """Seconds that the slowest of them took from the device to the centre, by the proxy's clock; None: unknown."""


@dataclass(frozen=True, slots=True)
class ManifestCheck:
    """What the centre lacks of a manifest."""

    missing: tuple[str, ...]
    """Not here, or not whole any more."""
    different: tuple[str, ...]
    pixels_different: tuple[str, ...] = ()
    pending: int = 0
    """Instances that were not read from the disk yet: it cannot be told whether their pixels are the same."""

    @property
    def confirmed(self) -> bool:
        """Whether all of the manifest is here, and the same."""
        return not (self.missing or self.different or self.pixels_different or self.pending)


class Manifests:
    """Compares. Thread-safe."""

    def __init__(
        self,
        archive: Archive,
        engine: Engine,
        contents: Contents,
        damage: Damage,
        clock: Clock,
        *,
        journal: CentralJournal | None = None,
    ) -> None:
        self._journal = journal
        self._archive = archive
        self._engine = engine
        self._reader = reading(engine)
        self._contents = contents
        self._damage = damage
        self._clock = clock

    def check(self, mo: str, announced: Announcement) -> ManifestCheck:
        """Compare a manifest with what is here, in the database and in Orthanc; note the result.

        Of another МО's studies `mo` learns nothing.
        """
        study_id, instances = announced.study_id, announced.instances
        known = self._stored(mo, study_id)
        here = self._here(study_id, known)
        missing = tuple(key for key in instances if key not in here)
        different = tuple(key for key in instances if key in here and known[key] != instances[key])
        contents = self._contents.of_study(study_id) if here and announced.pixels else {}
        claims = {key: claim for key, claim in (announced.pixels or {}).items() if key in here}
        compared = {key: held.agrees(claim) for key, claim in claims.items() if (held := contents.get(key)) is not None}
        check = ManifestCheck(
            missing,
            different,
            tuple(key for key, same in compared.items() if not same),
            len(claims) - len(compared),
        )
        with self._engine.begin() as connection:
            if self._journal and check.confirmed:
                self._journal.agreed(connection, mo, study_id, len(instances))
            noted = connection.execute(
                update(study)
                .where(study.c.study_id == study_id, study.c.owner == mo)
                .values(
                    expected=len(instances),
                    confirmed_at=self._clock.now() if check.confirmed else None,
                    lag_seconds=study.c.lag_seconds if announced.lag is None else announced.lag,
                )
            ).rowcount
            if noted:
                self._contents.note_claims(connection, claims, compared)
                self._count(connection, announced, here, compared)
        return check

    def compare(self, mo: str, summaries: Mapping[str, str]) -> Sequence[str]:
        """Return the studies of which another summary would be made here (`cami.delivery.summary`).

        Parameters
        ----------
        mo
            The МО that asks; another МО's studies are unlike, as unknown ones are.
        summaries
            Orthanc study id → the summary of what the proxy expects here.
        """
        unlike = []
        for study_id, summary in summaries.items():
            known = self._stored(mo, study_id, delivered_only=True)
            here = self._here(study_id, known)
            if summarize({key: sha256 for key, sha256 in known.items() if key in here}) != summary:
                unlike.append(study_id)
        return unlike

    def verify(self, mo: str, instances: Mapping[str, str]) -> Sequence[str]:
        """Read files from the disk again; return the ids of those that are not exactly what was delivered.

        What a proxy asks before it lets go of its own copy: an index that lists a file proves nothing of the file.

        Parameters
        ----------
        mo
            The МО that asks; of another МО's instances it learns nothing.
        instances
            Orthanc instance id → SHA-256 as delivered.
        """
        with self._reader.connect() as connection:
            own = {
                row.instance_id: row.sha256
                for row in connection.execute(
                    select(received_instance.c.instance_id, received_instance.c.sha256)
                    .join(study)
                    .where(study.c.owner == mo, received_instance.c.instance_id.in_(list(instances)))
                )
            }
        return [key for key, sha256 in instances.items() if own.get(key) != sha256 or not self._damage.look(key)]

    def _stored(self, mo: str, study_id: str, *, delivered_only: bool = False) -> dict[str, str]:
        """Return what is stored of a study of `mo` by the database: Orthanc instance id → SHA-256 as delivered.

        `delivered_only` leaves out what people have uploaded here, of which its proxy does not know.
        """
        query = (
            select(received_instance.c.instance_id, received_instance.c.sha256)
            .join(study)
            .where(study.c.study_id == study_id, study.c.owner == mo, received_instance.c.stored_at.is_not(None))
        )
        if delivered_only:
            query = query.where(received_instance.c.uploaded_by == "")
        with self._reader.connect() as connection:
            return {row.instance_id: row.sha256 for row in connection.execute(query)}

    def _here(self, study_id: str, known: Mapping[str, str]) -> set[str]:
        """Return what of `known` is in Orthanc, and not known to be damaged."""
        if not known:
            return set()
        return (set(known) & set(self._archive.instances_of(study_id))) - self._damage.of_study(study_id)

    def _count(
        self, connection: Connection, announced: Announcement, here: set[str], compared: Mapping[str, bool]
    ) -> None:
        """Write the exact counts, whatever the running ones say."""
        series = (
            select(func.count(stored_content.c.series_id.distinct()))
            .join_from(stored_content, received_instance)
            .where(received_instance.c.study_id == announced.study_id, received_instance.c.stored_at.is_not(None))
            .scalar_subquery()
        )
        connection.execute(
            update(study_completeness)
            .where(study_completeness.c.study_id == announced.study_id)
            .values(
                series=series,
                instances=len(here),
                expected_series=None if announced.series is None else len(announced.series),
                pixels_same=sum(compared.values()),
                pixels_other=len(compared) - sum(compared.values()),
                manifest_at=self._clock.now(),
            )
        )
