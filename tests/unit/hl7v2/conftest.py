"""HL7 v2 over the face to the МИС, with a registry of its own."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from cami.hl7v2 import Hl7Service
from cami.hl7v2.framing import Framing
from cami.hl7v2.message import read
from cami.hl7v2.peers import Origin
from cami.region import load_region
from tests.unit.mis import conftest as mis

HOME = Origin("127.0.0.1")
OID = "1.2.643.5.1.13.13.12.2.42.9999.100.1.1"
SYSTEM = {
    "name": "kuzdrav",
    "title": "МИАС «КУЗДРАВ»",
    "application": "KUZDRAV",
    "facilities": [{"name": "RB01", "mo": "42001"}, {"name": "KOMIAC"}],
    "oid": OID,
    "addresses": ["127.0.0.1", "10.42.0.0/24"],
}

OMI = (
    "MSH|^~\\&|KUZDRAV|RB01^1.2.643.5.1.13.13.12.2.42.9901^ISO|CAMI|KOMIAC|20261122130511+0700||OMI^O23^OMI_O23|KZ000002"
    "|P|2.5.1|||||RUS|UNICODE UTF-8\r"
    "PID|1||4512207^^^KUZDRAV^PI~70012345618^^^SNILS^NN||Тестова^Анна^Петровна||19610314|F\r"
    "PV1|1|I\r"
    "ORC|NW|2611-0004512^KUZDRAV|||||||20261122130511|||8811^Образцов^Илья^Сергеевич\r"
    "TQ1|1||||||20261122143000+0700||S^STAT^HL70078\r"
    "OBR|1|2611-0004512^KUZDRAV||A06.30.005.002^КТ ОБП с болюсным контрастированием^NMU\r"
    "IPC|K2611220000123^CAMI|RP1|2.25.329800735698586629295641978511506172917|SPS1|CT||||CT42001\r"
)
ORM = (
    "MSH|^~\\&|KUZDRAV|RB01^1.2.643.5.1.13.13.12.2.42.9901^ISO|CAMI|KOMIAC|20261122130511+0700||ORM^O01|KZ000001"
    "|P|2.3.1||||||UNICODE UTF-8\r"
    "PID|1||4512207^^^KUZDRAV^PI~70012345618^^^SNILS^NN||Тестова^Анна^Петровна||19610314|F\r"
    "PV1|1|I|РБ-ХИР^^^^^^^^||||8811^Образцов^Илья^Сергеевич\r"
    "ORC|NW|2611-0004512|K2611220000123||SC||^^^202611221430^^S||20261122130511|||8811^Образцов^Илья^Сергеевич\r"
    "OBR|1|2611-0004512|K2611220000123|A06.30.005.002^КТ ОБП с болюсным контрастированием^NMU||||||||||||||"
    "K2611220000123|K2611220000123|K2611220000123|CT42001|||CT\r"
    "ZDS|2.25.329800735698586629295641978511506172917^CAMI^Application^DICOM\r"
)
MERGE = (
    "MSH|^~\\&|KUZDRAV|KOMIAC|CAMI|KOMIAC|20261122170000+0700||ADT^A40^ADT_A39|KZ000003|P|2.5.1|||||RUS|UNICODE UTF-8\r"
    "EVN|A40|20261122170000+0700\r"
    "PID|1||3300518^^^KUZDRAV^PI||Тестова^Анна^Петровна||19610314|F\r"
    "MRG|4512207^^^KUZDRAV^PI\r"
)


def registry(folder, hl7):
    content = yaml.safe_load(Path("orthanc-config/region.yaml").read_text("utf-8"))
    path = Path(folder) / "region.yaml"
    path.write_text(yaml.safe_dump({**content, "hl7": hl7}, allow_unicode=True), "utf-8")
    return load_region(path)


def hl7_over(made, region, secrets):
    return Hl7Service(
        engine=made.engine, clock=made.clock, region=region, mis=made.service, orders=made.orders,
        patients=made.patients, events=made.events, base=mis.BASE, secrets=secrets,
    )  # fmt: skip


def edit(message, control, **fields):
    """Give a message another number, and change fields: ``ORC_1="CA"``."""
    lines = re.sub(r"KZ00000\d", control, message).split("\r")
    for name, value in fields.items():
        segment, place = name.split("_")
        index = next(i for i, line in enumerate(lines) if line.startswith(segment))
        parts = lines[index].split("|")
        place = int(place) - (segment == "MSH")
        parts += [""] * (place + 1 - len(parts))
        parts[place] = value
        lines[index] = "|".join(parts)
    return "\r".join(lines)


@pytest.fixture
def centre(tmp_path):
    region = registry(tmp_path, {"systems": [SYSTEM]})
    made = mis.make(tmp_path / "centre.sqlite")
    made.hl7 = hl7_over(made, region, tmp_path)

    def tell(message, origin=HOME, codec="utf-8"):
        data = message if isinstance(message, bytes) else message.encode(codec)
        frames = [each for reply in made.hl7.intake.take(data, origin) for each in Framing(10**6).feed(reply)]
        made.last = frames
        answers = [read(each) for each in frames]
        return SimpleNamespace(
            verdicts=[each.first("MSA").text(1) for each in answers],
            codes=[s.text(5) or s.text(1, 4) for each in answers for s in each.segments if s.name == "ERR"],
            answers=answers,
            last=answers[-1] if answers else None,
        )

    made.tell = tell
    yield made
    made.trail.close()
    made.engine.dispose()
