"""The error tree.

CamiError
├── Invalid      the input is wrong; the message says what to change
├── Denied       the caller may not do this
├── NotFound     no such thing, or none that the caller may know of
├── Conflict     it contradicts what is already stored
├── Transient    it may work later (a cut line, a busy database); try again
├── Permanent    it will never work; do not try again
└── Misconfigured  this installation is wrong or unsafe; an operator must act

Messages may be shown and logged: they never name a patient.
"""


class CamiError(Exception):
    """Base of every error that this package raises on purpose."""


class Invalid(CamiError):
    """The input is wrong; the message says what to change."""


class Denied(CamiError):
    """The caller may not do this."""


class NotFound(CamiError):
    """There is no such thing, or none that the caller may know of."""


class Conflict(CamiError):
    """It contradicts what is already stored."""


class Transient(CamiError):
    """It may work later: a cut line, a busy database. Try again."""


class Permanent(CamiError):
    """It will never work; do not try again."""


class Misconfigured(CamiError):
    """This installation is wrong or unsafe; an operator must act."""
