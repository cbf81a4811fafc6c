"""The token of a monitoring system, and what it opens."""

import os

import pytest

from cami.people import Identity, MonitorToken, Role

TOKEN = "aGVsbG8td29ybGQtdGhpcy1pcy1sb25nLWVub3VnaA"


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "metrics.token"
    file.write_text(TOKEN + "\n")
    return file


def test_the_token_of_the_file_opens(path):
    assert MonitorToken(path).identify(f"Bearer {TOKEN}") == Identity("monitor", "", Role.MONITOR, "")
    assert MonitorToken(path).identify(f"bearer  {TOKEN} ") is not None


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer Ж"]
)
def test_nothing_else_does(path, header):
    assert MonitorToken(path).identify(header) is None


def test_without_a_file_there_is_none(tmp_path):
    token = MonitorToken(tmp_path / "metrics.token")
    assert token.identify("Bearer ") is None
    assert token.identify(f"Bearer {TOKEN}") is None


def test_a_token_that_could_be_guessed_is_not_taken(path):
    path.write_text("secret")
    assert MonitorToken(path).identify("Bearer secret") is None


def test_a_new_token_counts_at_once_and_a_removed_one_no_more(path):
    token = MonitorToken(path)
    assert token.identify(f"Bearer {TOKEN}") is not None
    path.write_text(TOKEN[::-1])
    os.utime(path, ns=(1, 1))
    assert token.identify(f"Bearer {TOKEN}") is None
    assert token.identify(f"Bearer {TOKEN[::-1]}") is not None
    path.unlink()
    assert token.identify(f"Bearer {TOKEN[::-1]}") is None
