import pytest

from cami.portal import local_path
from tests.unit.portal.conftest import get


@pytest.mark.parametrize(
    "good", ["/cami/", "/ohif/viewer?StudyInstanceUIDs=1.2.3", "/app/explorer.html", "/cami/?page=2"]
)
def test_our_pages_are_safe(good):
    assert local_path.safe(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "cami/",
        "//evil.example/cami/",
        "/\\evil.example",
        "/cami/\\..\\x",
        "https://evil.example/cami/",
        "javascript:alert(1)",
        "/cami/../instances",
        "/instances/x/file",
        "/cami/x\r\nSet-Cookie: a=b",
        "/\t/evil.example",
        "/cami/logout",
        "/cami/login?next=/cami/login",
        "/cami/" + "a" * 3000,
    ],
)
def test_all_else_leads_home(bad):
    assert local_path.safe(bad) == "/cami/"


def test_the_login_page_leads_on_to_where_somebody_wanted_to_go():
    request = get("/ohif/viewer", StudyInstanceUIDs="1.2,3.4", language="en")
    address = local_path.sign_in_then(local_path.here(request))
    assert address == "/cami/login?next=%2Fohif%2Fviewer%3FStudyInstanceUIDs%3D1.2%2C3.4"
    assert local_path.sign_in_then("/instances") == "/cami/login"
