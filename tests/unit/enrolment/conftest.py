"""A centre that lets proxies join, and machines on which they stand."""

from types import SimpleNamespace

import pytest

from cami.audit import AuditTrail
from cami.db import open_engine
from cami.db.tables import metadata
from cami.delivery.tokens import TokenIssuer, TokenVerifier
from cami.enrolment import Authority, KeyRing, LinkFile, Membership, make_authority
from cami.enrolment.authority import write_secret
from tests.unit.fakes import Hands

SIGNER = "0123456789abcdef"


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def centre(tmp_path, clock):
    """A centre with an authority, two МО that have a proxy, and an empty folder of keys."""
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.sqlite'}")
    metadata.create_all(engine)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    make_authority(secrets, clock.now(), write_secret)
    ticks = SimpleNamespace(now=0.0)
    files = {}
    keys = KeyRing(SimpleNamespace(of=lambda mo: files.get(mo, ())), engine, clock, lambda: ticks.now)
    trail = AuditTrail(engine, clock, "central")
    members = Membership(
        engine, clock, trail, lambda: Authority.read(secrets),
        organizations=lambda: ["42001", "42003"], forget=keys.forget,
    )  # fmt: skip
    tokens = TokenVerifier(keys, clock, issued=keys.certificates_of)
    yield SimpleNamespace(
        engine=engine, secrets=secrets, keys=keys, members=members, tokens=tokens, files=files, ticks=ticks, trail=trail
    )
    trail.close()
    engine.dispose()


class Machine:
    """A machine on which a proxy is installed."""

    def __init__(self, folder, mo, clock):
        self.mo, self.clock = mo, clock
        self.file = LinkFile(folder)

    def join(self, members, code):
        self.file.accept(members.join(self.mo, code, self.file.request(self.mo)).pem)

    def headers(self, certificate=""):
        token = TokenIssuer(self.mo, self.file.path, self.clock).issue()
        return {"x-cami-token": token} | ({"x-cami-certificate": certificate} if certificate else {})


@pytest.fixture
def machine(tmp_path, clock):
    made = []

    def make(mo="42003"):
        made.append(mo)
        return Machine(tmp_path / f"machine-{len(made)}", mo, clock)

    return make
