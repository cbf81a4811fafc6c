"""A walk past the doors: a stranger, a doctor, an administrator of an МО, the auditor; a deletion taken back."""

from urllib.parse import urlsplit

MO = "42001"
#: What leads to a sign-in page, and to nothing else.
INSIDE = ("/", "/cami/", "/cami/removals", "/cami/grants", "/cami/journal", "/ohif/viewer")


def test_a_stranger_gets_no_further_than_the_door(visitor, region):
    stranger = visitor(region.central)
    for path in INSIDE:
        stranger.open(path)
        assert urlsplit(stranger.page.url).path == "/cami/login", path
    assert "cami_session" not in {cookie["name"] for cookie in stranger.page.context.cookies()}
    stranger.screenshot("access-stranger")


def test_a_deletion_is_marked_seen_and_taken_back(visitor, region, studies):
    _folder, written = studies
    study = next(each for each in written if each.mo == MO and each.modality == "CT")
    doctor = visitor(region.central)
    doctor.open("/cami/removals")
    doctor.sign_in("radiologist", MO)
    page = doctor.page
    page.get_by_label("Отметить на удаление").fill(study.study_uid)
    page.get_by_role("button", name="Дальше…").click()
    page.get_by_label("Почему его нужно удалить").fill("снимок не того пациента")
    doctor.screenshot("removal-new", full=True)
    page.get_by_role("button", name="Отметить на удаление").click()
    page.get_by_text("Исследование отмечено").wait_for()
    doctor.screenshot("removals-doctor", full=True)

    administrator = visitor(region.central)
    administrator.open("/cami/removals")
    administrator.sign_in("mo_admin", MO)
    page = administrator.page
    page.get_by_text("снимок не того пациента").wait_for()
    assert page.locator(".studies__name").count() == 0, "an administrator sees no patient"
    assert page.get_by_title("ждёт вас").inner_text() == "1"
    page.get_by_text("Подтвердить удаление…").click()
    administrator.screenshot("removals-administrator", full=True)
    page.get_by_role("button", name="Подтверждаю удаление").click()
    page.get_by_text("нужен ещё один человек").wait_for()
    page.get_by_role("button", name="Не удалять").click()
    page.get_by_text("исследование остаётся").wait_for()
    administrator.screenshot("removals-taken-back", full=True)
    page.set_viewport_size({"width": 412, "height": 900})
    administrator.screenshot("removals-narrow", full=True)
    assert doctor.problems == administrator.problems == []

    auditor = visitor(region.central)
    auditor.open("/cami/journal")
    auditor.sign_in("auditor", "")
    page = auditor.page
    page.get_by_label("Действие").select_option(label="Удаление")
    page.get_by_role("button", name="Показать").click()
    page.get_by_text("снимок не того пациента").first.wait_for()
    auditor.screenshot("access-auditor", full=True)
    auditor.open("/cami/removals")
    page.get_by_text("Такой страницы нет").wait_for()
    assert auditor.problems == []
