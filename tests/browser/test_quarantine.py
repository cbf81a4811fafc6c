"""«Карантин»: a technologist looks, compares and decides; an operator at the centre sees no patient."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from tests.live import LiveRegion, wait_until

MO, OTHER = "42001", "42002"


@pytest.fixture(scope="module")
def region(tmp_path_factory, studies):
    """A region of its own: what lands in quarantine here must not be in the way of other pages' tests."""
    folder, written = studies
    live = LiveRegion(tmp_path_factory.mktemp("region"))
    try:
        live.up()
        fill(live, tmp_path_factory.mktemp("images"), folder, written)
        yield live
    finally:
        live.down()


def fill(live, target, folder, written):
    """A CT, one slice of it again with other content, and two images under another МО's Study UID."""
    ct = next(study for study in written if (study.mo, study.modality) == (MO, "CT"))
    theirs = next(study for study in written if (study.mo, study.modality) == (OTHER, "CT"))
    paths = sorted((folder / ct.folder).glob("*.dcm"))
    live.send(folder / ct.folder, MO)
    live.send(folder / theirs.folder, OTHER)
    live.settle(MO, len(paths))
    live.settle(OTHER, theirs.instances)
    other = pydicom.dcmread(paths[len(paths) // 2])
    other.PixelData = np.rot90(other.pixel_array).copy().tobytes()
    other.PatientName, other.StudyDescription = "Сидорова^Мария^Петровна", "КТ органов брюшной полости"
    (target / "other").mkdir()
    other.save_as(target / "other" / "1.dcm")
    live.send(target / "other", MO)
    (target / "clone").mkdir()
    for number, path in enumerate(paths[:2]):
        clone = pydicom.dcmread(path)
        clone.StudyInstanceUID = theirs.study_uid
        clone.SOPInstanceUID = clone.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        clone.SeriesInstanceUID = "2.25.42001"
        clone.save_as(target / "clone" / f"{number}.dcm")
    live.send(target / "clone", MO)
    wait_until("refused by the centre", lambda: live.delivery(MO)["queue"]["quarantined"] == 2, 60)


def technologist(visitor, region, **options):
    seated = visitor(region.proxy(MO)["url"], **options)
    seated.open("/cami/quarantine")
    seated.sign_in("technologist")
    seated.page.get_by_role("heading", name="Карантин").wait_for()
    return seated


def painted(page, which):
    """Whether a picture is there and not all of one shade."""
    return page.evaluate(
        """which => {
          const image = document.querySelector(`img[src$="/${which}"]`);
          const canvas = document.createElement('canvas');
          canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
          const context = canvas.getContext('2d');
          context.drawImage(image, 0, 0);
          const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
          return new Set(data).size > 20 && image.naturalWidth > 50;
        }""",
        which,
    )


def rows(page):
    return page.locator(".studies tbody tr")


def test_the_way_leads_from_the_navigation_to_the_list(visitor, region):
    somebody = visitor(region.proxy(MO)["url"])
    somebody.open("/cami/")
    somebody.sign_in("technologist")
    somebody.page.get_by_role("link", name="Карантин").click()
    somebody.page.get_by_role("heading", name="Карантин").wait_for()
    assert rows(somebody.page).count() == 2
    assert somebody.page.get_by_text("Сидорова Мария Петровна").count() == 1
    assert somebody.page.get_by_text("Снимок с таким UID уже принят, но содержимое другое").count() == 1
    assert somebody.page.get_by_text("Исследование с таким UID принадлежит другой МО").count() == 1
    assert "Сидорова" not in somebody.page.url
    somebody.screenshot("quarantine", full=True)
    assert somebody.problems == []


def test_two_images_side_by_side(visitor, region):
    somebody = technologist(visitor, region)
    rows(somebody.page).filter(has_text="Сидорова").get_by_role("link", name="Разобрать").click()
    somebody.page.get_by_text("Изображения разные").wait_for()
    somebody.page.wait_for_load_state("networkidle")
    assert painted(somebody.page, "held")
    assert painted(somebody.page, "stored")
    compared = somebody.page.locator(".compared").first.inner_text()
    assert "ФИО пациента" in compared
    assert "Сидорова Мария Петровна" in compared
    assert "Иванов Иван Иванович" in compared
    somebody.screenshot("quarantine-compare", full=True)
    somebody.page.get_by_text("Все данные снимка").click()
    assert somebody.page.get_by_text("Толщина среза").is_visible()
    assert somebody.problems == []


def test_on_a_tablet_nothing_is_cut_off(visitor, region):
    somebody = technologist(visitor, region, viewport={"width": 820, "height": 1180})
    somebody.screenshot("quarantine-tablet", full=True)
    rows(somebody.page).first.get_by_role("link", name="Разобрать").click()
    somebody.page.get_by_role("heading", name="Решение").wait_for()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert somebody.page.evaluate(overflow) <= 0
    somebody.screenshot("quarantine-compare-tablet", full=True)


def test_a_decision_needs_a_reason(visitor, region):
    somebody = technologist(visitor, region)
    rows(somebody.page).first.get_by_role("link", name="Разобрать").click()
    somebody.page.get_by_role("button", name="Записать решение").click()
    assert somebody.page.url.count("/cami/quarantine/") == 1
    assert somebody.page.evaluate("document.querySelector('form.fields').checkValidity()") is False


def test_an_operator_sees_the_reason_and_no_patient(visitor, region):
    operator = visitor()
    operator.open("/cami/quarantine")
    operator.sign_in("operator", "")
    operator.page.get_by_text("ГБ № 1").first.wait_for()
    assert "Иванов" not in operator.page.content()
    operator.page.get_by_role("link", name="Разобрать").first.click()
    operator.page.get_by_role("heading", name="Решение").wait_for()
    assert "Иванов" not in operator.page.content()
    assert operator.page.locator(".pictures img").count() == 0
    operator.screenshot("quarantine-operator", full=True)
    assert operator.problems == []


def decide(page, label, reason):
    page.get_by_role("radio", name=label).check()
    page.get_by_label("Причина решения").fill(reason)
    page.get_by_role("button", name="Записать решение").click()
    page.get_by_text("Решение записано").wait_for()


def carried_out(somebody, text):
    """Reload the list of decisions until one says how it ended."""
    for _ in range(40):
        somebody.open("/cami/quarantine/decided")
        if somebody.page.get_by_text(text).count():
            return
        somebody.page.wait_for_timeout(250)
    raise AssertionError(f"no decision ended with: {text}")


def test_sending_again_linking_and_rejecting(visitor, region):
    somebody = technologist(visitor, region)
    clone = rows(somebody.page).filter(has_text="принадлежит другой МО")
    clone.get_by_role("link", name="Разобрать").click()
    decide(somebody.page, "Отправить повторно", "проверяем, освободился ли номер")
    carried_out(somebody, "Снова в очереди передачи")
    wait_until("refused again", lambda: region.delivery(MO)["queue"]["quarantined"] == 2, 60)

    somebody.open("/cami/quarantine")
    rows(somebody.page).filter(has_text="принадлежит другой МО").get_by_role("link", name="Разобрать").click()
    assert somebody.page.get_by_role("radio", name="в то же исследование").count() == 0
    decide(somebody.page, "Связать: принять как новый снимок", "аппарат повторил номер чужого исследования")
    carried_out(somebody, "Принят как новый снимок")
    wait_until("confirmed", lambda: region.delivery(MO)["queue"]["quarantined"] == 0, 60)

    somebody.open("/cami/quarantine")
    rows(somebody.page).filter(has_text="Сидорова").get_by_role("link", name="Разобрать").click()
    decide(somebody.page, "Отклонить", "снимок повёрнут, переснят")
    carried_out(somebody, "Отклонён")
    somebody.screenshot("quarantine-decided", full=True)
    assert somebody.page.get_by_text("Лаборантов Пётр Ильич").count() >= 3
    somebody.open("/cami/quarantine")
    somebody.page.get_by_text("Карантин пуст").wait_for()
    assert somebody.problems == []
