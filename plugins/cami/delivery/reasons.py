"""Why an image is not at the centre yet: one code for each cause, for the database, the wire and the pages.

The words that people read are in `cami.portal.delivery_wording`; a test demands one for each code of `codes`.
"""

from enum import StrEnum

from cami.delivery.quarantine import REASONS


class Cause(StrEnum):
    """What keeps an image, as this proxy found out itself; what the centre says is `cami.delivery.quarantine`."""

    LINE = "line"
    """No answer: the line or the centre is down."""
    TOKEN = "token"  # noqa: S105 - a code, no secret
    """The centre does not accept this proxy's token: its key or its clock is wrong."""
    CENTRE = "centre"
    """The centre answers that it cannot take images now: no room, or it is starting."""
    STOOD_BACK = "stood-back"
    """A large image let an urgent one go first, and goes on after it."""
    NIGHT = "night"
    """Its class goes at night only (`link.night` of the registry): nothing is wrong."""
    ASKED = "asked"
    """Somebody had it put back into the queue."""
    ARCHIVE = "archive"
    """The local archive did not answer."""
    DROPPED = "dropped"
    """The database of this proxy did not answer in the middle of it."""
    RESTART = "restart"
    """This server was stopped in the middle of it."""
    DIGEST = "digest"
    """The centre stored other bytes than were sent: sent again."""
    REFUSED = "refused-by-centre"
    """The centre will never take it: too large, or not understood."""
    NOT_DICOM = "not-dicom"
    """What the centre got cannot be read as DICOM."""
    CONTENT_DIFFERS = "content-differs"
    """The centre has another content under the same identifiers."""
    PIXELS_DIFFER = "pixels-differ"
    """What the centre has stored shows another picture."""
    LOST = "lost-at-centre"
    """Evicted here, and not at the centre any more."""


def codes() -> frozenset[str]:
    """Return every code that may stand with an image."""
    return frozenset({*Cause, *REASONS})
