from datetime import date

import pytest

from cami.portal.search import COOKIE, Search, from_fields, remember_search, search_of
from tests.unit.portal.conftest import get


def returned(cookie):
    return search_of(get("/cami", {"cookie": "a=b; " + cookie.partition(";")[0]}))


@pytest.mark.parametrize(
    "search",
    [
        Search("Ёлкин Пётр; x=y"),
        Search("", date(2026, 11, 1), date(2026, 11, 22)),
        Search("17", None, date(2026, 11, 22)),
        Search(),
    ],
)
def test_a_search_comes_back_from_its_cookie(search):
    assert returned(remember_search(search)) == search


def test_the_cookie_is_for_these_pages_only_and_ends_with_the_browser():
    cookie = remember_search(Search("Ёлкин"))
    assert cookie.endswith("; Path=/cami; HttpOnly; SameSite=Strict")
    assert cookie.isascii()


@pytest.mark.parametrize("value", ["", "%%%", "bnVsbA", "WzEsMiwzXQ", "WyJhIl0", "gICA", "e30"])
def test_a_foreign_cookie_asks_for_nothing(value):
    assert search_of(get("/cami", {"cookie": f"{COOKIE}={value}"})) == Search()


def test_wrong_dates_are_left_out_and_turned_ones_put_right():
    assert from_fields(" а  б ", "2026-13-01", "вчера") == Search("а б")
    assert from_fields("", "2026-11-22", "2026-11-01").dicom_range == "20261101-20261122"


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [("2026-11-01", "", "20261101-"), ("", "2026-11-01", "-20261101"), ("", "", "")],
)
def test_ranges_are_written_as_dicom_does(since, until, expected):
    assert from_fields("", since, until).dicom_range == expected
