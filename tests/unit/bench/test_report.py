"""Reports of benchmarks: a figure is measured or it is not met."""

import json
import subprocess
import sys
import time

import pytest
from rich.console import Console

from cami_cli.bench.cpu import seconds_of
from cami_cli.bench.cstore import BOTH, OURS, PACKAGED, SERVER, Sample, rows
from cami_cli.bench.report import Report, Row, compare

SAMPLES = {
    PACKAGED.name: [Sample(20.0, 5.0, 35, 90), Sample(10.0, 5.0, 35, 90)],
    SERVER.name: [Sample(60.0, 5.0, 35, 90), Sample(50.0, 5.0, 35, 90)],
    BOTH.name: [Sample(150.0, 5.0, 30, 90), Sample(100.0, 5.0, 40, 100)],
    OURS.name: [Sample(141.0, 5.5, 160, 180), Sample(97.0, 6.5, 170, 220)],
}


def test_the_ratio_is_the_median_of_the_pairs_not_the_ratio_of_the_medians():
    row = compare("m", [10.0, 40.0, 90.0], "peer", [10.0, 20.0, 10.0], unit="1/s", target=2.0)
    assert (row.ours, row.peer_value, row.ratio) == (40.0, 10.0, 2.0)
    assert row.met
    assert row.note == "3 pairs: 1.00–9.00"


@pytest.mark.parametrize(("ratio", "met"), [(0.95, True), (0.949, False), (None, False)])
def test_met(ratio, met):
    assert Row("m", 1.0, "p", 1.0, "u", ratio, 0.95).met is met


def test_what_was_not_measured_is_not_met_and_says_why():
    row = compare("m", [], "peer", [], unit="1/s", target=0.0, note="the server did not start")
    assert not row.met
    assert row.note == "the server did not start"


def test_cstore_compares_like_with_like():
    nodelay, server, ours, idle, stored = rows(SAMPLES, {})
    assert (nodelay.ratio, nodelay.met) == (8.75, True)
    assert (server.ratio, server.met) == (4.0, True)
    assert (ours.peer, ours.ratio, ours.target, ours.met) == (BOTH.title, 0.955, 0.95, True)
    assert "CPU 6.0 against 5.0 ms each" in ours.note
    assert (idle.ours, idle.met, idle.note) == (165, True, "plain Orthanc 35 MB")
    assert (stored.ours, stored.peer_value, stored.ratio, stored.met) == (200, 95, 2.1, False)


def test_cstore_of_ours_alone_compares_nothing_else():
    ours = {name: samples for name, samples in SAMPLES.items() if name in (OURS.name, BOTH.name)}
    assert [row.peer for row in rows(ours, {})] == [BOTH.title, "the target alone", BOTH.title]


def test_a_variant_that_broke_once_has_no_figure():
    nodelay, _server, ours, memory = rows(SAMPLES, {OURS.name: "it holds 199 of 200 slices; see ours.log"})
    assert nodelay.met
    assert (ours.ours, ours.ratio, ours.met) == (None, None, False)
    assert "199 of 200" in ours.note
    assert (memory.ours, memory.met) == (None, False)


def test_what_is_written_is_the_contract(tmp_path):
    report = Report("cstore", {"Orthanc": "1.13.0"}, rows(SAMPLES, {}))
    written = json.loads(report.write(tmp_path).read_text())
    assert written["versions"] == {"Orthanc": "1.13.0"}
    assert written["machine"]["processors"] > 0
    first = written["rows"][0]
    assert {"metric", "ours", "peer", "peer_value", "unit", "ratio", "target", "met"} <= first.keys()
    assert first["met"] is True


def test_the_table_fits_a_terminal():
    console = Console(width=80, record=True)
    console.print(Report("cstore", {"Orthanc": "1.13.0"}, rows(SAMPLES, {OURS.name: "did not start"})).table())
    shown = console.export_text()
    assert "TCP_NODELAY at both ends" in shown
    assert "did not start" in shown
    assert "NO" in shown


def test_the_processor_time_of_a_server_is_that_of_its_children_too():
    child = "import time\nwhile time.process_time() < 0.5: pass"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])\ninput()"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE) as process:
        until = time.monotonic() + 10
        while (used := seconds_of(process.pid)) < 0.2 and time.monotonic() < until:
            time.sleep(0.02)
        process.communicate(b"\n")
    assert used >= 0.2
    assert seconds_of(process.pid) == 0
