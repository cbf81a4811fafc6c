"""The state folder: what is kept comes back, a damaged or missing one is told."""

import stat

import pytest

from cami_cli.errors import Trouble
from cami_cli.state import Kept, StateFolder

KEPT = Kept("native", "forky", {"central": (8042, 4242), "proxy-42001": (8043, 4243)}, {"a": "b"}, ["proxy-42001"])


@pytest.fixture
def state(tmp_path):
    folder = StateFolder(tmp_path / "new" / "state")
    with folder.exclusive():
        yield folder


def test_what_is_kept_comes_back(state):
    state.save(KEPT)
    assert state.load() == KEPT
    assert [server.name for server in state.servers(KEPT)] == ["central", "proxy-42001"]
    assert state.servers(KEPT)[1].dicom_port == 4243


def test_the_folder_and_its_files_are_their_owners_only(state):
    state.save(KEPT)
    for path in [state.folder, *state.folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_folder_without_a_region_is_told(state):
    assert state.load() is None
    with pytest.raises(Trouble, match="there is no region") as caught:
        state.require()
    assert "region up" in caught.value.remedy


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"ports": {"central": [1]}}', '{"ports": {}, "surprise": 1}'])
def test_a_damaged_file_is_told_and_not_taken_for_an_empty_region(state, content):
    (state.folder / "state.json").write_text(content)
    with pytest.raises(Trouble, match="is damaged"):
        state.load()
