"""The watch over proxies: what is wrong and since when, alarms that do not flutter, what is told and to whom."""

import contextlib
import json
import smtplib
import threading
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cami.db import open_engine
from cami.db.tables import alarm_notice, metadata
from cami.fleet import DeviceState, Fleet, Herald, Level, Reason, Vitals, judge, of_fleet
from cami.fleet.register import GONE
from cami.portal import fleet_wording
from cami.region import Alarms, load_region
from cami.region.consultations import Mail, Webhook
from cami.watch.figures import exposition
from tests.live import ROOT
from tests.unit.fakes import Hands

VERSION = "0.3.1"


@pytest.fixture
def clock():
    return Hands()


def well(clock, **more):
    values = {
        "version": VERSION, "at": clock.now(), "round_trip": 0.04, "waiting": 0, "waiting_bytes": 0,
        "oldest_urgent": None, "troubled": 0, "disk_state": "well", "disk_free": 500, "disk_total": 1000,
        "certificate_until": clock.now() + timedelta(days=300),
        "devices": (DeviceState("CT1", clock.now(), answers=True), DeviceState("MR1", None, answers=None)),
    }  # fmt: skip
    return Vitals(**values | more)


def test_the_wire_carries_all_of_it(clock):
    vitals = well(clock, waiting=7, oldest_urgent=clock.now())
    assert Vitals.parse(json.loads(json.dumps(vitals.to_json()))) == replace(vitals, devices=list(vitals.devices))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"oldest_urgent": -59}, []),
        ({"oldest_urgent": -61, "waiting": 5}, [(Reason.WAITING, Level.YELLOW, "5")]),
        ({"oldest_urgent": -361, "waiting": 5}, [(Reason.WAITING, Level.RED, "5")]),
        ({"troubled": 2}, [(Reason.TROUBLED, Level.YELLOW, "2")]),
        ({"disk_state": "low", "disk_free": 9}, [(Reason.DISK, Level.YELLOW, "9")]),
        ({"disk_state": "full", "disk_free": 1}, [(Reason.DISK, Level.RED, "1")]),
        ({"at": -0.1}, [(Reason.CLOCK, Level.YELLOW, "6")]),
        ({"at": 2}, [(Reason.CLOCK, Level.RED, "120")]),
        ({"certificate_until": 59 * 1440}, [(Reason.CERTIFICATE, Level.YELLOW, "59")]),
        ({"certificate_until": 6 * 1440}, [(Reason.CERTIFICATE, Level.RED, "6")]),
        ({"version": "0.4.0"}, []),
        ({"version": "0.5.0"}, [(Reason.VERSION, Level.YELLOW, "0.5.0")]),
        ({"version": "1.3.1"}, [(Reason.VERSION, Level.YELLOW, "1.3.1")]),
    ],
)
def test_what_is_wrong(clock, change, expected):
    times = ("oldest_urgent", "at", "certificate_until")
    more = {name: clock.now() + timedelta(minutes=value) if name in times else value for name, value in change.items()}
    found = judge(well(clock, **more), clock.now(), clock.now(), VERSION)
    assert [(finding.reason, finding.level, finding.detail) for finding in found] == expected


def test_silence_and_devices(clock):
    assert [finding.reason for finding in judge(None, None, clock.now(), VERSION)] == [Reason.NEVER]
    vitals = well(clock, devices=(DeviceState("CT1", None, answers=False),), disk_state="full")
    heard = clock.now()
    found = judge(vitals, heard, heard + timedelta(minutes=11), VERSION)
    assert [finding.level for finding in found] == [Level.RED, Level.RED, Level.YELLOW], "the worst first"
    assert {finding.reason for finding in found} == {Reason.SILENT, Reason.DISK, Reason.DEVICE}


@pytest.fixture
def engine(tmp_path):
    made = open_engine(f"sqlite:///{tmp_path / 'centre.sqlite'}")
    metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def fleet(engine, clock):
    return Fleet(engine, clock, ["42001", "42002"], VERSION, ["mail", "webhook"])


def notices(engine, channel="mail"):
    with engine.connect() as connection:
        rows = connection.scalars(
            select(alarm_notice.c.document).where(alarm_notice.c.channel == channel).order_by(alarm_notice.c.number)
        )
        told = [json.loads(row) for row in rows]
    return [(each["mo"], each["reason"], each["level"], each["state"]) for each in told]


def beat(fleet, clock, minutes, **more):
    """Let minutes pass in which both proxies tell how they are."""
    for _ in range(minutes):
        fleet.hear("42001", well(clock, **more))
        fleet.hear("42002", well(clock))
        fleet.judge()
        clock.pass_(minutes=1)


def test_green_until_something_is_wrong_and_green_again(fleet, clock, engine):
    beat(fleet, clock, 2)
    assert [member.level for member in fleet.members()] == ["green", "green"]
    began = clock.now()
    beat(fleet, clock, 3, disk_state="low")
    member = fleet.members()[0]
    assert member.level == "yellow"
    assert [(trouble.reason, trouble.since) for trouble in member.troubles] == [(Reason.DISK, began)]
    beat(fleet, clock, 1, disk_state="full")
    assert fleet.members()[0].level == "red"
    beat(fleet, clock, 4)
    assert fleet.members()[0].level == "red", "it has not been gone for long enough"
    beat(fleet, clock, 3)
    assert [member.level for member in fleet.members()] == ["green", "green"]
    assert notices(engine) == [
        ("42001", "disk", "yellow", "raised"),
        ("42001", "disk", "red", "raised"),
        ("42001", "disk", "red", "ended"),
    ]
    assert notices(engine, "webhook") == notices(engine)


def test_what_comes_and_goes_is_one_alarm(fleet, clock, engine):
    for _ in range(10):
        beat(fleet, clock, 1, disk_state="low")
        beat(fleet, clock, 2)
    assert notices(engine) == [("42001", "disk", "yellow", "raised")]


def test_what_does_not_last_is_no_alarm(fleet, clock, engine):
    silent = (DeviceState("CT1", None, answers=False),)
    beat(fleet, clock, 20, devices=silent)
    assert fleet.members()[0].level == "yellow", "it is shown"
    beat(fleet, clock, 2)
    assert notices(engine) == [], "nobody is called for a device that was switched off for twenty minutes"
    beat(fleet, clock, 32, devices=silent)
    assert notices(engine) == [("42001", "device", "yellow", "raised")]


def test_silence_is_told_once_and_when_it_ends(fleet, clock, engine):
    beat(fleet, clock, 1)
    for _ in range(60):
        fleet.hear("42002", well(clock))
        fleet.judge()
        clock.pass_(minutes=1)
    beat(fleet, clock, int(GONE.total_seconds() // 60) + 2)
    assert notices(engine) == [
        ("42001", "silent", "yellow", "raised"),
        ("42001", "silent", "red", "raised"),
        ("42001", "silent", "red", "ended"),
    ]


def test_a_restart_of_the_centre_tells_nothing_again(fleet, clock, engine):
    beat(fleet, clock, 2, disk_state="low")
    again = Fleet(engine, clock, ["42001", "42002"], VERSION, ["mail"])
    beat(again, clock, 3, disk_state="low")
    assert notices(engine) == [("42001", "disk", "yellow", "raised")]


def test_an_mo_that_has_left_is_no_trouble(fleet, clock, engine):
    beat(fleet, clock, 2, disk_state="low")
    left = Fleet(engine, clock, ["42002"], VERSION)
    left.judge()
    assert [(member.mo, member.level) for member in left.members()] == [("42002", "green")]


def test_figures_name_the_mo_and_no_patient(fleet, clock):
    beat(fleet, clock, 1, disk_state="low", waiting=3, oldest_urgent=clock.now() - timedelta(hours=2))
    text = exposition([of_fleet(fleet, clock)]).decode()
    assert 'cami_fleet_trouble{level="yellow",mo="42001",reason="disk"} 1.0' in text
    assert 'cami_fleet_waiting_images{mo="42001"} 3.0' in text
    assert 'cami_fleet_silent_seconds{mo="42002"} 60.0' in text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["version", "at", "queue", "disk", "devices", "x"]), inner)
        ),
    )
)
def test_whatever_is_sent_is_a_heartbeat_or_refused(document):
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        Vitals.parse(document)


def test_each_reason_has_words():
    for reason in Reason:
        words = fleet_wording.reason(str, reason, "17")
        assert words != reason
        assert "…" not in words


class Hook(BaseHTTPRequestHandler):
    """A webhook."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.headers.get("Authorization"), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def hook():
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_alarms_leave_by_mail_and_webhook_at_least_once(engine, clock, tmp_path, hook, monkeypatch):
    region = load_region(ROOT / "orthanc-config" / "region.yaml")
    mail = Mail(host="127.0.0.1", sender="cami@example.org", security="none")
    organization = region.organizations[0].model_copy(
        update={"responsible": (SimpleNamespace(duty="technical", email="it@mo.example"),)}
    )
    region = region.model_copy(
        update={
            "organizations": (organization, *region.organizations[1:]),
            "consultations": region.consultations.model_copy(update={"mail": mail}),
            "alarms": Alarms(
                mail_to=("duty@example.org",), webhook=Webhook(url=f"http://127.0.0.1:{hook.server_port}/a")
            ),
        }
    )
    (tmp_path / "alarms.token").write_text("t0ken\n")
    sent = []
    monkeypatch.setattr(smtplib.SMTP, "__init__", lambda self, *_, **__: None)
    monkeypatch.setattr(smtplib.SMTP, "__exit__", lambda *_: None)
    monkeypatch.setattr(smtplib.SMTP, "send_message", lambda _self, message: sent.append(message))
    assert Herald.channels(region) == ["mail", "webhook"]
    fleet = Fleet(engine, clock, ["42001"], VERSION, Herald.channels(region))
    fleet.hear("42001", well(clock, disk_state="full"))
    fleet.judge()
    herald = Herald(engine, clock, region, tmp_path, lambda code, detail: fleet_wording.reason(str, code, detail))
    hook.status = 500
    herald.step()
    assert len(sent) == 1
    assert sent[0]["To"] == "duty@example.org, it@mo.example"
    assert "ТРЕВОГА: на диске кончается место" in sent[0]["Subject"]
    assert "42001" in sent[0].get_content()
    assert len(hook.got) == 1
    assert herald.step() is False
    assert len(hook.got) == 1, "it waits before it tries again"
    hook.status = 200
    clock.pass_(seconds=16)
    herald.step()
    assert len(hook.got) == 2
    token, body = hook.got[1]
    assert token == "Bearer t0ken"
    assert (body["mo"], body["reason"], body["level"], body["state"]) == ("42001", "disk", "red", "raised")
    clock.pass_(hours=1)
    herald.step()
    assert (len(sent), len(hook.got)) == (1, 2)
