from cami.portal import static_files
from tests.unit.portal.conftest import get


def fetch(address):
    import re

    found = re.fullmatch(static_files.ENDPOINT.pattern, address)
    assert found
    request = get(address)
    return static_files.answer(type(request)("GET", address, groups=found.groups()))


def test_files_are_served_where_the_pages_say():
    answer = fetch(static_files.address("portal.css"))
    assert (answer.status, answer.content_type) == (200, "text/css; charset=utf-8")
    assert b":focus-visible" in answer.body


def test_an_address_of_another_release_is_not_there():
    assert fetch("/cami/static/portal-000000000000.css").status == 404
