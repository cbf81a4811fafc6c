"""What a workstation finds: its МО's studies, at every level, in its own text."""

import pytest


def uids(answers, keyword="StudyInstanceUID"):
    return sorted(str(answer[keyword].value) for answer in answers)


def test_studies_series_and_images(ours):
    station = ours.station()
    wanted = ("StudyInstanceUID", "PatientName", "ModalitiesInStudy", "NumberOfStudyRelatedInstances")
    status, studies = station.find("STUDY", **dict.fromkeys((*wanted, "InstanceAvailability"), ""))
    assert (status, uids(studies)) == (0x0000, [ours.uid])
    (study,) = studies
    assert (study.PatientName, study.SpecificCharacterSet) == (ours.name, "ISO_IR 192")
    assert (study.RetrieveAETitle, study.InstanceAvailability) == (ours.proxy["aet"], "ONLINE")
    assert (study.ModalitiesInStudy, int(study.NumberOfStudyRelatedInstances)) == ("CT", 6)
    wanted = ("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances")
    status, series = station.find("SERIES", StudyInstanceUID=ours.uid, **dict.fromkeys(wanted, ""))
    assert (status, uids(series, "SeriesInstanceUID")) == (0x0000, [f"{ours.uid}.1", f"{ours.uid}.2"])
    assert {int(each.NumberOfSeriesRelatedInstances) for each in series} == {3}
    above = {"StudyInstanceUID": ours.uid, "SeriesInstanceUID": f"{ours.uid}.1"}
    status, images = station.find("IMAGE", **above, SOPInstanceUID="", InstanceNumber="", SOPClassUID="")
    assert (status, uids(images, "SOPInstanceUID")) == (0x0000, ours.images[:3])
    assert {str(each.SOPClassUID) for each in images} == {"1.2.840.10008.5.1.4.1.1.2"}


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"PatientName": "АЛЬФА*"}, True),
        ({"PatientName": "альфа^ёлка"}, True),
        ({"PatientName": "БЕТА*"}, False),
        ({"PatientID": "SHARED-1"}, True),
        ({"PatientID": "SHARED"}, False),
        ({"StudyDate": "20260101-20260131"}, True),
        ({"StudyDate": "20270101-"}, False),
        ({"ModalitiesInStudy": "CT"}, True),
        ({"ModalitiesInStudy": "MR"}, False),
        ({"AccessionNumber": "ACC1"}, True),
        ({"AccessionNumber": "A?C*"}, True),
    ],
)
def test_matching(ours, keys, found):
    status, answers = ours.station().find("STUDY", **{"StudyInstanceUID": ""} | keys)
    assert (status, uids(answers)) == (0x0000, [ours.uid] if found else [])


def test_patients_are_put_together_from_studies(ours):
    status, patients = ours.station().find("PATIENT", "patient", PatientID="SHARED-1", PatientName="")
    assert (status, [(each.PatientID, str(each.PatientName)) for each in patients]) == (0, [("SHARED-1", ours.name)])


def test_patient_root_goes_down_to_images(ours):
    station = ours.station()
    assert uids(station.find("STUDY", "patient", PatientID="SHARED-1", StudyInstanceUID="")[1]) == [ours.uid]
    above = {"PatientID": "SHARED-1", "StudyInstanceUID": ours.uid, "SeriesInstanceUID": f"{ours.uid}.2"}
    _, images = station.find("IMAGE", "patient", **above, SOPInstanceUID="")
    assert uids(images, "SOPInstanceUID") == ours.images[3:]


def test_a_station_without_unicode_gets_its_own_text(ours):
    status, (study,) = ours.station("VIEW").find("STUDY", StudyInstanceUID="", PatientName="")
    assert status == 0x0000
    assert "SpecificCharacterSet" not in study
    assert study["PatientName"].value.original_string == ours.name.encode("cp1251")


def test_dcmtk_finds_as_well(ours, tool):
    options = ["findscu", "-v", "-S", "-aet", "WS42001", "-aec", ours.proxy["aet"]]
    where = ["127.0.0.1", str(ours.proxy["port"])]
    done = tool([*options, "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", *where], binds=[])
    told = done.stdout + done.stderr
    assert ours.uid in told
    assert "0x0000" in told or "Success" in told
