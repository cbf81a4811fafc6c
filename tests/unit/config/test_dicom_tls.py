"""The terminator's configuration: a service for each МО that speaks DICOM to the centre."""

from pathlib import PurePosixPath

import pytest

from cami.dicom_tls import render
from cami.errors import Invalid
from cami.orthanc_config import TEMPLATES
from cami.region import CentreAccess, load_region

REGION = load_region(TEMPLATES / "region.yaml")
FOLDER = PurePosixPath("/etc/cami/secrets/dicom")


def opened(**access):
    organizations = tuple(
        each.model_copy(update={"centre_dicom": access.get(f"mo{each.code}")}) for each in REGION.organizations
    )
    return REGION.model_copy(update={"organizations": organizations})


def services(text):
    found, name = {"": {}}, ""
    for line in text.splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            found[name] = {}
        elif "=" in line and not line.startswith(";"):
            key, _, value = line.partition("=")
            found[name][key.strip()] = value.strip()
    return found


def test_each_mo_has_a_port_an_address_and_a_list_of_certificates():
    region = opened(
        mo42001=CentreAccess(source="127.0.42.1", port=2762), mo42900=CentreAccess(source="127.0.42.9", port=2763)
    )
    found = services(render(region, dicom_port=4242, folder=FOLDER))
    assert set(found) == {"", "42001", "42900"}
    assert found["42001"] == {
        "accept": "2762",
        "connect": "127.0.0.1:4242",
        "local": "127.0.42.1",
        "CAfile": "/etc/cami/secrets/dicom/42001.ca.pem",
        "requireCert": "yes",
        "verifyPeer": "yes",
    }
    assert found["42900"]["local"] == "127.0.42.9"
    assert found[""]["sslVersionMin"] == "TLSv1.2"
    bound = services(render(region, dicom_port=4242, folder=FOLDER, accept="10.0.0.1"))
    assert bound["42001"]["accept"] == "10.0.0.1:2762"


def test_where_nobody_comes_there_is_nothing_to_render():
    with pytest.raises(Invalid, match="centre_dicom"):
        render(opened(), dicom_port=4242, folder=FOLDER)
    region = opened(mo42001=CentreAccess(source="127.0.42.1", port=2762))
    closed = region.model_copy(update={"centre": region.centre.model_copy(update={"dicom_port_open": False})})
    with pytest.raises(Invalid, match="dicom_port_open"):
        render(closed, dicom_port=4242, folder=FOLDER)
