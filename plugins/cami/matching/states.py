"""Where a study stands with the orders, and what tells so: codes, with words in `cami.portal`."""

from enum import StrEnum


class State(StrEnum):
    """Where a study stands."""

    LINKED = "linked"
    """It belongs to an order."""
    SUGGESTED = "suggested"
    """There are orders that may be meant; a person decides."""
    CONTRADICTORY = "contradictory"
    """One thing says this order and another says no."""
    UNMATCHED = "unmatched"
    """Nothing tells of an order."""
    APART = "apart"
    """A person has said that it belongs to no order."""


#: What a person has to look at.
TO_DECIDE = (State.CONTRADICTORY, State.SUGGESTED, State.UNMATCHED)


class Cause(StrEnum):
    """What tells which order a study belongs to."""

    UID = "study-uid"
    """The Study Instance UID that was issued for the order."""
    ACCESSION = "accession"
    PATIENT = "patient"
    """The patient's number, the modality and the time."""
    PERSON = "person"


class Action(StrEnum):
    """What was decided."""

    LINK = "link"
    PART = "part"
    APART = "apart"


class Finding(StrEnum):
    """What agrees between a study and an order, and what does not; ``-other`` is a difference."""

    UID = "uid-same"
    ACCESSION = "accession-same"
    ACCESSION_OTHER = "accession-other"
    ID = "id-same"
    ID_OTHER = "id-other"
    NAME = "name-same"
    NAME_OTHER = "name-other"
    BIRTH = "birth-same"
    BIRTH_OTHER = "birth-other"
    SEX = "sex-same"
    SEX_OTHER = "sex-other"
    MODALITY = "modality-same"
    MODALITY_OTHER = "modality-other"
    DEVICE = "device-same"
    DEVICE_OTHER = "device-other"
    HOURS = "time-near"
    DAY = "time-day"
    NEXT_DAY = "time-next-day"
    TIME_OTHER = "time-other"
    WITHDRAWN = "order-withdrawn-other"
    TWO_ORDERS = "orders-other"
    """Number and UID are of different orders."""
