"""Whose an object is, decided before it is stored: one pure function (design §3).

The first МО that delivers a Study Instance UID owns it for good. What another МО delivers under that study's UID, or
under the SOP Instance UID of one of its images, is never stored and never joined: it goes to the quarantine. Within
one МО the archive takes what its devices made, repeated Study UIDs of mistyped patients included; only an object with
the same identifiers and other content is kept apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cami.archive import ObjectIdentity
from cami.delivery.quarantine import OTHER_CONTENT, OTHER_MO_INSTANCE, OTHER_MO_STUDY, STUDY_REMOVED, Reason


@dataclass(frozen=True, slots=True)
class KnownInstance:
    """An instance that the centre has, or was about to have when it stopped."""

    instance_id: str
    owner: str
    sha256: str
    stored: bool
    damaged: bool = False
    """Whether its file was found damaged or gone, and is not whole again."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with an object."""

    store: bool
    reason: Reason | None = None
    """Why it is to be kept apart; None when it is to be stored or is stored already."""
    replace: bool = False
    """Whether it may be the whole copy of a file that is damaged."""


STORE = Decision(store=True)
PRESENT = Decision(store=False)
REPLACE = Decision(store=False, replace=True)
REMOVED = Decision(store=False, reason=STUDY_REMOVED)


def decide(
    mo: str, sha256: str, identity: ObjectIdentity, study_owner: str | None, namesakes: Sequence[KnownInstance]
) -> Decision:
    """Decide what to do with an object that the proxy of `mo` delivers.

    Parameters
    ----------
    mo
        The МО whose key signed the delivery.
    sha256
        Digest of the object's bytes.
    identity
        What the object says of itself.
    study_owner
        The МО that its Study Instance UID belongs to, or None.
    namesakes
        What is known under its SOP Instance UID.
    """
    if study_owner is not None and study_owner != mo:
        return Decision(store=False, reason=OTHER_MO_STUDY)
    if any(known.owner != mo for known in namesakes):
        return Decision(store=False, reason=OTHER_MO_INSTANCE)
    for known in namesakes:
        if known.instance_id == identity.instance_id:
            if not known.stored:  # claimed before a crash, perhaps in another encoding; what is stored first counts
                return STORE
            if known.damaged:
                return REPLACE
            return PRESENT if known.sha256 == sha256 else Decision(store=False, reason=OTHER_CONTENT)
    return STORE
