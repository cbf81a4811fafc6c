"""The route table holds every route that Orthanc has, and the documents say what it says."""

from pathlib import Path

import pytest

from cami.access.route_page import markdown
from cami.access.route_table import Rule
from cami.access.routes import decide

CORE = Path("tests/integration/isolation/core_routes.txt").read_text().split()
ID = "0123abcd-0123abcd-0123abcd-0123abcd-0123abcd"


def concrete(route):
    places = {
        "id": ID,
        "frame": "0",
        "name": "dicom",
        "index": "0",
        "label": "x",
        "path": "0010-0010",
        "key": "archive",
    }
    for place, value in places.items():
        route = route.replace("{" + place + "}", value)
    return route


def test_the_table_in_the_documents_is_made_from_the_code():
    text = Path("docs/routes.md").read_text("utf-8")
    shown = text.partition("<!-- routes -->\n")[2].partition("\n<!-- /routes -->")[0]
    assert shown == markdown(), "run: .venv/bin/python -m tests.unit.access.test_route_table"


@pytest.mark.parametrize("route", CORE)
def test_every_route_of_the_core_is_decided(route):
    path = concrete(route)
    assert any(decide(method, path) for method in ("GET", "POST", "PUT", "DELETE")), route


def test_no_change_of_the_core_is_open_but_those_that_are_meant():
    open_ = {
        (method, route)
        for route in CORE
        for method in ("POST", "PUT", "DELETE")
        if (decided := decide(method, concrete(route))) and decided[0].rule is not Rule.NOBODY
    }
    assert open_ == {
        ("POST", "/instances"),
        ("POST", "/dicom-web/studies"),
        ("POST", "/tools/find"),
        ("POST", "/tools/count-resources"),
        ("POST", "/tools/lookup"),
    }


if __name__ == "__main__":
    page = Path("docs/routes.md")
    head, _, rest = page.read_text("utf-8").partition("<!-- routes -->\n")
    page.write_text(
        f"{head}<!-- routes -->\n{markdown()}\n<!-- /routes -->{rest.partition('<!-- /routes -->')[2]}", "utf-8"
    )
