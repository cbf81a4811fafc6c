"""Destinations of the registry, and the secrets that lie beside it."""

import pytest
from pydantic import ValidationError

from cami.delivery import Pace
from cami.errors import Misconfigured
from cami.region import Destination
from cami.routing import Ways
from cami.routing.dicom_node import DicomNodeWay
from cami.routing.dicomweb_server import DicomWebWay


def destination(**fields):
    return Destination.model_validate({"name": "rsc", "title": "РСЦ", **fields})


def web(authorization, url="https://pacs.example/dicom-web/"):
    return destination(dicomweb={"url": url, "authorization": authorization})


@pytest.fixture
def ways(tmp_path):
    (tmp_path / "destinations").mkdir()
    return Ways(tmp_path, "PROXY42001", lambda dicom, syntax: None, Pace())


def test_a_node_is_called_from_the_proxys_title_unless_it_has_another(ways):
    node = {"aet": "RSC", "host": "pacs.example", "port": 104}
    assert ways.way(destination(dicom=node))._peer.calling == "PROXY42001"
    made = ways.way(destination(dicom={**node, "calling_aet": "OTHER"}))
    assert isinstance(made, DicomNodeWay)
    assert (made._peer.calling, made._peer.tls) == ("OTHER", None)
    assert ways.way(destination(dicom={**node, "tls": True}))._peer.tls is not None


def test_secrets_come_from_files(ways, tmp_path):
    made = ways.way(web("none"))
    assert isinstance(made, DicomWebWay)
    assert (made._server.url, made._server.headers) == ("https://pacs.example/dicom-web", {})
    secret = tmp_path / "destinations" / "rsc.secret"
    for text in (None, "", "two\nlines"):
        if text is not None:
            secret.write_text(text)
        with pytest.raises(Misconfigured):
            ways.way(web("bearer"))
    secret.write_text("token\n")
    assert ways.way(web("bearer"))._server.headers == {"Authorization": "Bearer token"}
    with pytest.raises(Misconfigured, match="login:password"):
        ways.way(web("basic"))
    secret.write_text("имя:пароль")
    assert ways.way(web("basic"))._server.headers["Authorization"].startswith("Basic 0LjQvNGP")


def test_a_certificate_that_is_none_is_told(ways, tmp_path):
    (tmp_path / "destinations" / "rsc.ca.pem").write_text("nonsense")
    with pytest.raises(Misconfigured, match="certificates"):
        ways.way(web("none"))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"dicom": {"aet": "A", "host": "h", "port": 104}, "dicomweb": {"url": "https://h"}},
        {"dicom": {"aet": "A", "host": "no host", "port": 104}},
        {"dicom": {"aet": "A", "host": "-h", "port": 104}},
        {"dicomweb": {"url": "ftp://h"}},
        {"dicomweb": {"url": "https://me:secret@h"}},
        {"dicomweb": {"url": "http://h", "authorization": "basic"}},
        {"name": "Имя", "dicomweb": {"url": "https://h"}},
    ],
)
def test_destinations_that_cannot_be_are_refused(fields):
    with pytest.raises(ValidationError):
        destination(**fields)
