"""Tells whether an Orthanc configuration is safe.

Pure functions: `cami.boot` asks before it starts Orthanc, and the plugin asks again with the configuration that Orthanc
has really read.

Orthanc is open by default: it ignores unknown options in silence, its WebDAV share and its C-GET pass by every plugin
hook, and without our plugin it answers everybody. So nothing that matters is left to a default: an option that is not
written is as wrong as one with the wrong value.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cami.errors import Misconfigured
from cami.settings import open_line

PYTHON_PLUGIN = "/usr/share/orthanc/plugins/libOrthancPython.so"
DICOMWEB_PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
#: Plugins that were examined and may be loaded. Not GDCM (any reader can crash the server with a transcoding), not
#: MultitenantDicom (one crafted object opens a study to another МО), not ServeFolders, Housekeeper, worklists.
ALLOWED_PLUGINS = (PYTHON_PLUGIN, DICOMWEB_PLUGIN)

#: Orthanc's entry script of each role.
SCRIPTS = {"central": "/opt/cami/plugins/central.py", "proxy": "/opt/cami/plugins/proxy.py"}

_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Violation:
    """Something unsafe in a configuration."""

    code: str
    """Stable name, for tests and alarms."""
    message: str
    """What is wrong and what to set."""


@dataclass(frozen=True, slots=True)
class _Option:
    """An option that must be written, with a value that `good` accepts."""

    path: tuple[str, ...]
    good: Callable[[Any], bool]
    wanted: str
    why: str


def _is(wanted: Any) -> Callable[[Any], bool]:
    return lambda value: type(value) is type(wanted) and value == wanted


def _off(name: str, why: str) -> _Option:
    return _Option(tuple(name.split(".")), _is(False), "false", why)


def _on(name: str, why: str) -> _Option:
    return _Option(tuple(name.split(".")), _is(True), "true", why)


def _empty(name: str, wanted: str, why: str) -> _Option:
    return _Option(tuple(name.split(".")), lambda value: isinstance(value, (list, dict)) and not value, wanted, why)


_OPTIONS = (
    _on("Python.AllowThreads", "without it parallel uploads deadlock the server"),
    _off("AuthenticationEnabled", "the plugin signs people in; Orthanc's own check answers before it and knows nobody"),
    _off("WebDavEnabled", "WebDAV lists and takes in studies past the plugin"),
    _off("ExecuteLuaEnabled", "it runs any code over HTTP"),
    _off("RestApiWriteToFileSystemEnabled", "it writes server files over HTTP"),
    _off("HttpDescribeErrors", "error texts tell what exists"),
    _off("HttpVerbose", "it logs passwords of outgoing requests"),
    _off("SslEnabled", "TLS is the task of the proxy in front, which also sets the headers that browsers need"),
    _on("HttpServerEnabled", "without HTTP nobody can check that strangers are refused"),
    _on("HttpsVerifyPeers", "anybody could pose as the centre"),
    _on("DeidentifyLogs", "logs must name no patient"),
    _Option(("DefaultEncoding",), _is("Utf8"), '"Utf8"', "other encodings destroy Cyrillic and change Orthanc's ids"),
    _Option(
        ("OverwriteInstances",),
        lambda value: value is False or value == "Never",
        "false",
        "a second object with the same identifiers would replace the first, and wipe the owner's label",
    ),
    _Option(("MaximumStorageMode",), _is("Reject"), '"Reject"', "a full disk would delete the oldest patients"),
    _on("StoreDicom", "images would not be kept"),
    _on("StoreMD5ForAttachments", "without it damage on the disk is not seen"),
    _on("SyncStorageArea", "an answer would leave before the image is on the disk"),
    _off("StorageCompression", "it makes reception four to twelve times slower"),
    _on("DicomCheckCalledAet", "a device must mean this server"),
    _on("DicomCheckModalityHost", "anybody could use a device's AE title"),
    _on("StrictAetComparison", "an AE title has one spelling"),
    _off("DicomAlwaysAllowEcho", "it lets every association in"),
    _off("DicomAlwaysAllowStore", "unknown devices could store"),
    _off("DicomAlwaysAllowFind", "unknown devices could query"),
    _off("DicomAlwaysAllowFindWorklist", "unknown devices could read the worklist"),
    _off("DicomAlwaysAllowGet", "no plugin hook can stop C-GET"),
    _off("DicomAlwaysAllowMove", "unknown devices could retrieve"),
    _off("DicomModalitiesInDatabase", "devices come from region.yaml, not from the REST API"),
    _off("OrthancPeersInDatabase", "peers would come from the REST API"),
    _empty("OrthancPeers", "{}", "a peer can be sent any study"),
    _empty("LuaScripts", "[]", "scripts that were not examined run inside the server"),
    _off("DicomWeb.EnableWado", "WADO-URI names an object without its study, so it cannot be bound to an МО"),
    _empty("DicomWeb.Servers", "{}", "a DICOMweb server can be sent any study"),
)

#: What no device may do: C-GET has no hook, and only we report.
_DENIED_TO_DEVICES = ("AllowGet", "AllowEventReport")
#: What the registry says of each; Orthanc grants what is not written. C-FIND and C-MOVE are answered by our hooks.
_SAID_OF_DEVICES = ("AllowEcho", "AllowStore", "AllowFind", "AllowFindWorklist", "AllowMove", "AllowNAction")
#: What a device asks its proxy for, never the centre.
_AT_PROXIES = ("AllowFindWorklist", "AllowNAction")


def violations(configuration: Mapping[str, Any], *, role: str) -> list[Violation]:
    """Return everything that is unsafe in a whole Orthanc configuration.

    Parameters
    ----------
    configuration
        As Orthanc reads it, one JSON object.
    role
        ``central`` or ``proxy``: what the server is started as.
    """
    return [
        *_wrong_options(configuration),
        *_wrong_role(configuration, role),
        *_wrong_plugins(configuration),
        *_wrong_script(configuration, role),
        *_wrong_listening(configuration),
        *_wrong_line(configuration, role),
        *_wrong_devices(configuration, role),
        *_wrong_ingest(configuration),
        *_substitutions(configuration),
    ]


def refuse_unsafe(configuration: Mapping[str, Any], *, role: str) -> None:
    """Raise if the configuration is unsafe.

    Raises
    ------
    cami.errors.Misconfigured
        It is; the message lists everything and what to set, one line each.
    """
    found = violations(configuration, role=role)
    if found:
        lines = "\n".join(f"  {violation.code}: {violation.message}" for violation in found)
        raise Misconfigured(f"unsafe Orthanc configuration, the server must not run:\n{lines}")


_MISSING = object()


def _look_up(configuration: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = configuration
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return _MISSING
        value = value[step]
    return value


def _wrong_options(configuration: Mapping[str, Any]) -> Iterator[Violation]:
    for option in _OPTIONS:
        value = _look_up(configuration, option.path)
        if value is _MISSING or not option.good(value):
            name = ".".join(option.path)
            state = "is not set" if value is _MISSING else "has another value"
            yield Violation(name, f'"{name}" {state}: set it to {option.wanted}; {option.why}')


def _wrong_role(configuration: Mapping[str, Any], role: str) -> Iterator[Violation]:
    if role not in SCRIPTS:
        yield Violation("Cami.Role", '"Cami.Role" must be "central" or "proxy"')
    elif _look_up(configuration, ("Cami", "Role")) != role:
        yield Violation("Cami.Role", f'"Cami.Role" must be "{role}": the server is started as {role}')


def _wrong_plugins(configuration: Mapping[str, Any]) -> Iterator[Violation]:
    plugins = configuration.get("Plugins")
    if not isinstance(plugins, list) or not plugins or plugins[0] != PYTHON_PLUGIN:
        yield Violation(
            "Plugins.first",
            f'"Plugins" must list {PYTHON_PLUGIN} first: without it the server answers everybody',
        )
    listed = plugins if isinstance(plugins, list) else []
    for plugin in listed:
        if plugin not in ALLOWED_PLUGINS:
            yield Violation(
                "Plugins.foreign",
                f'"Plugins" lists {plugin!r}: remove it; only these files were examined: {", ".join(ALLOWED_PLUGINS)} '
                "(no folders)",
            )
    if len(listed) != len({str(plugin) for plugin in listed}):
        yield Violation("Plugins.twice", '"Plugins" lists a file twice: remove one')


def _wrong_script(configuration: Mapping[str, Any], role: str) -> Iterator[Violation]:
    wanted = SCRIPTS.get(role)
    if _look_up(configuration, ("Python", "Path")) != wanted:
        yield Violation("Python.Path", f'"Python.Path" must be "{wanted}": without it the server answers everybody')
    if "PythonScript" in configuration:
        yield Violation("PythonScript", '"PythonScript" wins over "Python.Path": remove it')


def _wrong_listening(configuration: Mapping[str, Any]) -> Iterator[Violation]:
    """HTTP is for the loopback, where the TLS proxy is, unless the operator has said otherwise in two places."""
    remote = configuration.get("RemoteAccessAllowed", _MISSING)
    addresses = configuration.get("HttpBindAddresses", list(_LOOPBACK))
    if not isinstance(remote, bool) or not isinstance(addresses, list):
        yield Violation("RemoteAccessAllowed", '"RemoteAccessAllowed" must be written, as false')
        return
    exposed = _look_up(configuration, ("Cami", "HttpExposed")) is True
    if (remote or any(address not in _LOOPBACK for address in addresses)) and not exposed:
        yield Violation(
            "RemoteAccessAllowed",
            '"RemoteAccessAllowed" must be false and "HttpBindAddresses" ["127.0.0.1"]: put a TLS proxy on the same '
            'machine; where only a TLS proxy can reach the port (a container network), set "Cami.HttpExposed": true',
        )


def _wrong_line(configuration: Mapping[str, Any], role: str) -> Iterator[Violation]:
    if role == "proxy":
        allowed = _look_up(configuration, ("Cami", "PlainHttp")) is True
        trouble = open_line(str(_look_up(configuration, ("Cami", "CentralUrl"))), allowed=allowed)
        if trouble:
            yield Violation("Cami.CentralUrl", f'"Cami.CentralUrl": {trouble}')


def _wrong_devices(configuration: Mapping[str, Any], role: str) -> Iterator[Violation]:
    devices = configuration.get("DicomModalities", _MISSING)
    if not isinstance(devices, Mapping):
        yield Violation("DicomModalities", '"DicomModalities" must be written, as {} if there are no devices')
        return
    titles = Counter([str(configuration.get("DicomAet", "ORTHANC")).upper()])
    for name, device in devices.items():
        if not isinstance(device, Mapping):
            yield Violation("DicomModalities.form", f'device "{name}": write it as an object; a list allows everything')
            continue
        titles[str(device.get("AET", "")).strip().upper()] += 1
        yield from _wrong_device(name, device, role)
    for title, count in titles.items():
        if count > 1:
            yield Violation(
                "DicomModalities.AET",
                f'the AE title "{title}" stands for {count} stations: give each its own; a shared one passes the check '
                "of addresses",
            )


def _wrong_device(name: str, device: Mapping[str, Any], role: str) -> Iterator[Violation]:
    for allow in _DENIED_TO_DEVICES:
        if device.get(allow) is not False:
            yield Violation(f"DicomModalities.{allow}", f'device "{name}": set "{allow}" to false')
    for allow in _SAID_OF_DEVICES:
        if not isinstance(device.get(allow), bool):
            yield Violation(f"DicomModalities.{allow}", f'device "{name}": write "{allow}", the default is true')
    if role == "central":
        for allow in _AT_PROXIES:
            if device.get(allow) is not False:
                yield Violation(
                    f"DicomModalities.{allow}", f'device "{name}": set "{allow}" to false; it asks the proxy of its МО'
                )
        if not _is_terminator(device.get("Host")):
            yield Violation(
                "DicomModalities.Host",
                f'device "{name}": at the centre "Host" must be the loopback address of its МО\'s TLS terminator '
                "(127.0.0.2 to 127.255.255.254); nobody else may come in",
            )
    # Orthanc's own name for N-ACTION and N-EVENT-REPORT together; it wins over both.
    if device.get("AllowStorageCommitment", False) is not False:
        yield Violation(
            "DicomModalities.AllowStorageCommitment",
            f'device "{name}": remove "AllowStorageCommitment"; "AllowNAction" alone lets it ask for commitment',
        )


def _is_terminator(host: Any) -> bool:
    try:
        address = ipaddress.IPv4Address(host) if isinstance(host, str) else None
    except ValueError:
        return False
    return address is not None and address.is_loopback and str(address) != "127.0.0.1"


def _wrong_ingest(configuration: Mapping[str, Any]) -> Iterator[Violation]:
    if "IngestTranscoding" in configuration:
        yield Violation("IngestTranscoding", '"IngestTranscoding" changes images on arrival: remove it')
    if configuration.get("ReadOnly", False) is not False:
        yield Violation("ReadOnly", '"ReadOnly" refuses every image: remove it')
    if configuration.get("MaximumPatientCount", 0) != 0:
        yield Violation("MaximumPatientCount", '"MaximumPatientCount" must be 0: it counts people, not space')


def _substitutions(value: Any) -> Iterator[Violation]:
    """Orthanc puts environment variables into the text of the file before it parses it, which could change anything."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _substitutions(key)
            yield from _substitutions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _substitutions(inner)
    elif isinstance(value, str) and "${" in value:
        yield Violation("environment", 'the configuration contains "${": write the value itself')
