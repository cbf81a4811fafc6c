"""The registry as typed, frozen values."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, Field, model_validator

from cami.errors import NotFound
from cami.region.consultations import Consultations, Email, Webhook
from cami.region.hl7 import Hl7
from cami.region.journal import Journal
from cami.region.nodes import CentreAccess, Device, DeviceCoercion, Entry, Node, Place, Workstation
from cami.region.people import People, Role
from cami.region.terms import (
    Address,
    AeTitle,
    Code,
    DestinationName,
    Gigabytes,
    Host,
    Login,
    MegabitsPerSecond,
    MegabytesPerSecond,
    Modality,
    Oid,
    TcpPort,
    TimeOfDay,
    TimeZone,
    Title,
    WebAddress,
)

Compression = Literal["none", "jpeg-ls"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


_Item = TypeVar("_Item")


def _not_empty(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    if not items:
        raise ValueError("is an empty list: write at least one entry")
    return items


class RateWindow(Entry):
    """Hours in which a link may be used at another rate than usual, in the time zone of the region."""

    days: Annotated[tuple[Weekday, ...], AfterValidator(_not_empty)] = get_args(Weekday)
    start: Annotated[TimeOfDay, Field(alias="from")]
    end: Annotated[TimeOfDay, Field(alias="to")]
    mbit_s: MegabitsPerSecond


class Night(Entry):
    """Hours kept for what can wait, in the time zone of the region; over midnight if they end before they begin."""

    start: Annotated[TimeOfDay, Field(alias="from")] = "20:00"
    end: Annotated[TimeOfDay, Field(alias="to")] = "06:00"
    classes: tuple[Literal["P2", "P3", "P4"], ...] = ("P4",)
    """What waits for these hours; empty: nothing does. Emergencies and what somebody waits for never wait."""

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if self.start == self.end:
            raise ValueError(f'from "{self.start}" to "{self.end}" is no span: write classes: [] if nothing is to wait')
        return self


class Link(Entry):
    """The line of an МО to the centre."""

    mbit_s: MegabitsPerSecond
    """How fast the line is, or how much of it delivery may use (`capped`), unless the timetable says otherwise."""
    timetable: tuple[RateWindow, ...] = ()
    capped: bool = False
    """Whether delivery keeps to `mbit_s` and the timetable, because others use the line too."""
    urgent_exempt: bool = False
    """Whether P0 and P1 may use the whole line at any hour."""
    streams: Annotated[int, Field(ge=1, le=32)] | None = None
    """How many objects are on their way at the same time; empty: what fills a line of that rate
    (`cami.delivery.fitting`)."""
    piece_kib: Annotated[int, Field(ge=16, le=65536)] | None = None
    """Size of the pieces in which larger objects go; empty: what a stream carries in 4 s, 64 KiB to 8 MiB."""
    compression: Compression = "jpeg-ls"
    """How images that are not compressed are made smaller for the way, without loss."""
    compression_by_modality: Mapping[Modality, Compression] = Field(default_factory=dict)
    """Modalities for which it is another one."""
    gzip: bool = True
    """Whether bodies go as gzip where that saves a tenth. Their bytes stay the same."""
    night: Night = Night()
    """When what can wait goes."""
    plain_http: bool = False
    """Whether the centre may be called without TLS: for development, and where a tunnel encrypts the line."""
    down_mbit_s: MegabitsPerSecond | None = None
    """How much of the line studies may use that come back from the centre; empty: as `mbit_s` and the timetable say if
    the line is `capped`, else all of it."""


class Disk(Entry):
    """When the volume of a server counts as getting full, and as full.

    What is left out follows from the size of the volume (`cami.delivery.disk`).
    """

    warn_free_gb: Gigabytes | None = None
    """Below this much free space the server raises the alarm."""
    stop_free_gb: Gigabytes | None = None
    """Below this much it takes no images: a proxy answers "out of resources", the centre HTTP 507."""

    @model_validator(mode="after")
    def _alarm_comes_first(self) -> Self:
        if self.warn_free_gb is not None and self.stop_free_gb is not None and self.warn_free_gb <= self.stop_free_gb:
            raise ValueError("warn_free_gb must be more than stop_free_gb: the alarm comes before the stop")
        return self


class Retention(Entry):
    """How long a proxy keeps what the centre has confirmed; all of it stays until one of these asks for room."""

    keep_days: Annotated[int, Field(ge=1, le=36_600)] | None = None
    """Days since the last image came in or the study was last opened here; empty: age alone is no reason."""
    quota_gb: Gigabytes | None = None
    """What the images may take; empty: the volume is the quota."""
    min_free_gb: Gigabytes | None = None
    """Free space to be kept on the volume; empty: the threshold of the disk's alarm."""


class NightWindow(Entry):
    """Hours in which the nightly comparison begins, in the time zone of the region; not over midnight."""

    start: Annotated[TimeOfDay, Field(alias="from")]
    end: Annotated[TimeOfDay, Field(alias="to")]

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f'from "{self.start}" to "{self.end}" is no span: it must begin and end in one night')
        return self


class Prefetch(Entry):
    """Which earlier studies of a patient a proxy fetches from the centre for a visit, the evening before or at once."""

    count: Annotated[int, Field(ge=0, le=50)] = 3
    """How many should be at hand, those included that still are; 0: none are fetched."""
    years: Annotated[int, Field(ge=1, le=100)] = 5
    """How old they may be."""
    max_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 2000
    """How large all that is fetched for one visit may be, 10⁶ bytes."""
    evening: TimeOfDay = "20:00"
    """When the evening before a visit begins, in the time zone of the region."""


class Worklist(Entry):
    """The modality worklist of a proxy."""

    keep_days: Annotated[int, Field(ge=1, le=366)] = 14
    """How long after its day an entry is listed that nobody came for; by its number it is found longer."""
    quiet_minutes: Annotated[int, Field(ge=0, le=1440)] = 15
    """How long no image may have come for a study to count as complete; at the centre it is also confirmed by then."""
    other_patient_ids: tuple[Literal["snils", "enp"], ...] = ()
    """Which numbers beside the МИС's devices are told (Other Patient IDs Sequence); what is not here does not leave the
    centre. Devices write them into their images."""


_NIGHT = NightWindow.model_validate({"from": "02:00", "to": "04:00"})


class Quarantine(Entry):
    """How long the bytes of an object in quarantine are kept after somebody has decided of it."""

    keep_days: Annotated[int, Field(ge=1, le=36_600)] = 30


class Coercion(Entry):
    """What is put right in the objects that go to the centre (DICOM PS3.4 B.4.1.3); the originals are kept in them."""

    character_set: bool = True
    """Text is brought into UTF-8, read by the `character_set` of the device."""
    institution: bool = True
    """Institution Name, Institution Code Sequence (ОИД), Institutional Department Name: from the registry."""
    issuer_of_patient_id: bool = True
    """Issuer of Patient ID and its qualifiers: the ОИД of the МО."""

    def of_device(self, device: DeviceCoercion) -> Self:
        """Return what holds for the objects of a device."""
        return self.model_copy(update=device.model_dump(exclude_none=True))


class DicomNode(Entry):
    """Another archive or device that takes images by C-STORE."""

    aet: AeTitle
    host: Host
    port: TcpPort
    calling_aet: AeTitle | None = None
    """The AE title that we call from; empty: the proxy's."""
    tls: bool = False
    """DICOM TLS. Certificates lie with the secrets, see ``docs/ru/routing.md``."""


class DicomWebServer(Entry):
    """A server that takes images by STOW-RS (PS3.18 §10.5)."""

    url: WebAddress
    """What ``/studies`` is added to."""
    authorization: Literal["none", "basic", "bearer"] = "none"
    """How we sign in; the secret lies in a file of its own, never here."""

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.authorization != "none" and not self.url.startswith(("https://", "http://127.0.0.1:")):
            raise ValueError("write an https address: over http the secret could be read on the way")
        return self


class Destination(Entry):
    """Where routing rules may send images besides the centre (F-09). Rules know it by its name."""

    name: DestinationName
    title: Title
    dicom: DicomNode | None = None
    dicomweb: DicomWebServer | None = None
    paced: bool = False
    """Whether it is reached over the line of the link, and so shares its pace."""
    verify: bool = False
    """Whether an image counts as delivered only when the other side finds it (C-FIND or QIDO-RS)."""

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        if (self.dicom is None) == (self.dicomweb is None):
            raise ValueError("write either dicom or dicomweb: one destination has one way")
        return self


class Responsible(Entry):
    """Whom an МО has appointed (приказ № 856, 3.1)."""

    duty: Literal["technical", "organization", "consultations"]
    """Technical support of the PACS, organisation of the work, remote consultations."""
    name: Title
    phone: Annotated[str, Field(max_length=64)] = ""
    email: Email | None = None
    """Alarms of this МО's proxy go there too."""
    order: Annotated[str, Field(max_length=100)] = ""
    """Number and date of the order that appoints."""
    since: date | None = None
    until: date | None = None


class Proxy(Entry):
    """The PACS Proxy of an МО."""

    aet: AeTitle
    link: Link
    address: Address | None = None
    """Where devices reach it; printed for who sets them up."""
    http_port: TcpPort = 8042
    dicom_port: TcpPort = 4242
    """Where it listens, unless its installation says otherwise."""
    disk: Disk = Disk()
    retention: Retention = Retention()
    commitment: Literal["local", "central"] = "local"
    """Where an image must be for storage commitment to tell a device that it may delete its own: in the proxy's
    archive, or confirmed by the centre."""
    reconciliation: NightWindow = _NIGHT
    coercion: Coercion = Coercion()
    quarantine: Quarantine = Quarantine()
    prefetch: Prefetch = Prefetch()
    worklist: Worklist = Worklist()
    destinations: tuple[Destination, ...] = ()
    copied_accounts_hours: Annotated[int, Field(ge=1, le=8760)] = 72
    """How long the МО's people may sign in here by the last copy of their accounts, while the centre is not heard."""

    @model_validator(mode="after")
    def _room_is_made_before_the_stop(self) -> Self:
        free, stop = self.retention.min_free_gb, self.disk.stop_free_gb
        if free is not None and stop is not None and free <= stop:
            raise ValueError("retention.min_free_gb must be more than disk.stop_free_gb: room is made before the stop")
        return self


class Organization(Entry):
    """A medical organization (МО)."""

    code: Code
    oid: Oid
    """In the federal register of medical organizations (НСИ 1.2.643.5.1.13.13.11.1461)."""
    full_name: Title
    short_name: Title
    proxy: Proxy | None = None
    devices: tuple[Device, ...] = ()
    workstations: tuple[Workstation, ...] = ()
    centre_dicom: CentreAccess | None = None
    """How it speaks DICOM to the centre; empty: not at all."""
    responsible: tuple[Responsible, ...] = ()
    closed: date | None = None
    """Since when its proxy has left: it may not deliver any more. What it has delivered stays its own."""

    def nodes(self, archive: Place) -> tuple[Node, ...]:
        """Return the devices and workstations that call its proxy, or the centre."""
        devices: tuple[Node, ...] = self.devices if archive == "proxy" else ()
        return devices + tuple(each for each in self.workstations if each.archive == archive)


class Centre(Entry):
    """The central archive."""

    name: Title
    aet: AeTitle
    oid: Oid
    url: WebAddress | None = None
    """Where proxies reach it, as it stands in installation bundles: https://cami.example"""
    dicom_port_open: bool = False
    """Whether the centre listens for DICOM associations at all; studies come over HTTP."""
    disk: Disk = Disk()
    quarantine: Quarantine = Quarantine()
    reread_mb_s: MegabytesPerSecond = 4
    """How fast all stored files are read from the disk again, round after round, so that damage is found."""


class Account(Entry):
    """Somebody, or a machine, that may sign in. The password is kept elsewhere."""

    login: Login
    name: Title
    role: Role
    mo: Code | Literal[""] = ""
    """Code of the МО; empty for roles of the region."""


class Alarms(Entry):
    """Whom the centre tells when something is wrong with a proxy (F-71), besides who is responsible in its МО."""

    mail_to: tuple[Email, ...] = ()
    """By the mail server of `consultations.mail`."""
    webhook: Webhook | None = None
    """Its bearer token: secret ``alarms.token``."""


class Region(Entry):
    """The registry of a region."""

    name: Title
    time_zone: TimeZone
    centre: Centre
    organizations: Annotated[tuple[Organization, ...], AfterValidator(_not_empty)]
    accounts: tuple[Account, ...] = ()
    consultations: Consultations = Consultations()
    alarms: Alarms = Alarms()
    journal: Journal = Journal()
    people: People = People()
    hl7: Hl7 = Hl7()

    def organization(self, code: str) -> Organization:
        """Return the МО with `code`.

        Raises
        ------
        cami.errors.NotFound
            There is none.
        """
        for organization in self.organizations:
            if organization.code == code:
                return organization
        raise NotFound(f'the region has no МО with code "{code}"')

    def link(self, code: str) -> Link:
        """Return the line of the МО with `code`.

        Raises
        ------
        cami.errors.NotFound
            There is no such МО, or it has no proxy.
        """
        proxy = self.organization(code).proxy
        if proxy is None:
            raise NotFound(f"МО {code} has no proxy in the registry")
        return proxy.link

    @property
    def with_proxy(self) -> tuple[Organization, ...]:
        """The МО that have a proxy and have not left."""
        return tuple(each for each in self.organizations if each.proxy is not None and each.closed is None)
