"""МКБ-10: what comes with the product, a plain file, and the table of the Ministry's directory."""

import pytest

from cami.consultations import Diagnoses
from cami.errors import Invalid

NSI = """ID;REC_CODE;MKB_CODE;MKB_NAME;ID_PARENT;ADDL_CODE;ACTUAL
1;01;I;Некоторые инфекционные и паразитарные болезни;;;1
2;0101;A00-A09;Кишечные инфекции;1;;1
3;010100;A00;Холера;2;;1
4;01010000;A00.0;"Холера, вызванная вибрионом 01; биовар cholerae";3;;1
5;01010001;A00.8;Устаревшее;3;;0
"""


@pytest.fixture
def diagnoses(engine):
    found = Diagnoses(engine)
    found.ensure()
    return found


def codes(found):
    return [each.code for each in found]


def test_a_part_comes_with_the_product(diagnoses):
    assert "S06.0" in codes(diagnoses.search("сотрясение"))
    assert diagnoses.ensure() == 0


@pytest.mark.parametrize("mark", [";", ","])
def test_the_directory_of_the_ministry_is_read_as_it_is_given_out(diagnoses, mark):
    text = NSI if mark == ";" else NSI.replace(";", ",").replace("01, биовар", "01; биовар")
    assert diagnoses.load(text) == 2
    assert codes(diagnoses.search("холера вибрион")) == ["A00.0"]
    assert codes(diagnoses.search("a00")) == ["A00", "A00.0"]
    assert diagnoses.search("сотрясение") == []


def test_a_wrong_file_changes_nothing(diagnoses):
    for text in ("", "A00\n", "A00;\n", "ID;MKB_CODE;MKB_NAME\n1;I;Класс\n"):
        with pytest.raises(Invalid):
            diagnoses.load(text)
    assert "S06.0" in codes(diagnoses.search("сотрясение"))
