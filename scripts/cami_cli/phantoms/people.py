"""Synthetic people: who the phantoms are said to be images of. None of them exists.

Numbers start with 700-123: СНИЛС has been given out from below, so that range holds no real person, while the check
digits are right, as software that checks them expects.
"""

from dataclasses import dataclass

#: Numbers up to this one carry no check digits (Пенсионный фонд's algorithm).
_LAST_WITHOUT_CHECK = 1001998


def snils(number: int) -> str:
    """Return the eleven digits of a СНИЛС: nine of `number` and two check digits.

    The sum of the digits, each times its place from the right, modulo 101; 100 is written 00.
    """
    if not _LAST_WITHOUT_CHECK < number <= 999_999_999:
        raise ValueError(f"{number} is no nine-digit number that carries check digits")
    digits = f"{number:09d}"
    total = sum(int(digit) * (9 - place) for place, digit in enumerate(digits)) % 101
    return f"{digits}{total % 100:02d}"


@dataclass(frozen=True, slots=True)
class Person:
    """One synthetic patient."""

    name: str
    """As DICOM's PN: ``Фамилия^Имя^Отчество``."""
    sex: str
    birth_date: str
    patient_id: str


def _person(name: str, sex: str, birth_date: str, number: int) -> Person:
    return Person(name, sex, birth_date, snils(number))


IVANOV = _person("Иванов^Иван^Иванович", "M", "19580312", 700_123_456)
SEMYONOVA = _person("Семёнова^Алёна^Юрьевна", "F", "19740927", 700_123_457)
KUZNETSOV = _person("Кузнецов^Пётр^Алексеевич", "M", "19900105", 700_123_458)
SHCHERBAKOVA = _person("Щербакова^Эльвира^Фёдоровна", "F", "19660530", 700_123_459)
TITOV = _person("Титов^Герман^Захарович", "M", "19830811", 700_123_460)
MOROZOVA = _person("Морозова^Любовь^Никитична", "F", "19951219", 700_123_461)

#: Studied at both МО under one PatientID: Orthanc's patient level mixes the two, which is how naive systems leak.
SHARED = _person("Общий^Константин^Двубольничный", "M", "19770714", 700_123_462)

PEOPLE = (IVANOV, SEMYONOVA, KUZNETSOV, SHCHERBAKOVA, TITOV, MOROZOVA, SHARED)
