"""Whose signature is trusted: chains to the roots of a folder; and a real service that judges what we cannot."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from cami.consultations.outside_verifier import OutsideVerifier
from cami.consultations.signatures import Verifiers
from cami.consultations.trust import Trust, TrustStore
from cami.errors import Invalid, Transient

from .test_documents import gost

NOW = datetime(2026, 11, 28, 3, 5, tzinfo=UTC)
ROOT_KEY, SUB_KEY, DOCTOR_KEY, OTHER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))


def certificate(name, key, issuer=None, by=None, *, authority=False, days=300, signs=True):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject if issuer else subject)
    built = built.public_key(key.public_key()).serial_number(x509.random_serial_number())
    built = built.not_valid_before(NOW - timedelta(days=30)).not_valid_after(NOW + timedelta(days=days))
    usage = dict.fromkeys(
        ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"], False,
    )  # fmt: skip
    usage |= {"key_cert_sign": authority, "content_commitment": signs and not authority, "key_agreement": not signs}
    built = built.add_extension(x509.BasicConstraints(authority, None), critical=True)
    built = built.add_extension(x509.KeyUsage(**usage), critical=True)
    built = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if issuer is not None:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key())
        built = built.add_extension(identifier, critical=False)
    return built.sign(by or key, hashes.SHA256())


ROOT = certificate("Корень", ROOT_KEY, authority=True)
SUB = certificate("УЦ", SUB_KEY, ROOT, ROOT_KEY, authority=True)
DOCTOR = certificate("Мнениев Б. Я.", DOCTOR_KEY, SUB, SUB_KEY)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "root.pem").write_bytes(ROOT.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "readme.txt").write_text("не сертификат")
    (tmp_path / "broken.cer").write_bytes(b"nonsense")
    return tmp_path


@pytest.mark.parametrize(
    ("signer", "others", "trust"),
    [
        (DOCTOR, [SUB], Trust.TRUSTED),
        (DOCTOR, [], Trust.UNTRUSTED),  # nothing leads from it to the root
        (certificate("Сам", OTHER_KEY), [SUB], Trust.UNTRUSTED),
        (certificate("Мнениев", DOCTOR_KEY, SUB, OTHER_KEY), [SUB], Trust.UNTRUSTED),  # signed by somebody else
        (certificate("Через врача", OTHER_KEY, DOCTOR, DOCTOR_KEY), [DOCTOR, SUB], Trust.UNTRUSTED),  # no authority
        (certificate("Бывший", DOCTOR_KEY, SUB, SUB_KEY, days=-1), [SUB], Trust.OUT_OF_DATE),
        (certificate("Шифр", DOCTOR_KEY, SUB, SUB_KEY, signs=False), [SUB], Trust.OTHER_USE),
    ],
)
def test_a_chain_leads_to_a_trusted_root(folder, signer, others, trust):
    assert TrustStore(folder).judge(signer, others, NOW) is trust


def test_what_signatures_do_not_bring_may_lie_beside_the_roots(folder):
    (folder / "sub.der").write_bytes(SUB.public_bytes(serialization.Encoding.DER))
    assert TrustStore(folder).judge(DOCTOR, [], NOW) is Trust.TRUSTED


@pytest.mark.parametrize("where", [None, "empty"])
def test_without_roots_it_is_said_that_nothing_was_checked(tmp_path, where):
    assert TrustStore(where and tmp_path / where).judge(DOCTOR, [SUB], NOW) is Trust.NOT_CHECKED


def test_a_signature_says_what_is_known_of_its_certificate(folder):
    built = pkcs7.PKCS7SignatureBuilder().set_data(b"%PDF-1").add_signer(DOCTOR, DOCTOR_KEY, hashes.SHA256())
    signature = built.add_certificate(SUB).sign(
        serialization.Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    )
    assert Verifiers(trust=TrustStore(folder)).check(b"%PDF-1", signature, NOW).trust == "trusted"
    later = NOW + timedelta(days=400)
    assert Verifiers(trust=TrustStore(folder)).check(b"%PDF-1", signature, later).trust == "out-of-date"


SERVICE = """
import base64, http.server, json, sys
class Service(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        document = base64.b64decode(asked["document"])
        base64.b64decode(asked["signature"], validate=True)
        if self.headers["Authorization"] != "Bearer secret":
            self.send_response(401); self.end_headers(); return
        answers = {b"%PDF-1": {"valid": True, "trusted": True, "certificate": "Мнениев, ГОСТ"}, b"%PDF-odd": {"x": 1}}
        body = json.dumps(answers.get(document, {"valid": False})).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Service)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def service(tmp_path):
    """A verifier in a process of its own."""
    (tmp_path / "token").write_text("secret\n")
    process = subprocess.Popen([sys.executable, "-c", SERVICE], stdout=subprocess.PIPE, text=True)
    port = int(process.stdout.readline())
    yield OutsideVerifier("Проверка", f"http://127.0.0.1:{port}/verify", tmp_path / "token")
    process.terminate()
    process.wait()
    process.stdout.close()


def test_a_service_judges_what_we_cannot(service, tmp_path):
    built = pkcs7.PKCS7SignatureBuilder().set_data(b"%PDF-1").add_signer(DOCTOR, DOCTOR_KEY, hashes.SHA256())
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    signature = gost(built.sign(serialization.Encoding.DER, options))
    proof = Verifiers([service]).check(b"%PDF-1", signature, NOW)
    assert (proof.verification, proof.verified_by, proof.trust) == ("valid", "Проверка", "trusted")
    assert proof.certificate == "Мнениев, ГОСТ"
    with pytest.raises(Invalid, match="signature-wrong"):
        Verifiers([service]).check(b"%PDF-2", signature, NOW)
    with pytest.raises(Transient):  # it says nothing: nothing is taken for verified
        Verifiers([service]).check(b"%PDF-odd", signature, NOW)
    (tmp_path / "token").write_text("another")
    with pytest.raises(Transient):
        Verifiers([service]).check(b"%PDF-1", signature, NOW)


def test_a_service_that_is_away_verifies_nothing(tmp_path):
    away = OutsideVerifier("Проверка", "http://127.0.0.1:1/verify")
    with pytest.raises(Transient):
        away.verify(b"%PDF-1", b"x")
