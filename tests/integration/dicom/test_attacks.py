"""Attacks over DICOM: at a proxy and at the centre, as who one is not, for what is not one's own."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from pydicom import Dataset
from pydicom.uid import CTImageStorage, generate_uid
from pynetdicom.sop_class import (
    CompositeInstanceRootRetrieveGet,
    ModalityWorklistInformationFind,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from tests.integration.dicom.stations import FIND, GET, Refused, Station, identifier
from tests.live import wait_until

OTHER = "1.2.826.0.1.42002"
OWN = "1.2.826.0.1.42001"


def betrays(answers):
    return [answer for answer in answers if OTHER in str(answer) or "БЕТА" in str(answer)]


#: Level, model and keys of a query by one МО for what is another's.
QUERIES = [
    ("STUDY", "study", {"StudyInstanceUID": OTHER, "PatientName": ""}),
    ("STUDY", "study", {"StudyInstanceUID": [OWN, OTHER], "PatientName": ""}),
    ("STUDY", "study", {"StudyInstanceUID": "", "PatientName": "БЕТА*"}),
    ("STUDY", "study", {"StudyInstanceUID": "", "PatientName": "*"}),
    ("STUDY", "study", {"StudyInstanceUID": "", "PatientName": "?ЕТА*"}),
    ("STUDY", "study", {"StudyInstanceUID": "", "PatientID": "SHARED-1", "PatientName": ""}),
    ("STUDY", "study", {"StudyInstanceUID": "", "PatientID": "*", "PatientName": ""}),
    ("STUDY", "study", {"StudyInstanceUID": "", "PatientID": "S*\\*", "PatientName": ""}),
    ("STUDY", "study", {"StudyInstanceUID": "", "AccessionNumber": "ACC1", "PatientName": ""}),
    ("STUDY", "study", {"StudyInstanceUID": "", "StudyDate": "19000101-99991231", "PatientName": ""}),
    ("STUDY", "study", {"StudyInstanceUID": "", "ModalitiesInStudy": "CT\\MR", "PatientName": ""}),
    ("STUDY", "study", {"StudyInstanceUID": "", "InstitutionName": "*", "PatientName": ""}),
    ("STUDY", "study", {}),
    ("STUDY", "patient", {"PatientID": "SHARED-1", "StudyInstanceUID": ""}),
    ("PATIENT", "patient", {"PatientID": "SHARED-1", "PatientName": ""}),
    ("PATIENT", "patient", {"PatientID": "", "PatientName": "*", "PatientBirthDate": ""}),
    ("PATIENT", "study", {"PatientID": "", "PatientName": ""}),
    ("SERIES", "study", {"StudyInstanceUID": OTHER, "SeriesInstanceUID": ""}),
    ("SERIES", "study", {"StudyInstanceUID": OWN, "SeriesInstanceUID": f"{OTHER}.1"}),
    ("SERIES", "study", {"StudyInstanceUID": "", "SeriesInstanceUID": f"{OTHER}.1", "PatientName": ""}),
    ("SERIES", "study", {"StudyInstanceUID": [OWN, OTHER], "SeriesInstanceUID": ""}),
    ("IMAGE", "study", {"StudyInstanceUID": OTHER, "SeriesInstanceUID": f"{OTHER}.1", "SOPInstanceUID": ""}),
    ("IMAGE", "study", {"StudyInstanceUID": OWN, "SeriesInstanceUID": f"{OTHER}.1", "SOPInstanceUID": ""}),
    ("IMAGE", "study", {"SOPInstanceUID": f"{OTHER}.1.1", "StudyInstanceUID": ""}),
    ("IMAGE", "study", {"SOPInstanceUID": [f"{OWN}.1.1", f"{OTHER}.1.1"], "StudyInstanceUID": ""}),
]
#: Queries that are not answered at all.
REFUSED = [
    ("SERIES", "study", {"SeriesInstanceUID": "", "Modality": "CT"}),
    ("SERIES", "patient", {"PatientID": "SHARED-1", "SeriesInstanceUID": ""}),
    ("SERIES", "study", {"StudyInstanceUID": "*", "SeriesInstanceUID": ""}),
    ("IMAGE", "study", {"SOPInstanceUID": "", "PatientName": "*"}),
    ("IMAGE", "study", {"SOPInstanceUID": "*"}),
    ("", "study", {"StudyInstanceUID": ""}),
    ("FRAME", "study", {"StudyInstanceUID": ""}),
    ("STUDY\\SERIES", "study", {"StudyInstanceUID": ""}),
    ("STUDY", "study", {"StudyInstanceUID": [f"1.2.{number}" for number in range(600)]}),
]
#: Retrieves of what is not the caller's, or of all that there is.
RETRIEVES = [
    ("STUDY", "study", {"StudyInstanceUID": OTHER}),
    ("STUDY", "study", {"StudyInstanceUID": "*"}),
    ("STUDY", "study", {"StudyInstanceUID": ""}),
    ("STUDY", "study", {"AccessionNumber": "ACC1"}),
    ("STUDY", "study", {"PatientID": "SHARED-1", "StudyInstanceUID": OTHER}),
    ("SERIES", "study", {"StudyInstanceUID": OTHER, "SeriesInstanceUID": f"{OTHER}.1"}),
    ("SERIES", "study", {"StudyInstanceUID": OWN, "SeriesInstanceUID": f"{OTHER}.1"}),
    ("SERIES", "study", {"SeriesInstanceUID": f"{OTHER}.1"}),
    ("IMAGE", "study", {"StudyInstanceUID": OWN, "SOPInstanceUID": f"{OTHER}.1.1"}),
    ("IMAGE", "study", {"StudyInstanceUID": OTHER, "SOPInstanceUID": f"{OTHER}.1.1"}),
    ("IMAGE", "study", {"SOPInstanceUID": f"{OTHER}.1.1"}),
    ("PATIENT", "patient", {"PatientID": "*"}),
    ("PATIENT", "patient", {"PatientID": ""}),
    ("PATIENT", "patient", {"PatientID": "SHARED-?"}),
    ("PATIENT", "patient", {"PatientID": "SHARED-1\\OTHER"}),
]
PLACES = ["proxy", "centre"]


def at(place, side):
    return side.station() if place == "proxy" else side.far()


@pytest.fixture(params=PLACES)
def place(request):
    return request.param


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_shows_nothing_of_another_mo(ours, theirs, place, query):
    level, model, keys = query
    status, answers = at(place, ours).find(level, model, **keys)
    assert betrays(answers) == []
    assert status in (0x0000, 0xC000)


@pytest.mark.parametrize(("level", "model", "keys"), REFUSED)
def test_a_query_that_names_nothing_is_refused(ours, place, level, model, keys):
    assert at(place, ours).find(level, model, **keys) == (0xC000, [])


def test_another_mos_study_is_as_one_that_is_not_there(ours, theirs, place):
    there = at(place, ours).find("STUDY", StudyInstanceUID=theirs.uid, PatientName="")
    assert there == at(place, ours).find("STUDY", StudyInstanceUID="1.2.3.4.5", PatientName="") == (0x0000, [])


@pytest.mark.parametrize("retrieve", RETRIEVES)
def test_a_retrieve_brings_nothing_of_another_mo(sides, screens, screen, place, retrieve):
    level, model, keys = retrieve
    target = "WS42001" if place == "proxy" else "FAR42001"
    last, responses = at(place, sides[0]).move(target, level, model, **keys)
    assert (last.Status, responses) == (0xC000, 1)
    assert screen.taken() == screens["42002"].taken() == []


def test_a_patient_of_both_brings_the_own_images_only(ours, theirs, screen, place):
    target = "WS42001" if place == "proxy" else "FAR42001"
    at(place, ours).move(target, "PATIENT", "patient", PatientID="SHARED-1")
    assert screen.taken() == ours.images


@pytest.mark.parametrize("target", ["WS42002", "FAR42002", "PROXY42001", "CAMI", "NOWHERE", "ws42001", "VIEW42001", ""])
def test_no_retrieve_to_where_the_caller_may_not_send(ours, screens, screen, place, target):
    try:
        last, _ = at(place, ours).move(target or " ", "STUDY", StudyInstanceUID=ours.uid)
        assert last.Status == 0xC000
    except (Refused, ValueError):
        pass
    assert screen.taken() == screens["42002"].taken() == []


@pytest.mark.parametrize(
    ("aet", "address"),
    [
        ("NOBODY", "127.0.0.1"),
        ("WS42001", "127.0.0.99"),
        ("WS42002", "127.0.0.1"),
        ("VIEW42001", "127.0.0.1"),
        ("ws42001", "127.0.0.1"),
        ("WS42001\0", "127.0.0.1"),
        ("FAR42001", "127.0.0.1"),
        ("PROXY42001", "127.0.0.1"),
        ("MR42001", "127.0.0.1"),
        ("ANY-SCP", "127.0.0.1"),
    ],
)
def test_no_association_for_who_one_is_not(ours, aet, address):
    try:
        Station(aet, ours.proxy, address).associate(Verification)
    except (Refused, ValueError):
        return
    pytest.fail("an association")


@pytest.mark.parametrize(
    ("aet", "address"),
    [
        ("FAR42001", "127.0.0.1"),
        ("FAR42001", "127.0.42.2"),
        ("FAR42002", "127.0.42.1"),
        ("WS42001", "127.0.42.1"),
        ("CT42001", "127.0.42.1"),
        ("NOBODY", "127.0.42.1"),
        ("CAMI", "127.0.42.1"),
    ],
)
def test_no_association_at_the_centre_but_through_the_own_terminator(region, ours, aet, address):
    with pytest.raises(Refused):
        Station(aet, region.about["central"]["dicom"], address).associate(Verification)


def test_no_association_under_another_name_of_the_archive(ours):
    with pytest.raises(Refused):
        Station("WS42001", ours.proxy | {"aet": "ORTHANC"}).associate(Verification)


@pytest.mark.parametrize("model", sorted(GET))
def test_c_get_is_off(ours, place, model):
    """No plugin can filter C-GET, so it answers with nothing, even of one's own."""
    try:
        status, got = at(place, ours).get("STUDY", model, StudyInstanceUID=ours.uid)
    except (Refused, ValueError):
        return
    assert got == []
    assert status != 0x0000


def test_c_get_by_composite_instance_root_is_not_known(ours):
    association = ours.station().associate(Verification, CompositeInstanceRootRetrieveGet)
    classes = {context.abstract_syntax for context in association.accepted_contexts}
    association.release()
    assert CompositeInstanceRootRetrieveGet not in classes


@pytest.mark.parametrize(
    ("aet", "attempt"),
    [
        ("LIST", lambda station, uid: station.move("WS42001", "STUDY", StudyInstanceUID=uid)[0].Status),
        ("CT", lambda station, uid: station.find("STUDY", StudyInstanceUID=uid)[0]),
        ("CT", lambda station, uid: station.move("CT42001", "STUDY", StudyInstanceUID=uid)[0].Status),
        ("WS", lambda station, uid: _stored(station)),
    ],
)
def test_a_node_may_do_what_is_written_and_nothing_else(ours, screen, aet, attempt):
    station = ours.station(aet)
    station.dataset = ours.dataset(SOPInstanceUID=generate_uid())
    with suppress(Refused, ValueError, RuntimeError, AttributeError):  # the archive ends the association
        assert attempt(station, ours.uid) not in (0x0000, 0xFF00)
    assert screen.taken() == []
    status, studies = ours.station().find("STUDY", StudyInstanceUID=ours.uid, NumberOfStudyRelatedInstances="")
    assert (status, [int(study.NumberOfStudyRelatedInstances) for study in studies]) == (0x0000, [6])


def _stored(station):
    return station.store(station.dataset)


def test_a_workstation_may_not_ask_for_the_worklist(ours):
    try:
        association = ours.station().associate(ModalityWorklistInformationFind)
    except Refused:
        return
    with suppress(ValueError):
        assert all(
            status.get("Status") not in (0x0000, 0xFF00)
            for status, _ in association.send_c_find(Dataset(), ModalityWorklistInformationFind)
        )
    association.abort()


def test_a_query_is_called_off(ours, theirs):
    status, answers = ours.station().find("IMAGE", StudyInstanceUID=ours.uid, SOPInstanceUID="", cancel_after=1)
    assert status in (0xFE00, 0x0000)
    assert betrays(answers) == []


def test_more_sop_classes_than_there_are_open_nothing(ours):
    classes = [FIND["study"], StudyRootQueryRetrieveInformationModelMove, CTImageStorage, Verification]
    association = Station("LIST42001", ours.proxy).associate(*classes, StorageCommitmentPushModel)
    try:
        status = next(iter(association.send_c_move(_study(ours.uid), "WS42001", classes[1])))[0]
        assert status.get("Status") != 0x0000
    except ValueError:
        pass
    finally:
        association.abort()


def _study(uid):
    return identifier("STUDY", StudyInstanceUID=uid)


def test_a_caller_that_was_refused_is_shown(region, ours):
    with pytest.raises(Refused):
        Station("SEEN-BY-US", ours.proxy, "127.0.0.77").associate(Verification)
    technologist = region.session("technologist", "42001")

    def shown():
        page = technologist.get(region.proxy("42001")["url"] + "/cami/nodes", timeout=30)
        return page.status_code == 200 and "SEEN-BY-US" in page.text and "127.0.0.77" in page.text

    wait_until("the page names the caller", shown, 20)


def test_no_log_names_a_patient(region):
    for log in region.state.glob("servers/*/server.log"):
        text = log.read_text(errors="replace")
        assert not any(secret in text for secret in ("АЛЬФА", "БЕТА", "SHARED-1"))


def test_the_victim_still_has_all_of_it(theirs, screens):
    last, _ = theirs.station().move("WS42002", "STUDY", StudyInstanceUID=theirs.uid)
    assert (last.Status, screens["42002"].taken()) == (0x0000, theirs.images)


def test_who_asks_in_parallel_waits_and_is_answered(ours):
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: ours.station().find("STUDY", StudyInstanceUID="")[0], range(12)))
    assert found == [0x0000] * 12
