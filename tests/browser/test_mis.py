"""The whole way of an order: the doctor at the МИС, the device, the archive, the consultant, and back to the МИС."""

import os
import re

import pytest
import requests

from cami_cli.demo.mis import Entry, SimulatedMis, store_for_order
from cami_cli.region_file import parse_region
from cami_cli.runtime.native import NativeRuntime
from cami_cli.state import StateFolder
from tests.live import wait_until

from .conftest import wait_painted

MO, CARD = "42001", "4512207"
QUESTION = "Имеется ли панкреонекроз?"


@pytest.fixture(scope="module")
def mis(region):
    simulated = SimulatedMis(StateFolder(region.state))
    try:
        wait_until("the simulated МИС answers", simulated.ready, 120)
        yield simulated
    finally:
        simulated.end()


def findscu(region, accession):
    """Ask the worklist with dcmtk, as the console of the CT does; return the entry."""
    dicom = region.proxy(MO)["dicom"]
    keys = ["StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "PatientSex"]
    options = [part for key in (f"AccessionNumber={accession}", *keys) for part in ("-k", key)]
    aets = ["-aet", f"CT{MO}", "-aec", dicom["aet"]]
    command = ["findscu", "-W", "-v", *aets, *options, dicom["host"], str(dicom["port"])]
    done = NativeRuntime(os.environ.get("SUITE", "forky")).tool(command)
    _, found, answer = (done.stdout + done.stderr).partition("Find Response:")
    if not found:
        return None

    def value(tag):
        said = re.search(rf"\({tag}\) \w\w \[(.*?)\s*\]", answer)
        return said[1].strip("\0 ") if said else ""

    uid, name = value("0020,000d"), value("0010,0010")
    return Entry(accession, uid, value("0010,0020"), name or "Тестова^Анна^Петровна", value("0010,0030"), "F", 0.0)


@pytest.mark.timeout(400)
def test_an_order_goes_all_the_way(visitor, region, studies, mis):
    doctor = visitor(host=mis.url, viewport={"width": 1366, "height": 900})
    page = doctor.page
    doctor.open(f"/patients/{CARD}")
    page.get_by_label("Исследование").select_option("CT")
    page.get_by_label("Форма").select_option("urgent")
    page.get_by_label("Цель исследования").fill("Исключить панкреонекроз")
    page.get_by_role("button", name="Создать направление").click()
    page.get_by_text("Принято").first.wait_for()
    order = mis.order()

    entry = wait_until("the order is on the worklist of the CT", lambda: findscu(region, order["accession"]), 60)
    assert (entry.study_uid, entry.patient_id) == (order["study_uid"], CARD)
    folder, written = studies
    like = next(study for study in written if (study.mo, study.modality) == (MO, "CT"))
    store_for_order(parse_region(region.about).proxy(MO), folder / like.folder, entry)
    wait_until("the images are available in the МИС", lambda: mis.order()["study_status"] == "available", 180)
    page.reload()
    page.get_by_text("доступны", exact=True).first.wait_for()
    doctor.screenshot("mis-card", full=True)
    assert doctor.problems == []

    page.get_by_role("button", name="Снимки").first.click()
    page.wait_for_url("**/ohif/viewer?**")
    wait_painted(page)
    doctor.screenshot("mis-click-ohif")

    doctor.open(f"/patients/{CARD}")
    page.get_by_label("Вопрос консультанту").first.fill(QUESTION)
    page.get_by_role("button", name="Запросить консультацию").first.click()
    page.get_by_text("Отправлена").first.wait_for()
    _answer(region)
    wait_until("the report is in the МИС", lambda: mis.get("/api/consultations")[0]["status"] == "completed", 60)
    wait_until("its document is on the card", lambda: "/documents/" in requests.get(page.url, timeout=10).text, 60)
    page.reload()
    document = page.get_by_role("link", name="Протокол консультации").first
    assert requests.get(mis.url + document.get_attribute("href"), timeout=10).content.startswith(b"%PDF")
    doctor.screenshot("mis-report", full=True)

    own = visitor()
    own.open("/cami/")
    own.sign_in("clinician", MO)
    own.page.get_by_text(order["number"]).first.wait_for()
    own.screenshot("mis-order-in-archive")


def _answer(region):
    """Take the request and sign its answer, as the consultant's page does."""
    consultant = region.session("consultant", "42900")
    api = f"{region.central}/cami/api/consultations"
    listed = consultant.get(f"{api}?view=queue", timeout=30).json()["requests"]
    request = next(each for each in listed if each["question"] == QUESTION)
    address = f"{api}/{request['number']}"
    assert consultant.post(f"{address}/take", json={"version": request["version"]}, timeout=30).status_code == 200
    revision = consultant.get(f"{address}/answer", timeout=30).json().get("revision", 0)
    text = {"findings": "Поджелудочная железа увеличена.", "conclusion": "Признаков панкреонекроза нет."}
    saved = consultant.put(f"{address}/answer", json={**text, "revision": revision}, timeout=30)
    assert saved.status_code == 200, saved.text
    signed = consultant.post(f"{address}/answer/sign", json={"password": consultant.auth[1]}, timeout=60)
    assert signed.status_code == 200, signed.text
