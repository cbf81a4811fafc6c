"""What the pages of consultations are made of."""

from typing import Protocol

from cami.consultations import (
    Answers,
    Beats,
    Consultations,
    Council,
    Desk,
    Diagnoses,
    Notices,
    Statistics,
    StudyCatalogue,
)


class Consulting(Protocol):
    """The services of consultations at the centre."""

    @property
    def consultations(self) -> Consultations:
        """What people do with requests."""
        ...

    @property
    def answers(self) -> Answers:
        """Drafts and signed versions of answers."""
        ...

    @property
    def desk(self) -> Desk:
        """The lists."""
        ...

    @property
    def notices(self) -> Notices:
        """What people are told."""
        ...

    @property
    def beats(self) -> Beats:
        """What has changed for somebody."""
        ...

    @property
    def diagnoses(self) -> Diagnoses:
        """МКБ-10."""
        ...

    @property
    def statistics(self) -> Statistics:
        """Counts."""
        ...

    @property
    def council(self) -> Council:
        """Members of консилиумы."""
        ...

    def provider_for(self, login: str) -> str:
        """Return the name of the identity provider that an account comes from; empty: it has a password here."""
        ...

    @property
    def catalogue(self) -> StudyCatalogue:
        """Studies that an МО may ask about."""
        ...
