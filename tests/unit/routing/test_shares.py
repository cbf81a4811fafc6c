"""Sharing a study with another МО: the proxy tells the centre until that has recorded it, and nothing is opened."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from cami.db import open_engine
from cami.db.tables import metadata, share_notice, study, study_claim, study_share
from cami.errors import Denied, Permanent, Transient
from cami.routing import Announcer, Shares, share_handlers
from cami.routing.shares import PATH, Notice
from cami.web import Request
from tests.unit.routing.conftest import rule


@pytest.fixture
def centre(tmp_path, proxy):
    engine = open_engine(f"sqlite:///{tmp_path}/centre.sqlite")
    metadata.create_all(engine)
    yield engine, Shares(engine, proxy.clock, ["42001", "42002"])
    engine.dispose()


def arrived(engine, clock, owner="42001", study_id="s1", uid="1.2.s1"):
    with engine.begin() as connection:
        connection.execute(insert(study_claim).values(study_uid=uid, owner=owner, claimed_at=clock.now()))
        connection.execute(
            insert(study).values(study_id=study_id, study_uid=uid, owner=owner, claimed_at=clock.now(), labelled=True)
        )


class Line:
    def __init__(self, shares, mo="42001"):
        self.handler = share_handlers(shares)[PATH]
        self.mo = mo
        self.faults = []
        self.answers = []

    def tell(self, path, document):
        assert path == PATH
        if self.faults:
            raise self.faults.pop(0)
        response = self.handler(self.mo, Request("POST", "/x", body=json.dumps(document).encode()))
        assert response.status == 200
        self.answers.append(json.loads(response.body))
        return self.answers[-1]


def notice(study_id="s1", uid="1.2.s1", mo="42002"):
    return Notice(study_id, uid, mo, "r", 1)


def rows(engine, table):
    with engine.connect() as connection:
        return connection.execute(select(table)).all()


def test_the_centre_is_told_until_it_has_recorded_it(proxy, centre):
    engine, shares = centre
    proxy.rules(rule("{always: true}", "{share_with: '42002'}"))
    proxy.archive.add("a")
    proxy.archive.add("b")
    proxy.read()
    line = Line(shares)
    line.faults = [Transient("cut"), Denied("clock")]
    announcer = Announcer(proxy.notices, line)
    for _ in range(2):
        with pytest.raises(Transient):
            announcer.step()
        assert not announcer.step()  # not before its time
        proxy.clock.pass_(minutes=1)
    announcer.step()
    assert line.answers == [{"outcome": "unknown"}]  # no image of it is there yet
    assert proxy.notices.waiting() == {"42002": 1}
    arrived(engine, proxy.clock)
    proxy.clock.pass_(minutes=1)
    announcer.step()
    assert proxy.notices.waiting() == {}
    assert not announcer.step()
    ((share),) = shares.shared_with("42002")
    assert (share.study_id, share.owner, share.rule, share.version) == ("s1", "42001", "r", 1)
    assert shares.shared_with("42002", since=proxy.clock.now() + timedelta(seconds=1)) == []
    assert shares.shared_with("42001") == []


def test_only_the_owner_shares_and_another_learns_nothing(proxy, centre):
    engine, shares = centre
    arrived(engine, proxy.clock, owner="42002")
    assert shares.record("42001", notice(mo="42002")) == "unknown"
    assert shares.record("42001", notice(study_id="s9")) == "unknown"
    assert shares.record("42001", notice(uid="1.2.other")) == "unknown"
    assert rows(engine, study_share) == []


def test_with_whom_nobody_can_share(proxy, centre):
    engine, shares = centre
    arrived(engine, proxy.clock)
    for mo in ("42001", "42999", ""):
        assert shares.record("42001", notice(mo=mo)) == "no-such-organization"
    assert rows(engine, study_share) == []


def test_recording_twice_is_once(proxy, centre):
    engine, shares = centre
    arrived(engine, proxy.clock)
    assert [shares.record("42001", notice()) for _ in range(2)] == ["recorded", "recorded"]
    assert len(rows(engine, study_share)) == 1


def test_what_the_centre_refuses_is_told_once(proxy, centre):
    _engine, shares = centre
    with proxy.engine.begin() as connection:
        proxy.notices.enter(connection, notice(mo="42001"))
        proxy.notices.enter(connection, notice(study_id="s2"))
    line = Line(shares)
    announcer = Announcer(proxy.notices, line)
    announcer.step()
    line.faults = [Permanent("HTTP 422")]
    announcer.step()
    assert not announcer.step()
    assert [row.refused for row in rows(proxy.engine, share_notice)] == ["no-such-organization", "refused"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"study_id": "s", "study_uid": "1", "mo": "2", "rule": "r", "version": "x"}']
)
def test_nonsense_is_told_so(centre, body):
    handler = share_handlers(centre[1])[PATH]
    assert handler("42001", Request("POST", "/x", body=body)).status == 400
