"""Stock Orthanc Explorer, in the hands of a doctor: the own studies, down to an instance, and no error dialog."""


def wait_page(page, name):
    """Wait until jQuery Mobile has slid the page in and filled it."""
    page.wait_for_function(
        "name => document.querySelector('.ui-page-active')?.id === name"
        " && !document.querySelector('.ui-mobile-viewport-transitioning')",
        arg=name,
    )
    page.wait_for_load_state("networkidle")


def refused_attachments(problem):
    """Explorer asks for the list of attachments, which is not for tenants, and does without it."""
    return "/attachments?full" in problem or problem.startswith(
        "Failed to load resource: the server responded with a status of 403"
    )


def test_a_doctor_finds_the_own_studies_and_no_others(visitor, studies):
    doctor = visitor()
    doctor.open("/cami/")
    doctor.sign_in()
    doctor.page.click("text=Технический просмотр")
    doctor.page.wait_for_url("**/app/explorer.html")
    doctor.page.click("text=All studies")
    wait_page(doctor.page, "find-studies")
    text = doctor.page.inner_text(".ui-page-active")
    for study in studies[1]:
        assert (study.study_uid in text) is (study.mo == "42001"), study
    doctor.screenshot("explorer-studies")
    doctor.page.locator(".ui-page-active li", has_text="КТ органов грудной клетки").locator("a").first.click()
    for level in ("study", "series", "instance"):
        wait_page(doctor.page, level)
        doctor.screenshot(f"explorer-{level}")
        assert "Иванов" in doctor.page.inner_text(".ui-page-active")
        if level != "instance":
            doctor.page.locator(".ui-page-active .ui-block-b li a").last.click()
    assert [problem for problem in doctor.problems if not refused_attachments(problem)] == []


def test_all_patients_lists_whose_studies_are_visible(visitor):
    doctor = visitor()
    doctor.open("/cami/")
    doctor.sign_in(mo="42002")
    doctor.page.get_by_role("heading", name="Исследования").wait_for()
    doctor.open("/app/explorer.html#find-patients")
    wait_page(doctor.page, "find-patients")
    doctor.page.locator(".ui-page-active li h3").first.wait_for()
    text = doctor.page.inner_text(".ui-page-active")
    assert "Иванов" not in text
    assert "Общий" in text
    assert doctor.problems == []
