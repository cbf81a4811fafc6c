"""Which passwords may be chosen, and how one is made up for somebody (приказ ФСТЭК № 21, ИАФ.4)."""

import re
import secrets
import unicodedata
from collections.abc import Callable
from enum import StrEnum

from cami.people.passwords import LONGEST_PASSWORD
from cami.region import PasswordRules

#: Letters and digits that nobody mistakes for one another, on paper or by ear.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
# fmt: off
#: What most guessed passwords are built on, in small letters, both keyboards; digits and signs around it add nothing.
_COMMON = frozenset([
    "abc", "abcdef", "admin", "administrator", "asdfgh", "asdfghjkl", "cami", "changeme", "default", "demo",
    "doctor", "dragon", "football", "gfhjkm", "guest", "hello", "hospital", "iloveyou", "kemerovo", "kuzbass",
    "letmein", "login", "master", "medic", "monkey", "moscow", "orthanc", "parol", "parola", "passw", "passwort",
    "password", "qazwsx", "qazwsxedc", "qweasd", "qweasdzxc", "qwerty", "qwertyuiop", "rentgen", "root", "russia",
    "secret", "system", "test", "user", "welcome", "zxcvbn", "zxcvbnm", "админ", "администратор", "больница",
    "врач", "гость", "доктор", "йфяцыч", "йцукен", "йцукенгшщзхъ", "кемерово", "кузбасс", "логин", "медик",
    "москва", "пароль", "привет", "рентген", "россия", "секрет", "тест", "фывапролдж", "цами", "ячсмить",
])
# fmt: on
_ROWS = (
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "йцукенгшщзхъ",
    "фывапролджэ",
    "ячсмитьбю",
    "01234567890",
    "abcdefghijklm",
)  # fmt: skip
_RUN = 6


class Fault(StrEnum):
    """What is wrong with a password."""

    SHORT = "short"
    LONG = "long"
    CLASSES = "classes"
    """Too few kinds of signs."""
    COMMON = "common"
    """It is one that is guessed first, or has the login in it."""
    USED = "used"
    """It is the present one, or one of the last."""


_CLASSES: tuple[Callable[[str], bool], ...] = (
    str.islower,
    str.isupper,
    str.isdigit,
    lambda sign: not sign.isalnum(),
)


def fault_of(password: str, login: str, rules: PasswordRules) -> Fault | None:
    """Return what is wrong with a password that somebody wants, as far as that can be seen from it."""
    plain = unicodedata.normalize("NFC", password)
    if len(plain) < rules.min_length:
        return Fault.SHORT
    if len(plain) > LONGEST_PASSWORD:
        return Fault.LONG
    if sum(any(of_class(sign) for sign in plain) for of_class in _CLASSES) < rules.classes:
        return Fault.CLASSES
    return Fault.COMMON if _common(plain.lower(), login.lower()) else None


def _common(password: str, login: str) -> bool:
    letters = re.sub(r"[\W\d_]+", "", password)
    if letters in _COMMON or len(set(password)) < 5:
        return True
    if len(login) >= 4 and login in password:
        return True
    # A row of the keyboard, or the same again and again, is most of it.
    longest = max((len(run) for run in _runs(password)), default=0)
    return longest >= _RUN and len(password) - longest < 6


def _runs(password: str) -> list[str]:
    found = []
    for row in _ROWS:
        for way in (row, row[::-1]):
            for start in range(len(way) - _RUN + 1):
                end = start + _RUN
                while end <= len(way) and way[start:end] in password:
                    found.append(way[start:end])
                    end += 1
    return found


def new_password() -> str:
    """Return a random password of 79 bits, in groups that can be read out: ``kxmp-7rwd-hn4c-t9qs``.

    It has small letters, digits and signs, so it fits the usual rules.
    """
    while True:
        made = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
        if any(sign.isdigit() for sign in made) and any(sign.isalpha() for sign in made):
            return made
