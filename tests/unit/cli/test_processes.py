"""Processes are ended only if they are the very ones that were started."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from cami_cli.runtime import processes

_OBEDIENT = (
    "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); print('ready', flush=True); time.sleep(60)"
)
_STUBBORN = (
    "import signal, time; signal.signal(15, lambda *_: None); print('ready', flush=True)\nwhile True: time.sleep(60)"
)


@pytest.fixture
def start():
    started = []

    def run(code):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_a_mark_is_found_again_while_the_process_lives(tmp_path, start):
    process = start(_OBEDIENT)
    file = tmp_path / "pid"
    processes.write_mark(file, processes.mark_of(process.pid))
    assert processes.read_mark(file) == processes.mark_of(process.pid)
    process.kill()
    assert processes.wait_gone(processes.ProcessMark(**json.loads(file.read_text())), 5)  # a zombie is gone too
    assert processes.read_mark(file) is None


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}])
def test_another_process_with_the_same_id_is_neither_found_nor_hit(tmp_path, start, change):
    process = start(_OBEDIENT)
    mark = processes.mark_of(process.pid)
    other = processes.ProcessMark(**{"pid": mark.pid, "started": mark.started, "boot": mark.boot} | change)
    file = tmp_path / "pid"
    processes.write_mark(file, other)
    assert processes.read_mark(file) is None
    assert not processes.send(other, signal.SIGKILL)
    processes.kill(other)
    assert process.poll() is None


def test_terminate_lets_a_process_end_in_order(start):
    process = start(_OBEDIENT)
    processes.terminate(processes.mark_of(process.pid), 5)
    assert process.wait(5) == 0


def test_terminate_kills_what_does_not_end(start):
    process = start(_STUBBORN)
    began = time.monotonic()
    processes.terminate(processes.mark_of(process.pid), 0.3)
    assert process.wait(5) == -signal.SIGKILL
    assert time.monotonic() - began >= 0.3


def test_a_handler_is_seen(start):
    process = start(_OBEDIENT)
    mark = processes.mark_of(process.pid)
    assert processes.catches(mark, signal.SIGTERM)
    assert not processes.catches(mark, signal.SIGUSR1)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_damaged_mark_means_that_nothing_runs(tmp_path, content):
    (tmp_path / "pid").write_text(content)
    assert processes.read_mark(tmp_path / "pid") is None


def test_a_name_with_blanks_and_brackets_does_not_confuse(tmp_path):
    program = tmp_path / "a ) R (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        try:
            mark = processes.mark_of(process.pid)
            assert mark.pid == process.pid
            assert mark.started >= processes.mark_of(os.getpid()).started
        finally:
            process.kill()
