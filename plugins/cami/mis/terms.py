"""The URIs of the contract: systems of identifiers and codes (reference/domain.md §3)."""

DCM = "http://dicom.nema.org/resources/ontology/DCM"
DICOM_UID = "urn:dicom:uid"
V2_IDENTIFIER = "http://terminology.hl7.org/CodeSystem/v2-0203"
ACCESSION = "urn:cami:accession"
#: НСИ: МО, номенклатура услуг, ФСИДИ, методы, источники оплаты, МКБ-10, должности.
_NSI = "urn:oid:1.2.643.5.1.13.13.11."
ORGANIZATION = f"{_NSI}1461"
SERVICE = f"{_NSI}1070"
STUDY_KIND = f"{_NSI}1471"
METHOD = f"{_NSI}1472"
PAYMENT = f"{_NSI}1039"
DIAGNOSIS = f"{_NSI}1005"
#: Modality of a method of НСИ 1472, where orderDetail does not say it.
MODALITY_OF_METHOD = {"1": "CT", "2": "MR", "3": "US", "4": "DX", "5": "NM", "7": "ES"}
AET_PREFIX = "urn:cami:aet:"
MANUAL_PREFIX = "urn:cami:manual:"
TASK_KIND = "urn:cami:task-kind"
TASK_OUTPUT = "urn:cami:task-output"
CANCEL_REASON = "urn:cami:cancel-reason"
BUSINESS_STATUS = "urn:cami:order-status"
REQUEST_CATEGORY = "urn:cami:request-category"
REPORT = "urn:cami:report"
ARCHIVE_STATE = "urn:cami:archive-state"
CANCEL_REASONS = {
    "patient-refused": "Отказ пациента",
    "no-show": "Неявка",
    "duplicate": "Повторное направление",
    "entered-in-error": "Введено ошибочно",
    "equipment-failure": "Неисправность аппарата",
    "clinical": "По клиническим причинам",
    "other": "Другая причина",
}
