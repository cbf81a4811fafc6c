"""The worklist on real Orthancs, asked by findscu of dcmtk: whose it is, without the line, and what comes of it."""

import logging
import os
import re
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import yaml

from cami.clock import SystemClock
from cami.db import open_engine
from cami.events import EventLog
from cami.orders import Identifier, NewOrder, Orders, Patients, Person
from cami_cli.runtime.native import NativeRuntime
from tests.live import ROOT, LiveRegion, wait_until

log = logging.getLogger(__name__)

MO, OTHER = "42001", "42002"
MIS = "urn:oid:1.2.643.5.1.13.13.12.2.42.9901.100.1.1.10"


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    content = yaml.load((ROOT / "orthanc-config" / "region.yaml").read_text(), Loader=yaml.BaseLoader)
    own = content["organizations"][0]
    own["proxy"]["worklist"] = {"quiet_minutes": "0"}
    own["devices"][1]["transliterate"] = "true"
    registry = tmp_path_factory.mktemp("registry") / "region.yaml"
    registry.write_text(yaml.safe_dump(content, allow_unicode=True))
    with LiveRegion(tmp_path_factory.mktemp("region"), registry) as live:
        yield live


@pytest.fixture(scope="module")
def mis(region):
    """Places orders as the МИС's face will: in the centre's database."""
    engine = open_engine(f"sqlite:///{region.state}/servers/central/data/cami.sqlite")
    clock = SystemClock()
    events = EventLog(engine, clock)
    patients = Patients(engine, clock, events)
    orders = Orders(engine, clock, events, patients)

    def place(number, patient="4512207", **more):
        person = Person("Тестова", "Анна", "Петровна", "1961-03-14", "F", (Identifier(MIS, patient),))
        wanted = {
            "placer_system": "urn:mis", "source": "mis:test", "mo": MO, "modality": "CT", "device_aet": "CT42001",
            "procedure_text": "КТ органов брюшной полости", "scheduled_at": datetime.now(UTC),
        } | more  # fmt: skip
        with engine.begin() as connection:
            key = patients.put(connection, person, "mis:test").patient.key
            return orders.place(connection, NewOrder(placer_number=number, patient=key, **wanted))[0]

    def act(name, *arguments, **more):
        with engine.begin() as connection:
            return getattr(orders, name)(connection, *arguments, **more)

    yield SimpleNamespace(place=place, act=act, get=orders.get)
    engine.dispose()


RUNTIME = NativeRuntime(os.environ.get("SUITE", "forky"))


def findscu(region, *keys, aet="CT42001", mo=MO):
    """Ask as a device does; return what findscu printed."""
    dicom = region.proxy(mo)["dicom"]
    asked = ["AccessionNumber", "PatientName", "StudyInstanceUID", "PatientID", "RequestedProcedureDescription"]
    asked += ["ScheduledProcedureStepSequence[0].Modality", "ScheduledProcedureStepSequence[0].ScheduledStationAETitle"]
    given = {key.partition("=")[0] for key in keys}
    options = [part for key in (*keys, *(each for each in asked if each not in given)) for part in ("-k", key)]
    command = ["findscu", "-W", "-v", "-aet", aet, "-aec", dicom["aet"], *options, dicom["host"], str(dicom["port"])]
    done = RUNTIME.tool(command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def numbers(region, *keys, **more):
    printed = findscu(region, *keys, **more)
    answers = printed.split("Find Response:")[1:]
    return [re.search(r"\(0008,0050\) SH \[(\S+?) ?\]", answer)[1] for answer in answers]


def today():
    return datetime.now(ZoneInfo("Asia/Novokuznetsk")).strftime("%Y%m%d")


def test_an_order_is_on_its_devices_worklist_within_seconds_and_on_no_other(region, mis):
    wait_until("the line", lambda: region.session("technologist", MO).get(
        region.proxy(MO)["url"] + "/cami/health", timeout=5).ok, 30)  # fmt: skip
    time.sleep(2)
    began = time.monotonic()
    order = mis.place("first")
    wait_until("on the worklist", lambda: order.accession in numbers(region), 5)
    log.warning("order to worklist: %.2f s", time.monotonic() - began)
    step = "ScheduledProcedureStepSequence[0]."
    keys = [
        f"{step}ScheduledProcedureStepStartDate={today()}",
        f"{step}Modality=CT",
        f"{step}ScheduledStationAETitle=CT42001",
        "PatientName=Тестова*",
    ]
    printed = findscu(region, "0008,0005=ISO_IR 192", *keys)
    assert "Тестова^Анна^Петровна" in printed
    assert "КТ органов брюшной полости" in printed
    assert order.study_uid in printed
    assert "ISO_IR 192" in printed
    assert numbers(region, *keys[:3]) == [order.accession]
    assert numbers(region, "PatientName=TESTOVA*") == [order.accession]
    assert numbers(region, f"{step}Modality=MR") == []
    assert numbers(region, aet="MR42001") == []
    assert numbers(region, aet="CT42002", mo=OTHER) == []


def test_latin_letters_for_a_console_without_cyrillic(region, mis):
    order = mis.place("latin", modality="MR", device_aet="")
    wait_until("on the worklist", lambda: order.accession in numbers(region, aet="MR42001"), 5)
    printed = findscu(region, aet="MR42001")
    assert "TESTOVA^ANNA^PETROVNA" in printed
    assert "Тестова" not in printed


def test_a_change_and_a_cancel(region, mis):
    order = mis.place("changed")
    wait_until("on the worklist", lambda: order.accession in numbers(region), 5)
    mis.act("change", order.number, {"device_aet": "US42001", "modality": "US"}, by="mis")
    wait_until("at the other device", lambda: order.accession in numbers(region, aet="US42001"), 5)
    assert order.accession not in numbers(region)
    mis.act("cancel", order.number, "patient", "", by="mis")
    wait_until("withdrawn", lambda: order.accession not in numbers(region, aet="US42001"), 5)
