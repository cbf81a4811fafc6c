"""Signing an answer by who has no password here: the identity provider asks them once more (docs/adr/0033).

The document is made and kept first; the visit at the provider is bound to it, and nothing else is signed by that visit.
"""

from collections.abc import Mapping

from cami.access import Identity
from cami.consultations.states import State
from cami.portal.consultation_ports import Consulting
from cami.portal.navigation import CONSULTATIONS
from cami.portal.ports import Identifier


class ProviderSigning:
    """Binds prepared documents to visits, and signs them."""

    def __init__(self, consulting: Consulting, who: Identifier) -> None:
        self._consulting = consulting
        self._who = who

    def identify(self, headers: Mapping[str, str]) -> Identity | None:
        """Return who is signed in."""
        return self._who.identify(headers)

    @staticmethod
    def page(number: int) -> str:
        """Return the page of a request."""
        return f"{CONSULTATIONS}/{number}"

    @staticmethod
    def is_page(path: str) -> bool:
        """Return whether a path is that of a request."""
        return _number(path) is not None

    def bind(self, identity: Identity, number: int, sha256: str, visit: str) -> None:
        """Let a prepared document be signed by one visit.

        Raises
        ------
        cami.errors.NotFound
            No such document was prepared for being signed so.
        """
        self._consulting.answers.bind(identity, number, sha256, visit)

    def sign(self, identity: Identity, page: str, visit: str, provider: str) -> str:
        """Sign; return what has come of it, as a code of the page.

        Raises
        ------
        cami.errors.CamiError
            It is not signed.
        """
        number = _number(page)
        case = self._consulting.answers.sign_by_provider(identity, number or 0, visit, provider)
        return "sign" if case.request.state is State.DONE else "read"


def _number(path: str) -> int | None:
    base, _, number = path.rpartition("/")
    return int(number) if base == CONSULTATIONS and number.isascii() and number.isdigit() and len(number) < 10 else None
