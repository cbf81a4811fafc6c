"""Between the МИС and the desk of consultations, which do not know each other: what it asks for becomes a request."""

from sqlalchemy import Connection

from cami.consultations import Outside, asker, refused_codes
from cami.errors import Conflict, Invalid, NotFound
from cami.mis import ConsultationRefused, WantedConsultation


class MisConsultations:
    """Hands requests of the МИС to the desk; the desk is there when the server has started."""

    def __init__(self) -> None:
        self.desk: Outside | None = None

    def place(self, connection: Connection, wanted: WantedConsultation) -> int:
        """Make a request and send it; return its number."""
        by = asker(wanted.system, wanted.doctor, wanted.mo)
        try:
            case = self._outside().place(connection, by, wanted.given, wanted.study_uids, wanted.to_mo)
        except (Invalid, NotFound) as error:
            raise ConsultationRefused(refused_codes(error)) from error
        return case.request.number

    def withdraw(self, connection: Connection, number: int, *, system: str, doctor: str, mo: str, text: str) -> None:
        """Take a request back."""
        try:
            self._outside().withdraw(connection, number, asker(system, doctor, mo), text)
        except Conflict as error:
            raise ConsultationRefused(["state"]) from error

    def _outside(self) -> Outside:
        if self.desk is None:
            raise ConsultationRefused(["route"])
        return self.desk
