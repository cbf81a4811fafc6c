"""region.yaml changed by a program: what people wrote into it stays, and nothing wrong is written."""

import difflib

import pytest

from cami.errors import Invalid
from cami_cli.errors import Trouble
from cami_cli.mo import entry
from cami_cli.mo.extract import registry_of
from cami_cli.mo.registry import Registry, same
from tests.live import ROOT

SOURCE = (ROOT / "orthanc-config" / "region.yaml").read_text()


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "region.yaml"
    file.write_text(SOURCE)
    return file


def new(**more):
    values = {
        "code": "42003", "oid": "1.2.643.5.1.13.13.12.2.42.9903", "name": "Учебная больница", "short_name": "УБ № 3",
        "aet": "PROXY42003", "mbit_s": 2.0,
        "devices": entry.devices_of(["CT42003,CT,10.42.3.11:104,Томограф,12"], None),
        "responsible": (entry.responsible("technical,Иванов И. И.,+7 3842 000000,it@example.org"),),
    }  # fmt: skip
    return entry.NewMo(**values | more).entry()


def changed_lines(path):
    lines = difflib.ndiff(SOURCE.splitlines(), path.read_text().splitlines())
    return [line for line in lines if line[0] in "+-"]


def test_a_new_mo_changes_no_other_line(path):
    registry = Registry(path)
    registry.add(new())
    assert registry.write()
    assert all(line.startswith("+") for line in changed_lines(path)), "comments stay with what follows them"
    made = Registry(path).region.organization("42003")
    assert made.proxy.link.mbit_s == 2
    assert made.devices[0].port == 104
    assert made.responsible[0].duty == "technical"
    assert same(registry.region, new())
    assert not same(registry.region, new(mbit_s=4.0))
    assert not registry.write(), "the second time nothing changes"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"oid": "1.2.x"}, "is no OID"),
        ({"aet": "PROXY42001"}, "is taken in line"),
        ({"code": "Больница"}, "is no code"),
        ({"devices": ({"aet": "CT1", "name": "x", "modality": "CTT", "address": "10.0.0.1"},)}, "is no DICOM modality"),
        ({"devices": ({"aet": "CT1", "name": "x", "modality": "CT", "address": "pacs"},)}, "is no IP address"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_not_written(path, wrong, told):
    registry = Registry(path)
    registry.add(new(**wrong))
    with pytest.raises(Invalid, match=told) as caught:
        registry.write()
    assert str(path) in str(caught.value)
    assert path.read_text() == SOURCE
    assert [file.name for file in path.parent.iterdir()] == ["region.yaml"], "nothing half-written stays"


def test_changing_and_closing(path):
    registry = Registry(path)
    known = registry.entry("42002")
    registry.change(known, {"short_name": "РБ", "proxy": {"link": {"mbit_s": 10}}})
    registry.put(known, "devices", "aet", entry.devices_of(["CT42002,CT,10.42.2.9,Другой,8"], None), ["US42002"])
    assert registry.write()
    region = Registry(path).region
    made = region.organization("42002")
    assert (made.short_name, made.proxy.link.mbit_s) == ("РБ", 10)
    assert [device.aet for device in made.devices] == ["CT42002", "MR42002", "DX42002", "MG42002"]
    assert made.devices[0].address == "10.42.2.9"
    assert made.devices[0].character_set.default == "ISO_IR 144", "what is not said stays"
    registry = Registry(path)
    registry.change(registry.entry("42002"), {"closed": "2026-11-28"})
    registry.write()
    assert [each.code for each in registry.region.with_proxy] == ["42001"]
    with pytest.raises(Trouble):
        registry.entry("42077")
    with pytest.raises(Trouble):
        registry.put(registry.entry("42001"), "devices", "aet", (), ["CT0"])


def test_a_table_of_devices_as_a_spreadsheet_saves_it(tmp_path):
    table = tmp_path / "devices.csv"
    table.write_bytes("aet;modality;address;port;name;room\r\nCT1;CT;10.0.0.1;104;Томограф;5\r\n".encode("cp1251"))
    assert entry.device_list(table) == [
        {"aet": "CT1", "name": "Томограф", "room": "5", "modality": "CT", "address": "10.0.0.1", "port": 104}
    ]
    table.write_text("aet,модальность\nCT1,CT\n")
    with pytest.raises(Trouble, match="модальность"):
        entry.device_list(table)


@pytest.mark.parametrize("text", ["CT1", "CT1,CT,10.0.0.1", "a,b,c,d,e,f", "CT1,CT,10.0.0.1:x,Имя", ",,,"])
def test_a_device_that_cannot_be_read(text):
    with pytest.raises(Trouble):
        entry.devices_of([text], None)


def test_the_words_are_those_of_the_terminal(monkeypatch):
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    with pytest.raises(Trouble, match="аппарат «CT1» не понят"):
        entry.device("CT1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    with pytest.raises(Trouble, match="is not understood"):
        entry.device("CT1")


def test_a_proxy_gets_of_others_no_more_than_their_names(path, tmp_path):
    region = Registry(path).region
    written = tmp_path / "extract.yaml"
    written.write_text(registry_of(region, "42001"))
    extract = Registry(written).region
    assert extract.organization("42001") == region.organization("42001")
    assert extract.organization("42002").devices == ()
    assert [each.short_name for each in extract.organizations] == [each.short_name for each in region.organizations]
    assert extract.accounts == ()
    assert "CT42002" not in written.read_text()
