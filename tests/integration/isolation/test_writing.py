"""Writing into another МО's study: cases 1, 2 and 3; and what all attacks have left behind."""

import hashlib

import pytest

from tests.integration.isolation.sides import JSON, PATIENT, image, unhurt
from tests.live import wait_until


def quarantined(region):
    return sum(region.delivery("42002")["queue"][state] for state in ("quarantined",))


@pytest.mark.parametrize("case", ["new image", "same study UID, other patient", "same identifiers, other pixels"])
def test_injection_through_the_own_proxy(region, victim, thief, tmp_path, case):
    before = quarantined(region)
    if case == "new image":
        image(tmp_path, victim.uid, name="EVIL", series=3, number=1)
    elif case == "same study UID, other patient":
        image(tmp_path, victim.uid, name="EVIL", patient="OTHER", series=4, number=1)
    else:
        image(tmp_path, victim.uid, name="EVIL", series=1, number=1, seed=99)
    region.send(tmp_path, "42002")
    wait_until("in quarantine", lambda: quarantined(region) == before + 1, 60)
    unhurt(victim)
    assert thief.find("Study") == [thief.study]
    assert not victim.betrayed_by(thief.get("/dicom-web/studies", headers=JSON).content)


def test_the_owner_label_stayed(region, victim, thief, admin):
    for side in (victim, thief):
        labels = admin.get(f"{region.central}/studies/{side.study}/labels", timeout=30).json()
        assert labels == [f"mo-{side.mo}"]


def test_no_name_and_no_password_is_in_the_logs(region, victim, thief):
    secrets = [victim.name, thief.name, "EVIL", PATIENT]
    secrets += [account["password"] for account in region.about["accounts"]]
    logs = [*(region.state / "servers").glob("*/server.log")]
    assert len(logs) == 3
    for log in logs:
        text = log.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], log


def test_files_at_the_centre_are_those_that_were_sent(victim, admin):
    """After all attacks the bytes are those that the proxy sent (reference/orthanc.md §4.3: compare digests)."""
    for key in victim.find("Instance", ParentStudy=victim.study):
        file = victim.get(f"/instances/{key}/file").content
        md5 = admin.get(f"{victim.central}/instances/{key}/attachments/dicom/md5", timeout=30).text
        assert hashlib.md5(file, usedforsecurity=False).hexdigest() == md5
