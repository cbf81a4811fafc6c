"""The alert rules in the repository go by figures that there are, and pass their own test where promtool is."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from tests.live import ROOT

FOLDER = ROOT / "monitoring"
RULES = yaml.safe_load((FOLDER / "alerts.yaml").read_text())


DASHBOARD = json.loads((FOLDER / "grafana.json").read_text())


def rules():
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def test_they_go_by_figures_that_there_are():
    sources = "".join(path.read_text() for path in (ROOT / "plugins" / "cami").rglob("*figures.py"))
    sources = sources.replace('f"cami_fleet_{name}"', "")
    asked = [rule["expr"] for rule in rules()]
    asked += [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    for expression in asked:
        for name in re.findall(r"cami_\w+", expression):
            assert f'"{name}"' in sources or f'"{name.removeprefix("cami_fleet_")}"' in sources, name


def test_each_says_what_to_do_and_waits_before_it_calls():
    assert len(rules()) >= 10
    for rule in rules():
        assert rule["annotations"]["action"]
        assert rule["for"]
        assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's prometheus) is not here")
@pytest.mark.parametrize("arguments", [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]])
def test_promtool_finds_nothing_wrong(arguments):
    done = subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
