"""The route table against the Orthanc that runs here: its OpenAPI description, its binary, the DICOMweb plugin's.

No server is started; ``SUITE=trixie`` reads Debian 13's.
"""

import json
import os
import re

import pytest

from cami.access.routes import decide
from cami_cli.progress import Progress
from cami_cli.runtime.debian_root import ensure_root
from cami_cli.runtime.native import NativeRuntime

SUITE = os.environ.get("SUITE") or "forky"
ID, UID = "0123abcd-0123abcd-0123abcd-0123abcd-0123abcd", "1.2.3"
PLACES = {"id": ID, "frame": "0", "name": "dicom", "index": "0", "label": "x", "path": "0010-0010", "key": "archive"}
METHODS = ("GET", "POST", "PUT", "DELETE")


@pytest.fixture(scope="module")
def root():
    return ensure_root(SUITE, Progress()).folder


def concrete(route):
    return re.sub(r"\{(\w+)\}", lambda found: PLACES.get(found.group(1), "x"), route)


def merged(pairs):
    """Orthanc writes some paths twice; JSON would keep the last."""
    found = {}
    for name, value in pairs:
        found[name] = {**found[name], **value} if isinstance(found.get(name), dict) else value
    return found


def test_every_call_of_the_openapi_description_is_decided(root):
    said = NativeRuntime(SUITE).tool(["sh", "-c", "Orthanc --openapi=/tmp/api.json >&2 && cat /tmp/api.json"])
    assert said.returncode == 0, said.stderr[-1000:]
    paths = json.loads(said.stdout, object_pairs_hook=merged)["paths"]
    calls = [(method.upper(), path) for path, methods in paths.items() for method in methods if path != "/"]
    assert len(calls) > 200
    undecided = [call for call in calls if decide(call[0], concrete(call[1])) is None]
    assert not undecided


def literals(binary, pattern):
    return sorted({found.decode() for found in re.findall(rb"(?<=\0)" + pattern + rb"(?=\0)", binary)})


def test_every_route_that_the_binary_names_is_decided(root):
    """OpenAPI leaves out what only answers a list; the binary has every template as a string."""
    binary = (root / "usr/sbin/Orthanc").read_bytes()
    tops = rb"/(?:changes|exports|instances|jobs|modalities|patients|peers|plugins|queries|series|statistics|"
    tops += rb"storage-commitment|studies|system|tools)"
    routes = [each for each in literals(binary, tops + rb"(?:/[a-z0-9{}.-]+)*") if re.search(r"[a-z}]$", each)]
    assert {"/studies/{id}/merge", "/instances/{id}/frames/{frame}/raw"} <= set(routes)
    assert len(routes) > 80
    undecided = [route for route in routes if not any(decide(method, concrete(route)) for method in METHODS)]
    assert not undecided


def test_every_route_of_the_dicomweb_plugin_is_decided(root):
    binary = (root / "usr/share/orthanc/plugins/libOrthancDicomWeb.so").read_bytes()
    names = rb"(?:studies|series|instances|servers|app|info)(?:/[A-Za-z0-9()\[\]^*./-]+)?"
    routes = [each for each in literals(binary, names) if "(" in each or each in ("studies", "servers", "info")]
    assert "studies/([^/]*)/series/([^/]*)/instances/([^/]*)/frames/([^/]*)" in routes
    undecided = []
    for route in routes:
        path = "/dicom-web/" + route.replace("frames/([^/]*)", "frames/1").replace("bulk/(.*)", "bulk/7fe00010")
        path = path.replace("([^/]*)", UID).replace("(.*)", "x")
        if not any(decide(method, path) for method in METHODS):
            undecided.append(path)
    assert not undecided
