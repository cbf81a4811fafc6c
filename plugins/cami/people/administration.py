"""What those who look after accounts can do with them. Every change is on record in its own transaction."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Engine, Row, delete, or_, select, update
from sqlalchemy.engine import Connection

from cami.audit import AuditEvent, AuditTrail, Kind
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import account, account_place
from cami.errors import Conflict, Denied, Invalid, NotFound
from cami.people.accounts import Accounts, insert_record
from cami.people.credentials import Credentials
from cami.people.directory import AccountRecord, is_login, normal_login
from cami.people.identity import Identity
from cami.people.oversight import Person, in_hand, in_sight, require_separate, roles_for
from cami.people.places import OF_A_MO, Place, places_in, require_compatible
from cami.people.roles import MACHINES, Role
from cami.people.second_factor import SecondFactor
from cami.people.sessions import Browser, Sessions

_LONGEST_NAME = 200


class Administration:
    """Changes accounts for those who may. Thread-safe."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        accounts: Accounts,
        sessions: Sessions,
        trail: AuditTrail | None = None,
        *,
        organizations: Sequence[str] = (),
    ) -> None:
        """Make it; `organizations` are the codes of the region's МО."""
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._accounts = accounts
        self._sessions = sessions
        self._credentials = Credentials(engine, clock, accounts)
        self._trail = trail
        self._organizations = frozenset(organizations)

    def people(self, actor: Identity) -> list[Person]:
        """Return the accounts that somebody looks after, by name."""
        query = select(account).order_by(account.c.name, account.c.login)
        if actor.role is Role.MO_ADMIN:
            there = select(account_place.c.login).where(account_place.c.mo == actor.mo)
            query = query.where(or_(account.c.mo == actor.mo, account.c.login.in_(there)))
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
            further: dict[str, list[Place]] = {}
            for row in connection.execute(select(account_place).order_by(account_place.c.mo)):
                further.setdefault(row.login, []).append(Place(row.mo, Role(row.role)))
        found = [self._person(actor, row, further.get(row.login, [])) for row in rows]
        return [person for person in found if in_sight(actor, person.places)]

    def person(self, actor: Identity, login: str) -> Person:
        """Return one of them.

        Raises
        ------
        cami.errors.NotFound
            There is none, or none that they look after.
        """
        row = self._accounts.row(login)
        if row is None:
            raise NotFound("no such account")
        with self._reader.connect() as connection:
            places = places_in(connection, row.login)
        if not in_sight(actor, places):
            raise NotFound("no such account")
        return self._person(actor, row, places[1:])

    def browsers(self, actor: Identity, login: str) -> list[Browser]:
        """Return the sessions of one of them."""
        return self._sessions.of(self.person(actor, login).login)

    def create(self, actor: Identity, login: str, name: str, place: Place, source: str = "") -> str:
        """Add an account and return its first password, which is never shown again.

        Raises
        ------
        cami.errors.Invalid
            The login or the name is none (``login``, ``name``, ``mo``, ``role``).
        cami.errors.Conflict
            There is such a login (``taken``).
        """
        login, name = normal_login(login), " ".join(name.split())
        if not is_login(login):
            raise Invalid("login")
        if not name or len(name) > _LONGEST_NAME:
            raise Invalid("name")
        self._require_place(actor, place)
        require_compatible([place])
        password, hashed = self._credentials.temporary()
        with self._engine.begin() as connection:
            if connection.execute(select(account.c.login).where(account.c.login == login)).first() is not None:
                raise Conflict("taken")
            record = AccountRecord(login, name, place.role, place.mo, hashed)
            insert_record(connection, record, self._clock.now(), must_change=True)
            self._note(
                connection, actor, login, "created", source=source, details={"role": place.role, "place": place.mo}
            )
        return password

    def rename(self, actor: Identity, login: str, name: str, source: str = "") -> None:
        """Give an account another name of its person."""
        name = " ".join(name.split())
        if not name or len(name) > _LONGEST_NAME:
            raise Invalid("name")
        self._change(actor, login, "renamed", source=source, values={"name": name})

    def set_role(self, actor: Identity, login: str, place: Place, source: str = "") -> None:
        """Give somebody another role at the account's own place, or move that place."""
        self._require_place(actor, place)
        values = {"role": place.role, "mo": place.mo}

        def check(connection: Connection, person: Person) -> None:
            require_compatible([place, *person.places[1:]])
            self._sessions.close_in(connection, person.login)

        self._change(actor, login, "role", source=source, values=values, further=check)

    def add_place(self, actor: Identity, login: str, place: Place, source: str = "") -> None:
        """Let somebody work in another МО too. The МО of that place takes the person in; the login is enough.

        Raises
        ------
        cami.errors.NotFound
            There is no such person.
        """
        self._require_place(actor, place)
        row = self._accounts.row(login)
        if row is None or row.disabled or row.issuer is not None or not place.mo:
            raise NotFound("no such account")
        self._not_oneself(actor, row.login)
        with self._engine.begin() as connection:
            places = places_in(connection, row.login)
            if actor.role is Role.MO_ADMIN and not all(each.role in OF_A_MO for each in places):
                raise NotFound("no such account")
            require_separate(actor, places)
            require_compatible([*places, place])
            connection.execute(account_place.insert().values(login=row.login, mo=place.mo, role=place.role))
            self._touch(connection, row.login)
            self._note(
                connection,
                actor,
                row.login,
                "place-added",
                source=source,
                details={"role": place.role, "place": place.mo},
            )
        self._accounts.generation += 1

    def remove_place(self, actor: Identity, login: str, mo: str, source: str = "") -> None:
        """Let somebody no longer work in another МО."""
        person = self.person(actor, login)
        self._not_oneself(actor, person.login)
        if actor.role is Role.MO_ADMIN and mo != actor.mo:
            raise Denied("another МО")
        with self._engine.begin() as connection:
            gone = delete(account_place).where(account_place.c.login == person.login, account_place.c.mo == mo)
            if not connection.execute(gone).rowcount:
                raise NotFound("no such place")
            self._touch(connection, person.login)
            self._sessions.close_in(connection, person.login)
            self._note(connection, actor, person.login, "place-removed", source=source, details={"place": mo})
        self._accounts.generation += 1

    def block(self, actor: Identity, login: str, source: str = "") -> None:
        """Switch an account off, at once and everywhere."""

        def close(connection: Connection, person: Person) -> None:
            self._sessions.close_in(connection, person.login)

        values = {"disabled": True}
        self._change(actor, login, "blocked", source=source, values=values, further=close, machines=True)

    def unblock(self, actor: Identity, login: str, source: str = "") -> None:
        """Switch an account on again."""
        values = {"disabled": False, "failures": 0, "locked_until": None}
        self._change(actor, login, "unblocked", source=source, values=values, machines=True)

    def unlock(self, actor: Identity, login: str, source: str = "") -> None:
        """Lift the lock that wrong passwords have put on an account; nobody is signed out by that."""
        person = self._require_editable(actor, login)
        now = self._clock.now()
        with self._engine.begin() as connection:
            change = update(account).where(account.c.login == person.login)
            connection.execute(change.values(failures=0, locked_until=None, unlocked_at=now))
            self._note(connection, actor, person.login, "unlocked", source=source)

    def reset_password(self, actor: Identity, login: str, source: str = "") -> str:
        """Make up a new password, to be changed at the next sign-in, and return it; sign the person out."""
        person = self._require_editable(actor, login)
        if person.provider or person.own.role in MACHINES:
            raise Denied("no password of ours")
        password, hashed = self._credentials.temporary()
        with self._engine.begin() as connection:
            self._credentials.hand_out(connection, person.login, hashed)
            self._sessions.close_in(connection, person.login)
            self._note(connection, actor, person.login, "password-reset", source=source)
        return password

    def end_sessions(self, actor: Identity, login: str, source: str = "") -> None:
        """Sign somebody out everywhere, at the proxies too."""

        def close(connection: Connection, person: Person) -> None:
            self._sessions.close_in(connection, person.login)

        self._change(actor, login, "signed-out", source=source, further=close)

    def factor_off(self, actor: Identity, login: str, source: str = "") -> None:
        """Switch somebody's second factor off: a telephone was lost. It is set up anew where it is demanded."""

        def forget(connection: Connection, person: Person) -> None:
            SecondFactor.switch_off(connection, person.login)
            self._sessions.close_in(connection, person.login)

        self._change(actor, login, "factor-off", source=source, further=forget)

    def _change(
        self,
        actor: Identity,
        login: str,
        act: str,
        *,
        source: str,
        values: dict[str, Any] | None = None,
        further: Callable[[Connection, Person], None] | None = None,
        machines: bool = False,
    ) -> None:
        person = self._require_editable(actor, login)
        if person.own.role in MACHINES and not machines:
            raise Denied("a machine")
        if person.provider and act in ("renamed", "role"):
            raise Denied("the provider says")
        with self._engine.begin() as connection:
            if further is not None:
                further(connection, person)
            self._touch(connection, person.login, **(values or {}))
            details = {name: str(value) for name, value in (values or {}).items() if name in ("role", "mo")}
            self._note(connection, actor, person.login, act, source=source, details=details)
        self._accounts.generation += 1

    def _touch(self, connection: Connection, login: str, **values: Any) -> None:
        change = update(account).where(account.c.login == login)
        connection.execute(change.values(changed_at=self._clock.now(), **values))

    def _require_editable(self, actor: Identity, login: str) -> Person:
        person = self.person(actor, login)
        self._not_oneself(actor, person.login)
        if not person.editable:
            raise Denied("another МО looks after this account")
        return person

    @staticmethod
    def _not_oneself(actor: Identity, login: str) -> None:
        if actor.login == login:
            raise Denied("oneself")

    def _require_place(self, actor: Identity, place: Place) -> None:
        if place.role not in roles_for(actor):
            raise Invalid("role")
        if place.role in OF_A_MO and place.mo not in self._organizations:
            raise Invalid("mo")
        if actor.role is Role.MO_ADMIN and place.mo != actor.mo:
            raise Invalid("mo")

    def _person(self, actor: Identity, row: Row[Any], further: Sequence[Place]) -> Person:
        places = (Place(row.mo, Role(row.role)), *further)
        return Person(
            login=row.login,
            name=row.name,
            places=places,
            disabled=row.disabled,
            locked=row.locked_until is not None and self._clock.now() < row.locked_until,
            must_change=self._accounts.must_change(row),
            factor=row.totp_at is not None,
            provider=row.issuer is not None,
            signed_in_at=row.signed_in_at,
            editable=in_hand(actor, places),
        )

    def _note(
        self,
        connection: Connection,
        actor: Identity,
        login: str,
        act: str,
        *,
        source: str,
        details: dict[str, str] | None = None,
    ) -> None:
        if self._trail is not None:
            event = AuditEvent(
                Kind.ADMINISTRATION, actor.login, actor.role, actor.mo, source,
                subject=login, reason=act, details=details or {},
            )  # fmt: skip
            self._trail.record_in(connection, event)
