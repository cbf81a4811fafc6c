import pytest

from cami.portal import dicom_text


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ("ИВАНОВ^Иван^Иванович", "ИВАНОВ Иван Иванович"),
        ("Ivanov^Ivan=ИВАНОВ^Иван", "ИВАНОВ Иван"),
        ("Ivanov^Ivan==x", "Ivanov Ivan"),
        ("  Петрова  Мария^^^^", "Петрова Мария"),
        ("", ""),
        ("^^", ""),
    ],
)
def test_names_are_written_in_reading_order(recorded, shown):
    assert dicom_text.person_name(recorded) == shown


@pytest.mark.parametrize(
    ("day", "hour", "shown"),
    [
        ("20261122", "030500.123", "22.11.2026 03:05"),
        ("2026.11.22", "03:05:00", "22.11.2026 03:05"),
        ("20261122", "", "22.11.2026"),
        ("", "0305", "03:05"),
        ("неизвестно", "", "неизвестно"),
    ],
)
def test_moments_are_written_as_recorded(day, hour, shown):
    assert dicom_text.moment(day, hour) == shown


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("елкин", True),
        ("ЁЛК", True),
        ("петр елкин", True),
        ("ильич", True),
        ("льич", False),
        ("елкин иван", False),
        ("к-17", True),
        ("17", True),
        ("18", False),
        ("", True),
    ],
)
def test_searches_compare_beginnings_of_words_without_case_and_dots(words, found):
    assert dicom_text.matches(words, ["ЁЛКИН^Пётр^Ильич", "К-17"]) is found
