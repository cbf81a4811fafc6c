"""The self-test of an installed proxy: whatever would fail on the first working day is tried now, and said in words.

It uses the proxy's own key, settings and registry, and the same calls as delivery; the test image travels to the centre
and back and is removed there again. Devices are called, none is changed.
"""

import hashlib
import io
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from typing import Any, Literal

from pydicom import dcmread

from cami.archive import orthanc_id
from cami.clock import Clock
from cami.delivery import CentralLink
from cami.delivery.disk import Room, Thresholds
from cami.delivery.right_of_way import Passage
from cami.dimse import Peer, echo
from cami.enrolment.trial_image import trial_image
from cami.errors import CamiError, Denied, Invalid, NotFound, Permanent, Transient
from cami.region import Device, Organization, Proxy
from cami.settings import Settings

Verdict = Literal["ok", "warning", "failure"]
#: Tokens are refused when clocks differ by more than a minute; long before that times on the pages are wrong.
SKEW_WARNS, SKEW_FAILS = 5.0, 45.0
#: Bytes that the test of the line sends and asks for: two seconds at 2 Mbit/s.
LINE_BYTES = 512 * 1024
#: Of the rate in the registry; less is told.
ENOUGH_OF_RATE = 0.8
_GB = 1_000_000_000
_ASK = "сообщите администратору ЦАМИ"
_JOIN = "возьмите новый код у администратора ЦАМИ: ./install.sh --join"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried."""

    title: str
    verdict: Verdict
    found: str
    remedy: str = ""


class SelfTest:
    """Everything that is tried, in the order in which one thing needs the other."""

    def __init__(self, settings: Settings, organization: Organization, ports: tuple[int, int], clock: Clock) -> None:
        """Make it; `ports` are those of HTTP and DICOM on this machine."""
        self._settings = settings
        self._organization = organization
        self._http_port, self._dicom_port = ports
        self._clock = clock

    def run(self, link: CentralLink) -> Iterator[Check]:
        """Try one after the other."""
        yield self.disk()
        yield self.server()
        yield self.dicom_port()
        centre = self.centre(link)
        yield centre
        if centre.verdict != "failure":
            yield from _tried(self.clocks, link)
            yield from _tried(self.line, link)
            yield from _tried(self.image, link)
        yield from self.devices()

    def disk(self) -> Check:
        """Try whether there is room for images."""
        usage = shutil.disk_usage(self._settings.quarantine.parent)
        room = Room(usage.free, usage.total)
        limits = Thresholds.of(self._proxy().disk, room.total)
        found = f"свободно {room.free / _GB:.0f} из {room.total / _GB:.0f} ГБ"
        if room.free <= limits.stop:
            return Check("Диск", "failure", found, f"освободите место: приём начинается от {limits.stop / _GB:.1f} ГБ")
        if room.free <= limits.warn:
            return Check("Диск", "warning", found, "место скоро кончится: подключите диск больше")
        return Check("Диск", "ok", found)

    def server(self) -> Check:
        """Try whether our own server answers."""
        connection = HTTPConnection("127.0.0.1", self._http_port, timeout=10)
        try:
            connection.request("GET", "/cami/health", headers={"Accept": "application/json"})
            status = connection.getresponse().status
        except (OSError, HTTPException):
            status = 0
        finally:
            connection.close()
        title, found = "Порт HTTP", f"127.0.0.1:{self._http_port}"
        if status != 200:
            return Check(title, "failure", f"{found} не отвечает", "посмотрите журнал сервера: ./install.sh --log")
        return Check(title, "ok", f"{found} отвечает")

    def dicom_port(self) -> Check:
        """Try whether devices can reach the DICOM port."""
        title = "Порт DICOM"
        try:
            with socket.create_connection(("127.0.0.1", self._dicom_port), 5):
                pass
        except OSError:
            return Check(title, "failure", f"{self._dicom_port} не принимает соединений", "./install.sh --log")
        return Check(title, "ok", f"{self._dicom_port} открыт; в межсетевом экране разрешите его для аппаратов")

    def centre(self, link: CentralLink) -> Check:
        """Try whether the centre answers and knows us."""
        title = "Центр"
        try:
            link.probe()
        except Denied:
            return Check(
                title,
                "failure",
                "не признаёт этот PACS Proxy",
                _JOIN,
            )
        except Transient:
            return Check(
                title, "failure", f"{self._settings.central_url} не отвечает", "проверьте ViPNet и межсетевой экран"
            )
        return Check(title, "ok", f"{self._settings.central_url} признаёт этот PACS Proxy")

    def clocks(self, link: CentralLink) -> Check:
        """Compare the clocks, the way there and back taken out."""
        title, before = "Часы", self._clock.now()
        answer = link.ask("GET", "/time")
        now = self._clock.now()
        there = datetime.fromisoformat(str(answer["time"]))
        skew = ((before + (now - before) / 2) - there).total_seconds()
        found = f"расходятся с центром на {abs(skew):.1f} с"
        advice = "включите синхронизацию времени (NTP) на этой машине"
        if abs(skew) > SKEW_FAILS:
            return Check(title, "failure", found, advice)
        if abs(skew) > SKEW_WARNS:
            return Check(title, "warning", found, advice)
        return Check(title, "ok", found)

    def line(self, link: CentralLink) -> Check:
        """Measure the line both ways."""
        up = _mbit(lambda: link.push("/speed", os.urandom(LINE_BYTES)))
        down = _mbit(lambda: link.fetch(f"/speed?bytes={LINE_BYTES}"))
        promised = self._proxy().link.mbit_s
        found = f"в центр {up:.1f}, из центра {down:.1f} Мбит/с; в реестре {promised:g}"
        if up < ENOUGH_OF_RATE * promised:
            return Check("Линия", "warning", found, "линия медленнее, чем заявлено (№ 856, 3.2: от 2 Мбит/с)")
        return Check("Линия", "ok", found)

    def image(self, link: CentralLink) -> Check:
        """Send a test image, fetch it back, compare, and have it removed."""
        title = "Тестовый снимок"
        dicom = trial_image(self._settings.mo, f"{self._clock.now():%Y%m%d}")
        study_id, instance_id = _ids(dicom)
        link.ask("POST", "/trials", {"study_id": study_id})
        began = time.monotonic()
        try:
            receipt = link.send(dicom, hashlib.sha256(dicom).hexdigest(), Passage(urgent=True))
            if receipt.outcome != "stored":
                return Check(title, "failure", f"центр его не принял: {receipt.outcome}", _ASK)
            back = link.part(f"/instances/{instance_id}", 0, 8 * 1024 * 1024)
            took = time.monotonic() - began
        finally:
            removed = link.ask("POST", "/trials", {"study_id": study_id, "over": True})
        if back.content != dicom:
            return Check(title, "failure", "вернулся другим", _ASK)
        if removed.get("removed") != 1:
            return Check(title, "warning", "дошёл и вернулся, но не удалён", "центр удалит его сам через час")
        return Check(title, "ok", f"дошёл до центра и вернулся за {took:.1f} с, из центра удалён")

    def devices(self) -> Iterator[Check]:
        """Call each device that listens; one that is switched off is no failure of the installation."""
        for device in self._organization.devices:
            yield self._device(device)

    def _device(self, device: Device) -> Check:
        title = f"Аппарат {device.aet}"
        if device.port is None:
            return Check(title, "ok", f"{device.name}: порт не указан, C-ECHO с аппарата проверьте с его пульта")
        try:
            status = echo(Peer(device.address, device.port, device.aet, self._proxy().aet))
        except (Transient, Permanent):
            return Check(
                title, "warning", f"{device.name}: {device.address}:{device.port} не отвечает на C-ECHO",
                "включите аппарат, проверьте его адрес, порт и AE title",
            )  # fmt: skip
        if status:
            return Check(
                title, "warning", f"{device.name}: ответил {status:04X}", "проверьте AE title PACS Proxy на нём"
            )
        return Check(title, "ok", f"{device.name}: отвечает на C-ECHO")

    def _proxy(self) -> Proxy:
        if self._organization.proxy is None:
            raise Invalid(f"МО {self._organization.code} has no proxy in the registry")
        return self._organization.proxy


def _tried(check: Callable[[CentralLink], Check], link: CentralLink) -> Iterator[Check]:
    try:
        yield check(link)
    except (Transient, Denied, NotFound, Invalid, CamiError) as error:
        yield Check("Связь с центром", "failure", f"прервалась: {type(error).__name__}", "запустите проверку ещё раз")


def _mbit(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return LINE_BYTES * 8 / 1e6 / max(time.monotonic() - began, 1e-6)


def _ids(dicom: bytes) -> tuple[str, str]:
    """Return Orthanc's ids of study and instance."""
    read = dcmread(io.BytesIO(dicom), stop_before_pixels=True)
    patient, study = str(read.PatientID), str(read.StudyInstanceUID)
    return orthanc_id(patient, study), orthanc_id(patient, study, str(read.SeriesInstanceUID), str(read.SOPInstanceUID))
