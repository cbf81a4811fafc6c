"""What the benchmark's registry says of the line."""

import pytest
import yaml

from cami.errors import Invalid
from cami.region import load_region
from cami.region.model import Link
from cami_cli.bench.delivery_servers import MO, Setting, _registry, link_settings


def test_only_settings_that_this_release_knows(tmp_path):
    settings = link_settings({})
    assert set(settings) <= set(Link.model_fields)
    proxy = load_region(_registry(Setting("forky", tmp_path, {}), 10.0)).organization(MO).proxy
    assert proxy is not None
    assert proxy.link.mbit_s == 10.0
    assert proxy.link.timetable == ()


def test_what_is_chosen_comes_last(tmp_path):
    file = _registry(Setting("forky", tmp_path, {"mbit_s": 4}), 2.0)
    organizations = yaml.safe_load(file.read_text(encoding="utf-8"))["organizations"]
    assert next(one for one in organizations if one["code"] == MO)["proxy"]["link"]["mbit_s"] == 4


def test_an_unknown_setting_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(Invalid, match="warp"):
        _registry(Setting("forky", tmp_path, {"warp": 9}), 2.0)
