"""The stub of Orthanc's Python API names only what the live plugin has, on the suite under test."""

import ast
import json
import os
from pathlib import Path

from cami_cli.progress import Progress
from cami_cli.runtime.choose import make_runtime

STUB = Path(__file__).parent.parent / "stubs" / "orthanc.pyi"
SCRIPT = """
import json, pathlib, orthanc
names = {name: dir(getattr(orthanc, name)) for name in dir(orthanc)}
print("NAMES " + json.dumps(names), flush=True)
raise SystemExit("seen")
"""


def members(body):
    """Return the names that a module or class of the stub declares."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Assign):
            yield node.targets[0].id, node
        elif isinstance(node, ast.AnnAssign):
            yield node.target.id, node


def test_the_stub_names_only_what_is_there(tmp_path):
    runtime = make_runtime("native", os.environ.get("SUITE", "forky"))
    runtime.prepare(Progress())
    (tmp_path / "names.py").write_text(SCRIPT)
    configuration = {
        "Plugins": ["/usr/share/orthanc/plugins/libOrthancPython.so"],
        "PythonScript": str(tmp_path / "names.py"),
        "StorageDirectory": "/tmp/storage",
        "HttpServerEnabled": False,
        "DicomServerEnabled": False,
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(configuration))
    done = runtime.tool(["Orthanc", str(tmp_path / "orthanc.json")], binds=[tmp_path])
    (line,) = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("NAMES ")]
    live = json.loads(line.removeprefix("NAMES "))
    missing = []
    for name, node in members(ast.parse(STUB.read_text()).body):
        if name not in live:
            missing.append(name)
        elif isinstance(node, ast.ClassDef):
            missing += [f"{name}.{member}" for member, _ in members(node.body) if member not in live[name]]
    assert missing == []
