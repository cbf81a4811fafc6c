"""What an answer becomes: a PDF with its own letters, a structured report that a validator reads, a signature."""

import io
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import which
from zoneinfo import ZoneInfo

import pydicom
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from cami.consultations.answers import SIMPLY_SIGNED
from cami.consultations.outside_verifier import Judgement
from cami.consultations.paper import PdfPaper
from cami.consultations.request import Person
from cami.consultations.signatures import Verifiers
from cami.consultations.structured import Origin, document_report, text_report
from cami.consultations.texts import Sheet, Text
from cami.errors import Invalid

from .conftest import CONSULTANT, sent

TEXT = Text(
    findings="Очаговых изменений вещества мозга не выявлено.\nСрединные структуры не смещены.",
    conclusion="Данных за внутричерепное кровоизлияние нет.",
    recommendations="Контроль через 24 часа «по показаниям» – ±1 ч.",
    diagnosis="S06.0",
    pathology="no",
)
SIGNED = datetime(2026, 11, 28, 3, 5, tzinfo=UTC)
ORIGIN = Origin(
    number=7,
    version=1,
    study={
        "PatientName": "Иванов^Пётр^Ильич", "PatientID": "К-17", "PatientBirthDate": "19570308", "PatientSex": "M",
        "StudyInstanceUID": "1.2.3", "StudyDate": "20261122", "StudyTime": "0305", "AccessionNumber": "A1",
    },
    person="Мнениев Борис Яковлевич",
    organization="Консультативный центр",
    signed_at=SIGNED.astimezone(ZoneInfo("Asia/Novokuznetsk")),
    evidence=[("1.2.3.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.3.1.1")],
)  # fmt: skip


@pytest.fixture
def sheet(centre):
    case = centre.consultations.find(CONSULTANT, sent(centre))
    return Sheet(case, TEXT, 1, "", Person.of(CONSULTANT), SIGNED, how=SIMPLY_SIGNED)


@pytest.fixture
def paper(centre):
    return PdfPaper(centre.region, centre.routes.profile)


def test_the_document_is_pdf_a_with_its_fonts_in_it(paper, sheet, tmp_path):
    pdf = paper.render(sheet)
    assert pdf.startswith(b"%PDF-1.4")
    assert b"pdfaid" in pdf
    assert b"/FontFile2" in pdf
    long = replace(sheet, text=replace(TEXT, findings="Строка описания.\n" * 200))
    assert paper.render(long).count(b"/Type /Page\n") > paper.render(sheet).count(b"/Type /Page\n")
    (tmp_path / "answer.pdf").write_bytes(pdf)
    if which("pdftotext"):
        told = subprocess.run(["pdftotext", "-layout", tmp_path / "answer.pdf", "-"], capture_output=True, check=True)
        for words in ("Протокол консультации № 1", "Иванов Пётр", "Данных за внутричерепное", "простой электронной"):
            assert words in told.stdout.decode()


def test_the_structured_report_says_it_in_the_template(tmp_path):
    dicom = text_report(ORIGIN, TEXT)
    assert dicom == text_report(ORIGIN, TEXT)  # filing again makes the same object
    report = pydicom.dcmread(io.BytesIO(dicom))
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.11"
    assert str(report.PatientName) == "Иванов^Пётр^Ильич"
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "2000"
    sections = [item for item in report.ContentSequence if item.ValueType == "CONTAINER"]
    assert [section.ContentSequence[0].TextValue for section in sections] == [
        TEXT.findings, TEXT.conclusion, TEXT.recommendations,
    ]  # fmt: skip
    assert report.VerifyingObserverSequence[0].VerifyingObserverName == "Мнениев^Борис^Яковлевич"
    if which("dsrdump"):
        (tmp_path / "sr.dcm").write_bytes(dicom)
        told = subprocess.run(["dsrdump", "-v", tmp_path / "sr.dcm"], capture_output=True, check=False)
        assert told.returncode == 0, told.stderr
        assert b"Basic Text SR" in told.stdout
        # Its checker of values does not know UTF-8, which is a defined term (PS3.3 C.12.1.1.2); nothing else is wrong.
        warnings = [line for line in told.stderr.splitlines() if line.startswith((b"W:", b"E:"))]
        assert all(b"does not support this Specific Character Set" in line for line in warnings), warnings


#: Apache PDFBox's Preflight, an independent validator of PDF/A-1b, and what it stands on (Debian: libpdfbox2-java,
#: libactivation-java, libjaxb-api-java, libcommons-logging-java, a Java).
PREFLIGHT = [
    Path("/usr/share/java") / f"{name}.jar"
    for name in ("preflight", "pdfbox2", "fontbox2", "xmpbox", "commons-logging", "javax.activation", "jaxb-api")
]


@pytest.mark.skipif(not which("java") or not all(map(Path.exists, PREFLIGHT)), reason="no PDFBox Preflight here")
@pytest.mark.parametrize("words", ["Норма.", "Строка – «описания» ±1 ≤ 2.\n" * 200])
def test_a_validator_takes_the_document_for_pdf_a(paper, sheet, tmp_path, words):
    file = tmp_path / "answer.pdf"
    file.write_bytes(paper.render(replace(sheet, text=replace(TEXT, findings=words))))
    classes = ":".join(map(str, PREFLIGHT))
    command = ["java", "-Xmx256m", "-cp", classes, "org.apache.pdfbox.preflight.Validator_A1b", file]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "is a valid PDF/A-1b file" in told.stdout, told.stdout + told.stderr


@pytest.mark.skipif(not which("dciodvfy"), reason="no dicom3tools here")
@pytest.mark.parametrize("kind", ["sr", "pdf"])
def test_a_validator_finds_no_error_in_the_objects(tmp_path, kind):
    file = tmp_path / f"{kind}.dcm"
    file.write_bytes(text_report(ORIGIN, TEXT) if kind == "sr" else document_report(ORIGIN, b"%PDF-1.4 odd"))
    told = subprocess.run(["dciodvfy", "-new", file], capture_output=True, text=True, check=False).stderr
    # The one warning is about the images, whose study has no Study ID.
    assert [
        line for line in told.splitlines() if "Error" in line or ("Warning" in line and "StudyID" not in line)
    ] == []
    assert ("BasicTextSR" if kind == "sr" else "EncapsulatedPDF") in told


def test_the_document_travels_in_dicom_byte_by_byte():
    report = pydicom.dcmread(io.BytesIO(document_report(ORIGIN, b"%PDF-odd")))
    assert report.EncapsulatedDocument[: report.EncapsulatedDocumentLength] == b"%PDF-odd"
    assert report.SOPInstanceUID != pydicom.dcmread(io.BytesIO(text_report(ORIGIN, TEXT))).SOPInstanceUID


def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Мнениев Борис Яковлевич")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(0x1F).not_valid_before(now).not_valid_after(now + timedelta(days=400))
    return built.sign(key, hashes.SHA256())


def cms(document, key, *more):
    built = pkcs7.PKCS7SignatureBuilder().set_data(document).add_signer(certificate(key), key, hashes.SHA256())
    return built.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature, *more])


RSA, CURVE = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize("key", [RSA, CURVE], ids=["RSA", "ECDSA"])
@pytest.mark.parametrize(
    "more", [[pkcs7.PKCS7Options.Binary], [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoAttributes]]
)
def test_a_detached_signature_is_kept_and_verified(key, more):
    signature = cms(b"%PDF-1", key, *more)
    proof = Verifiers().check(b"%PDF-1", signature, SIGNED)
    assert proof.signature == signature
    assert (proof.verification, proof.verified_by) == ("valid", "ЦАМИ")
    assert proof.certificate == "Мнениев Борис Яковлевич, № 1f, до 05.02.2027"
    with pytest.raises(Invalid, match="signature-"):
        Verifiers().check(b"%PDF-2", signature, SIGNED)


@pytest.mark.parametrize("spoilt", [b"", b"nonsense", b"\x30\x03\x02\x01\x00"])
def test_what_is_no_signature_is_refused(spoilt):
    with pytest.raises(Invalid, match="signature-malformed"):
        Verifiers().check(b"%PDF-1", spoilt, SIGNED)


def test_an_altered_signature_is_refused():
    signature = bytearray(cms(b"%PDF-1", RSA, pkcs7.PKCS7Options.Binary))
    signature[-5] ^= 1
    with pytest.raises(Invalid, match="signature-wrong"):
        Verifiers().check(b"%PDF-1", bytes(signature), SIGNED)


def test_an_attached_signature_is_refused():
    built = pkcs7.PKCS7SignatureBuilder().set_data(b"%PDF-1").add_signer(certificate(RSA), RSA, hashes.SHA256())
    attached = built.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])
    with pytest.raises(Invalid, match="signature-attached"):
        Verifiers().check(b"%PDF-1", attached, SIGNED)


def gost(signature):
    """The same with the object identifiers of ГОСТ Р 34.11-2012 in place of SHA-256: as long, so DER stays right."""
    return signature.replace(bytes.fromhex("0609608648016503040201"), bytes.fromhex("06092a85030701010202" + "01"))


class Tool:
    name = "КриптоПро CSP"

    def __init__(self, valid):
        self.valid = valid

    def verify(self, document, signature):
        return Judgement(self.valid)


def test_gost_is_left_to_a_tool_and_never_said_to_be_verified_without_one():
    signature = gost(cms(b"%PDF-1", RSA, pkcs7.PKCS7Options.Binary))
    assert Verifiers().check(b"%PDF-1", signature, SIGNED).verification == "not-verified"
    verified = Verifiers([Tool(valid=True)]).check(b"%PDF-1", signature, SIGNED)
    assert (verified.verification, verified.verified_by) == ("valid", "КриптоПро CSP")
    with pytest.raises(Invalid, match="signature-wrong"):
        Verifiers([Tool(valid=False)]).check(b"%PDF-1", signature, SIGNED)
