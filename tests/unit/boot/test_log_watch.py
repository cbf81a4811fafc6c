"""Orthanc's log on its way out: what is passed on, and which callers were refused."""

import json
import os
import socket

import pytest

from cami.boot.log_watch import LogReader, LogWatch, Refusal

UNKNOWN = (
    b'W1128 08:00:00.000002 DICOM-SERVER OrthancConfiguration.cpp:1050] Modality "%s" is not listed in the '
    b'"DicomModalities" configuration option\n'
)
ELSEWHERE = (
    b'W1128 08:00:00.000003 DICOM-SERVER OrthancConfiguration.cpp:1061] Forbidding access from AET "CT1" given its '
    b'hostname (10.0.0.9) does not match the "DicomModalities" configuration option (10.0.0.1 was expected)\n'
)
REJECTED = (
    b"W1128 08:00:00.000004 DICOM-SERVER CommandDispatcher.cpp:634] Rejected association for remote AET %s on IP %s\n"
)
FORBIDDEN = (
    b"W1128 08:00:00.000004 DICOM-2 main.cpp:1] DICOM authorization rejected for AET CT1 on IP 10.0.0.1: The DICOM "
    b"command Find is not allowed for this modality according to configuration option\n"
)


def test_an_unknown_title_with_its_address():
    reader = LogReader()
    assert reader.read(UNKNOWN % b"EVIL") is None
    assert reader.read(REJECTED % (b"EVIL", b"10.0.0.7")) == Refusal("EVIL", "10.0.0.7", "unknown")


def test_a_known_title_from_elsewhere_or_for_what_it_may_not():
    reader = LogReader()
    assert reader.read(ELSEWHERE) is None
    assert reader.read(REJECTED % (b"CT1", b"10.0.0.9")) == Refusal("CT1", "10.0.0.9", "address")
    assert reader.read(REJECTED % (b"CT1", b"10.0.0.9")) == Refusal("CT1", "10.0.0.9", "unknown")
    assert reader.read(FORBIDDEN) == Refusal("CT1", "10.0.0.1", "service", "Find")


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
def test_other_lines_tell_of_nobody(line):
    assert LogReader().read(line) is None


def test_a_title_with_signs_is_told_in_plain_ones():
    refusal = LogReader().read(REJECTED % (b"A\x1b[2J\xd0\xb6", b"10.0.0.7"))
    assert refusal.aet == "A?[2J??"
    assert json.loads(refusal.to_line())["aet"] == refusal.aet


def test_all_that_was_written_goes_on_even_if_nobody_hears_of_refusals(tmp_path):
    reading, writing = os.pipe()
    ours, theirs = socket.socketpair()
    theirs.close()
    target = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    with ours, os.fdopen(reading, "rb") as source:
        watch = LogWatch(source, target, ours)
        watch.start()
        written = REJECTED % (b"EVIL", b"10.0.0.7") + b"\xff no text\nthe end"
        os.write(writing, written)
        os.close(writing)
        watch.join(10)
    os.close(target)
    assert (tmp_path / "log").read_bytes() == written
