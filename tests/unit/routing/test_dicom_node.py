"""C-STORE to a real node on this host: each status as it was answered, over associations that break."""

import gc
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager
from io import BytesIO

import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind, Verification

from cami.delivery import Pace
from cami.dimse import Peer
from cami.errors import Permanent
from cami.routing.dicom_node import DicomNodeWay
from cami.routing.objects import read_header
from cami.routing.outcomes import Refused, Unavailable

#: pynetdicom leaves the sockets of refused connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def _collected():
    yield
    gc.collect()


def image(sop_class=CTImageStorage, size=64):
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.PatientID = "P1"
    dataset.PixelData = bytes(size)
    dataset["PixelData"].VR = "OW"
    written = BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()


class Node:
    """A node that answers what it is told to."""

    def __init__(self, port):
        self.port = port
        self.answers = []
        self.got = []
        self.associations = 0

    def store(self, event):
        self.got.append((event.context.transfer_syntax, bytes(event.request.DataSet.getvalue())))
        answer = self.answers.pop(0) if self.answers else 0x0000
        if answer == "abort":
            event.assoc.abort()
            return 0x0000
        return answer

    def find(self, event):
        wanted = event.identifier.SOPInstanceUID
        if any(wanted.encode() in content for _, content in self.got):
            found = pydicom.Dataset()
            found.SOPInstanceUID = wanted
            yield 0xFF00, found

    def associated(self, _event):
        self.associations += 1


@contextmanager
def node(*, classes=(CTImageStorage,), syntaxes=(ExplicitVRLittleEndian, ImplicitVRLittleEndian), tls=None):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    known = Node(port)
    entity = AE("THERE")
    entity.require_called_aet = True
    for sop_class in classes:
        entity.add_supported_context(sop_class, list(syntaxes))
    entity.add_supported_context(Verification)
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    handlers = [(evt.EVT_C_STORE, known.store), (evt.EVT_C_FIND, known.find), (evt.EVT_ESTABLISHED, known.associated)]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=tls)
    try:
        yield known
    finally:
        server.shutdown()


def way(known, *, aet="THERE", transcode=lambda dicom, syntax: None, pace=None, tls=None, host="127.0.0.1"):
    return DicomNodeWay(Peer(host, known.port, aet, "HERE", tls), transcode, pace)


def test_images_go_as_they_are_over_one_association():
    with node() as known:
        here = way(known)
        images = [image() for _ in range(3)]
        for dicom in images:
            here.store(dicom, read_header(dicom))
        here.close()
    assert known.associations == 1
    assert [content for _, content in known.got] == [
        dicom[-len(content) :] for (_, content), dicom in zip(known.got, images, strict=True)
    ]


def test_the_status_of_each_answer_counts():
    with node() as known:
        here = way(known)
        dicom = image()
        header = read_header(dicom)
        known.answers = [0xA700, 0xC000, 0xB000, 0x0122, 0x0000]
        with pytest.raises(Unavailable, match="0xA700"):
            here.store(dicom, header)
        with pytest.raises(Refused, match="0xC000"):
            here.store(dicom, header)
        here.store(dicom, header)
        with pytest.raises(Refused) as refused:
            here.store(dicom, header)
        assert refused.value.final
        here.store(dicom, header)
        here.close()
    assert len(known.got) == 5


def test_a_broken_association_is_told_at_once_and_opened_again():
    with node() as known:
        here = way(known)
        dicom = image()
        known.answers = ["abort"]
        began = time.monotonic()
        with pytest.raises(Unavailable, match="broken"):
            here.store(dicom, read_header(dicom))
        assert time.monotonic() - began < 5
        here.store(dicom, read_header(dicom))
        here.close()
    assert known.associations == 2


def test_nobody_there():
    with node() as known:
        pass
    dicom = image()
    with pytest.raises(Unavailable, match="unreachable"):
        way(known).store(dicom, read_header(dicom))
    with pytest.raises(Unavailable, match="unreachable"):
        way(known).greet()


def test_a_wrong_ae_title_is_told():
    with node() as known:
        dicom = image()
        with pytest.raises(Unavailable, match=r"rejected.*called"):
            way(known, aet="ELSE").store(dicom, read_header(dicom))


def test_a_sop_class_that_is_not_taken_is_refused_for_good():
    with node() as known:
        here = way(known)
        other = image(MRImageStorage)
        with pytest.raises(Refused) as refused:
            here.store(other, read_header(other))
        assert (refused.value.code, refused.value.final) == ("not-supported", True)
        dicom = image()
        here.store(dicom, read_header(dicom))
        here.close()


def test_a_node_that_takes_implicit_only_gets_it_so():
    asked = []

    def transcode(dicom, syntax):
        asked.append(syntax)
        dataset = pydicom.dcmread(BytesIO(dicom))
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        written = BytesIO()
        dataset.save_as(written, enforce_file_format=True, implicit_vr=True, little_endian=True)
        return written.getvalue()

    with node(syntaxes=(ImplicitVRLittleEndian,)) as known:
        here = way(known, transcode=transcode)
        for _ in range(2):
            dicom = image()
            here.store(dicom, read_header(dicom))
        here.close()
        with pytest.raises(Refused):
            way(known).store(dicom, read_header(dicom))
    assert asked == [ImplicitVRLittleEndian] * 2
    assert len(known.got) == 2


def test_searching_and_greeting():
    with node() as known:
        here = way(known)
        dicom = image()
        header = read_header(dicom)
        here.greet()
        assert not here.holds(header)
        here.store(dicom, header)
        assert here.holds(header)
        here.close()


def test_what_shares_the_line_keeps_to_its_pace():
    waited = []
    pace = Pace(lambda: 50_000.0, now=lambda: sum(waited), sleep=waited.append)
    with node() as known:
        here = way(known, pace=pace)
        dicom = image(size=100_000)
        here.store(dicom, read_header(dicom))
        here.close()
    assert 1.5 < sum(waited) < 3


def test_tls(tmp_path):
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    dicom = image()
    with node(tls=server) as known:
        here = way(known, tls=trusting, host="localhost")
        here.store(dicom, read_header(dicom))
        here.close()
        with pytest.raises(Unavailable):
            way(known, tls=ssl.create_default_context(), host="localhost").store(dicom, read_header(dicom))
        with pytest.raises(Unavailable):
            way(known).store(dicom, read_header(dicom))
    assert len(known.got) == 1


def test_a_head_that_cannot_be_read_is_no_object():
    for broken in (b"", b"no DICOM", image()[:140]):
        with pytest.raises(Permanent):
            read_header(broken)
