"""Single values of the registry: what a code, an AE title, an OID, a modality or a character set may look like.

Each checker returns the value or raises `ValueError` with what is wrong and what to write instead.
"""

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

#: Modality (0008,0060): the defined terms of DICOM PS3.3 C.7.3.1.1.1 that acquire or produce objects.
# fmt: off
MODALITIES = frozenset([
    "AR", "ASMT", "AU", "BDUS", "BI", "BMD", "CR", "CT", "CTPROTOCOL", "DMS", "DG", "DOC", "DX", "ECG", "EEG",
    "EMG", "EOG", "EPS", "ES", "FID", "GM", "HC", "HD", "IO", "IOL", "IVOCT", "IVUS", "KER", "KO", "LEN", "LS",
    "M3D", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM", "OPT", "OPTBSV", "OPTENF", "OPV", "OSS", "OT", "PA",
    "PLAN", "POS", "PR", "PT", "PX", "REG", "RESP", "RF", "RG", "RTDOSE", "RTIMAGE", "RTINTENT", "RTPLAN", "RTRAD",
    "RTRECORD", "RTSEGANN", "RTSTRUCT", "SEG", "SM", "SMR", "SR", "SRF", "STAIN", "TEXTUREMAP", "TG", "US", "VA",
    "XA", "XAPROTOCOL", "XC",
])
# fmt: on

#: Specific Character Set (0008,0005): the defined terms of DICOM PS3.3 C.12.1.1.2.
DICOM_CHARACTER_SETS = frozenset(
    [f"ISO_IR {number}" for number in (13, 100, 101, 109, 110, 126, 127, 138, 144, 148, 166, 192, 203)]
    + [f"ISO 2022 IR {number}" for number in (6, 13, 58, 87, 100, 101, 109, 110, 126, 127, 138, 144, 148, 149, 159)]
    + ["ISO 2022 IR 166", "ISO 2022 IR 203", "GB18030", "GBK"]
)

#: What Russian consoles really write while declaring something else or nothing. No DICOM terms: text in these is to
#: be rewritten before it leaves the proxy.
ACTUAL_CHARACTER_SETS = frozenset(["windows-1251", "ibm866", "koi8-r"])

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_AE_TITLE = re.compile(r"[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]*[\x21-\x5b\x5d-\x7e])?")
_CODE = re.compile(r"[0-9a-z-]{1,16}")
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HOST = re.compile(r"(?!-)[a-zA-Z0-9-]{1,63}(\.(?!-)[a-zA-Z0-9-]{1,63})*")
_DESTINATION = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
#: Hours and minutes; as texts they compare as times do.
TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def _oid(value: str) -> str:
    if not _OID.fullmatch(value) or len(value) > 64:
        raise ValueError(f'"{value}" is no OID: write numbers with dots, at most 64 characters, as 1.2.643.100.3')
    first, second = value.split(".")[:2]
    if first in "01" and int(second) > 39:
        raise ValueError(f'"{value}" is no OID: after {first} comes a number up to 39 (ISO/IEC 9834-1)')
    return value


def _ae_title(value: str) -> str:
    if not _AE_TITLE.fullmatch(value) or len(value) > 16:
        raise ValueError(
            f'"{value}" is no AE title: write 1 to 16 Latin letters, digits or signs, no backslash, no blank at '
            "either end (DICOM PS3.5 6.2)"
        )
    return value


def _code(value: str) -> str:
    if not _CODE.fullmatch(value):
        raise ValueError(f'"{value}" is no code: write 1 to 16 digits, small Latin letters or hyphens, as 42001')
    return value


def _login(value: str) -> str:
    if not _LOGIN.fullmatch(value):
        raise ValueError(f'"{value}" is no login: write up to 64 small Latin letters, digits, dots, hyphens')
    return value


def _modality(value: str) -> str:
    if value not in MODALITIES:
        raise ValueError(f'"{value}" is no DICOM modality: write a term of PS3.3 C.7.3.1.1.1, as CT, MR, DX, MG, US')
    return value


def _character_set(value: str) -> str:
    if value in ACTUAL_CHARACTER_SETS:
        return value
    unknown = [term for term in value.split("\\") if term not in DICOM_CHARACTER_SETS]
    if unknown:
        raise ValueError(
            f'"{unknown[0]}" is no character set: write a term of DICOM PS3.3 C.12.1.1.2, as ISO_IR 192 or '
            f"ISO_IR 144, or what the device really writes: {', '.join(sorted(ACTUAL_CHARACTER_SETS))}"
        )
    return value


def _address(value: str) -> str:
    try:
        canonical = str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(
            f'"{value}" is no IP address: write it in numbers, as 10.42.1.15; names do not work, Orthanc compares '
            "the address of the caller letter by letter"
        ) from None
    if canonical != value:
        raise ValueError(f'"{value}" must be written as {canonical}: Orthanc compares addresses letter by letter')
    return value


def _host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if not _HOST.fullmatch(value) or len(value) > 253:
            raise ValueError(f'"{value}" is no host: write an IP address or a name, as pacs.example') from None
    return value


def _destination_name(value: str) -> str:
    if not _DESTINATION.fullmatch(value):
        raise ValueError(f'"{value}" is no name: write 1 to 32 digits, small Latin letters or hyphens, as rsc-pacs')
    return value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(f'"{value}" is no address: write it as https://pacs.example/dicom-web, without a password')
    return value.rstrip("/")


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):  # a path, a folder of the time zone database, an unknown name
        raise ValueError(f'"{value}" is no time zone: write an IANA name, as Asia/Novokuznetsk') from None
    return value


def _time_of_day(value: str) -> str:
    if not TIME.fullmatch(value):
        raise ValueError(f'"{value}" is no time of day: write hours and minutes, as "08:00"; a day ends at "24:00"')
    return value


def _title(value: str) -> str:
    if not value.strip() or value != value.strip() or not value.isprintable():
        raise ValueError("write a text in one line, without blanks at its ends")
    return value


def long_string(value: str) -> str:
    """Return a text that DICOM's VR LO can hold (PS3.5 §6.2).

    Raises
    ------
    ValueError
        It is too long, or has a backslash.
    """
    if len(value) > 64 or "\\" in value:
        raise ValueError("write at most 64 characters and no backslash: DICOM takes no more in its headers (LO)")
    return _title(value)


Oid = Annotated[str, AfterValidator(_oid)]
AeTitle = Annotated[str, AfterValidator(_ae_title)]
Code = Annotated[str, AfterValidator(_code)]
Login = Annotated[str, AfterValidator(_login)]
Modality = Annotated[str, AfterValidator(_modality)]
CharacterSet = Annotated[str, AfterValidator(_character_set)]
Address = Annotated[str, AfterValidator(_address)]
Host = Annotated[str, AfterValidator(_host)]
DestinationName = Annotated[str, AfterValidator(_destination_name)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]
Title = Annotated[str, Field(max_length=200), AfterValidator(_title)]
LongString = Annotated[str, AfterValidator(long_string)]
TcpPort = Annotated[int, Field(ge=1, le=65535)]
Gigabytes = Annotated[float, Field(gt=0, le=10_000_000, allow_inf_nan=False)]
"""10⁹ bytes, as disks are sold."""
MegabytesPerSecond = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
MegabitsPerSecond = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]
