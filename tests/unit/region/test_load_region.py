"""What the registry accepts, and that each mistake is told with its line and field."""

import re
from pathlib import Path

import pytest
import yaml

from cami.errors import Invalid, NotFound
from cami.orthanc_config import TEMPLATES
from cami.region import MO_ROLES, REGION_ROLES, ROLES, Coercion, Prefetch, Retention, load_region

GOOD = """\
name: Кузбасс
time_zone: Asia/Novokuznetsk
centre:
  name: Центр
  aet: CAMI
  oid: 1.2.643.5.1.13.13.12.2.42.9999
organizations:
  - code: "42001"
    oid: 1.2.643.5.1.13.13.12.2.42.9901
    full_name: Больница
    short_name: ГБ
    proxy:
      aet: PROXY42001
      link:
        mbit_s: 2
        timetable:
          - {days: [mon], from: "08:00", to: "12:00", mbit_s: 1}
    devices:
      - aet: CT42001
        name: Томограф
        modality: CT
        address: 10.1.1.5
        character_set: {default: ISO_IR 144}
accounts:
  - {login: rad, name: Врач, role: radiologist, mo: "42001"}
  - {login: operator, name: Оператор, role: operator}
"""


def load(tmp_path: Path, text: str):
    path = tmp_path / "region.yaml"
    path.write_text(text, encoding="utf-8")
    return load_region(path)


def refusals(tmp_path: Path, text: str) -> list[tuple[int, str, str]]:
    """The problems as (line, field, message)."""
    with pytest.raises(Invalid) as caught:
        load(tmp_path, text)
    result = []
    for line in str(caught.value).splitlines():
        number, rest = re.fullmatch(r".*/region\.yaml:(\d+): (.*)", line).groups()
        field, _, message = rest.partition(": ")
        result.append((int(number), field, message))
    return result


def test_good_registry(tmp_path):
    region = load(tmp_path, GOOD)
    mo = region.organization("42001")
    assert mo.proxy.link.timetable[0].start == "08:00"
    assert mo.proxy.link.mbit_s == 2.0
    assert mo.devices[0].character_set.default == "ISO_IR 144"
    assert mo.devices[0].character_set.override is None
    assert region.with_proxy == (mo,)
    assert region.centre.dicom_port_open is False
    with pytest.raises(NotFound):
        region.organization("42009")


def test_frozen(tmp_path):
    with pytest.raises(ValueError, match="frozen"):
        load(tmp_path, GOOD).organizations[0].devices[0].aet = "OTHER"


def test_roles_are_of_the_region_or_of_an_mo():
    assert set(ROLES) == MO_ROLES | REGION_ROLES
    assert not MO_ROLES & REGION_ROLES
    assert len(ROLES) == 11


def test_development_region():
    path = TEMPLATES / "region.yaml"
    region = load_region(path)
    assert [mo.code for mo in region.organizations] == ["42001", "42002", "42900"]
    assert [mo.code for mo in region.with_proxy] == ["42001", "42002"]
    assert region.centre.aet == "CAMI"
    for mo in region.with_proxy:
        assert mo.proxy.aet == f"PROXY{mo.code}"
        assert mo.proxy.link.mbit_s == 2
        assert {device.modality for device in mo.devices} == {"CT", "MR", "DX", "MG", "US"}
        assert {account.role for account in region.accounts if account.mo == mo.code} == {
            "radiologist",
            "clinician",
            "technologist",
            "mo_admin",
        }
        assert mo.oid.startswith("1.2.643.5.1.13.13.12.2.42.")
    assert {account.role for account in region.accounts if not account.mo} == REGION_ROLES - {"mis", "monitor"}
    # Somebody who reads the file with types guessed must get the same texts.
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [mo["code"] for mo in raw["organizations"]] == ["42001", "42002", "42900"]
    assert not any("password" in account for account in raw["accounts"])


def test_unquoted_values_are_texts(tmp_path):
    region = load(tmp_path, GOOD.replace('"42001"', "42001").replace('"08:00"', "08:00"))
    assert region.organizations[0].code == "42001"
    assert region.organizations[0].proxy.link.timetable[0].start == "08:00"


@pytest.mark.parametrize(
    ("old", "new", "where", "told"),
    [
        ("aet: CT42001", "aet: CT-TOO-LONG-42001", "19 organizations[0].devices[0].aet", "1 to 16"),
        ("aet: CT42001", "aet: 'CT\\42001'", "19 organizations[0].devices[0].aet", "no backslash"),
        ("aet: CT42001", "aet: ' CT42001'", "19 organizations[0].devices[0].aet", "no blank"),
        ("aet: CT42001", "aet: КТ42001", "19 organizations[0].devices[0].aet", "Latin"),
        ("aet: CT42001", 'aet: "CT\\t1"', "19 organizations[0].devices[0].aet", "no AE title"),
        ("aet: CT42001", "aet: proxy42001", "19 organizations[0].devices[0].aet", "taken in line 13"),
        ("aet: CT42001", "aet: Cami", "19 organizations[0].devices[0].aet", "taken in line 5"),
        ("aet: CT42001", "aet: ''", "19 organizations[0].devices[0].aet", "1 to 16"),
        ("aet: CT42001", "aet:", "19 organizations[0].devices[0].aet", "is empty"),
        ("modality: CT", "modality: TK", "21 organizations[0].devices[0].modality", "PS3.3"),
        ("10.1.1.5", "ct.hospital.local", "22 organizations[0].devices[0].address", "no IP address"),
        ("10.1.1.5", "10.1.1.256", "22 organizations[0].devices[0].address", "no IP address"),
        ("10.1.1.5", "FD00::0:1", "22 organizations[0].devices[0].address", "fd00::1"),
        ("ISO_IR 144", "ISO_IR 666", "23 organizations[0].devices[0].character_set.default", "C.12.1.1.2"),
        ("12.2.42.9901", "12.2.042.9901", "9 organizations[0].oid", "no OID"),
        ("1.2.643.5.1.13.13.12.2.42.9901", "1.40.3", "9 organizations[0].oid", "up to 39"),
        ("1.2.643.5.1.13.13.12.2.42.9901", "1." + "1234567." * 8 + "1", "9 organizations[0].oid", "at most 64"),
        ("42.9901", "42.9999", "9 organizations[0].oid", "taken in line 6"),
        ("mbit_s: 2", "mbit_s: 0", "15 organizations[0].proxy.link.mbit_s", "greater than 0"),
        ("mbit_s: 2", "mbit_s: -1", "15 organizations[0].proxy.link.mbit_s", "greater than 0"),
        ("mbit_s: 2", "mbit_s: inf", "15 organizations[0].proxy.link.mbit_s", "finite"),
        ("mbit_s: 2", "mbit_s: fast", "15 organizations[0].proxy.link.mbit_s", "no number"),
        ("[mon]", "[mon, someday]", "17 organizations[0].proxy.link.timetable[0].days[1]", "'mon'"),
        ("[mon]", "[]", "17 organizations[0].proxy.link.timetable[0].days", "empty list"),
        ('"08:00"', '"8:00"', "17 organizations[0].proxy.link.timetable[0].from", "hours and minutes"),
        ('"12:00"', '"24:01"', "17 organizations[0].proxy.link.timetable[0].to", "hours and minutes"),
        ('"12:00"', '"07:00"', "17 organizations[0].proxy.link.timetable[0]", "no span"),
        ("Asia/Novokuznetsk", "Asia/Mezhdurechensk", "2 time_zone", "IANA"),
        ("Asia/Novokuznetsk", "../etc/passwd", "2 time_zone", "IANA"),
        ("Asia/Novokuznetsk", "Asia", "2 time_zone", "IANA"),
        ("role: radiologist", "role: doctor", "25 accounts[0].role", "'radiologist'"),
        ('role: radiologist, mo: "42001"', "role: radiologist", "25 accounts[0].mo", "is missing"),
        ('mo: "42001"}', 'mo: "42009"}', "25 accounts[0].mo", 'no МО with code "42009"'),
        ("role: operator}", 'role: operator, mo: "42001"}', "26 accounts[1].mo", "remove it"),
        ("login: rad,", "login: operator,", "26 accounts[1].login", "taken in line 25"),
        ("login: rad,", "login: Врач,", "25 accounts[0].login", "no login"),
        ("    short_name: ГБ\n", "", "8 organizations[0].short_name", "is missing"),
        ("    short_name: ГБ", "    short_name: ГБ\n    shortname: Б", "12 organizations[0].shortname", "no such"),
        ("name: Кузбасс\n", "name: Кузбасс\nname: Алтай\n", "2 name", "twice, first in line 1"),
        ("aet: CT42001", "aet: CT42001\n        aet: CT2", "20 organizations[0].devices[0].aet", "first in line 19"),
        ("name: Томограф", "name: *x", "20 no anchors and aliases here", "write"),
        ("name: Томограф", "name: &x Томограф", "20 no anchors and aliases here", "write"),
        ("name: Томограф", "name: !!python/name:os.system x", "20 no tags here", "remove"),
    ],
)  # fmt: skip
def test_each_mistake_is_told(tmp_path, old, new, where, told):
    assert old in GOOD
    found = refusals(tmp_path, GOOD.replace(old, new))
    assert len(found) == 1, found
    assert f"{found[0][0]} {found[0][1]}" == where
    assert told in found[0][2]


@pytest.mark.parametrize("code", ["МО1", "12345678901234567", "A1", ""])
def test_wrong_code(tmp_path, code):
    text = (
        GOOD.replace('code: "42001"', f'code: "{code}"').replace(', mo: "42001"', "").replace("radiologist", "auditor")
    )
    assert [(line, field) for line, field, _ in refusals(tmp_path, text)] == [(8, "organizations[0].code")]


def test_all_mistakes_are_told_at_once_in_order(tmp_path):
    text = GOOD.replace("aet: CT42001", "aet: CAMI").replace("modality: CT", "modality: TK").replace("rad,", "RAD,")
    assert [(line, field) for line, field, _ in refusals(tmp_path, text)] == [
        (19, "organizations[0].devices[0].aet"),
        (21, "organizations[0].devices[0].modality"),
        (25, "accounts[0].login"),
    ]


def test_overlapping_windows(tmp_path):
    window = '          - {days: [mon], from: "08:00", to: "12:00", mbit_s: 1}\n'
    touching = window + window.replace("12:00", "20:00").replace("08:00", "12:00")
    assert len(load(tmp_path, GOOD.replace(window, touching)).organizations[0].proxy.link.timetable) == 2
    overlapping = window + window.replace("12:00", "20:00").replace("08:00", "11:59").replace("days: [mon], ", "")
    found = refusals(tmp_path, GOOD.replace(window, overlapping))
    assert [(line, field) for line, field, _ in found] == [(18, "organizations[0].proxy.link.timetable[1]")]
    assert "overlaps timetable[0] on mon" in found[0][2]


def test_device_that_writes_another_character_set(tmp_path):
    text = GOOD.replace("{default: ISO_IR 144}", "{default: ISO_IR 192, override: windows-1251}")
    assert load(tmp_path, text).organizations[0].devices[0].character_set.override == "windows-1251"


def test_what_is_put_right_is_on_unless_it_is_turned_off(tmp_path):
    (organization,) = load(tmp_path, GOOD).organizations
    assert organization.proxy.coercion == Coercion(character_set=True, institution=True, issuer_of_patient_id=True)
    text = GOOD.replace("      link:", "      coercion: {institution: false}\n      link:").replace(
        "{default: ISO_IR 144}", "{default: ISO_IR 144}\n        coercion: {institution: true, character_set: false}"
    )
    (organization,) = load(tmp_path, text).organizations
    of_device = organization.proxy.coercion.of_device(organization.devices[0].coercion)
    assert (organization.proxy.coercion.institution, of_device.institution) == (False, True)
    assert (of_device.character_set, of_device.issuer_of_patient_id) == (False, True)


LINK = "      link:"


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ("short_name: ГБ", f"short_name: {'Г' * 65}", 11, "organizations[0].short_name"),
        ("short_name: ГБ", "short_name: ГБ\\1", 11, "organizations[0].short_name"),
        ("modality: CT", f"modality: CT\n        department: {'О' * 65}", 22, "organizations[0].devices[0].department"),
        (
            "      link:",
            "      coercion: {institution: maybe}\n      link:",
            14,
            "organizations[0].proxy.coercion.institution",
        ),
        ("      link:", "      coercion: {name: true}\n      link:", 14, "organizations[0].proxy.coercion.name"),
    ],
)
def test_what_headers_cannot_hold_is_told(tmp_path, old, new, line, field):
    ((found_line, found_field, _),) = refusals(tmp_path, GOOD.replace(old, new))
    assert (found_line, found_field) == (line, field)


def test_a_long_short_name_does_not_matter_where_nothing_is_sent_from(tmp_path):
    text = GOOD + "  - {login: x, name: Х, role: operator}\n"
    text = text.replace(
        "accounts:", f'  - {{code: "42002", oid: 1.2.3, full_name: Центр, short_name: {"Ц" * 65}}}\naccounts:'
    )
    assert len(load(tmp_path, text).organizations) == 2


def test_several_values_with_code_extensions(tmp_path):
    text = GOOD.replace("ISO_IR 144", r"ISO 2022 IR 6\ISO 2022 IR 144")
    assert load(tmp_path, text).organizations[0].devices[0].character_set.default == r"ISO 2022 IR 6\ISO 2022 IR 144"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 1, "must have fields"),
        ("- a\n", 1, "must have fields"),
        ("name: Кузбасс\n  centre: {}\n", 2, "indentation"),
        ("name: [a\n", 2, "check indentation and quotes"),
        ("name: a\n---\nname: b\n", 2, "only one document"),
    ],
)
def test_files_that_are_no_registry(tmp_path, text, line, told):
    found = refusals(tmp_path, text)
    assert found[0][0] == line
    assert told in f"{found[0][1]}: {found[0][2]}"


def test_merge_keys_are_no_fields(tmp_path):
    found = refusals(tmp_path, GOOD.replace("    short_name: ГБ", "    short_name: ГБ\n    <<: {oid: 1.2}"))
    assert [(line, field) for line, field, _ in found] == [(12, "organizations[0].<<")]


def test_unreadable_files(tmp_path):
    with pytest.raises(Invalid, match="cannot be read: No such file"):
        load_region(tmp_path / "none.yaml")
    path = tmp_path / "region.yaml"
    path.write_bytes("name: Кузбасс".encode("cp1251"))
    with pytest.raises(Invalid, match="byte 6 is not UTF-8"):
        load_region(path)


def test_aliases_cannot_blow_up(tmp_path):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert refusals(tmp_path, bomb)[0][0] == 1


def test_thresholds_of_a_disk(tmp_path):
    text = GOOD.replace("      link:\n", "      disk: {warn_free_gb: 80, stop_free_gb: 2.5}\n      link:\n")
    proxy = load(tmp_path, text).organization("42001").proxy
    assert (proxy.disk.warn_free_gb, proxy.disk.stop_free_gb) == (80, 2.5)


@pytest.mark.parametrize(
    ("disk", "message"),
    [
        ("{warn_free_gb: 5, stop_free_gb: 5}", "the alarm comes before the stop"),
        ("{stop_free_gb: 0}", "greater than 0"),
        ("{stop_free_gb: 5 GB}", "is no number"),
        ("{free: 5}", "there is no such field"),
    ],
)
def test_wrong_thresholds_of_a_disk(tmp_path, disk, message):
    text = GOOD.replace("      link:\n", f"      disk: {disk}\n      link:\n")
    ((line, _field, told),) = refusals(tmp_path, text)
    assert message in told
    assert line == 14


def test_what_a_proxy_keeps(tmp_path):
    settings = "{keep_days: 365, quota_gb: 2000, min_free_gb: 100}"
    proxy = (
        load(tmp_path, GOOD.replace("      link:\n", f"      retention: {settings}\n      link:\n"))
        .organizations[0]
        .proxy
    )
    assert proxy.retention == Retention(keep_days=365, quota_gb=2000, min_free_gb=100)
    assert load(tmp_path, GOOD).organizations[0].proxy.retention == Retention()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("retention: {keep_days: 0}", "greater than"),
        ("retention: {keep_days: 1.5}", "whole number"),
        ("retention: {min_free_gb: 5}\n      disk: {stop_free_gb: 5}", "room is made before the stop"),
    ],
)
def test_wrong_retention(tmp_path, settings, message):
    ((_line, _field, told),) = refusals(tmp_path, GOOD.replace("      link:\n", f"      {settings}\n      link:\n"))
    assert message in told


def test_which_earlier_studies_a_proxy_fetches(tmp_path):
    settings = "prefetch: {count: 5, years: 10, max_mb: 500, evening: '18:30'}"
    text = GOOD.replace("      link:\n", f"      {settings}\n      link:\n")
    proxy = load(tmp_path, text).organizations[0].proxy
    assert proxy.prefetch == Prefetch(count=5, years=10, max_mb=500, evening="18:30")
    assert load(tmp_path, GOOD).organizations[0].proxy.prefetch.count == 3


@pytest.mark.parametrize(
    ("settings", "field", "message"),
    [
        ("count: -1", "count", "greater than"),
        ("count: 51", "count", "less than"),
        ("years: 0", "years", "greater than"),
        ("max_mb: 1.5", "max_mb", "whole number"),
        ("evening: 8 pm", "evening", "time of day"),
        ("days: 5", "days", "no such field"),
    ],
)
def test_wrong_prefetch(tmp_path, settings, field, message):
    text = GOOD.replace("      link:\n", f"      prefetch:\n        {settings}\n      link:\n")
    ((line, place, told),) = refusals(tmp_path, text)
    assert (line, place) == (15, f"organizations[0].proxy.prefetch.{field}")
    assert message in told


def test_a_wrong_rate_down_the_line(tmp_path):
    ((_line, place, _told),) = refusals(tmp_path, GOOD.replace("mbit_s: 2", "mbit_s: 2\n        down_mbit_s: 0", 1))
    assert place == "organizations[0].proxy.link.down_mbit_s"
