"""What a device is told when it asks whether it may delete an image."""

import pytest

from cami.delivery import Commitment, Holdings
from cami.delivery.commitment import Verdict

from .conftest import dicom

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture
def proxy(region):
    made = region.proxy("42001")
    made.archive.store(dicom(sop="1.5"))
    return made


def judge(proxy, demand, uid="1.5", sop_class=CT):
    return Commitment(proxy.archive, Holdings(proxy.engine, proxy.region.clock), demand).judge(sop_class, uid)


def key_of(proxy):
    (key,) = proxy.archive.files
    return key


def test_what_is_here_and_whole_is_committed_at_once(proxy):
    assert judge(proxy, "local") is Verdict.COMMITTED, "even before the feed has read of it"


@pytest.mark.parametrize("uid", ["1.6", "*", "1.?", "1.5\\1.6", "", "1" * 65])
def test_what_is_not_here_is_unknown(proxy, uid):
    assert judge(proxy, "local", uid) is Verdict.UNKNOWN


def test_an_image_of_another_class_is_not_the_one(proxy):
    assert judge(proxy, "local", sop_class=MR) is Verdict.OTHER_CLASS


def test_a_damaged_file_is_not_committed(proxy):
    proxy.archive.damaged[key_of(proxy)] = b"rotten"
    assert judge(proxy, "local") is Verdict.DAMAGED


def test_two_images_of_one_uid_must_both_be_safe(proxy):
    proxy.archive.store(dicom(patient="P2", sop="1.5"))
    assert judge(proxy, "local") is Verdict.COMMITTED
    proxy.archive.damaged[key_of_patient(proxy, "P2")] = b"rotten"
    assert judge(proxy, "local") is Verdict.DAMAGED


def key_of_patient(proxy, patient):
    return next(key for key, file in proxy.archive.files.items() if proxy.archive.parse(file).patient_id == patient)


def test_the_centre_can_be_demanded(proxy):
    assert judge(proxy, "central") is Verdict.NOT_YET
    proxy.feed.advance()
    assert judge(proxy, "central") is Verdict.NOT_YET
    proxy.courier.send_next()
    assert judge(proxy, "central") is Verdict.NOT_YET
    proxy.work(2)
    assert judge(proxy, "central") is Verdict.COMMITTED
    assert judge(proxy, "central", sop_class=MR) is Verdict.OTHER_CLASS


@pytest.mark.parametrize("demand", ["local", "central"])
def test_what_was_evicted_is_safe_at_the_centre(proxy, demand):
    proxy.work(2)
    key = key_of(proxy)
    holdings = Holdings(proxy.engine, proxy.region.clock)
    assert holdings.begin_eviction(proxy.archive.identify(key).study_id, [key])
    proxy.archive.delete_instance(key)
    assert judge(proxy, demand) is Verdict.COMMITTED


@pytest.mark.parametrize("demand", ["local", "central"])
def test_what_vanished_here_without_eviction_is_unknown(proxy, demand):
    proxy.work(2)
    proxy.archive.files.clear()
    assert judge(proxy, demand) is Verdict.UNKNOWN
