"""Requests are handled in threads with the usual stack, side by side, and no more of them than needed."""

import sys
import threading

import pytest


@pytest.fixture
def threads():
    # cami.edge.handler_threads alone needs no Orthanc.
    from cami.edge.handler_threads import HandlerThreads

    made = HandlerThreads()
    yield made
    made.end()


def test_what_is_returned_and_raised_comes_back(threads):
    assert threads.call(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        threads.call(lambda: 1 / 0)
    assert threads.call(lambda: 43) == 43


def test_one_thread_serves_one_request_after_another(threads):
    seen = {threads.call(threading.get_ident) for _ in range(20)}
    assert len(seen) == 1
    assert threading.get_ident() not in seen


def test_requests_at_the_same_time_do_not_wait_for_each_other(threads):
    together = threading.Barrier(5, timeout=10)
    callers = [threading.Thread(target=threads.call, args=(together.wait,)) for _ in range(5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
    assert not together.broken
    assert len(threads._idle) == 5


def test_a_small_stack_of_the_caller_does_not_matter(threads):
    """A caller as CivetWeb makes it: what needs a deep stack is done all the same."""

    def deep(depth):
        return 1 if depth == 0 else min([1], key=lambda _: deep(depth - 1))  # through C each time

    found, ready = [], threading.Event()

    def handle():
        ready.wait(10)
        found.append(threads.call(lambda: deep(sys.getrecursionlimit() // 4)))

    before = threading.stack_size(100 * 1024)
    try:
        caller = threading.Thread(target=handle)
        caller.start()
    finally:
        threading.stack_size(before)
    ready.set()
    caller.join(10)
    assert found == [1]
