"""The rules for signing in: passwords, locks, sessions, second factor, OpenID Connect.

Defaults are those that the measures ИАФ and УПД of the ФСТЭК's orders № 21 and № 117 are met with (`docs/security.md`).
"""

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cami.region.terms import Code, Title, WebAddress

Role = Literal[
    "region_admin",
    "operator",
    "mo_admin",
    "radiologist",
    "clinician",
    "consultant",
    "dispatcher",
    "technologist",
    "auditor",
    "mis",
    "monitor",
]
#: All roles.
ROLES: tuple[Role, ...] = get_args(Role)
#: Roles of people who work for one МО; their accounts name it.
MO_ROLES: frozenset[Role] = frozenset(["mo_admin", "radiologist", "clinician", "consultant", "technologist"])
#: Roles of the region; their accounts name no МО.
REGION_ROLES: frozenset[Role] = frozenset(ROLES) - MO_ROLES


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PasswordRules(_Entry):
    """What a password that somebody chooses must be like (ИАФ.4)."""

    min_length: Annotated[int, Field(ge=8, le=128)] = 12
    classes: Annotated[int, Field(ge=1, le=4)] = 3
    """How many of: small letters, capitals, digits, other signs."""
    history: Annotated[int, Field(ge=0, le=24)] = 5
    """How many of the last ones may not be chosen again."""
    max_age_days: Annotated[int, Field(ge=0, le=3650)] = 90
    """After how long a new one is asked for; 0: never."""
    change_first: bool = True
    """Whether the first password, which somebody else has made, must be changed at the first sign-in."""


class Lock(_Entry):
    """When guessing is stopped (УПД.6)."""

    failures: Annotated[int, Field(ge=3, le=10)] = 5
    """Wrong passwords or codes in a row, after which an account is locked …"""
    minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    """… for so long."""
    address_failures: Annotated[int, Field(ge=5, le=10_000)] = 30
    """Wrong ones from one address within ten minutes, after which nobody signs in from there."""


class SessionRules(_Entry):
    """How long somebody stays signed in (УПД.9, УПД.10)."""

    idle_minutes: Annotated[int, Field(ge=5, le=720)] = 15
    hours: Annotated[int, Field(ge=1, le=24)] = 12
    """In all: a shift."""
    parallel: Annotated[int, Field(ge=1, le=100)] = 2
    """Browsers of one person at a time; the one that was not used for longest is signed out for a new one."""


class SecondFactor(_Entry):
    """Codes of an authenticator app (RFC 6238) beside the password."""

    required: tuple[Role, ...] = ("region_admin", "auditor", "mo_admin")
    """Who must have it at the centre; others may. HTTP Basic then takes application passwords only."""


class ProviderRole(_Entry):
    """What a claim of the identity provider makes of somebody."""

    claim: Annotated[str, Field(min_length=1, max_length=200)]
    """Name of the claim; dots lead into objects, as ``realm_access.roles``."""
    value: Annotated[str, Field(min_length=1, max_length=200)]
    """What it must be, or hold if it is a list."""
    role: Role
    mo: Code | Literal[""] = ""
    mo_claim: Annotated[str, Field(max_length=200)] = ""
    """The claim that holds the code of the МО, instead of `mo`."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.role in ("mis", "monitor"):
            raise ValueError(f"{self.role} is a machine's role: people do not get it")
        if self.role in MO_ROLES and bool(self.mo) == bool(self.mo_claim):
            raise ValueError(f"write mo or mo_claim: {self.role} works for one МО")
        if self.role in REGION_ROLES and (self.mo or self.mo_claim):
            raise ValueError(f"remove mo and mo_claim: {self.role} is a role of the whole region")
        return self


class Provider(_Entry):
    """An OpenID Connect provider through which people sign in at the centre."""

    title: Title
    """What stands on the button, as «Войти через МИАС»."""
    issuer: WebAddress
    client_id: Annotated[str, Field(min_length=1, max_length=200)]
    portal: WebAddress | None = None
    """The centre as browsers see it, for the address that the provider sends them back to; empty: as they ask for
    it."""
    scope: Annotated[str, Field(max_length=500)] = "openid profile"
    login_claim: Annotated[str, Field(max_length=200)] = "preferred_username"
    name_claim: Annotated[str, Field(max_length=200)] = "name"
    userinfo: bool = False
    """Whether the claims are asked for at the userinfo endpoint too."""
    roles: Annotated[tuple[ProviderRole, ...], Field(min_length=1)]
    """Read from the top: the first that fits an МО gives the role there. Who fits none is not let in."""


class People(_Entry):
    """The rules of a region for signing in."""

    passwords: PasswordRules = PasswordRules()
    lock: Lock = Lock()
    sessions: SessionRules = SessionRules()
    second_factor: SecondFactor = SecondFactor()
    provider: Provider | None = None
