"""All services of a server that have to do with people, wired once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

from cami.audit import AuditTrail
from cami.clock import Clock
from cami.errors import Misconfigured
from cami.people import machines, vault
from cami.people.accounts import Accounts
from cami.people.administration import Administration
from cami.people.authenticator import Authenticator
from cami.people.copies import Copies
from cami.people.guessing import AddressLimit
from cami.people.machines import MachineSecrets
from cami.people.monitor import MonitorToken
from cami.people.openid import OpenId
from cami.people.program_passwords import ProgramPasswords
from cami.people.provider_line import ProviderLine
from cami.people.second_factor import SecondFactor
from cami.people.sessions import Sessions
from cami.people.signin import SignIn
from cami.people.signing import SignInRecord
from cami.people.vault import Vault
from cami.region import People, Provider
from cami.settings import open_line


@dataclass(frozen=True, slots=True)
class PeopleServices:
    """What the pages and the interfaces need."""

    accounts: Accounts
    sessions: Sessions
    authenticator: Authenticator
    sign_in: SignIn
    factor: SecondFactor
    programs: ProgramPasswords
    administration: Administration
    copies: Copies | None
    """At a proxy only."""
    openid: OpenId | None = None
    """At the centre, if the registry names an identity provider."""


def people_services(
    engine: Engine,
    clock: Clock,
    trail: AuditTrail,
    *,
    rules: People,
    secrets: Path,
    organizations: Sequence[str] = (),
    copied_for: timedelta | None = None,
) -> PeopleServices:
    """Make them.

    Parameters
    ----------
    copied_for
        At a proxy: how old the copy of the accounts may be. None: this is the centre.

    Raises
    ------
    cami.errors.Misconfigured
        Somebody must have a second factor, and there is no key to keep it with.
    """
    copies = None if copied_for is None else Copies(engine, clock, copied_for)
    kept = Vault.read(secrets / vault.FILE) if copies is None else None
    if copies is None and kept is None and rules.second_factor.required:
        raise Misconfigured(
            f"second factors are demanded (people.second_factor.required), and {secrets / vault.FILE} is missing: "
            "scripts/cami key people FILE makes one"
        )
    accounts = Accounts(
        engine,
        clock,
        mirror=copies is not None,
        rules=rules,
        machines=MachineSecrets(secrets / machines.FILE),
        copies=copies,
    )
    sessions = Sessions(engine, clock, accounts)
    record = SignInRecord(trail, clock)
    monitor = MonitorToken(secrets / "metrics.token")
    limit = AddressLimit(rules.lock.address_failures)
    factor = SecondFactor(engine, clock, kept)

    sign_in = SignIn(engine, clock, accounts, sessions, factor=factor, limit=limit, trail=trail, record=record)
    openid = None
    if rules.provider is not None and copies is None:
        openid = OpenId(
            engine,
            clock,
            rules.provider,
            provider_line(rules.provider, clock, secrets),
            accounts=accounts,
            sessions=sessions,
            sign_in=sign_in,
            organizations=frozenset(organizations),
            trail=trail,
        )
    return PeopleServices(
        accounts=accounts,
        sessions=sessions,
        authenticator=Authenticator(accounts, sessions, clock, monitor, record, limit=limit),
        sign_in=sign_in,
        factor=factor,
        programs=ProgramPasswords(engine, clock, trail),
        administration=Administration(engine, clock, accounts, sessions, trail, organizations=organizations),
        copies=copies,
        openid=openid,
    )


def provider_line(provider: Provider, clock: Clock, secrets: Path) -> ProviderLine:
    """Return the line to an identity provider, with what the secrets folder has for it.

    ``provider.secret``: the client's secret, if it has one; ``provider.ca.pem``: whose certificates the provider shows.

    Raises
    ------
    cami.errors.Misconfigured
        The provider would be asked without TLS.
    """
    if trouble := open_line(provider.issuer, allowed=False):
        raise Misconfigured(f"people.provider.issuer: {trouble}")
    return ProviderLine(provider, clock, secret=secrets / "provider.secret", authorities=secrets / "provider.ca.pem")
