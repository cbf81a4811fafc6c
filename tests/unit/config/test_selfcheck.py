"""Each unsafe configuration is refused, by name and with what to set."""

import copy

import pytest

from cami.errors import Misconfigured
from cami.orthanc_config import TEMPLATES, render
from cami.region import load_region
from cami.selfcheck import DICOMWEB_PLUGIN, PYTHON_PLUGIN, refuse_unsafe, violations
from cami.settings import read_settings

REGION = load_region(TEMPLATES / "region.yaml")
PROXY = render(REGION, "proxy", mo="42001", http_port=8043, dicom_port=4243, central_url="http://127.0.0.1:8042")
CENTRAL = render(REGION, "central", http_port=8042, dicom_port=4242)
GDCM = "/usr/share/orthanc/plugins/libOrthancGdcm.so"
DEVICE = PROXY["DicomModalities"]["CT42001"]
#: One at the centre.
THERE = DEVICE | {"AllowFindWorklist": False}

#: Path of an option -> values that must not pass; None stands for an option that is left out.
UNSAFE = {
    "Python.AllowThreads": [False, None, "true", 1],
    "Python.Path": ["/opt/cami/plugins/central.py", "/tmp/x.py", "", None],
    "Plugins.first": [[], [DICOMWEB_PLUGIN], [DICOMWEB_PLUGIN, PYTHON_PLUGIN], None, "/usr/share/orthanc/plugins"],
    "AuthenticationEnabled": [True, None],
    "WebDavEnabled": [True, None],
    "ExecuteLuaEnabled": [True, None],
    "RestApiWriteToFileSystemEnabled": [True, None],
    "HttpDescribeErrors": [True, None],
    "HttpVerbose": [True, None],
    "HttpServerEnabled": [False, None],
    "HttpsVerifyPeers": [False, None],
    "SslEnabled": [True, None],
    "DeidentifyLogs": [False, None],
    "DefaultEncoding": ["Latin1", "utf8", None],
    "OverwriteInstances": [True, "Always", "IfChanged", None, 0],
    "MaximumStorageMode": ["Recycle", None],
    "StoreDicom": [False, None],
    "StoreMD5ForAttachments": [False, None],
    "SyncStorageArea": [False, None],
    "StorageCompression": [True, None],
    "DicomCheckCalledAet": [False, None],
    "DicomCheckModalityHost": [False, None],
    "StrictAetComparison": [False, None],
    "DicomAlwaysAllowEcho": [True, None],
    "DicomAlwaysAllowStore": [True, None],
    "DicomAlwaysAllowFind": [True, None],
    "DicomAlwaysAllowFindWorklist": [True, None],
    "DicomAlwaysAllowGet": [True, None],
    "DicomAlwaysAllowMove": [True, None],
    "DicomModalitiesInDatabase": [True, None],
    "OrthancPeersInDatabase": [True, None],
    "OrthancPeers": [{"peer": ["http://10.0.0.1:8042/"]}, None],
    "LuaScripts": [["/tmp/x.lua"], None],
    "DicomWeb.EnableWado": [True, None],
    "DicomWeb.Servers": [{"x": {"Url": "http://10.0.0.1/"}}, None],
    "RemoteAccessAllowed": [True, None, "false"],
    "DicomModalities": [None, []],
    "Cami.Role": ["central", "", None],
    "Cami.CentralUrl": [
        "http://10.0.0.1",
        "http://cami.example:8042",
        "ftp://127.0.0.1",
        "127.0.0.1:8042",
        "",
        None,
        "http://[",
    ],
    "PythonScript": ["/tmp/x.py"],
    "IngestTranscoding": ["1.2.840.10008.1.2.4.70"],
    "ReadOnly": [True],
    "MaximumPatientCount": [10],
}
CASES = [(name, value) for name, values in UNSAFE.items() for value in values]


def changed(configuration, name, value):
    result = copy.deepcopy(configuration)
    *sections, last = name.removesuffix(".first").split(".")
    section = result
    for step in sections:
        section = section[step]
    if value is None:
        section.pop(last, None)
    else:
        section[last] = value
    return result


def codes(configuration, role="proxy"):
    return [violation.code for violation in violations(configuration, role=role)]


def test_rendered_configurations_are_safe():
    assert codes(PROXY) == []
    assert codes(CENTRAL, "central") == []
    refuse_unsafe(PROXY, role="proxy")


@pytest.mark.parametrize(("name", "value"), CASES)
def test_unsafe_option(name, value):
    assert name in codes(changed(PROXY, name, value))


def test_the_boolean_and_the_word_for_no_overwriting():
    assert codes(changed(PROXY, "OverwriteInstances", "Never")) == []


@pytest.mark.parametrize(
    ("plugins", "code"),
    [
        ([PYTHON_PLUGIN, GDCM], "Plugins.foreign"),
        ([PYTHON_PLUGIN, "/usr/share/orthanc/plugins/libMultitenantDicom.so"], "Plugins.foreign"),
        ([PYTHON_PLUGIN, "/usr/share/orthanc/plugins"], "Plugins.foreign"),
        ([PYTHON_PLUGIN, "/usr/share/orthanc/plugins/"], "Plugins.foreign"),
        ([PYTHON_PLUGIN, "libOrthancDicomWeb.so"], "Plugins.foreign"),
        ([PYTHON_PLUGIN, 7], "Plugins.foreign"),
        ([PYTHON_PLUGIN, DICOMWEB_PLUGIN, DICOMWEB_PLUGIN], "Plugins.twice"),
    ],
)
def test_only_examined_plugins(plugins, code):
    assert codes(changed(PROXY, "Plugins", plugins)) == [code]
    assert codes(changed(PROXY, "Plugins", [PYTHON_PLUGIN])) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"AllowGet": True}, "DicomModalities.AllowGet"),
        ({"AllowGet": None}, "DicomModalities.AllowGet"),
        ({"AllowFind": "yes"}, "DicomModalities.AllowFind"),
        ({"AllowFindWorklist": "yes"}, "DicomModalities.AllowFindWorklist"),
        ({"AllowMove": "yes"}, "DicomModalities.AllowMove"),
        ({"AllowStorageCommitment": True}, "DicomModalities.AllowStorageCommitment"),
        ({"AllowNAction": None}, "DicomModalities.AllowNAction"),
        ({"AllowNAction": "true"}, "DicomModalities.AllowNAction"),
        ({"AllowEventReport": None}, "DicomModalities.AllowEventReport"),
        ({"AllowEventReport": True}, "DicomModalities.AllowEventReport"),
        ({"AllowEcho": None}, "DicomModalities.AllowEcho"),
        ({"AllowStore": None}, "DicomModalities.AllowStore"),
        ({"AET": "mr42001"}, "DicomModalities.AET"),
        ({"AET": " MR42001 "}, "DicomModalities.AET"),
        ({"AET": "PROXY42001"}, "DicomModalities.AET"),
    ],
)
def test_unsafe_device(change, code):
    device = {key: value for key, value in (DEVICE | change).items() if value is not None}
    devices = PROXY["DicomModalities"] | {"CT42001": device}
    assert codes(PROXY | {"DicomModalities": devices}) == [code]


def test_a_device_in_the_short_form_is_allowed_everything():
    assert codes(PROXY | {"DicomModalities": {"CT": ["CT", "10.0.0.1", 104]}}) == ["DicomModalities.form"]


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.5", "::1", "", None, "127.0.0.300"])
def test_who_calls_the_centre_comes_from_a_terminator(host):
    there = {"WS42001": THERE | {"Host": "127.0.42.1"}}
    assert codes(CENTRAL | {"DicomModalities": there}, "central") == []
    elsewhere = {"WS42001": THERE | {"Host": host}}
    assert codes(CENTRAL | {"DicomModalities": elsewhere}, "central") == ["DicomModalities.Host"]
    assert codes(PROXY | {"DicomModalities": {"WS42001": DEVICE | {"Host": "10.0.0.5"}}}) == []


@pytest.mark.parametrize("addresses", [["0.0.0.0"], ["127.0.0.1", "10.0.0.1"], "127.0.0.1"])
def test_http_beyond_the_loopback(addresses):
    assert codes(PROXY | {"HttpBindAddresses": addresses}) == ["RemoteAccessAllowed"]


def test_http_beyond_the_loopback_on_purpose():
    exposed = PROXY | {"RemoteAccessAllowed": True, "HttpBindAddresses": ["0.0.0.0"]}
    assert codes(exposed) == ["RemoteAccessAllowed"]
    assert codes(exposed | {"Cami": PROXY["Cami"] | {"HttpExposed": True}}) == []
    assert codes(exposed | {"Cami": PROXY["Cami"] | {"HttpExposed": "yes"}}) == ["RemoteAccessAllowed"]


@pytest.mark.parametrize(
    "configuration",
    [PROXY | {"Name": "${HOME}"}, PROXY | {"${X}": 1}, PROXY | {"LuaScripts": [], "UserMetadata": {"A": ["${X}"]}}],
)
def test_environment_variables_are_not_put_in(configuration):
    assert codes(configuration) == ["environment"]


def test_configuration_of_another_role():
    assert set(codes(CENTRAL, "proxy")) == {"Cami.Role", "Cami.CentralUrl", "Python.Path"}
    assert set(codes(PROXY, "nonsense")) == {"Cami.Role", "Python.Path"}


def test_orthancs_own_default_configuration_is_refused_in_every_point():
    found = set(codes({}))
    optional = {"PythonScript", "IngestTranscoding", "ReadOnly", "MaximumPatientCount"}
    assert found >= set(UNSAFE) - optional


def test_the_refusal_lists_everything_and_what_to_set():
    unsafe = PROXY | {"WebDavEnabled": True, "DicomAlwaysAllowGet": True, "Plugins": [PYTHON_PLUGIN, GDCM]}
    with pytest.raises(Misconfigured) as caught:
        refuse_unsafe(unsafe, role="proxy")
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert any(
        line.strip().startswith('WebDavEnabled: "WebDavEnabled" has another value: set it to false;') for line in lines
    )
    assert any("libOrthancGdcm.so" in line for line in lines)


def test_a_device_of_a_proxy_may_ask_for_commitment_one_at_the_centre_may_not():
    asking = {"CT42001": DEVICE | {"AllowNAction": True}}
    assert codes(changed(PROXY, "DicomModalities", asking)) == []
    there = {"CT42001": THERE | {"AllowNAction": True, "Host": "127.0.42.1"}}
    assert codes(changed(CENTRAL, "DicomModalities", there), "central") == ["DicomModalities.AllowNAction"]
    listing = {"CT42001": DEVICE | {"Host": "127.0.42.1", "AllowFindWorklist": True}}
    assert codes(changed(CENTRAL, "DicomModalities", listing), "central") == ["DicomModalities.AllowFindWorklist"]


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://cami.example", False),
        ("http://[::1]:8042", False),
        ("http://localhost:1", False),
        ("http://10.0.0.1", True),
    ],
)
def test_the_line_has_tls_or_the_registry_says_that_it_needs_none(url, plain):
    configuration = changed(PROXY, "Cami.CentralUrl", url)
    if plain:
        assert violations(configuration, role="proxy")
        configuration = changed(configuration, "Cami.PlainHttp", True)
    assert violations(configuration, role="proxy") == []
    assert read_settings(configuration, {}).central_url == url


def test_the_environment_cannot_take_tls_off_the_line():
    with pytest.raises(Misconfigured, match="no TLS"):
        read_settings(PROXY, {"CAMI_CENTRALURL": "http://cami.example"})
