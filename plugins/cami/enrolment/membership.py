"""Who may speak as the proxy of an МО: invited by a code, joined, renewed, revoked. State in SQL, each step on record.

A code is good once, for a while, for one МО; a new one takes back the one before. When an answer is lost, the same
key may ask again with the same code and gets the same certificate. Whoever joins anew (a machine was replaced) ends
the key that was there: two machines never deliver as one.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, insert, select, update

from cami.audit import AuditEvent, AuditTrail, Kind, Outcome
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import join_code, proxy_key
from cami.delivery.tokens import PublicKeys, kid_of
from cami.enrolment import codes
from cami.enrolment.authority import Authority, Issued, requested_key
from cami.errors import Denied, NotFound

CODE_DAYS = 7
#: After a renewal the key before is good for so long: the answer may have been lost.
OVERLAP = timedelta(days=1)
#: The same words for a code that is wrong, used, out of date, or of another МО.
REFUSED = "this code is not good for this МО: it is wrong, used or out of date; ask the operator for another"


@dataclass(frozen=True, slots=True)
class Invitation:
    """A code, shown once."""

    code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """How the proxy of an МО stands with the centre."""

    mo: str
    kid: str
    """Name of the newest key that is good; empty if there is none."""
    cause: str
    not_after: datetime | None
    """When its certificate ends; None for a key of the folder."""
    code_until: datetime | None
    """Until when a code waits to be used."""


class Membership:
    """Keeps who has joined."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        trail: AuditTrail,
        authority: Callable[[], Authority],
        *,
        organizations: Callable[[], Collection[str]],
        forget: Callable[[str], None],
    ) -> None:
        """Make it; `organizations` are the МО that have a proxy, `forget` is told whose keys have changed."""
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._trail = trail
        self._authority = authority
        self._organizations = organizations
        self._forget = forget

    def invite(self, mo: str, signer: str, by: str, days: int = CODE_DAYS) -> Invitation:
        """Make a code for an МО; one that was not used yet is good no longer.

        Raises
        ------
        cami.errors.NotFound
            The registry has no such МО with a proxy.
        cami.errors.Misconfigured
            The centre has no authority.
        """
        self._require(mo)
        self._authority()
        now = self._clock.now()
        secret, expires = codes.new_secret(), now + timedelta(days=days)
        with self._engine.begin() as connection:
            _take_back(connection, mo, now)
            values = {"mo": mo, "code_hash": codes.digest(secret), "made_at": now, "made_by": by, "expires_at": expires}
            connection.execute(insert(join_code).values(values))
            self._record(connection, by, mo, "proxy-invited", days=str(days))
        return Invitation(codes.written(secret, signer), expires)

    def take_back(self, mo: str, by: str) -> None:
        """End a code that was not used."""
        with self._engine.begin() as connection:
            if _take_back(connection, mo, self._clock.now()):
                self._record(connection, by, mo, "invitation-ended")

    def join(self, mo: str, code: str, request: str, source: str = "") -> Issued:
        """Let a proxy in: return a certificate for the key of its request.

        Raises
        ------
        cami.errors.Denied
            The code is not good; the same words whatever is wrong with it.
        cami.errors.Invalid
            The request is none.
        """
        key = requested_key(request)
        kid, secret = kid_of(key), codes.secret_of(code)
        with self._engine.begin() as connection:
            row = connection.execute(
                select(join_code).where(join_code.c.code_hash == codes.digest(secret), join_code.c.mo == mo)
            ).first() if secret else None  # fmt: skip
            now = self._clock.now()
            if row is None or now >= row.expires_at or mo not in self._organizations():
                self._record(connection, f"proxy-{mo}", mo, "join-refused", source=source, failed=True)
            elif row.ended_at is None:
                issued = self._authority().issue(request, mo, now)
                _end_others(connection, mo, kid, at=now, why="joined-anew")
                _keep(connection, mo, issued, "join", now)
                connection.execute(
                    update(join_code).where(join_code.c.number == row.number).values(ended_at=now, used_kid=kid)
                )
                self._record(connection, f"proxy-{mo}", mo, "proxy-joined", source=source, kid=kid)
                self._forget(mo)
                return issued
            elif row.used_kid == kid and (again := _issued(connection, mo, kid)) is not None:
                return again
            else:
                self._record(connection, f"proxy-{mo}", mo, "join-refused", source=source, failed=True)
        raise Denied(REFUSED)

    def renew(self, mo: str, request: str) -> Issued:
        """Return a certificate for the next key of a proxy whose present one has signed the call."""
        key = requested_key(request)
        kid, now = kid_of(key), self._clock.now()
        with self._engine.begin() as connection:
            again = _issued(connection, mo, kid)
            if again is not None:
                return again
            if connection.scalar(select(proxy_key.c.kid).where(proxy_key.c.kid == kid)) is not None:
                raise Denied("this key was good once, or is another's: make a new one")
            issued = self._authority().issue(request, mo, now)
            _end_others(connection, mo, kid, at=now + OVERLAP, why="renewed")
            _keep(connection, mo, issued, "renewal", now)
            self._record(connection, f"proxy-{mo}", mo, "certificate-renewed", kid=kid)
        self._forget(mo)
        return issued

    def revoke(self, mo: str, by: str, why: str, folder: PublicKeys = ()) -> int:
        """End all keys of an МО at once, those of the folder (`folder`) among them; return how many were good."""
        now = self._clock.now()
        with self._engine.begin() as connection:
            ended = _end_others(connection, mo, "", at=now, why=why, by=by)
            known = set(connection.scalars(select(proxy_key.c.kid).where(proxy_key.c.mo == mo)))
            fresh = [kid_of(key) for key in folder if kid_of(key) not in known]
            for kid in fresh:
                values = {
                    "kid": kid, "mo": mo, "public_key": "", "certificate": "", "certificate_sha256": "",
                    "cause": "folder", "issued_at": now, "not_after": now,
                    "ended_at": now, "ended_by": by, "ended_why": why[:200],
                }  # fmt: skip
                connection.execute(insert(proxy_key).values(values))
            _take_back(connection, mo, now)
            self._record(connection, by, mo, "proxy-revoked", reason=why, keys=str(ended + len(fresh)))
        self._forget(mo)
        return ended + len(fresh)

    def standings(self) -> dict[str, Standing]:
        """Return how each МО stands that has joined or was invited."""
        now = self._clock.now()
        with self._reader.connect() as connection:
            keys = connection.execute(
                select(proxy_key.c.mo, proxy_key.c.kid, proxy_key.c.cause, proxy_key.c.not_after, proxy_key.c.ended_at)
                .where(proxy_key.c.public_key != "", proxy_key.c.not_after > now)
                .order_by(proxy_key.c.issued_at)
            ).all()
            waiting = connection.execute(
                select(join_code.c.mo, join_code.c.expires_at).where(
                    join_code.c.ended_at.is_(None), join_code.c.expires_at > now
                )
            ).all()
        good = {row.mo: row for row in keys if row.ended_at is None or row.ended_at > now}
        invited = {row.mo: row.expires_at for row in waiting}
        return {
            mo: Standing(mo, row.kid, row.cause, row.not_after, invited.get(mo))
            if (row := good.get(mo)) is not None
            else Standing(mo, "", "", None, invited.get(mo))
            for mo in good.keys() | invited.keys()
        }

    def _require(self, mo: str) -> None:
        if mo not in self._organizations():
            raise NotFound(f"the registry of this centre has no МО {mo} with a proxy")

    def _record(
        self, connection: Connection, actor: str, mo: str, step: str, *,
        source: str = "", reason: str = "", failed: bool = False, **details: str,
    ) -> None:  # fmt: skip
        event = AuditEvent(
            Kind.ADMINISTRATION, actor, mo=mo, source=source, subject=f"proxy-{mo}", reason=reason,
            outcome=Outcome.FAILURE if failed else Outcome.SUCCESS, details={"step": step, **details},
        )  # fmt: skip
        self._trail.record_in(connection, event)


def _take_back(connection: Connection, mo: str, now: datetime) -> int:
    waiting = (join_code.c.mo == mo) & join_code.c.ended_at.is_(None)
    return connection.execute(update(join_code).where(waiting).values(ended_at=now)).rowcount


def _end_others(connection: Connection, mo: str, kid: str, *, at: datetime, why: str, by: str = "system") -> int:
    """End the keys of an МО but one; one that ends sooner already stays so."""
    others = (
        (proxy_key.c.mo == mo)
        & (proxy_key.c.kid != kid)
        & (proxy_key.c.ended_at.is_(None) | (proxy_key.c.ended_at > at))
        & (proxy_key.c.not_after > at)
    )
    values = {"ended_at": at, "ended_by": by, "ended_why": why[:200]}
    return connection.execute(update(proxy_key).where(others).values(values)).rowcount


def _keep(connection: Connection, mo: str, issued: Issued, cause: str, now: datetime) -> None:
    kid = kid_of(issued.public_key)
    if connection.scalar(select(proxy_key.c.kid).where(proxy_key.c.kid == kid)) is not None:
        raise Denied("this key was good once, or is another's: make a new one")
    values = {
        "kid": kid, "mo": mo, "public_key": issued.public_pem, "certificate": issued.pem,
        "certificate_sha256": issued.sha256, "cause": cause,
        "issued_at": now, "not_after": issued.certificate.not_valid_after_utc,
    }  # fmt: skip
    connection.execute(insert(proxy_key).values(values))


def _issued(connection: Connection, mo: str, kid: str) -> Issued | None:
    """Return the certificate that a key has, if it is still good."""
    from cryptography import x509  # noqa: PLC0415 - only when an answer was lost

    row = connection.execute(
        select(proxy_key.c.certificate).where(
            proxy_key.c.kid == kid, proxy_key.c.mo == mo, proxy_key.c.ended_at.is_(None), proxy_key.c.certificate != ""
        )
    ).first()
    if row is None:
        return None
    certificate = x509.load_pem_x509_certificate(row.certificate.encode("ascii"))
    key = certificate.public_key()
    return Issued(certificate, key)  # type: ignore[arg-type] # we have issued it for an Ed25519 key
