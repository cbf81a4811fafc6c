"""Two МО and a consultant centre at one central archive, and what shares over them."""

from dataclasses import dataclass

import pytest

from cami.access import GrantBook, Identity, Role
from cami.access.owners import CentralOwners
from cami.audit import AuditTrail
from cami.sharing import EmergencyDesk, LabelMirror, SharingDesk
from tests.unit.access.conftest import archive, clock, deliver, empty_database, engine, first, second  # noqa: F401

RAD1 = Identity("rad1", "Смирнова Анна", Role.RADIOLOGIST, "42001")
CLIN1 = Identity("clin1", "Кузьмин Пётр", Role.CLINICIAN, "42001")
TECH1 = Identity("tech1", "Попов Пётр", Role.TECHNOLOGIST, "42001")
ADM1 = Identity("adm1", "Иванова Анна", Role.MO_ADMIN, "42001")
RAD2 = Identity("rad2", "Волков Пётр", Role.RADIOLOGIST, "42002")
ADM2 = Identity("adm2", "Белова Анна", Role.MO_ADMIN, "42002")
CONS = Identity("cons", "Орлов Пётр", Role.CONSULTANT, "42900")
OPER = Identity("oper", "Кузьмин Пётр", Role.OPERATOR, "")
MOS = ["42001", "42002", "42003", "42900"]
ROOM = "10.0.0.7"


@dataclass
class People:
    logins: frozenset

    def known(self, login):
        return login in self.logins


@pytest.fixture
def trail(engine, clock):  # noqa: F811
    return AuditTrail(engine, clock, "central")


@pytest.fixture
def book(clock, trail):  # noqa: F811
    return GrantBook(clock, trail)


@pytest.fixture
def desk(engine, clock, book):  # noqa: F811
    return SharingDesk(engine, clock, book, People(frozenset({"rad2", "cons"})), MOS)


@pytest.fixture
def owners(engine, clock):  # noqa: F811
    return CentralOwners(engine, clock)


@pytest.fixture
def emergency(engine, clock, book, archive, owners):  # noqa: F811
    return EmergencyDesk(engine, clock, book=book, trail=book._trail, archive=archive, owners=owners)


@pytest.fixture
def mirror(engine, clock, archive, book):  # noqa: F811
    return LabelMirror(engine, clock, archive, book)
