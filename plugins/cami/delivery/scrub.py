"""Reading all stored files from the centre's disk again, slowly and for ever, so that no damage waits for a reader.

A disk that loses a file in silence is noticed within one round; what is damaged is noted (`cami.delivery.damage`), and
the proxy that has delivered it sends it again as long as it has it. How far a round is stands in the database.
"""

from sqlalchemy import Engine, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import received_instance, scrub_round
from cami.delivery.damage import Damage

#: Files whose names are fetched at once, and after which the place is written down.
BATCH = 50
#: Bytes after which the place is written down, too.
BATCH_BYTES = 64_000_000
#: Seconds between the end of a round and the beginning of the next.
BETWEEN_ROUNDS = 3600.0


class Scrub:
    """Rereads, a batch of files at each step."""

    def __init__(self, engine: Engine, damage: Damage, clock: Clock, rate: float) -> None:
        """Make a scrub that reads `rate` bytes a second on the average."""
        self._engine = engine
        self._reader = reading(engine)
        self._damage = damage
        self._clock = clock
        self._rate = rate

    def step(self) -> float:
        """Read some files; return how many seconds to wait so that the rate is kept."""
        number, place = self._round()
        ahead = self._ahead(place)
        files = size = damaged = 0
        for instance_id, expected in ahead:
            if size + expected > BATCH_BYTES and files:
                break
            damaged += not self._damage.look(instance_id)
            files, size, place = files + 1, size + expected, instance_id
        ended = not ahead
        with self._engine.begin() as connection:
            connection.execute(
                update(scrub_round)
                .where(scrub_round.c.round == number)
                .values(
                    place=place,
                    files=scrub_round.c.files + files,
                    size=scrub_round.c.size + size,
                    damaged=scrub_round.c.damaged + damaged,
                    ended_at=self._clock.now() if ended else None,
                )
            )
        return BETWEEN_ROUNDS if ended else size / self._rate

    def _round(self) -> tuple[int, str]:
        query = select(scrub_round.c.round, scrub_round.c.place).where(scrub_round.c.ended_at.is_(None))
        with self._engine.begin() as connection:
            row = connection.execute(query).first()
            if row is None:
                connection.execute(insert(scrub_round).values(began_at=self._clock.now()))
                row = connection.execute(query).one()
        return row.round, row.place

    def _ahead(self, place: str) -> list[tuple[str, int]]:
        query = (
            select(received_instance.c.instance_id, received_instance.c.size)
            .where(received_instance.c.instance_id > place, received_instance.c.stored_at.is_not(None))
            .order_by(received_instance.c.instance_id)
            .limit(BATCH)
        )
        with self._reader.connect() as connection:
            return [(row.instance_id, row.size) for row in connection.execute(query)]
