"""The answer as СЭМД: an HL7 CDA R2 document (ГОСТ Р ИСО/HL7 27932) of the consultation protocol, out of a template.

Codes, versions of directories and the numbers of the installation are data of the registry: they change more often than
this code. What is not known here (СНИЛС, policy, position, address) is said to be not known (``nullFlavor``), never
made up; РЭМД refuses a document that lacks it (docs/ru/consultations.md says what is missing). No official schema comes
with this product: `faults` holds a document against the rules of the header that the guides of ЕГИСЗ share.
"""

import logging
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from cami.consultations.texts import Sheet
from cami.region import Organization, Region
from cami.region.consultations import ClinicalDocumentRules

log = logging.getLogger(__name__)

#: Caption, code of the field, words.
_Part = tuple[str, str, str]
_V3 = "{urn:hl7-org:v3}"
_SEXES = {"M": ("1", "Мужской"), "F": ("2", "Женский")}
_PATHOLOGY = {"yes": "Патология выявлена", "no": "Патология не выявлена"}
#: What XML 1.0 cannot hold.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_TIME = re.compile(r"[12][0-9]{3}[01][0-9][0-3][0-9]([0-2][0-9][0-5][0-9][+-][0-9]{4})?")
#: Order and number of the elements of the header (CDA.xsd, POCD_MT000040.ClinicalDocument): least and most of each.
_HEADER: tuple[tuple[str, int, int], ...] = (
    ("realmCode", 1, 1), ("typeId", 1, 1), ("templateId", 1, 1), ("id", 1, 1), ("code", 1, 1), ("title", 1, 1),
    ("effectiveTime", 1, 1), ("confidentialityCode", 1, 1), ("languageCode", 1, 1), ("setId", 1, 1),
    ("versionNumber", 1, 1), ("recordTarget", 1, 1), ("author", 1, 1), ("custodian", 1, 1),
    ("legalAuthenticator", 1, 1), ("participant", 1, 9), ("inFulfillmentOf", 1, 1), ("documentationOf", 1, 1),
    ("relatedDocument", 0, 1), ("componentOf", 1, 1), ("component", 1, 1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Name:
    login: str
    family: str
    given: str
    patronymic: str


class ClinicalDocuments:
    """Writes them."""

    def __init__(self, region: Region, portal: str = "") -> None:
        """Make it; `portal` is where the centre is reached, for the permanent link to the images."""
        self._region = region
        self._rules: ClinicalDocumentRules = region.consultations.document
        self._zone = ZoneInfo(region.time_zone)
        self._portal = portal
        environment = Environment(
            loader=PackageLoader("cami.consultations", "templates"), autoescape=True, undefined=StrictUndefined
        )
        self._template = environment.get_template("protocol.xml")

    def render(self, sheet: Sheet) -> bytes:
        """Return the document of an answer."""
        request = sheet.case.request
        answers, asks = self._organization(sheet.person.mo), self._organization(request.mo)
        written = self._template.render(
            rules=self._rules, node=f"{self._rules.system}.{self._rules.instance}", request=request,
            version=sheet.version, answers=answers, asks=asks,
            signed=self._moment(sheet.signed_at), began=self._moment(request.accepted_at),
            patient=_dicom_name(request.patient_name), sex=_SEXES.get(request.patient_sex),
            birth=request.patient_birth_date if re.fullmatch("[0-9]{8}", request.patient_birth_date) else "",
            author=_plain_name(sheet.person.login, sheet.person.name),
            asker=_plain_name(request.asker, request.asker_name),
            about=self._about(sheet), results=self._results(sheet),
        )  # fmt: skip
        document = _UNWRITABLE.sub(" ", written).encode("utf-8")
        for fault in faults(document):  # a doctor signs all the same: the PDF is the answer
            log.error("the clinical document of request %d is not right: %s", request.number, fault)
        return document

    def _about(self, sheet: Sheet) -> list[_Part]:
        """Return caption, code of the field (НСИ 99.2.166) and words of what was asked."""
        request = sheet.case.request
        studies = [f"{study.study_date} {study.modalities} {study.description}".strip() for study in sheet.case.studies]
        return [
            ("Вопрос", "", request.question),
            ("Анамнез", "", request.history),
            ("Диагноз направившего учреждения", "", f"{request.diagnosis} {request.diagnosis_text}"),
            ("Исследования", "", "\n".join(studies)),
        ]

    def _results(self, sheet: Sheet) -> list[_Part]:
        text = sheet.text
        uids = ",".join(study.study_uid for study in sheet.case.studies)
        link = f"{self._portal}/ohif/viewer?StudyInstanceUIDs={uids}" if self._portal else ""
        diagnosis = " ".join(filter(None, [text.diagnosis, _PATHOLOGY.get(text.pathology, "")]))
        return [
            ("Протокол", "1805", text.findings),
            ("Заключение", "1806", text.conclusion),
            ("Рекомендации", "807", text.recommendations),
            ("Диагноз, патология", "", diagnosis),
            ("Исправление", "", sheet.why if sheet.version > 1 else ""),
            ("Ссылка на DICOM в ЦАМИ", "", link),
        ]

    def _organization(self, code: str) -> Organization:
        return self._region.organization(code)

    def _moment(self, moment: datetime | None) -> str:
        return f"{moment.astimezone(self._zone):%Y%m%d%H%M%z}" if moment is not None else ""


def faults(document: bytes) -> list[str]:
    """Return what is wrong with a document, as short texts without anything of a person; nothing: it is well formed."""
    try:
        root = ET.fromstring(document)  # noqa: S314 - our own bytes
    except ET.ParseError:
        return ["not well formed"]
    if root.tag != f"{_V3}ClinicalDocument":
        return ["no ClinicalDocument"]
    found = _header_faults(root)
    for element in root.iter():
        found += _value_faults(element)
    if not root.findall(f"{_V3}component/{_V3}structuredBody/{_V3}component/{_V3}section/{_V3}text"):
        found.append("no section with a text")
    return found


def _header_faults(root: Any) -> list[str]:
    tags = [child.tag.removeprefix(_V3) for child in root]
    order = [name for name, _least, _most in _HEADER]
    found = [f"{name}: {tags.count(name)}" for name, least, most in _HEADER if not least <= tags.count(name) <= most]
    found += [f"unknown: {tag}" for tag in tags if tag not in order]
    places = [order.index(tag) for tag in tags if tag in order]
    return found if places == sorted(places) else [*found, "order of the header"]


def _value_faults(element: Any) -> list[str]:
    tag, given = element.tag.removeprefix(_V3), element.attrib
    if "nullFlavor" in given:
        return []
    found = []
    if tag in ("id", "setId", "templateId") and not _OID.fullmatch(given.get("root", "")):
        found.append(f"{tag}/@root")
    if tag in ("code", "confidentialityCode", "administrativeGenderCode") and not all(
        given.get(name) for name in ("code", "codeSystem", "codeSystemVersion", "codeSystemName", "displayName")
    ):
        found.append(tag)
    if tag in ("time", "effectiveTime", "birthTime", "low", "high") and not (
        len(element) or _TIME.fullmatch(given.get("value", ""))
    ):
        found.append(f"{tag}/@value")
    if tag == "name" and not len(element) and not (element.text or "").strip():
        found.append("name")
    return found


def _dicom_name(name: str) -> _Name:
    parts = [*name.split("=", maxsplit=1)[0].split("^"), "", "", ""]
    return _Name("", parts[0].strip() or "–", parts[1].strip(), parts[2].strip())


def _plain_name(login: str, name: str) -> _Name:
    parts = [*name.split(), "", "", ""]
    return _Name(login, parts[0] or "–", parts[1], " ".join(filter(None, parts[2:])))
