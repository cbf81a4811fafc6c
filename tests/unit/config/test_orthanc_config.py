"""The rendered configuration: what follows from the registry, and that nothing unsafe can be rendered."""

import json
import shutil

import pytest

from cami.errors import Invalid, Misconfigured, NotFound
from cami.orthanc_config import TEMPLATES, render
from cami.region import CentreAccess, Device, Workstation, load_region
from cami.selfcheck import violations
from cami.settings import read_settings

REGION = load_region(TEMPLATES / "region.yaml")


def proxy(**changes):
    arguments = {"mo": "42001", "http_port": 8043, "dicom_port": 4243, "central_url": "http://127.0.0.1:8042/"}
    return render(REGION, "proxy", **arguments | changes)


def central(**changes):
    return render(REGION, "central", **{"http_port": 8042, "dicom_port": 4242} | changes)


def test_proxy():
    configuration = proxy()
    assert configuration["DicomAet"] == "PROXY42001"
    assert (configuration["HttpPort"], configuration["DicomPort"]) == (8043, 4243)
    assert configuration["Python"] == {"AllowThreads": True, "Verbose": False, "Path": "/opt/cami/plugins/proxy.py"}
    assert configuration["UnknownSopClassAccepted"] is True
    assert read_settings(configuration, {}).central_url == "http://127.0.0.1:8042"
    assert read_settings(configuration, {}).mo == "42001"


def test_proxy_knows_the_devices_of_its_mo_only():
    devices = proxy()["DicomModalities"]
    assert set(devices) == {device.aet for device in REGION.organization("42001").devices}
    assert devices["CT42001"] == {
        "AET": "CT42001",
        "Host": "127.0.0.1",
        "Port": 104,
        "AllowEcho": True,
        "AllowStore": True,
        "AllowFind": False,
        "AllowFindWorklist": True,
        "AllowMove": False,
        "AllowGet": False,
        "AllowNAction": False,
        "AllowEventReport": False,
        "AllowTranscoding": False,
    }


def test_central_knows_no_device():
    configuration = central()
    assert configuration["DicomModalities"] == {}
    assert configuration["DicomAet"] == "CAMI"
    assert configuration["DicomServerEnabled"] is True  # the development region asks for the open port
    closed = REGION.model_copy(update={"centre": REGION.centre.model_copy(update={"dicom_port_open": False})})
    assert render(closed, "central", http_port=1, dicom_port=2)["DicomServerEnabled"] is False
    settings = read_settings(configuration, {})
    assert (settings.role, settings.mo, settings.central_url) == ("central", "", "")


def test_role_lies_over_base():
    base = json.loads((TEMPLATES / "base.json").read_text("utf-8"))
    assert central()["HttpThreadsCount"] != base["HttpThreadsCount"]
    assert central()["DicomWeb"] == base["DicomWeb"] | {"WadoRsLoaderThreadsCount": 4}


@pytest.mark.parametrize("render_one", [proxy, central])
@pytest.mark.parametrize("suite", ["forky", "trixie"])
def test_rendered_is_safe_and_json(render_one, suite):
    configuration = render_one(suite=suite)
    assert violations(configuration, role=configuration["Cami"]["Role"]) == []
    assert json.loads(json.dumps(configuration)) == configuration


def test_http_is_bound_to_the_loopback():
    assert central()["HttpBindAddresses"] == ["127.0.0.1"]
    assert central()["RemoteAccessAllowed"] is False
    exposed = central(http_exposed=True)
    assert exposed["RemoteAccessAllowed"] is True
    assert exposed["Cami"]["HttpExposed"] is True


def test_trixie_gets_no_option_that_it_does_not_know():
    assert set(proxy()) - set(proxy(suite="trixie")) == {
        "DicomParserCacheSize",
        "DicomParserMemoryCapacity",
        "HttpBindAddresses",
        "MaximumRequestBodySizeMB",
        "PatientLevelEnabled",
        "StorageMemoryCapacity",
        "TranscoderCacheSize",
        "TranscoderMemoryCapacity",
    }
    assert proxy(suite="trixie")["RemoteAccessAllowed"] is False


def test_nothing_is_shared_between_two_renderings():
    first = proxy()
    first["DicomWeb"]["Servers"]["x"] = 1
    first["Plugins"].append("x")
    assert proxy()["DicomWeb"]["Servers"] == {}
    assert len(proxy()["Plugins"]) == 2


def test_refused_arguments():
    with pytest.raises(NotFound):
        proxy(mo="42009")
    with pytest.raises(Invalid, match="has no proxy"):
        proxy(mo="42900")
    with pytest.raises(Invalid, match="address of the centre"):
        proxy(central_url="")


def test_changed_templates_cannot_make_it_unsafe(tmp_path):
    for name in ("base.json", "central.json"):
        shutil.copy(TEMPLATES / name, tmp_path)
    changed = json.loads((tmp_path / "central.json").read_text("utf-8")) | {"WebDavEnabled": True}
    (tmp_path / "central.json").write_text(json.dumps(changed))
    with pytest.raises(Misconfigured, match="WebDavEnabled"):
        central(templates=tmp_path)
    (tmp_path / "central.json").write_text("[]")
    with pytest.raises(Invalid, match=r"central\.json"):
        central(templates=tmp_path)
    (tmp_path / "central.json").unlink()
    with pytest.raises(Invalid, match=r"central\.json"):
        central(templates=tmp_path)


def test_a_device_that_listens_may_ask_for_commitment():
    organization = REGION.organization("42001")
    listening = organization.devices[0].model_copy(update={"port": 11112})
    changed = organization.model_copy(update={"devices": (listening, *organization.devices[1:])})
    region = REGION.model_copy(update={"organizations": (changed, *REGION.organizations[1:])})
    devices = render(region, "proxy", mo="42001", http_port=1, dicom_port=2, central_url="https://c")["DicomModalities"]
    assert (devices["CT42001"]["AllowNAction"], devices["CT42001"]["Port"]) == (True, 11112)
    assert devices["MR42001"]["AllowNAction"] is False


def with_nodes(**changes):
    changed = REGION.organization("42001").model_copy(update=changes)
    return REGION.model_copy(update={"organizations": (changed, *REGION.organizations[1:])})


def rights(modality):
    return {name.removeprefix("Allow") for name, allowed in modality.items() if name.startswith("Allow") and allowed}


def test_each_node_has_the_rights_that_the_registry_gives():
    devices = (
        Device(aet="CT42001", name="КТ", modality="CT", address="10.1.1.5", port=104),
        Device(aet="US42001", name="УЗИ", modality="US", address="10.1.1.6", services=("store", "worklist")),
    )
    stations = (
        Workstation(aet="WS42001", name="АРМ", address="10.1.1.7", port=11112),
        Workstation(aet="VIEW42001", name="АРМ", address="10.1.1.8", targets=("WS42001",)),
        Workstation(aet="LIST42001", name="АРМ", address="10.1.1.9"),
        Workstation(aet="FAR42001", name="АРМ", address="10.1.1.10", port=11112, archive="central"),
    )
    region = with_nodes(
        devices=devices, workstations=stations, centre_dicom=CentreAccess(source="127.0.42.1", port=2762)
    )
    known = render(region, "proxy", mo="42001", http_port=1, dicom_port=2, central_url="https://c")["DicomModalities"]
    assert {name: rights(modality) for name, modality in known.items()} == {
        "CT42001": {"Echo", "Store", "FindWorklist", "NAction"},
        "US42001": {"Store", "FindWorklist"},
        "WS42001": {"Echo", "Find", "Move"},
        "VIEW42001": {"Echo", "Find", "Move"},
        "LIST42001": {"Echo", "Find"},
    }
    (far,) = render(region, "central", http_port=1, dicom_port=2)["DicomModalities"].values()
    assert (far["AET"], far["Host"], far["Port"], rights(far)) == (
        "FAR42001",
        "127.0.42.1",
        11112,
        {"Echo", "Find", "Move"},
    )
