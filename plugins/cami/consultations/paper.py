"""The document of an answer: PDF/A-1b (ISO 19005-1), which РЭМД takes, in Cyrillic letters that it brings with it."""

from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from cami.consultations.request import ChosenStudy
from cami.consultations.terms import Kind, Urgency
from cami.consultations.texts import Sheet
from cami.region import Region

if TYPE_CHECKING:
    from fpdf import FPDF

_FAMILY = "DejaVu"
_KINDS = {
    Kind.CONSULTATION: "Протокол консультации",
    Kind.READING: "Протокол исследования",
    Kind.COUNCIL: "Протокол консилиума",
    Kind.SECOND_OPINION: "Протокол пересмотра",
    Kind.DOUBLE_READING: "Протокол исследования",
}
_URGENCIES = {Urgency.STAT: "экстренная", Urgency.URGENT: "неотложная", Urgency.ROUTINE: "плановая"}
_SEXES = {"M": "муж.", "F": "жен."}
_AGREEMENTS = {
    "none": "нет замечаний",
    "remarks": "замечания",
    "minor": "незначимое расхождение",
    "significant": "клинически значимое расхождение",
    "first": "расхождение, третий читающий согласен с первым",
    "second": "расхождение, третий читающий согласен со вторым",
    "neither": "расхождение, третий читающий дал собственное заключение",
}
_PATHOLOGY = {"yes": "выявлена", "no": "не выявлена"}


class PdfPaper:
    """Writes documents with the header of the МО that answers."""

    def __init__(self, region: Region, profile: Callable[[str], str]) -> None:
        self._region = region
        self._zone = ZoneInfo(region.time_zone)
        self._profile = profile

    def render(self, sheet: Sheet) -> bytes:
        """Return the PDF."""
        # Importing fpdf2 takes a second that no start of a server should pay.
        from fpdf import FPDF  # noqa: PLC0415
        from fpdf.enums import DocumentCompliance  # noqa: PLC0415

        pdf = FPDF(enforce_compliance=DocumentCompliance.PDFA_1B)
        title = f"{_KINDS[sheet.case.request.kind]} № {sheet.case.request.number}"
        self._begin(pdf, title, sheet)
        self._head(pdf, title, sheet)
        self._about(pdf, sheet)
        self._answer(pdf, sheet)
        self._signature(pdf, sheet)
        return bytes(pdf.output())

    def _begin(self, pdf: "FPDF", title: str, sheet: Sheet) -> None:
        folder = files("cami.consultations").joinpath("fonts")
        pdf.add_font(_FAMILY, "", str(folder.joinpath("DejaVuSans.ttf")))
        pdf.add_font(_FAMILY, "B", str(folder.joinpath("DejaVuSans-Bold.ttf")))
        pdf.set_lang("ru")
        pdf.set_title(title)
        pdf.set_creation_date(sheet.signed_at)
        pdf.set_xmp_metadata(_metadata(title, sheet.signed_at))
        pdf.set_margin(18)
        pdf.set_auto_page_break(auto=True, margin=18)
        pdf.add_page()

    def _head(self, pdf: "FPDF", title: str, sheet: Sheet) -> None:
        organization = next((each for each in self._region.organizations if each.code == sheet.person.mo), None)
        self._line(pdf, organization.full_name if organization else sheet.person.mo, bold=True, size=11, align="C")
        if organization is not None:
            self._line(pdf, f"ОИД {organization.oid}", size=8, align="C")
        pdf.ln(4)
        self._line(pdf, title, bold=True, size=14, align="C")
        if sheet.version > 1:
            self._line(pdf, f"Версия {sheet.version}. Исправление: {sheet.why}", size=10, align="C")
        pdf.ln(3)

    def _about(self, pdf: "FPDF", sheet: Sheet) -> None:
        request = sheet.case.request
        name = " ".join(part for part in request.patient_name.split("=")[0].split("^") if part)
        born = f", дата рождения {_date(request.patient_birth_date)}" if request.patient_birth_date else ""
        sex = f", {_SEXES[request.patient_sex]}" if request.patient_sex in _SEXES else ""
        self._pair(pdf, "Пациент", f"{name or 'имя не указано'}{born}{sex}")
        self._pair(pdf, "Номер карты", request.patient_id)
        self._pair(pdf, "МО-заявитель", f"{self._organization(request.mo)}, {request.asker_name}")
        self._pair(pdf, "Форма, профиль", f"{_URGENCIES[request.urgency]}, {self._profile(request.profile)}")
        if request.diagnosis or request.diagnosis_text:
            self._pair(pdf, "Диагноз (МКБ-10)", f"{request.diagnosis} {request.diagnosis_text}".strip())
        self._pair(pdf, "Исследования", "\n".join(map(_study, sheet.case.studies)))
        self._pair(pdf, "Вопрос", request.question)
        sent = self._moment(request.sent_at) if request.sent_at else ""
        self._pair(pdf, "Заявка отправлена", sent)
        pdf.ln(2)

    def _answer(self, pdf: "FPDF", sheet: Sheet) -> None:
        text = sheet.text
        for title, content in (
            ("Описание", text.findings),
            ("Заключение", text.conclusion),
            ("Рекомендации", text.recommendations),
        ):
            if content.strip():
                self._line(pdf, title, bold=True, size=11)
                self._line(pdf, content.strip(), size=10)
                pdf.ln(2)
        if text.diagnosis:
            self._pair(pdf, "МКБ-10", text.diagnosis)
        if text.pathology:
            self._pair(pdf, "Патология", _PATHOLOGY[text.pathology])
        self._readers(pdf, sheet)
        if text.critical:
            self._line(pdf, "Критическая находка: требуется немедленно сообщить лечащему врачу.", bold=True, size=10)

    def _readers(self, pdf: "FPDF", sheet: Sheet) -> None:
        """Say of a double reading who has read, and how far they agree; of a пересмотр how far the text holds."""
        if sheet.reading:
            self._pair(pdf, "Двойное чтение", f"чтение {sheet.reading}, без сведений о другом чтении")
        if sheet.readers:
            self._pair(pdf, "Двойное чтение", f"читали независимо: {', '.join(sheet.readers)}")
        said = _AGREEMENTS.get(sheet.agreement, "")
        if said and sheet.case.request.kind is Kind.SECOND_OPINION:
            about = f" № {sheet.case.request.based_on}" if sheet.case.reviewed else ""
            self._pair(pdf, "Пересмотр", f"исходного протокола{about}: {said}")
        elif said:
            self._pair(pdf, "Сопоставление", said)

    def _signature(self, pdf: "FPDF", sheet: Sheet) -> None:
        pdf.ln(4)
        self._line(pdf, f"Врач-консультант: {sheet.person.name}", bold=True, size=10)
        moment = self._moment(sheet.signed_at)
        zone = sheet.signed_at.astimezone(self._zone).strftime("%z")
        if sheet.how:
            self._line(pdf, f"{sheet.how}, {moment} (UTC{zone[:3]}).", size=9)
        else:
            self._line(pdf, f"Подготовлено для подписи {moment} (UTC{zone[:3]}). Электронная подпись – в отдельном "
                            "файле к этому документу.", size=9)  # fmt: skip

    def _pair(self, pdf: "FPDF", name: str, value: str) -> None:
        if not value:
            return
        pdf.set_font(_FAMILY, "B", 9)
        top = pdf.get_y()
        pdf.multi_cell(42, 5, name, align="L", new_x="RIGHT", new_y="TOP")
        pdf.set_xy(pdf.l_margin + 44, top)
        pdf.set_font(_FAMILY, "", 10)
        pdf.multi_cell(0, 5, value, align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(0.6)

    def _line(self, pdf: "FPDF", text: str, *, size: int, bold: bool = False, align: Any = "L") -> None:
        pdf.set_font(_FAMILY, "B" if bold else "", size)
        pdf.multi_cell(0, size * 0.52, text, align=align, new_x="LMARGIN", new_y="NEXT")

    def _organization(self, code: str) -> str:
        return next((each.short_name for each in self._region.organizations if each.code == code), code)

    def _moment(self, value: datetime) -> str:
        return f"{value.astimezone(self._zone):%d.%m.%Y %H:%M}"


def _metadata(title: str, at: datetime) -> str:
    """Return the XMP of a document: each schema described on its own, as ISO 19005-1 6.7 is read by validators."""
    words = escape(title)
    return f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"><pdfaid:part>1</pdfaid:part>
<pdfaid:conformance>B</pdfaid:conformance></rdf:Description>
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<xmp:CreateDate>{at.isoformat(timespec="seconds")}</xmp:CreateDate></rdf:Description>
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt>
<rdf:li xml:lang="x-default">{words}</rdf:li></rdf:Alt></dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"""


def _study(study: ChosenStudy) -> str:
    what = " ".join(filter(None, [study.modalities.replace("\\", ", "), study.description]))
    number = f", № {study.accession}" if study.accession else ""
    return f"{_date(study.study_date)} {what}{number}{' (для сравнения)' if study.prior else ''}".strip()


def _date(value: str) -> str:
    return f"{value[6:8]}.{value[4:6]}.{value[:4]}" if len(value) == 8 and value.isdigit() else value
