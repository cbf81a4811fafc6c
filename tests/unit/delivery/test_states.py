"""The table of states and the documents say the same."""

from pathlib import Path

from cami.delivery.quarantine import REASONS
from cami.delivery.reasons import Cause, codes
from cami.delivery.states import markdown


def test_the_table_in_the_documents_is_made_from_the_code():
    text = Path("docs/architecture.md").read_text("utf-8")
    shown = text.partition("<!-- states -->\n")[2].partition("\n<!-- /states -->")[0]
    assert shown == markdown(), f"put this into docs/architecture.md:\n{markdown()}"


def test_every_cause_is_a_code_once():
    assert codes() == {*Cause, *REASONS}
    assert not {str(cause) for cause in Cause} & set(REASONS)
    assert all(len(code) <= 64 and code.isascii() for code in codes())
