"""Names and texts as search sees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cami.index.folding import Pattern, fold, fold_name, grams, latin


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Иванов^Иван^Иванович", "иванов иван иванович "),
        ("СЁМИН^ЮРИЙ^^^", "семин юрий "),
        (" Иваненко ^ Пётр =IVANENKO^PETR", "иваненко петр ivanenko petr "),
        ("", ""),
        ("^^", ""),
        ("Е\u0308лкин", "елкин "),  # ё of two characters
    ],
)
def test_names_are_folded(name, folded):
    assert fold_name(name) == folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Юрий", "Yuriy"),
        ("Юрий", "IURII"),
        ("Щербаков", "Shcherbakov"),
        ("Хохлов", "Khokhlov"),
        ("Цветкова", "TSVETKOVA"),
        ("Наталья", "Natalia"),
        ("Алексей", "Aleksey"),
        ("Пётр", "Petr"),
        ("Максим", "Maxim"),
    ],
)
def test_scripts_meet(one, other):
    assert latin(fold_name(one)) == latin(fold_name(other))


def test_texts_are_folded():
    assert fold(" ГРУДЬ Прямая\0") == "грудь прямая"


@pytest.mark.parametrize(
    ("asked", "like"),
    [
        ("Иванов", "иванов "),
        ("Иванов*", "иванов%"),
        ("Иванов^*", "иванов %"),
        ("*ёж?к", "%еж_к "),
        ("100%_!*", "100!%!_!!%"),
    ],
)
def test_patterns_of_names(asked, like):
    assert Pattern.of_name(asked).like() == like


@pytest.mark.parametrize("asked", ["А^^Б", "А^*^Б", "А?^Б", "А^?Б", "А ^Б", "А=*=Б"])
def test_what_folding_could_miss_is_left_to_the_core(asked):
    assert Pattern.of_name(asked) is None


LETTERS = st.text("абвгдежзийклмнопрстуфхцчшщъыьэюя abcxyz'", max_size=12)


@given(LETTERS, LETTERS, LETTERS)
def test_a_part_of_a_name_is_a_part_of_the_transliterated_name(before, part, after):
    assert latin(part) in latin(before + part + after)
    assert grams(latin(part)) <= grams(latin(before + part + after))
