"""The worklist on real Orthancs, asked by findscu of dcmtk: whose it is, without the line, and what comes of it."""

import logging
import os
import re
import time
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pydicom
import pytest
import yaml
from pydicom.uid import generate_uid
from sqlalchemy import select

from cami.archive import orthanc_id
from cami.clock import SystemClock
from cami.db import open_engine
from cami.db.tables import schedule
from cami.events import EventLog
from cami.orders import Identifier, NewOrder, Orders, Patients, Person
from cami_cli.runtime.native import NativeRuntime
from tests.integration.test_retrieval import image, store
from tests.live import ROOT, LiveRegion, wait_until

log = logging.getLogger(__name__)
#: The first test waits for the region to start.
pytestmark = pytest.mark.timeout(300)

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

    yield SimpleNamespace(place=place, act=act, get=orders.get, open_for=orders.open_for)
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


def expected(region, patient):
    """Return who is expected at the proxy because of the worklist, and when their earlier studies were asked for."""
    engine = open_engine(f"sqlite:///{region.state}/servers/proxy-{MO}/data/cami.sqlite")
    query = select(schedule.c.done_at).where(
        schedule.c.patient == orthanc_id(patient), schedule.c.asked_by == "worklist", schedule.c.done_at.is_not(None)
    )
    try:
        with engine.connect() as connection:
            return connection.scalars(query).all()
    finally:
        engine.dispose()


def today():
    return datetime.now(ZoneInfo("Asia/Novokuznetsk")).strftime("%Y%m%d")


def test_an_order_is_on_its_devices_worklist_within_seconds_and_on_no_other(region, mis):
    began = time.monotonic()
    order = mis.place("first")
    wait_until("on the worklist", lambda: order.accession in numbers(region), 5)
    log.warning("order to worklist: %.2f s", time.monotonic() - began)
    wait_until("earlier studies are looked for", lambda: expected(region, "4512207"), 10)
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


def session(region, role="technologist", mo=MO):
    made = region.session(role, mo)
    made.headers["X-Cami-Csrf"] = "1"
    return made


def examined(order, count=2, **tags):
    """Images as a console makes them that took the patient from its worklist."""
    today_ = datetime.now(ZoneInfo("Asia/Novokuznetsk"))
    said = {
        "PatientName": "Тестова^Анна^Петровна", "PatientBirthDate": "19610314", "PatientSex": "F",
        "AccessionNumber": order.accession, "StudyDate": today_.strftime("%Y%m%d"),
    } | tags  # fmt: skip
    uid = generate_uid()
    study_uid = said.pop("StudyInstanceUID", order.study_uid)
    return [image(study_uid, uid, said.get("PatientID", "4512207"), number + 1, **said) for number in range(count)]


def test_images_with_its_number_begin_and_complete_an_order(region, mis):
    order = mis.place("examined")
    wait_until("on the worklist", lambda: order.accession in numbers(region), 5)
    store(region, examined(order))
    wait_until("begun", lambda: mis.get(order.number).state == "started", 20)
    wait_until("complete", lambda: mis.get(order.number).state == "completed", 40)
    found = mis.get(order.number)
    assert found.started_at <= found.ended_at
    wait_until("off the worklist", lambda: order.accession not in numbers(region), 5)


def test_a_number_that_the_console_left_out_is_written_before_the_images_go(region, mis):
    order = mis.place("unnumbered")
    wait_until("on the worklist", lambda: order.accession in numbers(region), 5)
    datasets = examined(order, AccessionNumber="7")
    store(region, datasets)
    uid = order.study_uid
    wait_until("complete", lambda: mis.get(order.number).state == "completed", 40)
    doctor = session(region, "radiologist")
    (found,) = doctor.post(
        region.central + "/tools/find", json={"Level": "Study", "Query": {"StudyInstanceUID": uid}, "Expand": True}
    ).json()
    assert found["MainDicomTags"]["AccessionNumber"] == order.accession
    (here,) = doctor.post(
        region.proxy(MO)["url"] + "/tools/find",
        json={"Level": "Study", "Query": {"StudyInstanceUID": uid}, "Expand": True},
    ).json()
    assert here["MainDicomTags"]["AccessionNumber"] == "7", "the local archive keeps what the device sent"
    query = {"Level": "Instance", "Query": {"StudyInstanceUID": uid}}
    instance = doctor.post(region.central + "/tools/find", json=query).json()[0]
    file = pydicom.dcmread(BytesIO(doctor.get(f"{region.central}/instances/{instance}/file").content))
    kept = [each.ModifiedAttributesSequence[0] for each in file.OriginalAttributesSequence]
    assert [each.AccessionNumber for each in kept if "AccessionNumber" in each] == ["7"]


def test_without_the_line_the_worklist_is_served_and_orders_are_written_by_hand(region, mis):
    before = mis.place("before the cut")
    wait_until("on the worklist", lambda: before.accession in numbers(region), 5)
    region.server("kill", "central")
    try:
        assert before.accession in numbers(region)
        form = {
            "family": "Экстреннова", "given": "Вера", "birth": "01.02.1950", "sex": "F", "patient": "777",
            "issuer": "local", "device": "CT42001", "procedure": "КТ головы", "priority": "stat",
        }  # fmt: skip
        technologist = session(region)
        url = region.proxy(MO)["url"] + "/cami/worklist"
        assert technologist.post(url + "/new", data=form, timeout=20).status_code == 200
        printed = findscu(region, "PatientName=Экстреннова*", "0008,0005=ISO_IR 192")
        number = re.search(r"\(0008,0050\) SH \[(M42001\S+?) ?\]", printed)[1]
        assert "ещё не передана в центр" in technologist.get(url, timeout=20).text
        # The proxy is killed, too: nothing of it was only in memory.
        region.server("kill", f"proxy-{MO}")
        region.server("start", f"proxy-{MO}")
        wait_until("the proxy", lambda: number in numbers(region), 60)
    finally:
        region.server("start", "central")

    def placed():
        return [each for each in mis.open_for(MO) if each.order.accession == number]

    wait_until("at the centre", placed, 60)
    assert placed()[0].order.source.startswith("manual:")
    wait_until("told", lambda: "ещё не передана" not in technologist.get(url, timeout=20).text, 20)
    after = mis.place("after the cut")
    wait_until("on the worklist", lambda: after.accession in numbers(region), 10)
    assert number in numbers(region)


def test_a_technologist_links_what_matches_nothing(region, mis):
    order = mis.place("linked by hand")
    datasets = examined(order, AccessionNumber="", StudyInstanceUID=generate_uid(), PatientID="by-hand")
    store(region, datasets)
    url = region.central + "/cami/matching"
    technologist = session(region)

    def listed():
        page = technologist.get(url, timeout=20).text
        return page if "by-hand" in page else ""

    shown = wait_until("to be decided", listed, 30)
    row = next(row for row in re.findall(r"<tr>.*?</tr>", shown, re.DOTALL) if "by-hand" in row)
    path = re.search(r"/cami/matching/([0-9a-f-]{44})", row)[1]
    assert "Похоже на направление" in row
    decision = {"action": f"link:{order.number}", "reason": "пациент тот же"}
    assert technologist.post(f"{url}/{path}", data=decision, timeout=20).status_code == 200
    wait_until("complete", lambda: mis.get(order.number).state == "completed", 40)
    assert session(region, mo=OTHER).get(f"{url}/{path}", timeout=20).text.count("by-hand") == 0
    assert technologist.post(f"{url}/{path}", data={"action": "part", "reason": "нет"}, timeout=20).status_code == 200
    assert mis.get(order.number).state == "accepted"
