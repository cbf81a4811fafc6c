"""The СЭМД of an answer: whole, in order, and nothing made up."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from cami.consultations.clinical_document import ClinicalDocuments, faults
from cami.consultations.request import Person
from cami.consultations.service import Wish
from cami.consultations.states import Command
from cami.consultations.texts import Sheet, Text

from .conftest import CONSULTANT, DOCTOR, rules, sent

V3 = {"v": "urn:hl7-org:v3"}
TEXT = Text("Очагов нет.\nСрединные структуры <не> смещены & ровны.", "Норма.", "Контроль.", "S06.0", "no")


@pytest.fixture(scope="module")
def writer():
    return ClinicalDocuments(rules(), "https://cami.example")


@pytest.fixture
def sheet(centre):
    case = centre.consultations.find(DOCTOR, sent(centre, diagnosis="S06.0", diagnosis_text="Сотрясение"))
    return Sheet(case, TEXT, 1, "", Person.of(CONSULTANT), datetime(2026, 11, 28, 3, 5, tzinfo=UTC))


def test_it_says_who_what_and_when(writer, sheet):
    document = writer.render(sheet)
    assert faults(document) == []
    root = ET.fromstring(document)

    def at(path):
        return root.find(path, V3)

    region = rules()
    oid, theirs = region.organization("42900").oid, region.organization("42001").oid
    assert at("v:id").attrib == {"root": f"{oid}.100.1.1.51", "extension": f"C-{sheet.case.request.number}-1"}
    assert at("v:setId").attrib["root"] == f"{oid}.100.1.1.50"
    assert at("v:code").attrib["code"] == "36"
    assert at("v:effectiveTime").attrib["value"] == "202611281005+0700"
    assert at("v:recordTarget/v:patientRole/v:id").attrib == {"root": f"{theirs}.100.1.1.10", "extension": "К-17"}
    assert at("v:recordTarget//v:family").text == "Иванов"
    assert at("v:recordTarget//v:birthTime").attrib["value"] == "19570308"
    assert at("v:author//v:family").text == "Мнениев"
    assert at("v:author//v:representedOrganization/v:id").attrib["root"] == oid
    words = " ".join(root.find("v:component", V3).itertext())
    for part in ("Есть ли кровоизлияние?", "<не> смещены & ровны", "Норма.", "https://cami.example/ohif/viewer"):
        assert part in words
    fields = [code.attrib["code"] for code in root.findall(".//v:observation/v:code", V3)]
    assert fields == ["1805", "1806", "807"]
    assert root.find("v:relatedDocument", V3) is None


def test_a_correction_replaces_the_version_before(writer, sheet):
    document = writer.render(replace(sheet, version=2, why="опечатка"))
    assert faults(document) == []
    parent = ET.fromstring(document).find("v:relatedDocument/v:parentDocument/v:versionNumber", V3)
    assert parent.attrib["value"] == "1"


@pytest.mark.parametrize("words", ["]]>", "\x00\x0b\ud800", "&amp;<script>", "a\r\nb", "\ufffe🩻", "{{ 7 * 7 }}"])
def test_whatever_is_typed_stays_xml(writer, sheet, words):
    request = replace(sheet.case.request, patient_name=words, question=words, asker_name=words)
    made = replace(sheet, case=replace(sheet.case, request=request), text=replace(TEXT, conclusion=words))
    assert faults(writer.render(made)) == []


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda text: text.replace("<title>", "<title"), "not well formed"),
        (lambda text: re.sub("<setId [^>]*>", "", text), "setId: 0"),
        (lambda text: text.replace('code="ru-RU"/>', 'code="ru-RU"/><realmCode code="RU"/>'), "realmCode: 2"),
        (lambda text: re.sub(r'(<effectiveTime value=")[^"]*', r"\1вчера", text, count=1), "effectiveTime/@value"),
        (lambda text: text.replace('root="1.2.643.5.1.13.13.15.15.1"', 'root="не ОИД"'), "templateId/@root"),
        (lambda text: text.replace(' displayName="Обычный"', ""), "confidentialityCode"),
        (lambda text: re.sub("(<author>.*?</author>)(.*)(<component><str)", r"\2\1\3", text, flags=re.DOTALL),
         "order of the header"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(writer, sheet, spoil, fault):
    assert fault in faults(spoil(writer.render(sheet).decode()).encode())


def test_it_is_kept_with_the_signed_answer(centre, writer):
    centre.answers._clinical = writer
    number = sent(centre)
    centre.consultations.do(CONSULTANT, number, Wish(Command.TAKE))
    centre.answers.save(CONSULTANT, number, {"conclusion": "Норма"}, 0)
    centre.answers.sign(CONSULTANT, number, version=None, password="ключ")
    assert faults(centre.answers.clinical_document(number, 1)) == []
    assert centre.answers.versions(number)[0].clinical
