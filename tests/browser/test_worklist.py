"""The worklist, an order by hand and reconciliation, as a technologist sees them."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from cami.clock import SystemClock
from cami.db import open_engine
from cami.events import EventLog
from cami.orders import Identifier, NewOrder, Orders, Patients, Person
from tests.live import wait_until

MO = "42001"
MIS = "urn:oid:1.2.643.5.1.13.13.12.2.42.9901.100.1.1.10"


@pytest.fixture(scope="module")
def mis(region):
    """Places orders, in the centre's database."""
    engine = open_engine(f"sqlite:///{region.state}/servers/central/data/cami.sqlite")
    events = EventLog(engine, SystemClock())
    patients = Patients(engine, SystemClock(), events)
    orders = Orders(engine, SystemClock(), events, patients)

    def place(number, person, patient, **more):
        wanted = {
            "placer_system": "urn:mis", "source": "mis:test", "mo": MO, "modality": "CT", "device_aet": "CT42001",
            "procedure_text": "КТ органов грудной клетки", "scheduled_at": datetime.now(UTC),
        } | more  # fmt: skip
        known = Person(*person, identifiers=(Identifier(MIS, patient),))
        with engine.begin() as connection:
            key = patients.put(connection, known, "mis:test").patient.key
            return orders.place(connection, NewOrder(placer_number=number, patient=key, **wanted))[0]

    yield SimpleNamespace(place=place, get=orders.get)
    engine.dispose()


ANNA = ("Тестова", "Анна", "Петровна", "1961-03-14", "F")


def test_the_day_and_an_order_by_hand(visitor, region, mis):
    now = datetime.now(UTC)
    mis.place("w1", ANNA, "4512207", priority="stat", note="Аллергия на йод, вес 82 кг")
    long_name = ("Константинопольский", "Александр", "Владимирович", "1950-01-01", "M")
    soon = now + timedelta(minutes=5)
    mis.place("w2", long_name, "4512208", modality="MR", device_aet="", procedure_text="МРТ мозга", scheduled_at=soon)
    text = "Рентгенография органов грудной клетки"
    young = ("Ли", "Ю", "", "1999-12-31", "F")
    mis.place("w3", young, "4512209", modality="DX", device_aet="DX42001", procedure_text=text, scheduled_at=None)
    somebody = visitor(region.proxy(MO)["url"])
    somebody.open("/cami/worklist")
    somebody.sign_in("technologist")
    page = somebody.page
    page.get_by_text("Тестова Анна Петровна").wait_for()
    page.get_by_role("heading", name="Рабочий список").wait_for()
    assert "Тестова" not in page.url
    page.get_by_role("link", name="Заявка вручную").click()
    page.get_by_label("Фамилия").fill("Экстреннова")
    page.get_by_label("Имя", exact=True).fill("Вера")
    page.get_by_label("Дата рождения").fill("1950-02-01")
    page.get_by_label("Пол").select_option("F")
    page.get_by_label("Номер карты или пациента").fill("777")
    page.get_by_label("Аппарат").select_option("CT42001")
    page.get_by_label("Что исследовать").fill("КТ головы")
    page.get_by_label("Форма").select_option("stat")
    somebody.screenshot("worklist-new", full=True)
    page.get_by_role("button", name="Поставить в рабочий список").click()
    page.get_by_text("Экстреннова Вера").wait_for()
    # The page keeps itself up to date: what is sent up loses its mark by itself.
    page.get_by_text("ещё не передана в центр").wait_for(state="detached")
    somebody.screenshot("worklist", full=True)
    assert somebody.problems == []


def test_the_worklist_on_a_tablet(visitor, region):
    somebody = visitor(region.proxy(MO)["url"], viewport={"width": 820, "height": 1180})
    somebody.open("/cami/worklist")
    somebody.sign_in("technologist")
    somebody.page.get_by_text("Экстреннова Вера").wait_for()
    somebody.screenshot("worklist-tablet", full=True)
    assert somebody.problems == []


def test_a_technologist_links_a_study(visitor, region, mis, studies):
    ct = next(study for study in studies[1] if (study.mo, study.modality) == (MO, "CT"))
    technologist = region.session("technologist", MO)
    query = {"Level": "Study", "Query": {"StudyInstanceUID": ct.study_uid}, "Expand": True}
    (found,) = technologist.post(region.central + "/tools/find", json=query, timeout=30).json()
    tags = found["PatientMainDicomTags"]
    family, given, middle = (*tags["PatientName"].split("^"), "", "")[:3]
    day = tags["PatientBirthDate"]
    born = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    other_sex = "M" if tags["PatientSex"] == "F" else "F"
    order = mis.place("m1", (family, given, middle, born, other_sex), "другая карта")
    somebody = visitor()
    somebody.open("/cami/matching")
    somebody.sign_in("technologist")
    page = somebody.page
    page.get_by_role("heading", name="Сверка с направлениями").wait_for()

    def suggested():
        page.reload()
        return page.locator("tr", has_text="похожих направлений: 1").filter(has_text=family).count()

    wait_until("suggested", suggested, 20)
    somebody.screenshot("matching", full=True)
    page.locator("tr", has_text="похожих направлений: 1").filter(has_text=family).get_by_role("link").click()
    page.get_by_text(f"В направлении {order.accession}").wait_for()
    assert page.locator("tr.differs").first.inner_text().startswith("Пол")
    somebody.screenshot("matching-study", full=True)
    page.get_by_text(f"Связать с направлением {order.accession}").click()
    page.get_by_label("Причина решения").fill("пациент тот же, карта заведена дважды")
    page.get_by_role("button", name="Записать решение").click()
    page.get_by_text("Исследование связано с направлением.").wait_for()
    assert mis.get(order.number).state in ("started", "completed")
    page.get_by_role("link", name="Связанные").click()
    page.locator("tr", has_text=family).get_by_role("link", name="Посмотреть").first.click()
    page.get_by_text("Снять связь").wait_for()
    somebody.screenshot("matching-linked", full=True)
    page.get_by_text("Снять связь").click()
    page.get_by_label("Причина решения").fill("проверка")
    page.get_by_role("button", name="Записать решение").click()
    page.get_by_text("Связь снята.").wait_for()
    assert mis.get(order.number).state == "accepted"
    assert somebody.problems == []
