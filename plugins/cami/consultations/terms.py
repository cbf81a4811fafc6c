"""The words of a request: what kind, how urgent, why it ended without an answer (НСИ 1.2.643.5.1.13.13.11.1551)."""

from enum import StrEnum


class Urgency(StrEnum):
    """Форма оказания помощи."""

    STAT = "stat"
    """Экстренная."""
    URGENT = "urgent"
    """Неотложная."""
    ROUTINE = "routine"
    """Плановая."""


class Kind(StrEnum):
    """Вид."""

    CONSULTATION = "consultation"
    READING = "reading"
    """Удалённое описание."""
    COUNCIL = "council"
    """Консилиум: several consultants, one conclusion."""
    SECOND_OPINION = "second-opinion"
    """Пересмотр of an answer that was given, with a category of how far it holds (F-36)."""
    DOUBLE_READING = "double-reading"
    """Two readers who do not see each other's text, a third where they differ (F-35)."""


class Mode(StrEnum):
    """Режим."""

    DEFERRED = "deferred"
    REALTIME = "realtime"


class Part(StrEnum):
    """What somebody is beside the consultant who has the request."""

    MEMBER = "member"
    """Of a консилиум."""
    READER = "reader"
    """Of a double reading, once their reading is signed."""


class Refused(StrEnum):
    """Why a request is rejected."""

    NOT_OUR_PROFILE = "not-our-profile"
    POOR_IMAGES = "poor-images"
    NO_DATA = "no-data"
    NO_CONSENT = "no-consent"
    IN_PERSON = "in-person"
    DUPLICATE = "duplicate"
    OTHER = "other"


class Cancelled(StrEnum):
    """Why a request is taken back."""

    NO_LONGER_NEEDED = "no-longer-needed"
    ANSWERED_HERE = "answered-here"
    PATIENT_REFUSED = "patient-refused"
    PATIENT_MOVED = "patient-moved"
    MISTAKE = "mistake"
    OTHER = "other"


class MessageKind(StrEnum):
    """What a message is."""

    NOTE = "note"
    QUESTION = "question"
    """The consultant asks for more."""
    ANSWER = "answer"
    """The asker tells more."""
    OPINION = "opinion"
    """Of a member of a консилиум."""
