"""The people of a МО at its proxy."""

from datetime import timedelta

import pytest

from cami.people import Accounts, Directory, Reason, Refusal, Sessions
from cami.people.copies import Copies
from cami.people.machines import MachineSecrets
from tests.unit.people.conftest import CHEAP, PASSWORD, basic


@pytest.fixture
def proxy_engine(tmp_path):
    from cami.db import open_engine
    from cami.db.tables import metadata

    engine = open_engine(f"sqlite:///{tmp_path}/proxy.sqlite")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def copies(proxy_engine, clock):
    return Copies(proxy_engine, clock, timedelta(hours=72))


@pytest.fixture
def proxy(proxy_engine, clock, copies):
    return Accounts(proxy_engine, clock, passwords=CHEAP, mirror=True, copies=copies)


def fetch(easy, proxy, copies):
    proxy.replace_directory(Directory.parse(easy.accounts.directory("42001").to_json()))
    copies.fetched()


def test_a_copy_that_is_too_old_lets_nobody_in(easy, proxy, copies, clock):
    fetch(easy, proxy, copies)
    clock.pass_(hours=72)
    assert proxy.check("rad1", PASSWORD).login == "rad1"
    clock.pass_(seconds=1)
    assert proxy.check("rad1", PASSWORD) == Refusal(Reason.OLD_COPY)
    assert proxy.verify("rad1", PASSWORD) is None
    copies.fetched()
    assert proxy.check("rad1", PASSWORD).login == "rad1"


def test_the_age_outlives_a_restart(easy, proxy, copies, clock, proxy_engine):
    fetch(easy, proxy, copies)
    clock.pass_(hours=73)
    assert Copies(proxy_engine, clock, timedelta(hours=72)).too_old()


def test_a_new_proxy_waits_for_its_first_copy(proxy, copies):
    assert not copies.too_old()
    assert proxy.check("rad1", PASSWORD) == Refusal(Reason.WRONG)


def test_a_block_and_a_lifted_lock_come_with_the_next_copy(easy, proxy, copies, clock, proxy_engine):
    fetch(easy, proxy, copies)
    sessions = Sessions(proxy_engine, clock, proxy)
    token = sessions.open("rad1")
    for _ in range(5):
        proxy.check("rad1", "wrong")
    assert proxy.check("rad1", PASSWORD) == Refusal(Reason.LOCKED)
    easy.administration.unlock(easy.who("adm1"), "rad1")
    fetch(easy, proxy, copies)
    assert proxy.check("rad1", PASSWORD).login == "rad1"
    assert sessions.identify(token)
    easy.administration.block(easy.who("adm1"), "rad1")
    fetch(easy, proxy, copies)
    assert sessions.identify(token) is None
    assert proxy.check("rad1", PASSWORD) == Refusal(Reason.WRONG)


def test_second_factors_stay_at_the_centre(easy, proxy, copies, clock):
    from tests.unit.people.test_second_factor import HERE, code_of

    token = easy.sign_in.sign_in("adm1", PASSWORD, HERE).token
    secret = easy.sign_in.enrolment(token)
    easy.sign_in.enrol(token, code_of(secret, clock), HERE)
    fetch(easy, proxy, copies)
    assert "totp" not in str(easy.accounts.directory("42001").to_json())
    assert proxy.verify("adm1", PASSWORD).login == "adm1"
    assert easy.authenticator.identify(basic("adm1")) is None


class TestMachines:
    @pytest.fixture
    def accounts(self, engine, clock, people, tmp_path):
        accounts = Accounts(engine, clock, passwords=CHEAP, machines=MachineSecrets(tmp_path / "clients.json"))
        accounts.import_initial(people)
        return accounts

    def write(self, tmp_path, *secrets):
        import json
        import os

        path = tmp_path / "clients.json"
        path.write_text(json.dumps({"mis": [CHEAP.hash(secret) for secret in secrets]}))
        os.utime(path, ns=(0, len(secrets) + sum(map(len, secrets))))

    def test_two_secrets_at_a_time(self, accounts, tmp_path):
        assert accounts.verify("mis", PASSWORD)
        self.write(tmp_path, "old", "newer")
        assert accounts.verify("mis", "old")
        assert accounts.verify("mis", "newer")
        assert accounts.verify("mis", PASSWORD) is None
        self.write(tmp_path, "newer")
        assert accounts.verify("mis", "old") is None
        assert accounts.verify("mis", "newer")

    def test_people_have_theirs_in_the_database(self, accounts, tmp_path):
        self.write(tmp_path, "old")
        (tmp_path / "clients.json").write_text('{"rad1": ["x"], "mis": []}')
        assert accounts.verify("rad1", PASSWORD)

    def test_half_a_file_changes_nothing(self, accounts, tmp_path):
        self.write(tmp_path, "old")
        assert accounts.verify("mis", "old")
        (tmp_path / "clients.json").write_text('{"mis": [')
        assert accounts.verify("mis", "old")
