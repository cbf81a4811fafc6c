"""By what people are known: systems, other names of these systems, and check digits (reference/domain.md §3.2)."""

import re
from dataclasses import dataclass
from enum import StrEnum

#: СНИЛС, as we write the system.
SNILS = "urn:oid:1.2.643.100.3"
#: ЕНП, the number of the health insurance policy.
ENP = "https://fhir.ru/ig/core/systems/oms"

_ALIASES = {
    "urn:oid:1.2.643.2.69.1.1.1.6.223": SNILS,
    "https://fhir.ru/ig/core/systems/snils": SNILS,
    "urn:oid:1.2.643.2.69.1.1.1.6.228": ENP,
}
#: A patient's number in one instance of a МИС: ``<ОИД МО>.100.<№ МИС>.<№ экземпляра>.10``.
_MIS = re.compile(r"urn:oid:[0-2](\.[0-9]+)+\.100\.[0-9]+\.[0-9]+\.10")


class Kind(StrEnum):
    """What an identifier is."""

    MIS = "mis"
    """The number in the MIS: one patient alone has it."""
    SNILS = "snils"
    ENP = "enp"
    LOCAL = "local"
    """A number that an МО gives by itself."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A number of a patient, with whose number it is."""

    system: str
    value: str

    @property
    def kind(self) -> Kind:
        """Return what it is, by its system."""
        if self.system == SNILS:
            return Kind.SNILS
        if self.system == ENP:
            return Kind.ENP
        if _MIS.fullmatch(self.system):
            return Kind.MIS
        return Kind.LOCAL if self.system.startswith("urn:cami:local:") else Kind.OTHER

    @property
    def sound(self) -> bool:
        """Say whether its check digits are right; what has none is sound."""
        if self.kind is Kind.SNILS:
            return snils_ok(self.value)
        return enp_ok(self.value) if self.kind is Kind.ENP else bool(self.value)


def canonical(system: str, value: str) -> Identifier:
    """Return an identifier as we keep it: the known name of its system, digits alone for СНИЛС and ЕНП."""
    system = _ALIASES.get(system.strip(), system.strip())
    value = value.strip()
    return Identifier(system, re.sub(r"[\s-]", "", value) if system in (SNILS, ENP) else value)


def snils_ok(text: str) -> bool:
    """Say whether a СНИЛС has the right check digits (ПФР; numbers to 001-001-998 carry none)."""
    digits = re.sub(r"\D", "", text)
    if len(digits) != 11:
        return False
    if int(digits[:9]) <= 1001998:
        return True
    total = sum(int(digit) * (9 - place) for place, digit in enumerate(digits[:9])) % 101
    return (0 if total == 100 else total) == int(digits[9:])


def enp_ok(text: str) -> bool:
    """Say whether an ЕНП has the right check digit (mod 10, правила ОМС)."""
    if not re.fullmatch(r"[0-9]{16}", text):
        return False
    backwards = text[14::-1]
    digits = backwards[1::2] + str(int(backwards[0::2]) * 2)
    return (10 - sum(map(int, digits)) % 10) % 10 == int(text[15])
