"""One region for all of it: two МО with workstations, the same patient number in both, the centre open to both."""

import os
from pathlib import Path

import pytest
import yaml
from pydicom import dcmread

from cami_cli.progress import Progress
from cami_cli.runtime.choose import make_runtime
from tests.integration.dicom.stations import Screen, Station, free_port
from tests.integration.isolation.sides import image
from tests.live import ROOT, LiveRegion

MO = ("42001", "42002")


def registry(path, ports):
    """Write the development registry with workstations."""
    content = yaml.load((ROOT / "orthanc-config" / "region.yaml").read_text(), Loader=yaml.BaseLoader)
    for index, mo in enumerate(MO, 1):
        organization = content["organizations"][index - 1]
        organization["devices"][0] |= {"port": str(ports[f"CT{mo}"])}
        organization["devices"][1]["address"] = f"127.0.{index}.5"
        organization["centre_dicom"] = {"source": f"127.0.42.{index}", "port": str(ports[f"TLS{mo}"])}
        organization["workstations"] = [
            {"aet": f"WS{mo}", "name": "АРМ врача", "address": "127.0.0.1", "port": str(ports[f"WS{mo}"])},
            {"aet": f"VIEW{mo}", "name": "АРМ ординатора", "address": f"127.0.{index}.7", "targets": [f"WS{mo}"],
             "character_set": {"default": "windows-1251"}},
            {"aet": f"LIST{mo}", "name": "Только поиск", "address": "127.0.0.1", "services": ["find"]},
            {"aet": f"FAR{mo}", "name": "АРМ у центра", "address": "127.0.0.1", "port": str(ports[f"WS{mo}"]),
             "archive": "central"},
            {"aet": f"GATE{mo}", "name": "Аппарат у центра", "address": "127.0.0.1", "archive": "central",
             "services": ["store", "echo"]},
        ]  # fmt: skip
    path.write_text(yaml.safe_dump(content, allow_unicode=True))
    return path


class Side:
    """One МО: its study of two series of three images, its stations at the proxy and at the centre."""

    def __init__(self, region, folder, mo, uid, name):
        self.mo, self.uid, self.name, self.region = mo, uid, name, region
        for series in (1, 2):
            for number in (1, 2, 3):
                image(folder / mo, uid, name=name, series=series, number=number)
        self.images = sorted(f"{uid}.{series}.{number}" for series in (1, 2) for number in (1, 2, 3))
        self.folder = folder / mo
        self.proxy = region.proxy(mo)["dicom"]
        self.index = MO.index(mo) + 1

    def dataset(self, **changes):
        dataset = dcmread(self.folder / "1-1.dcm")
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        return dataset

    def station(self, aet="WS", address=None, called=None):
        usual = f"127.0.{self.index}.7" if aet == "VIEW" else "127.0.0.1"
        return Station(f"{aet}{self.mo}", called or self.proxy, address or usual)

    def far(self, aet="FAR", address=None):
        """Return a station of this МО at the centre, as its terminator would bring it there."""
        return Station(f"{aet}{self.mo}", self.region.about["central"]["dicom"], address or f"127.0.42.{self.index}")


@pytest.fixture(scope="package")
def ports():
    return {name: free_port() for mo in MO for name in (f"CT{mo}", f"WS{mo}", f"TLS{mo}")}


@pytest.fixture(scope="package")
def region(tmp_path_factory, ports):
    folder = tmp_path_factory.mktemp("region")
    with LiveRegion(folder / "state", registry(folder / "region.yaml", ports)) as live:
        yield live


@pytest.fixture(scope="package")
def sides(region, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    made = [
        Side(region, folder, "42001", "1.2.826.0.1.42001", "АЛЬФА^ЁЛКА"),
        Side(region, folder, "42002", "1.2.826.0.1.42002", "БЕТА^ПЁТР"),
    ]
    for side in made:
        region.send(side.folder, side.mo)
    for side in made:
        region.settle(side.mo, len(side.images))
    return made


@pytest.fixture(scope="package")
def ours(sides):
    return sides[0]


@pytest.fixture(scope="package")
def theirs(sides):
    return sides[1]


@pytest.fixture(scope="package")
def screens(ports):
    """The storage SCP of each МО's workstation."""
    made = {mo: Screen(ports[f"WS{mo}"], f"WS{mo}") for mo in MO}
    yield made
    for screen in made.values():
        screen.stop()


@pytest.fixture
def screen(screens):
    """Our workstation's, empty."""
    for each in screens.values():
        each.taken()
        each.refuses.clear()
    return screens["42001"]


@pytest.fixture(scope="session")
def tool():
    """Run a program of dcmtk in the sandbox."""
    runtime = make_runtime("native", os.environ.get("SUITE", "forky"))
    runtime.prepare(Progress())
    return runtime.tool


def pytest_collection_modifyitems(items):
    """The first test of all starts four servers and waits until two proxies have delivered."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(420))
            # pynetdicom leaves the socket of a TLS association that was refused to the garbage collector.
            for warning in ("pytest.PytestUnraisableExceptionWarning", "ResourceWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{warning}"))
