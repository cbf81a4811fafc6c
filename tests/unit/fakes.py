"""Stand-ins for tests that run without Orthanc. They keep the habits of the real one that code could stumble over."""

from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from cami.archive import orthanc_id
from cami.errors import NotFound, Transient

_LEVELS = ("Patient", "Study", "Series", "Instance")
_CHILDREN = {"Patient": "Studies", "Study": "Series", "Series": "Instances"}
_FOLDER = {"patients": "Patient", "studies": "Study", "series": "Series", "instances": "Instance"}
_KEYWORD = {
    "00100010": "PatientName",
    "00100020": "PatientID",
    "0020000d": "StudyInstanceUID",
    "0020000e": "SeriesInstanceUID",
    "00080018": "SOPInstanceUID",
    "00080060": "Modality",
    "00081030": "StudyDescription",
}


class Hands:
    """A clock that tests move."""

    def __init__(self):
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self):
        return self.time

    def pass_(self, **amount):
        self.time += timedelta(**amount)


class MemoryArchive:
    """The reading half of `cami.archive.Archive` over resources in memory.

    Like the core: ids are hashes of DICOM identifiers, so two МО share a patient; an empty list of labels is no
    constraint; the patient has the name of whoever came first; ``ParentStudy`` at the study level is the study itself.
    """

    def __init__(self):
        self.resources = {}
        self.questions = []
        self.gets = []
        self.failing = False

    def add(self, patient, study, series, sop, *, name="NAME^A", modality="CT", labels=()):
        """Add an instance and return its id."""
        patient_id = orthanc_id(patient)
        study_id = orthanc_id(patient, study)
        series_id = orthanc_id(patient, study, series)
        instance_id = orthanc_id(patient, study, series, sop)
        patient_tags = {"PatientID": patient, "PatientName": name}
        self._put("Patient", patient_id, None, patient_tags)
        self._put("Study", study_id, patient_id, {"StudyInstanceUID": study, "StudyDescription": "D"})
        own = self.resources[study_id]
        own.setdefault("PatientMainDicomTags", patient_tags)
        own["Labels"] = sorted({*own["Labels"], *labels})
        self._put("Series", series_id, study_id, {"SeriesInstanceUID": series, "Modality": modality})
        self._put("Instance", instance_id, series_id, {"SOPInstanceUID": sop})
        return instance_id

    def _put(self, kind, key, parent, tags):
        if key in self.resources:
            return
        resource = {"ID": key, "Type": kind, "MainDicomTags": tags, "Labels": [], "IsStable": True}
        resource["LastUpdate"] = "20260101T00000" + str(len(self.resources) % 10)
        resource["Metadata"] = {"RemoteIP": "10.0.0.1", "HttpUsername": "forged", "TransferSyntax": "1.2.840.10008.1.2"}
        if kind in _CHILDREN:
            resource[_CHILDREN[kind]] = []
        if parent is not None:
            resource["Parent" + self.resources[parent]["Type"]] = parent
            self.resources[parent][_CHILDREN[self.resources[parent]["Type"]]].append(key)
        self.resources[key] = resource

    def find(self, query):
        self._asked(query)
        kind = next(kind for kind in _LEVELS if query["Level"].upper().rstrip("S") in (kind.upper(), kind.upper()[:-1]))
        found = [key for key, value in self.resources.items() if value["Type"] == kind and self._fits(value, query)]
        start = query.get("Since", 0)
        found = found[start : start + query["Limit"]] if query.get("Limit") else found[start:]
        if "ResponseContent" in query:
            kept = {"ID", "Type", *query["ResponseContent"]}
            return [{name: value for name, value in self.resources[key].items() if name in kept} for key in found]
        return [dict(self.resources[key]) for key in found] if query.get("Expand") else found

    def _asked(self, query):
        if self.failing:
            raise Transient("database is locked")
        self.questions.append(dict(query))

    def _fits(self, resource, query):
        if query.get("Labels"):  # the trap: [] is the same as nothing
            labels = set(resource["Labels"])
            wanted = set(query["Labels"])
            how = {"Any": labels & wanted, "All": wanted <= labels, "None": not labels & wanted}
            if not how[query.get("LabelsConstraint", "All")]:
                return False
        lineage = self._lineage(resource)
        for parent in ("ParentPatient", "ParentStudy", "ParentSeries"):
            if parent in query and lineage.get(parent[6:]) != query[parent]:
                return False
        tags = {}
        for key in lineage.values():
            tags |= self.resources[key]["MainDicomTags"] | self.resources[key].get("PatientMainDicomTags", {})
        return all(_matches(tags, name, value) for name, value in query.get("Query", {}).items())

    def _lineage(self, resource):
        lineage = {}
        while resource is not None:
            lineage[resource["Type"]] = resource["ID"]
            parent = next(
                (resource[p] for p in ("ParentSeries", "ParentStudy", "ParentPatient") if p in resource), None
            )
            resource = self.resources.get(parent)
        return dict(reversed(lineage.items()))

    def get(self, uri):
        if self.failing:
            raise Transient("database is locked")
        self.gets.append(uri)
        path, _, arguments = uri.partition("?")
        parts = path.strip("/").split("/")
        if parts == ["system"]:
            return {"Name": "ЦАМИ", "Version": "1.13.0", "DicomAet": "CAMI", "HasLabels": True}
        if parts == ["tools", "labels"]:
            return sorted({label for resource in self.resources.values() for label in resource["Labels"]})
        if parts[0] == "patients":  # "PatientLevelEnabled": false
            raise NotFound("no such resource")
        kind = _FOLDER[parts[0]]
        if len(parts) == 1:
            return [key for key, value in self.resources.items() if value["Type"] == kind]
        resource = self.resources.get(parts[1])
        if resource is None or resource["Type"] != kind:
            raise NotFound("no such resource")
        if len(parts) == 2:
            return {name: value for name, value in resource.items() if name != "Metadata"}
        if parts[2] == "metadata":
            return resource["Metadata"] if "expand" in arguments else sorted(resource["Metadata"])
        return [dict(self.resources[key]) for key in resource[_CHILDREN[kind]]]

    def put_label(self, study_id, label):
        if study_id not in self.resources:
            raise NotFound("no such resource")
        found = self.resources[study_id]
        found["Labels"] = sorted({*found["Labels"], label})

    def drop_label(self, study_id, label):
        if study_id not in self.resources:
            raise NotFound("no such resource")
        found = self.resources[study_id]
        found["Labels"] = sorted({*found["Labels"]} - {label})

    def study_of(self, level, resource):
        if self.failing:
            raise Transient("database is locked")
        if not resource:  # the core would list the level
            raise TypeError("list indices must be integers or slices, not str")
        found = self.resources.get(resource)
        if found is None or found["Type"] != _FOLDER[level]:
            return None
        return self._lineage(found).get("Study")


def _matches(tags, name, value):
    keyword = _KEYWORD.get(name.replace(",", "").replace("-", "").lower(), name)
    if keyword.endswith("UID") and ("*" in value or "?" in value):
        raise Transient("Orthanc cannot answer (Parameter out of range)")
    own = tags.get(keyword, "")
    return any(fnmatchcase(own.upper(), pattern.upper()) for pattern in value.split("\\"))
