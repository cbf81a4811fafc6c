"""Reports of storage commitment reach their device, however long it was away."""

import logging
import socket
from datetime import timedelta

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from cami.db.tables import commitment_request
from cami.delivery import CommitmentReports, EventReports, Listener
from cami.delivery.commitment import Verdict
from cami.delivery.commitment_reports import LONGEST_PAUSE
from cami.errors import NotFound, Transient

CT = "1.2.840.10008.5.1.4.1.1.2"
GOOD, BAD = (CT, "1.2.1"), (CT, "1.2.2")


class Jobs:
    """Orthanc's jobs."""

    def __init__(self):
        self.states = {}

    def get(self, uri):
        job = uri.removeprefix("/jobs/")
        if job not in self.states:
            raise NotFound("no such resource")
        return {"State": self.states[job]}


class Sender:
    """Where reports go; `down` devices take none."""

    def __init__(self):
        self.down = False
        self.sent = []
        self.tries = 0
        self.known = {"CT1"}

    def knows(self, aet):
        return aet in self.known

    def send(self, aet, transaction_uid, verdicts):
        self.tries += 1
        if self.down:
            raise Transient(f"no association with {aet}")
        self.sent.append((aet, transaction_uid, verdicts))
        return 0


class Keeper:
    def __init__(self, region):
        self.clock = region.clock
        self.engine = region.database()
        self.jobs, self.sender = Jobs(), Sender()
        self.verdicts = {GOOD: Verdict.COMMITTED, BAD: Verdict.NOT_YET}
        self.restart()

    def restart(self):
        self.reports = CommitmentReports(
            self.jobs, self.engine, self.clock, lambda *item: self.verdicts[item], self.sender
        )

    def ask(self, job="j1", state="Failure", aet="CT1"):
        self.reports.note(job, "1.9", aet, [GOOD, BAD])
        if state is not None:
            self.jobs.states[job] = state

    def go_on(self, **amount):
        """Let time pass, with a look each second, or each minute where hours pass."""
        whole = int(timedelta(**amount).total_seconds())
        step = 60 if whole >= 3600 else 1
        for _ in range(whole // step):
            self.clock.pass_(seconds=step)
            self.reports.step()

    @property
    def states(self):
        with self.engine.connect() as connection:
            return [row.state for row in connection.execute(commitment_request.select())]


@pytest.fixture
def keeper(region):
    return Keeper(region)


def test_what_orthanc_has_reported_is_not_reported_again(keeper):
    keeper.ask(state="Success")
    keeper.go_on(minutes=1)
    assert (keeper.sender.tries, keeper.states) == (0, ["reported"])


def test_a_job_that_runs_is_left_alone(keeper):
    keeper.ask(state="Running")
    keeper.go_on(minutes=1)
    assert (keeper.sender.tries, keeper.states) == (0, ["open"])
    keeper.jobs.states["j1"] = "Success"
    keeper.go_on(seconds=10)
    assert keeper.states == ["reported"]


@pytest.mark.parametrize("state", ["Failure", None], ids=["failed", "lost in a crash"])
def test_what_orthanc_has_not_reported_is_reported_once(keeper, state):
    keeper.ask(state=state)
    keeper.go_on(minutes=30)
    assert keeper.sender.sent == [("CT1", "1.9", {GOOD: Verdict.COMMITTED, BAD: Verdict.NOT_YET})]
    assert keeper.states == ["reported"]


def test_a_device_that_is_away_is_tried_until_it_is_back_and_hears_what_is_true_then(keeper, caplog):
    keeper.sender.down = True
    keeper.ask()
    keeper.go_on(hours=2)
    assert 8 < keeper.sender.tries < 30, "at growing intervals"
    assert caplog.text.count("waits for CT1") == 1
    keeper.restart()
    keeper.verdicts[BAD] = Verdict.COMMITTED
    keeper.sender.down = False
    keeper.go_on(seconds=LONGEST_PAUSE.total_seconds() + 1)
    assert [set(verdicts.values()) for *_, verdicts in keeper.sender.sent] == [{Verdict.COMMITTED}]
    assert keeper.states == ["reported"]


def test_after_a_day_it_is_given_up_and_told(keeper, caplog):
    keeper.sender.down = True
    keeper.ask()
    keeper.go_on(hours=24, minutes=11)
    assert keeper.states == ["given-up"]
    assert "its question for storage commitment is given up" in caplog.text
    tries = keeper.sender.tries
    keeper.go_on(minutes=30)
    assert keeper.sender.tries == tries


def test_a_device_that_left_the_registry_is_given_up(keeper):
    keeper.ask(aet="GONE")
    keeper.go_on(seconds=10)
    assert (keeper.sender.tries, keeper.states) == (0, ["given-up"])


def test_an_archive_that_cannot_tell_puts_the_report_off(keeper):
    keeper.ask()

    def fail(*_item):
        raise Transient("Orthanc cannot answer")

    keeper.reports._judge = fail
    keeper.go_on(minutes=5)
    assert (keeper.sender.tries, keeper.states) == (0, ["open"])


def test_one_question_is_one_row(keeper):
    keeper.ask()
    keeper.ask()
    keeper.ask("j2", state="Success")
    assert keeper.states == ["open", "open"]


# What goes over the wire, to a real listener.


class Device:
    """A device that listens for reports."""

    def __init__(self, *contexts, status=0):
        self.heard = []
        entity = AE(ae_title="CT1")
        for context in contexts or (StorageCommitmentPushModel,):
            entity.add_supported_context(context, scu_role=True, scp_role=True)

        def listen(event):
            self.heard.append((event.event_type, event.event_information, event.assoc.requestor.ae_title))
            return status, None

        self.server = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, listen)]
        )
        self.port = self.server.socket.getsockname()[1]


@pytest.fixture
def listening():
    made = []

    def make(*contexts, **options):
        made.append(Device(*contexts, **options))
        return made[-1]

    yield make
    for device in made:
        device.server.shutdown()


def send(device, verdicts):
    reports = EventReports("PROXY", {"CT1": Listener("CT1", "127.0.0.1", device.port)})
    return reports.send("CT1", "1.9", verdicts)


def test_all_committed(listening):
    device = listening()
    assert send(device, {GOOD: Verdict.COMMITTED}) == 0
    ((kind, report, caller),) = device.heard
    assert (kind, caller, report.TransactionUID) == (1, "PROXY", "1.9")
    assert [(item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) for item in report.ReferencedSOPSequence] == [
        GOOD
    ]
    assert "FailedSOPSequence" not in report


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict.UNKNOWN, 0x0112),
        (Verdict.OTHER_CLASS, 0x0119),
        (Verdict.DAMAGED, 0x0110),
        (Verdict.NOT_YET, 0x0110),
    ],
)
def test_what_is_not_committed_has_a_reason(listening, verdict, reason):
    device = listening()
    send(device, {GOOD: Verdict.COMMITTED, BAD: verdict})
    ((kind, report, _),) = device.heard
    assert kind == 2
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == [GOOD[1]]
    assert [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in report.FailedSOPSequence] == [
        (BAD[1], reason)
    ]


def test_a_refusal_is_an_answer_too(listening):
    assert send(listening(status=0x0110), {GOOD: Verdict.COMMITTED}) == 0x0110


def test_a_device_that_takes_no_reports_is_no_device_that_heard(listening, caplog):
    caplog.set_level(logging.CRITICAL, "pynetdicom")
    with pytest.raises(Transient):
        send(listening(Verification), {GOOD: Verdict.COMMITTED})


# pynetdicom leaves the socket that could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_device_that_is_off(caplog):
    caplog.set_level(logging.CRITICAL, "pynetdicom")
    with socket.socket() as taken:  # bound, not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        reports = EventReports("PROXY", {"CT1": Listener("CT1", *taken.getsockname())})
        with pytest.raises(Transient, match="no association with CT1"):
            reports.send("CT1", "1.9", {GOOD: Verdict.COMMITTED})
