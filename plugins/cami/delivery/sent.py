"""What the instances that a proxy sends held before they were made ready for the line: the table ``sent_content``.

It is the proxy's side of a comparison of pixels (`cami.delivery.content`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from cami.db.tables import delivery_item, sent_content


@dataclass(frozen=True, slots=True)
class Sent:
    """What one instance held."""

    series_id: str
    """Orthanc id."""
    pixels: str | None
    """`cami.delivery.content.Content.pixels`; None where it cannot be told."""


def note_sent(connection: Connection, instance_id: str, sent: Sent) -> None:
    """Note what was sent; what was sent before under this name counts no more."""
    connection.execute(delete(sent_content).where(sent_content.c.instance_id == instance_id))
    connection.execute(
        insert(sent_content).values(instance_id=instance_id, series_id=sent.series_id, pixels=sent.pixels)
    )


def note_verified(connection: Connection, instance_ids: Sequence[str], at: datetime) -> None:
    """Note that the centre stores the pixels of these instances; what it was not asked of stays as it is."""
    for start in range(0, len(instance_ids), 500):
        connection.execute(
            update(sent_content)
            .where(
                sent_content.c.instance_id.in_(instance_ids[start : start + 500]), sent_content.c.pixels.is_not(None)
            )
            .values(verified_at=at)
        )


def sent_of_study(connection: Connection, study_id: str) -> dict[str, Sent]:
    """Return what is known of the instances of a study, by their Orthanc ids."""
    rows = connection.execute(
        select(sent_content.c.instance_id, sent_content.c.series_id, sent_content.c.pixels)
        .join_from(sent_content, delivery_item, sent_content.c.instance_id == delivery_item.c.instance_id)
        .where(delivery_item.c.study_id == study_id)
    )
    return {row.instance_id: Sent(row.series_id, row.pixels) for row in rows}


def pixels_of(instances: Sequence[str], sent: Mapping[str, Sent]) -> dict[str, str]:
    """Return the digests of pixels that a manifest of `instances` carries."""
    return {key: known.pixels for key in instances if (known := sent.get(key)) is not None and known.pixels}


def series_of(instances: Sequence[str], sent: Mapping[str, Sent]) -> dict[str, int] | None:
    """Return how many of `instances` each series has; None if that is not known of all."""
    if any(key not in sent for key in instances):
        return None
    return dict(Counter(sent[key].series_id for key in instances))
