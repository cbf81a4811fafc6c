"""The consultations of a region in its registry: who may ask whom, in which time, and who is told (F-40, F-43)."""

import re
from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cami.region.terms import Code, DestinationName, Host, Login, Modality, Oid, TcpPort, TimeOfDay, Title, WebAddress

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Urgency = Literal["stat", "urgent", "routine"]
Kind = Literal["consultation", "reading", "council", "second-opinion", "double-reading"]
URGENCIES: tuple[Urgency, ...] = ("stat", "urgent", "routine")
KINDS: tuple[Kind, ...] = ("consultation", "reading", "council", "second-opinion", "double-reading")

_SPAN = re.compile(r"([1-9][0-9]{0,3})(m|h|wd)")
_EMAIL = re.compile(r"[^@\s]{1,64}@[A-Za-z0-9.-]{1,190}")


def _span(value: str) -> str:
    if not _SPAN.fullmatch(value):
        raise ValueError(f'"{value}" is no span: write minutes, hours or working days, as 15m, 2h, 3wd')
    return value


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise ValueError(f'"{value}" is no e-mail address')
    return value


def _profile_code(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", value):
        raise ValueError(f'"{value}" is no code: write 1 to 32 digits, small Latin letters or hyphens')
    return value


Span = Annotated[str, AfterValidator(_span)]
"""Minutes, hours, or working days: 15m, 2h, 3wd."""
Email = Annotated[str, AfterValidator(_email)]
ProfileCode = Annotated[str, AfterValidator(_profile_code)]


Version = Annotated[str, Field(pattern=r"^[0-9.]{1,16}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def span_of(text: str) -> tuple[timedelta, int]:
    """Return a span as hours and minutes, and as working days; one of them is nothing."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(text)
    amount = int(found[1])
    if found[2] == "wd":
        return timedelta(), amount
    return timedelta(minutes=amount if found[2] == "m" else amount * 60), 0


class Deadlines(_Entry):
    """In which time a request of one urgency is accepted and answered, and when the dispatcher is called."""

    accept: Span
    answer: Span
    escalate: Span | None = None
    """After so long without a consultant; empty: half of `accept`."""
    lease: Span = "8h"
    """A consultant of whom nothing is heard for so long loses the request to the queue."""
    acknowledge: Span = "30m"
    """Within so long the asking МО confirms that it knows of a critical finding; then again and again it is called."""


#: What holds where a route says nothing: the common practice, since no federal text sets these.
DEADLINES: dict[str, Deadlines] = {
    "stat": Deadlines(accept="15m", answer="2h", escalate="10m", lease="30m", acknowledge="15m"),
    "urgent": Deadlines(accept="1h", answer="24h", escalate="30m", lease="4h"),
    "routine": Deadlines(accept="1wd", answer="3wd", escalate="1wd", lease="24h", acknowledge="1h"),
}


class Hours(_Entry):
    """When a route takes requests; without any it always does."""

    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if self.from_ >= self.to:
            raise ValueError(f'"{self.from_}" to "{self.to}" is no span: write two entries for hours over midnight')
        return self


class ConsultationRoute(_Entry):
    """Who may ask whom, for what."""

    name: DestinationName
    title: Title
    from_: tuple[Code, ...] = Field(default=(), alias="from")
    """МО that may ask; empty: all."""
    to: tuple[Code, ...] = ()
    """МО whose consultants answer, whoever of them takes it first; empty: the dispatcher decides."""
    profiles: Annotated[tuple[ProfileCode, ...], Field(min_length=1)]
    kinds: tuple[Kind, ...] = ("consultation", "council")
    urgencies: tuple[Urgency, ...] = URGENCIES
    modalities: tuple[Modality, ...] = ()
    """Empty: all."""
    hours: tuple[Hours, ...] = ()
    daily_limit: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Requests of one asking МО in a day; emergencies do not count."""
    deadlines: dict[Urgency, Deadlines] = Field(default_factory=dict)

    def deadlines_of(self, urgency: str) -> Deadlines:
        """Return the deadlines of an urgency."""
        for known, deadlines in self.deadlines.items():
            if known == urgency:
                return deadlines
        return DEADLINES[urgency]


class Profile(_Entry):
    """A profile of care (НСИ 1.2.643.5.1.13.13.11.1119)."""

    code: ProfileCode
    name: Title


class WorkingHours(_Entry):
    """The hours of a working day."""

    from_: TimeOfDay = Field(default="08:00", alias="from")
    to: TimeOfDay = "17:00"


class WorkingCalendar(_Entry):
    """Which days are working days; the standing holidays (ТК РФ ст. 112) need not be named."""

    hours: WorkingHours = WorkingHours()
    holidays: tuple[date, ...] = ()
    """Further days off: those that the government moves."""
    workdays: tuple[date, ...] = ()
    """Saturdays, Sundays and holidays that are worked."""


class Approval(_Entry):
    """An МО that has requests approved before they are sent; emergencies never wait for it."""

    mo: Code
    by: Annotated[tuple[Login, ...], Field(min_length=1)]


class Mail(_Entry):
    """The mail server that notices go through. Its password is the secret ``smtp.password``."""

    host: Host
    port: TcpPort = 25
    sender: Email
    login: str = ""
    security: Literal["none", "starttls", "tls"] = "starttls"
    to: dict[str, tuple[Email, ...]] = Field(default_factory=dict)
    """Addresses by login, by code of an МО (its consultants), or ``dispatcher``."""
    digest: tuple[TimeOfDay, ...] = ()
    """When letters about routine requests are sent, several notices in each; empty: at once, a letter each."""

    @model_validator(mode="after")
    def _keeps_its_password(self) -> Self:
        if self.login and self.security == "none":
            raise ValueError("a login needs security: starttls or tls, or its password would go in the clear")
        if "24:00" in self.digest:
            raise ValueError('"24:00" is no time of a digest: write "00:00"')
        return self


class Webhook(_Entry):
    """An address that is told of what happens, as JSON without patients. Its bearer token: secret ``webhook.token``."""

    url: WebAddress


class SignatureVerifier(_Entry):
    """A service that verifies ГОСТ signatures by a certified tool. Its bearer token: secret ``verifier.token``."""

    name: Title
    """As it is recorded: «проверена (КриптоПро SVS)»."""
    url: WebAddress


class ClinicalDocumentRules(_Entry):
    """The СЭМД of an answer: kind (НСИ …11.1522), template and versions, which the ministry changes."""

    code: Annotated[str, Field(pattern=r"^[0-9]{1,4}$")] = "36"
    title: Title = "Протокол телемедицинской консультации"
    template: Oid = "1.2.643.5.1.13.13.15.15.1"
    directory_version: Version = "4.45"
    sections_version: Version = "1.21"
    fields_version: Version = "1.73"
    system: Annotated[int, Field(ge=1)] = 1
    """«Номер МИС» in identifiers of documents: ОИД of the МО.100.system.instance.51."""
    instance: Annotated[int, Field(ge=1)] = 1


class Consultations(_Entry):
    """Consultations between МО."""

    profiles: tuple[Profile, ...] = ()
    routes: tuple[ConsultationRoute, ...] = ()
    calendar: WorkingCalendar = WorkingCalendar()
    units: dict[Modality, Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]] = Field(default_factory=dict)
    """Conditional units of one answer by modality, by the region's own norms; what is not named counts as one."""
    approval: tuple[Approval, ...] = ()
    mail: Mail | None = None
    webhook: Webhook | None = None
    verifier: SignatureVerifier | None = None
    document: ClinicalDocumentRules = ClinicalDocumentRules()
