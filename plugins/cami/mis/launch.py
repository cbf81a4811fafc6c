"""One click in the МИС opens the images (I11): a code for 60 s and one use, then a session that sees them alone.

The МИС vouches for its doctor and names the МО for which he asks; a study opens if that МО made it or sent the
patient. The journal is told when the code is given and when it is used.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from cami.access import Cause, GrantBook, NewGrant
from cami.audit import AuditEvent, AuditTrail, Kind
from cami.clock import Clock, iso
from cami.db.tables import indexed_study, mis_launch, study, study_match
from cami.mis import fhir, terms
from cami.mis.face import Face
from cami.mis.fhir import Json
from cami.mis.guests import ABSOLUTE, Guests
from cami.mis.message import Caller
from cami.mis.problems import Refusal, refuse
from cami.mis.signed import Signed
from cami.mis.studies import linked
from cami.mis.writes import require_fhir, respond
from cami.orders import SNILS, Order, Orders, Patients
from cami.orders import Kind as IdentifierKind
from cami.web import Request, Response

LIFE = timedelta(seconds=60)
#: Whom a signed link is for.
AUDIENCE = "cami-viewer"
#: Studies that one launch opens at most: the wanted one and the latest of the patient's others.
MOST = 20


@dataclass(frozen=True, slots=True)
class Opened:
    """A code that was used: the session that it opened, and where to go."""

    token: str
    """For the cookie."""
    study_uid: str


class Launches:
    """The table ``mis_launch``. Thread-safe."""

    def __init__(
        self, *, engine: Engine, clock: Clock, orders: Orders, patients: Patients, guests: Guests, trail: AuditTrail,
        grants: GrantBook,
        code_of: Callable[[str], str | None], base: str, signed: Signed,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._clock = clock
        self._orders = orders
        self._patients = patients
        self._guests = guests
        self._grants = grants
        self._trail = trail
        self._code_of = code_of
        self._base = base
        self._signed = signed

    def add_to(self, face: Face) -> None:
        """Add ``$viewer-launch`` to the face."""
        face.add("POST", r"/ImagingStudy/\$viewer-launch", self._launch, first=True)

    def use(self, code: str, address: str) -> Opened | None:
        """Open the session of a code that was not used yet; None if it was, is over, or never was."""
        mine = mis_launch.c.code_hash == _digest(code)
        now = self._clock.now()
        with self._engine.begin() as connection:
            used = connection.execute(
                update(mis_launch)
                .where(mine, mis_launch.c.used_at.is_(None), mis_launch.c.expires_at > now)
                .values(used_at=now)
            )
            if not used.rowcount:
                return None
            row = connection.execute(select(mis_launch).where(mine)).one()
            studies = json.loads(row.studies)
            self._grant(connection, row.login, row.client, studies)
            token = self._guests.open(connection, row.login, row.name)
            self._trail.record_in(
                connection,
                AuditEvent(
                    Kind.SIGN_IN, row.login, role="guest", mo=row.mo, source=address, studies=(row.first,),
                    reason=row.purpose, details={"by": f"mis:{row.client}", "studies": str(len(studies))},
                ),
            )  # fmt: skip
        return Opened(token, row.first)

    def use_signed(self, link: str, address: str) -> Opened | None:
        """Open the session of a link that a client has signed by itself (``st=<JWS>``); None if it is not good.

        For a МИС that can build an address and not call: the signature takes the place of its token, the claims that
        of the parameters, and the number of the link is good for one use.
        """
        claims = self._signed.claims(link, AUDIENCE, LIFE)
        if claims is None:
            return None
        caller = Caller(str(claims["iss"]), secrets.token_hex(8), address)
        try:
            code = self._issue(_given(claims), caller, claims)
        except (Refusal, IntegrityError):
            return None
        return self.use(code, address)

    def _grant(self, connection: Connection, login: str, client: str, studies: list[str]) -> None:
        """Let the session see these studies, as long as it may last."""
        owners = select(study.c.study_uid, study.c.owner).where(study.c.study_uid.in_(studies)).distinct()
        until = self._clock.now() + ABSOLUTE
        for row in connection.execute(owners).all():
            self._grants.give(
                connection,
                NewGrant(
                    study_uid=row.study_uid, owner=row.owner, login=login, cause=Cause.ORDER, reference="viewer-launch",
                    by=f"mis:{client}", until=until,
                ),
            )  # fmt: skip

    def _launch(self, _request: Request, body: Json, caller: Caller, _groups: tuple[str, ...]) -> Response:
        require_fhir(body, "Parameters")
        given = {fhir.text(each.get("name")): each for each in map(fhir.mapping, fhir.entries(body.get("parameter")))}
        code = self._issue(given, caller)
        parameters = [
            {"name": "url", "valueUrl": f"{self._base}/cami/launch?code={code}"},
            {"name": "expires", "valueInstant": iso(self._clock.now() + LIFE)},
        ]
        return respond({"resourceType": "Parameters", "parameter": parameters})

    def _issue(self, given: Mapping[str, Any], caller: Caller, claims: Mapping[str, Any] | None = None) -> str:
        """Return a code for what is asked.

        Parameters
        ----------
        claims
            Of the link that asks; it is used up in the same transaction.

        Raises
        ------
        Refusal
            Somebody is not named, or there is no such study for this МО.
        sqlalchemy.exc.IntegrityError
            The link was used before.
        """
        snils = _value(given, "user")[1]
        system, oid = _value(given, "organization")
        mo = self._code_of(oid) if system == terms.ORGANIZATION else None
        if not snils or mo is None:
            raise refuse(422, "CAMI-0010" if not snils or not oid else "CAMI-0031", "Parameters")
        code = secrets.token_urlsafe(32)
        now = self._clock.now()
        with self._engine.begin() as connection:
            if claims is not None:
                self._signed.use(connection, claims)
            first, others = self._studies(connection, given, mo, caller)
            studies = [first, *others][:MOST]
            login = f"mis.{caller.client[:24]}.{snils[:11]}.{secrets.token_hex(6)}"  # one launch, one login
            purpose = fhir.text(fhir.mapping(given.get("purpose", {}).get("valueCoding")).get("code"))[:32]
            connection.execute(delete(mis_launch).where(mis_launch.c.expires_at < now - timedelta(days=1)))
            connection.execute(
                insert(mis_launch).values(
                    code_hash=_digest(code),
                    client=caller.client,
                    login=login,
                    name=(fhir.text(given.get("userName", {}).get("valueString")) or "Врач МИС")[:200],
                    mo=mo,
                    studies=json.dumps(studies),
                    first=first,
                    purpose=purpose,
                    expires_at=now + LIFE,
                    with_priors=bool(others),
                )
            )
            self._trail.record_in(
                connection,
                AuditEvent(
                    Kind.GRANT, caller.source, role="mis", mo=mo, source=caller.address, studies=(first,),
                    subject=login, reason=purpose or "viewer-launch",
                ),
            )  # fmt: skip
        return code

    def _studies(
        self, connection: Connection, given: Mapping[str, Any], mo: str, caller: Caller
    ) -> tuple[str, list[str]]:
        """Return the study that is wanted and those that open with it.

        Raises
        ------
        Refusal
            There is no such study, or it is not for this МО: nobody says which.
        """
        order = self._order(connection, given)
        if order is None or (order.source != caller.source and not order.manual):
            raise refuse(404, "CAMI-0034")
        if mo not in (order.mo, order.requesting_mo):
            raise refuse(404, "CAMI-0034")
        own = self._linked(connection, [order.number])
        if not own:
            raise refuse(404, "CAMI-0034")
        wanted = _value(given, "study")[1].removeprefix("urn:oid:")
        first = wanted if wanted in own else own[0]
        others = [uid for uid in own if uid != first]
        if given.get("withPriors", {}).get("valueBoolean") is True:
            others += [uid for uid in self._priors(connection, order, mo) if uid != first and uid not in others]
        return first, others

    def _order(self, connection: Connection, given: Mapping[str, Any]) -> Order | None:
        uid = _value(given, "study")[1].removeprefix("urn:oid:")
        if uid:
            links = linked(connection, study_match.c.study_uid == uid)
            return (
                self._orders.get_in(connection, next(iter(links.values()))) if links else self._orders.of_study_uid(uid)
            )
        accession = _value(given, "accession")[1]
        return self._orders.of_accession(None, accession) if accession else None

    def _priors(self, connection: Connection, order: Order, mo: str) -> list[str]:
        """Return the patient's other studies that the МО made or sent for, the newest first."""
        keys = self._patients.everybody(order.patient)
        orders = [each.number for each in self._orders.of_patients(keys) if mo in (each.mo, each.requesting_mo)]
        found = self._linked(connection, orders)
        numbers = [
            number.value
            for key in keys
            if (number := self._patients.get(key).identifier(IdentifierKind.MIS)) is not None
        ]
        known = indexed_study.c
        by_number = select(known.study_uid).where(known.owner == mo, known.patient_id.in_(numbers))
        return found + list(connection.scalars(by_number.order_by(known.study_date.desc()).limit(MOST)))

    def _linked(self, connection: Connection, orders: list[int]) -> list[str]:
        """Return the Study UIDs that are linked to orders and that the centre has, the newest first."""
        links = linked(connection, study_match.c.order_number.in_(orders))
        query = select(study.c.study_uid).where(study.c.study_id.in_(sorted(links)))
        return list(connection.scalars(query.order_by(study.c.claimed_at.desc())))


def _value(given: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Return system and value of an identifier among the parameters."""
    identifier = fhir.mapping(fhir.mapping(given.get(name)).get("valueIdentifier"))
    system, value = fhir.text(identifier.get("system")), fhir.text(identifier.get("value"))
    return system, "".join(each for each in value if each.isdigit()) if system == SNILS else value


def _given(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims of a link as the parameters of ``$viewer-launch`` (reference/domain.md I11)."""
    known = {name: fhir.text(claims.get(name)) for name in ("sub", "name", "org", "study", "acsn", "purpose")}
    named = {
        "user": (SNILS, known["sub"]),
        "organization": (terms.ORGANIZATION, known["org"]),
        "study": (terms.DICOM_UID, f"urn:oid:{known['study']}" if known["study"] else ""),
        "accession": (terms.ACCESSION, known["acsn"]),
    }
    given: dict[str, Any] = {
        name: {"valueIdentifier": {"system": system, "value": value}}
        for name, (system, value) in named.items()
        if value
    }
    given["userName"] = {"valueString": known["name"]}
    given["purpose"] = {"valueCoding": {"code": known["purpose"]}}
    given["withPriors"] = {"valueBoolean": claims.get("priors") is True}
    return given


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()
