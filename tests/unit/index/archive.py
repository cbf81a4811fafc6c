"""An Orthanc as the index sees it: a change log that does not tell of deletions, searches by parent, counts."""

from cami.archive import Change, ChangePage, orthanc_id
from cami.errors import NotFound, Transient

STUDY = {
    "0008,0020": "StudyDate",
    "0008,0030": "StudyTime",
    "0008,0050": "AccessionNumber",
    "0008,0080": "InstitutionName",
    "0008,0090": "ReferringPhysicianName",
    "0008,1030": "StudyDescription",
    "0020,000d": "StudyInstanceUID",
    "0020,0010": "StudyID",
}
PATIENT = {
    "0010,0010": "PatientName",
    "0010,0020": "PatientID",
    "0010,0030": "PatientBirthDate",
    "0010,0040": "PatientSex",
}
SERIES = {
    "0008,0060": "Modality",
    "0008,103e": "SeriesDescription",
    "0018,0015": "BodyPartExamined",
    "0020,000e": "SeriesInstanceUID",
    "0020,0011": "SeriesNumber",
}
_NAMES = STUDY | PATIENT | SERIES


class LoggedArchive:
    """Implements what `cami.index` asks of `cami.archive.Archive`."""

    def __init__(self):
        self.studies = {}
        self.log = []
        self.questions = []
        self.failing = False
        self.clock = 0

    def add(self, tags, series_uid="1", modality="CT", sop="1", **series_tags):
        """Store an instance; return (study id, instance id)."""
        patient, study_uid = tags.get("PatientID", ""), tags["StudyInstanceUID"]
        study_id = orthanc_id(patient, study_uid)
        series_id = orthanc_id(patient, study_uid, series_uid)
        instance_id = orthanc_id(patient, study_uid, series_uid, sop)
        self.clock += 1
        study = self.studies.setdefault(study_id, {"tags": tags, "patient": orthanc_id(patient), "series": {}})
        study["updated"] = f"2026{self.clock:011}"
        own = {"SeriesInstanceUID": series_uid, "Modality": modality, **series_tags}
        series = study["series"].setdefault(series_id, {"tags": own, "instances": []})
        series["instances"].append(instance_id)
        self.log.append(Change(len(self.log) + 1, "NewInstance", instance_id))
        self.log.append(Change(len(self.log) + 1, "StableStudy", study_id))
        return study_id, instance_id

    def delete(self, study_id):
        """Delete a study: Orthanc takes what the log says of it away too."""
        gone = {key for series in self.studies.pop(study_id)["series"].values() for key in series["instances"]}
        self.log = [change for change in self.log if change.resource not in gone | {study_id}]

    def last_change(self):
        self._fail()
        return self.log[-1].seq if self.log else 0

    def changes(self, since, limit):
        self._fail()
        later = [change for change in self.log if change.seq > since]
        page = later[: min(limit, 3)]
        return ChangePage(page, page[-1].seq if page else since, len(page) == len(later))

    def study_of(self, level, resource):
        self._fail()
        for study_id, study in self.studies.items():
            instances = {key for series in study["series"].values() for key in series["instances"]}
            if resource in {"studies": {study_id}, "series": study["series"].keys(), "instances": instances}[level]:
                return study_id
        return None

    def get(self, uri):
        self._fail()
        if uri == "/system":
            return {
                "MainDicomTags": {"Study": ";".join(STUDY), "Patient": ";".join(PATIENT), "Series": ";".join(SERIES)}
            }
        if uri == "/statistics":
            series = [series for study in self.studies.values() for series in study["series"].values()]
            return {
                "CountStudies": len(self.studies),
                "CountSeries": len(series),
                "CountInstances": sum(len(one["instances"]) for one in series),
            }
        raise NotFound(uri)

    def find(self, query):
        self._fail()
        self.questions.append(query)
        if "ParentStudy" not in query:
            found = sorted(self.studies)[query.get("Since", 0) :][: query.get("Limit") or None]
            return [{"ID": key, "Metadata": {"LastUpdate": self.studies[key]["updated"]}} for key in found]
        study_id = query["ParentStudy"]
        study = self.studies.get(study_id)
        if study is None:
            return []
        if query["Level"] == "Study":
            return [self._answer(study_id, study, query, ParentPatient=study["patient"])]
        return [
            self._answer(key, series, query, updated=study["updated"], ParentStudy=study_id)
            for key, series in sorted(study["series"].items())
        ]

    def _answer(self, key, resource, query, updated=None, **more):
        full = {
            tag: {"Name": _NAMES[tag], "Type": "String", "Value": resource["tags"][_NAMES[tag]]}
            for tag in query["RequestedTags"]
            if _NAMES[tag] in resource["tags"]
        }
        return {
            "ID": key,
            "Metadata": {"LastUpdate": updated or resource["updated"]},
            "RequestedTags": full,
            "Instances": resource.get("instances", []),
            **more,
        }

    def _fail(self):
        if self.failing:
            raise Transient("Orthanc cannot answer")
