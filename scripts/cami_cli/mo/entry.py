"""What people type about a new МО, as an entry of the registry: devices and responsible people in one line each."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cami_cli.errors import Trouble
from cami_cli.wording import both

DUTIES = ("technical", "organization", "consultations")
#: Columns of a list of devices; a table saved as CSV has them in its first line, in any order.
COLUMNS = ("aet", "modality", "address", "port", "name", "room", "department", "character_set")


@dataclass(frozen=True, slots=True)
class NewMo:
    """What is said of it."""

    code: str
    oid: str
    name: str
    short_name: str
    aet: str
    mbit_s: float
    address: str = ""
    http_port: int | None = None
    dicom_port: int | None = None
    devices: tuple[dict[str, Any], ...] = ()
    responsible: tuple[dict[str, Any], ...] = ()

    def entry(self) -> dict[str, Any]:
        """Return the entry of the registry, without what is not said."""
        proxy: dict[str, Any] = {"aet": self.aet}
        if self.address:
            proxy["address"] = self.address
        if self.http_port:
            proxy["http_port"] = self.http_port
        if self.dicom_port:
            proxy["dicom_port"] = self.dicom_port
        rate = int(self.mbit_s) if self.mbit_s == int(self.mbit_s) else self.mbit_s
        entry: dict[str, Any] = {
            "code": self.code,
            "oid": self.oid,
            "full_name": self.name,
            "short_name": self.short_name,
            "proxy": proxy | {"link": {"mbit_s": rate}},
        }
        if self.responsible:
            entry["responsible"] = list(self.responsible)
        if self.devices:
            entry["devices"] = list(self.devices)
        return entry


def device(text: str) -> dict[str, Any]:
    """Read ``AET,MODALITY,ADDRESS[:PORT],NAME[,ROOM]``.

    Raises
    ------
    cami_cli.errors.Trouble
        It cannot be read.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (4, 5) or not all(parts[:4]):
        raise Trouble(
            both(f"аппарат «{text}» не понят", f'the device "{text}" is not understood'),
            both(
                "пишите AET,МОДАЛЬНОСТЬ,АДРЕС[:ПОРТ],НАЗВАНИЕ[,КАБИНЕТ]: CT42003,CT,10.42.3.11:104,Томограф,12",
                "write AET,MODALITY,ADDRESS[:PORT],NAME[,ROOM]: CT42003,CT,10.42.3.11:104,CT scanner,12",
            ),
        )
    address, _, port = parts[2].partition(":")
    row = {"aet": parts[0], "modality": parts[1], "address": address, "port": port, "name": parts[3]}
    return _device(row | ({"room": parts[4]} if len(parts) == 5 else {}))


def device_list(path: Path) -> list[dict[str, Any]]:
    """Read a table of devices (CSV, separated by commas or semicolons; the first line names the columns).

    Raises
    ------
    cami_cli.errors.Trouble
        It cannot be read.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text("cp1251")  # as spreadsheets save it on a Russian Windows
    first = text.partition("\n")[0]
    rows = list(csv.DictReader(text.splitlines(), delimiter=";" if ";" in first else ","))
    unknown = [name for name in (rows[0] if rows else {}) if name not in COLUMNS]
    if not rows or unknown:
        raise Trouble(
            both(
                f"список аппаратов {path} не понят: {', '.join(map(str, unknown)) or 'он пуст'}",
                f"the list of devices {path} is not understood: {', '.join(map(str, unknown)) or 'it is empty'}",
            ),
            both("в первой строке – столбцы: ", "its first line has the columns: ") + ", ".join(COLUMNS),
        )
    return [_device({name: (value or "").strip() for name, value in row.items()}) for row in rows]


def responsible(text: str) -> dict[str, Any]:
    """Read ``DUTY,NAME[,PHONE[,EMAIL[,ORDER]]]``.

    Raises
    ------
    cami_cli.errors.Trouble
        It cannot be read.
    """
    parts = [part.strip() for part in text.split(",")]
    if not 2 <= len(parts) <= 5 or parts[0] not in DUTIES:
        raise Trouble(
            both(f"ответственный «{text}» не понят", f'"{text}" names nobody responsible'),
            both(
                f"пишите ОБЯЗАННОСТЬ,ФИО,ТЕЛЕФОН,ПОЧТА,ПРИКАЗ; обязанность – {', '.join(DUTIES)}",
                f"write DUTY,NAME,PHONE,EMAIL,ORDER; duty: {', '.join(DUTIES)}",
            ),
        )
    named = zip(("duty", "name", "phone", "email", "order"), parts, strict=False)
    return {name: value for name, value in named if value}


def _device(row: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"aet": row["aet"], "name": row.get("name") or row["aet"]}
    if row.get("room"):
        made["room"] = row["room"]
    if row.get("department"):
        made["department"] = row["department"]
    made |= {"modality": row.get("modality", ""), "address": row.get("address", "")}
    if row.get("port"):
        if not str(row["port"]).isdecimal():
            raise Trouble(
                both(f"порт «{row['port']}» аппарата {row['aet']} – не число", f'port "{row["port"]}" is no number'),
                both("например, 104", "as 104"),
            )
        made["port"] = int(row["port"])
    if row.get("character_set"):
        made["character_set"] = {"default": row["character_set"]}
    return made


def devices_of(single: Sequence[str] | None, listed: Path | None) -> tuple[dict[str, Any], ...]:
    """Return the devices of both kinds of options."""
    return (*(device(text) for text in single or ()), *(device_list(listed) if listed else ()))
