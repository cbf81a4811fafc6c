"""A proxy's own key: made once, used with its certificate alone, renewed in time whatever happens on the way."""

import stat
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cami.enrolment import LinkFile, Renewal
from cami.enrolment.renewal import AGAIN, LOOK
from cami.errors import Denied, Invalid, Misconfigured, Transient

from .conftest import SIGNER


class Line:
    """The line to the centre; it may lose what it carries."""

    def __init__(self, members, mo):
        self.members, self.mo = members, mo
        self.lose = None

    def ask(self, method, path, document=None):
        assert (method, path) == ("POST", "/certificate")
        if self.lose == "request":
            raise Transient("line down")
        answer = {"certificate": self.members.renew(self.mo, document["request"]).pem}
        if self.lose == "answer":
            raise Transient("line down")
        return answer


@pytest.fixture
def joined(centre, machine):
    there = machine()
    there.join(centre.members, centre.members.invite("42003", SIGNER, "oper").code)
    return there


def key_of(file):
    return load_pem_private_key(file.path.read_bytes(), None).public_key()


def test_only_its_owner_reads_the_key(joined):
    assert stat.S_IMODE(joined.file.path.stat().st_mode) == 0o600
    assert not (joined.file.path.parent / "next.key").exists()


def test_it_is_renewed_when_a_third_is_left_and_not_before(joined, centre, clock):
    renewal = Renewal("42003", joined.file, Line(centre.members, "42003"), clock)
    before = key_of(joined.file)
    assert renewal.step() == LOOK
    assert key_of(joined.file) == before
    clock.pass_(days=244)
    assert renewal.step() == LOOK
    assert key_of(joined.file) != before, "with a new key"
    assert joined.file.certified().until - clock.now() == timedelta(days=365)
    assert centre.tokens.verify_request(joined.headers()) == "42003"


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_what_the_line_loses_is_asked_again(joined, centre, clock, lost):
    line = Line(centre.members, "42003")
    renewal = Renewal("42003", joined.file, line, clock)
    clock.pass_(days=300)
    line.lose = lost
    assert renewal.step() == AGAIN
    assert centre.tokens.verify_request(joined.headers()) == "42003", "the old key is good as before"
    line.lose = None
    assert renewal.step() == LOOK
    assert centre.tokens.verify_request(joined.headers()) == "42003"


def test_a_revoked_proxy_renews_nothing(joined, centre, clock):
    clock.pass_(days=300)
    centre.members.revoke("42003", "oper", "stolen")
    with pytest.raises(Denied):
        centre.tokens.verify_request(joined.headers())


def test_a_certificate_for_another_key_is_not_taken(joined, centre, machine):
    other = machine("42001")
    request = other.file.request("42001")
    foreign = centre.members.join("42001", centre.members.invite("42001", SIGNER, "oper").code, request).pem
    before = joined.file.path.read_bytes()
    joined.file.request("42003")
    for wrong in (foreign, "no certificate"):
        with pytest.raises(Invalid):
            joined.file.accept(wrong)
    assert joined.file.path.read_bytes() == before


def test_who_has_not_joined_has_nothing_to_renew(tmp_path, clock):
    file = LinkFile(tmp_path)
    assert file.certified() is None
    assert Renewal("42003", file, None, clock).step() == LOOK


def test_a_damaged_file_is_told(joined):
    joined.file.path.write_text("half")
    with pytest.raises(Misconfigured, match="join again"):
        joined.file.certified()
