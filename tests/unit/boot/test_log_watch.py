"""Orthanc's log on its way out: what is passed on, and which callers were refused."""

import json
import os
import socket

import pytest

from cami.boot.log_watch import LogReader, LogWatch, Refusal

CONFIGURED = b'"DicomModalities" configuration option'
INCOMING = (
    b"I1128 08:00:00.000001      DICOM-SERVER main.cpp:300] (dicom) "
    b"Incoming connection from AET %s on IP %s, calling AET P\n"
)
UNKNOWN = (
    b'W1128 08:00:00.000002      DICOM-SERVER OrthancConfiguration.cpp:600] Modality "%s" is not listed in the '
    + CONFIGURED
    + b"\n"
)
ELSEWHERE = (
    b'W1128 08:00:00.000003 DICOM-SERVER x.cpp:1] Forbidding access from AET "CT1" given its hostname (10.0.0.9) does '
    b"not match the " + CONFIGURED + b" (10.0.0.1 was expected)\n"
)
FORBIDDEN = (
    b"W1128 08:00:00.000004 DICOM-2 main.cpp:1] DICOM authorization rejected for AET CT1 on IP 10.0.0.1: The DICOM "
    b"command Find is not allowed for this modality according to configuration option\n"
)


def test_an_unknown_title_with_its_address():
    reader = LogReader()
    assert reader.read(INCOMING % (b"EVIL", b"10.0.0.7")) == (False, None)
    assert reader.read(INCOMING % (b"CT1", b"10.0.0.1")) == (False, None)
    assert reader.read(UNKNOWN % b"EVIL") == (True, Refusal("EVIL", "10.0.0.7", "unknown"))
    assert reader.read(UNKNOWN % b"OTHER") == (True, Refusal("OTHER", "", "unknown"))


def test_a_known_title_from_elsewhere_or_for_what_it_may_not():
    reader = LogReader()
    assert reader.read(ELSEWHERE) == (True, Refusal("CT1", "10.0.0.9", "address"))
    assert reader.read(FORBIDDEN) == (True, Refusal("CT1", "10.0.0.1", "service", "Find"))


@pytest.mark.parametrize(
    "line",
    [
        b"W1128 08:00:00.000001 MAIN main.cpp:1] Orthanc has started\n",
        b"I1128 08:00:00.000001 PY PluginsManager.cpp:1] (plugins) [cami] feed: works again\n",
        b"2026-11-28T08:00:00Z cami.boot INFO starting\n",
        b"\xff\xfe no text\n",
        b"Traceback (most recent call last):\n",
        b"",
    ],
)
def test_the_rest_goes_on_as_it_came(line):
    assert LogReader().read(line) == (True, None)


def test_a_title_with_signs_is_told_in_plain_ones():
    refusal = LogReader().read(UNKNOWN % b"A\x1b[2J\xd0\xb6")[1]
    assert refusal.aet == "A?[2J??"
    assert json.loads(refusal.to_line())["aet"] == refusal.aet


def test_many_titles_are_not_remembered_for_ever():
    reader = LogReader()
    for number in range(1000):
        reader.read(INCOMING % (b"A%d" % number, b"10.0.0.7"))
    assert len(reader._addresses) == 64


def test_all_that_was_written_goes_on_even_if_nobody_hears_of_refusals(tmp_path):
    reading, writing = os.pipe()
    ours, theirs = socket.socketpair()
    theirs.close()
    target = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    with ours, os.fdopen(reading, "rb") as source:
        watch = LogWatch(source, target, ours)
        watch.start()
        os.write(writing, INCOMING % (b"EVIL", b"10.0.0.7") + UNKNOWN % b"EVIL" + b"the end")
        os.close(writing)
        watch.join(10)
    os.close(target)
    assert (tmp_path / "log").read_bytes() == UNKNOWN % b"EVIL" + b"the end"
