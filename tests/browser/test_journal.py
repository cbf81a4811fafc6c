"""«Журнал»: what the auditor finds, what an administrator of a МО sees, and that nobody else gets in."""

import pydicom
import pytest

MO, OTHER = "42001", "42002"


@pytest.fixture(scope="module")
def study(region, studies):
    """A study that a doctor of its МО has opened, and one of another МО has tried to."""
    folder, written = studies
    ct = next(study for study in written if (study.mo, study.modality) == (MO, "CT"))
    mine = region.session("radiologist", MO)
    assert mine.get(f"{region.central}/dicom-web/studies/{ct.study_uid}/metadata", timeout=60).ok
    theirs = region.session("radiologist", OTHER)
    theirs.get(f"{region.central}/dicom-web/studies/{ct.study_uid}/metadata", timeout=60)
    region.session("region_admin").get(f"{region.central}/changes?limit=1", timeout=60)
    first = next((folder / ct.folder).glob("*.dcm"))
    return ct.study_uid, str(pydicom.dcmread(first, stop_before_pixels=True).PatientID)


def test_the_auditor_searches_the_journal(visitor, region, study):
    uid, card = study
    auditor = visitor(region.central)
    auditor.open("/cami/journal")
    auditor.sign_in("auditor", "")
    page = auditor.page
    page.get_by_role("heading", name="Журнал").wait_for()
    auditor.screenshot("journal", full=True)
    page.get_by_label("Номер карты пациента").fill(card)
    page.get_by_label("Действие").select_option(label="Просмотр")
    page.get_by_role("button", name="Показать").click()
    page.get_by_text(uid).first.wait_for()
    assert card not in page.url
    rows = page.locator("tbody tr")
    assert all("Просмотр" in rows.nth(number).inner_text() for number in range(rows.count()))
    auditor.screenshot("journal-patient", full=True)
    page.get_by_role("button", name="Сбросить").click()
    page.get_by_label("Действие").select_option(label="Отказ в доступе")
    page.get_by_role("button", name="Показать").click()
    page.get_by_text(uid).first.wait_for()
    with page.expect_download() as started:
        page.get_by_role("link", name="Скачать таблицу").click()
    table = started.value.path().read_text("utf-8-sig")
    assert uid in table
    page.get_by_label("Действие").select_option(label="Чтение журнала")
    page.get_by_role("button", name="Показать").click()
    rows.first.wait_for()
    assert rows.count() >= 4  # each of these looks is on record
    assert auditor.problems == []


def test_who_looked_from_a_record(visitor, region, study):
    uid, _card = study
    auditor = visitor(region.central)
    auditor.open(f"/cami/who?study={uid}")
    auditor.sign_in("auditor", "")
    page = auditor.page
    page.get_by_role("heading", name="Кто смотрел").wait_for()
    text = page.locator("main").inner_text()
    assert "Просмотр" in text
    assert "Отказ в доступе" in text
    auditor.screenshot("who-looked", full=True)
    page.get_by_role("link", name="English").click()
    page.get_by_role("heading", name="Who looked").wait_for()
    assert auditor.problems == []


def test_an_administrator_of_the_mo_sees_the_own_data(visitor, region, study):
    uid, _card = study
    for mo, there in ((MO, True), (OTHER, False)):
        admin = visitor(region.central)
        admin.open(f"/cami/who?study={uid}")
        admin.sign_in("mo_admin", mo)
        admin.page.get_by_role("heading", name="Кто смотрел").wait_for()
        assert (admin.page.get_by_text("Записей о доступе нет").count() == 0) is there
        if there:
            admin.screenshot("who-looked-mo", full=True)
        admin.open("/cami/journal")
        assert admin.page.get_by_role("heading", name="Журнал").count() == 0


def test_who_runs_the_installation_does_not_read_the_journal(visitor, region, study):
    root = visitor(region.central)
    root.open("/cami/journal")
    root.sign_in("region_admin", "")
    assert root.page.get_by_role("heading", name="Журнал").count() == 0
    answer = region.session("region_admin").get(f"{region.central}/cami/journal.csv", timeout=30)
    assert study[0] not in answer.text
