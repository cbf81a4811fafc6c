"""OHIF: images are really painted, for those who may see them, and words for the others."""

import re

import pytest

from tests.browser.conftest import wait_painted

FOREIGN = "Исследование не найдено, или у вас нет к нему доступа."


def link(study):
    return f"/ohif/viewer?StudyInstanceUIDs={study.study_uid}"


def of(studies, mo, modality="CT"):
    return next(study for study in studies[1] if (study.mo, study.modality) == (mo, modality))


def test_a_doctor_opens_a_study_from_the_list(visitor, studies):
    doctor = visitor()
    doctor.open("/")
    doctor.sign_in()
    study = of(studies, "42001")
    doctor.page.locator("tr", has_text=study.description).get_by_role("link", name="Открыть снимки").click()
    wait_painted(doctor.page)
    assert study.study_uid in doctor.page.url
    doctor.page.get_by_text("Только для исследовательских целей".lower()).wait_for()
    doctor.screenshot("ohif-notice")
    doctor.page.click("text=Подтвердить и закрыть")
    assert re.search(r"Иванов,? Иван Иванович", doctor.page.inner_text("body"))
    doctor.page.wait_for_timeout(500)
    doctor.screenshot("ohif")
    assert doctor.page.evaluate("document.documentElement.lang") == "ru"
    doctor.page.click("[data-cy=return-to-work-list]")
    doctor.page.wait_for_url("**/cami/")
    assert doctor.problems == []


@pytest.mark.parametrize("mo", ["42001", "42002"])
def test_every_modality_and_encoding_is_painted(visitor, studies, mo):
    doctor = visitor()
    doctor.open("/cami/login")
    doctor.sign_in(mo=mo)
    shown = [study for study in studies[1] if study.mo == mo]
    assert len(shown) >= 4
    for study in shown:
        doctor.open(link(study))
        wait_painted(doctor.page)
        doctor.screenshot(f"ohif-{mo}-{study.modality.lower()}")
    assert doctor.problems == []


def test_planes_are_reconstructed_in_the_browser(visitor, studies):
    doctor = visitor()
    doctor.open(link(of(studies, "42001")))
    doctor.sign_in()
    wait_painted(doctor.page)
    doctor.page.click("text=Подтвердить и закрыть")
    doctor.page.click("[data-cy=Layout]")
    doctor.page.click("text=МПР")
    wait_painted(doctor.page, viewports=3)
    doctor.screenshot("ohif-mpr")
    assert doctor.problems == []


def test_a_doctor_of_another_organization_gets_words_and_no_image(visitor, studies):
    doctor, study = visitor(), of(studies, "42001")
    given = []
    doctor.page.on("response", lambda got: given.append(got.url) if study.study_uid in got.url else None)
    doctor.open("/cami/login")
    doctor.sign_in(mo="42002")
    doctor.open(link(study))
    doctor.page.get_by_text(FOREIGN).wait_for()
    doctor.screenshot("ohif-foreign")
    assert "Иванов" not in doctor.page.content()
    assert doctor.page.locator("canvas").count() == 0
    assert [url for url in given if "/frames/" in url or "/metadata" in url] == []
    doctor.page.click("text=списку исследований")
    doctor.page.wait_for_url("**/cami/")


def test_a_stranger_signs_in_and_comes_back_to_the_study(visitor, studies):
    stranger, study = visitor(), of(studies, "42001", "MG")
    stranger.open(link(study))
    assert "/cami/login?next=" in stranger.page.url
    stranger.page.get_by_text("После входа откроется страница").wait_for()
    stranger.sign_in()
    wait_painted(stranger.page)
    assert study.study_uid in stranger.page.url
    assert stranger.problems == []


def test_who_is_signed_out_while_looking_is_led_to_sign_in_and_back(visitor, studies):
    doctor, study = visitor(), of(studies, "42001")
    doctor.open(link(study))
    doctor.sign_in()
    wait_painted(doctor.page)
    doctor.page.context.clear_cookies(name="cami_session")
    doctor.page.evaluate("uid => fetch(`/dicom-web/studies/${uid}/metadata`)", study.study_uid)
    doctor.page.wait_for_url("**/cami/login?next=**")
    doctor.sign_in()
    wait_painted(doctor.page)
    assert study.study_uid in doctor.page.url


def test_the_viewer_speaks_english_to_who_has_chosen_it(visitor, studies):
    doctor = visitor()
    doctor.open("/cami/login")
    doctor.page.click("text=English")
    doctor.page.get_by_role("button", name="Sign in").wait_for()
    doctor.sign_in()
    doctor.open(link(of(studies, "42001")))
    wait_painted(doctor.page)
    doctor.page.get_by_text("Confirm and hide").wait_for()


def test_a_second_visit_fetches_no_program_again(visitor, studies):
    doctor, study = visitor(), of(studies, "42001")
    doctor.open(link(study))
    doctor.sign_in()
    wait_painted(doctor.page)
    doctor.page.reload()
    wait_painted(doctor.page)
    fetched = doctor.page.evaluate(
        "performance.getEntriesByType('resource').filter(entry => entry.name.includes('/build-')).map("
        "entry => [entry.name, entry.transferSize])"
    )
    assert len(fetched) > 20
    assert [name for name, size in fetched if size] == []
